// Answers a file in parts: a browser sends a whole body before it reads the answer, so a stream would stand still.

const LINES = 200;
const CHARACTERS = 200_000;

// The lines of a file, in parts of [line number, JSON of the line]; throws a TypeError if it is not UTF-8.
async function* parts(file, onRead) {
  const asJson = /\.jsonl?$/i.test(file.name);
  const reader = file.stream().getReader();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "", number = 0, part = [], size = 0, read = 0;
  for (let done = false; !done;) {
    const { value, done: atEnd } = await reader.read();
    done = atEnd;
    read += value?.length ?? 0;
    rest += atEnd ? decoder.decode() : decoder.decode(value, { stream: true });
    const lines = rest.split("\n");
    rest = atEnd ? "" : lines.pop();
    for (const line of lines) {
      number += 1;
      const text = line.endsWith("\r") ? line.slice(0, -1) : line;
      if (!text.trim()) continue;
      part.push([number, asJson ? jsonOf(text, number) : JSON.stringify({ id: number - 1, text })]);
      size += text.length;
      if (part.length >= LINES || size >= CHARACTERS) {
        onRead(read);
        yield part;
        part = [];
        size = 0;
      }
    }
  }
  onRead(read);
  if (part.length) yield part;
}

// A JSON line with what the server takes of it; a line that is no JSON stays as it is, and the server says what is wrong.
function jsonOf(line, number) {
  try {
    const { text, sentence, id } = JSON.parse(line);
    return JSON.stringify({ id: typeof id === "string" || Number.isInteger(id) ? id : number - 1, text: text ?? sentence });
  } catch {
    return line;
  }
}

// Answer a file. `ask(body)` returns the server's lines; `onProgress(share, lines, wrong)` is called after each part.
export async function answerFile(file, ask, onProgress) {
  const answers = [];
  let read = 0, lines = 0, wrong = 0;
  for await (const part of parts(file, (bytes) => { read = bytes; })) {
    const found = (await ask(part.map(([, line]) => line).join("\n"))).split("\n").filter(Boolean);
    for (const [place, line] of found.entries()) {
      const isWrong = line.includes('"error"') && "error" in JSON.parse(line);
      wrong += isWrong;
      answers.push(`${isWrong ? JSON.stringify({ ...JSON.parse(line), line: part[place][0] }) : line}\n`);
    }
    lines += found.length;
    onProgress(file.size ? Math.min(1, read / file.size) : 1, lines, wrong);
  }
  return new Blob(answers, { type: "application/jsonl" });
}
