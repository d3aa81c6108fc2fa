(() => {
  const $ = id => document.getElementById(id);
  const { suspects, types, digest } = JSON.parse($("data").textContent);
  const STORE = `ner-audit:${digest}`;
  const COPIED = ["id", "key", "source", "gold"];  // what a decision says of its sentence
  let words = WORDS.en, shown = [], at = 0, editing = false;
  let decisions = new Map();  // rank → {decision, remove, add}
  let history = [];  // [rank, what was decided before], for undo

  // ---- text: offsets count code points, and what a browser would hide is shown as an escape

  const HIDDEN = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;
  const visible = character => {
    if (!HIDDEN.test(character)) return character;
    const code = character.codePointAt(0).toString(16);
    return code.length > 2 ? `\\u${code.padStart(4, "0")}` : `\\x${code.padStart(2, "0")}`;
  };
  const shownText = text => Array.from(text, visible).join("");
  const characters = suspect => (suspect.characters ??= Array.from(suspect.text));
  const same = (a, b) => a.start === b.start && a.end === b.end && a.type === b.type;
  const overlaps = (a, b) => a.start < b.end && b.start < a.end;
  const plain = ({ start, end, type }) => ({ start, end, type });

  function make(name, className, ...content) {
    const element = document.createElement(name);
    if (className) element.className = className;
    element.append(...content);
    return element;
  }

  // A text with marks: [{start, end, type, className}]. A mark that crosses an earlier one begins where that one ends.
  // Each character is an element with its number, so that a selection can be counted.
  function marked(element, text, marks) {
    const holders = [{ element, end: text.length }];
    const waiting = [...marks].sort((a, b) => a.start - b.start || b.end - a.end);
    element.replaceChildren();
    let run = null;
    for (let place = 0; place < text.length; place += 1) {
      while (holders.length > 1 && holders.at(-1).end <= place) { holders.pop(); run = null; }
      while (waiting.length && waiting[0].start <= place) {
        const mark = waiting.shift();
        const end = Math.min(mark.end, holders.at(-1).end);
        const inner = make("mark", mark.className);
        inner.dataset.label = shownText(mark.type);
        holders.at(-1).element.append(inner);
        holders.push({ element: inner, end });
        run = null;
      }
      run ??= holders.at(-1).element.appendChild(Object.assign(make("span"), { from: place, lengths: [] }));
      const piece = visible(text[place]);
      run.lengths.push(piece.length);
      run.append(piece);
      run.normalize();
    }
  }

  // The number of the character at a point of a selection in a marked text.
  function characterAt(node, offset) {
    const run = node.nodeType === Node.TEXT_NODE ? node.parentElement : node.children?.[offset] ?? node.lastElementChild;
    if (run?.from === undefined) return run?.querySelector?.("span")?.from ?? null;
    let units = node.nodeType === Node.TEXT_NODE ? offset : 0, place = run.from;
    for (const length of run.lengths) {
      if (units < length) break;
      units -= length;
      place += 1;
    }
    return place;
  }

  // ---- decisions

  const current = () => suspects[shown[at]];
  const decisionOf = suspect => decisions.get(suspect.rank);
  const isReady = value => value && typeof value === "object" && ["accept", "reject", "edit"].includes(value.decision)
    && ["remove", "add"].every(name => Array.isArray(value[name]));

  function keep() {
    try {
      localStorage.setItem(STORE, JSON.stringify([...decisions]));
    } catch { say(words.not_kept); }
  }

  function restore() {
    try {
      const kept = JSON.parse(localStorage.getItem(STORE) ?? "[]");
      decisions = new Map(kept.filter(([rank, value]) => suspects[rank - 1] && isReady(value)));
    } catch { decisions = new Map(); }
  }

  function decide(decision, remove, add) {
    const suspect = current();
    if (!suspect) return;
    history.push([suspect.rank, decisionOf(suspect)]);
    decisions.set(suspect.rank, { decision, remove: remove.map(plain), add: add.map(plain) });
    keep();
    closeEditor();
    const number = suspect.rank;
    const isLast = at === shown.length - 1;
    refill(number);
    if (!isLast && shown[at] === number - 1) at += 1;
    show(words.said[decision](number));
  }

  const accept = () => { const one = current(); if (one) decide("accept", one.remove, one.add); };
  const reject = () => decide("reject", [], []);

  function undo() {
    const last = history.pop();
    if (!last) { say(words.nothing); return; }
    const [rank, before] = last;
    if (before) decisions.set(rank, before); else decisions.delete(rank);
    keep();
    closeEditor();
    refill(rank);
    const place = shown.indexOf(rank - 1);
    if (place >= 0) at = place;
    show(words.undone(rank));
  }

  function move(by) {
    if (!shown.length) return;
    closeEditor();
    at = Math.min(Math.max(at + by, 0), shown.length - 1);
    show("");
  }

  // ---- what is shown

  function say(message) { $("status").textContent = message; }

  function refill(rank) {
    const [kind, type, state] = ["kind", "type", "state"].map(id => $(id).value);
    shown = suspects.map((suspect, place) => place).filter(place => {
      const suspect = suspects[place], decided = decisions.has(suspect.rank);
      return (!kind || suspect.kind === kind) && (!type || [...suspect.remove, ...suspect.add].some(one => one.type === type))
        && (!state || (state === "open") === !decided);
    });
    const next = shown.findIndex(place => place >= rank - 1);
    at = next < 0 ? Math.max(shown.length - 1, 0) : next;
  }

  function result(suspect) {
    const { remove, add } = decisionOf(suspect) ?? suspect;
    const kept = suspect.gold.filter(label => !remove.some(one => same(one, label)));
    return [...kept.map(label => ({ ...label, className: "label" })), ...add.map(label => ({ ...label, className: "add" }))];
  }

  function show(message) {
    const suspect = current();
    $("card").hidden = !suspect;
    $("empty").hidden = Boolean(suspect);
    const share = value => (value === null || value === undefined ? words.low : value.toFixed(2));
    $("counts").textContent = words.counts(decisions.size, suspects.length);
    $("save").disabled = !decisions.size;
    $("undo").disabled = !history.length;
    say(suspect ? `${message} ${words.place(at + 1, shown.length)}` : message);
    if (!suspect) return;
    const decided = decisionOf(suspect), text = characters(suspect);
    const replaced = (decided ?? suspect).remove;
    $("heading").textContent = `#${suspect.rank} · ${words.kinds[suspect.kind]} · ${suspect.score.toFixed(2)}`;
    $("why").textContent = words.why[suspect.kind];
    marked($("now"), text, suspect.gold.map(label => ({
      ...label, className: replaced.some(one => same(one, label)) ? "remove" : "label" })));
    marked($("then"), text, result(suspect));
    const { remove, add } = suspect;
    const item = (word, one) => make("li", "", `${word} `, make("bdi", "", shownText(text.slice(one.start, one.end).join(""))),
      ` · ${shownText(one.type)} · ${one.start}–${one.end} · ${words.probability} ${share(one.probability)}`);
    $("changes").replaceChildren(...remove.map(one => item(words.remove, one)), ...add.map(one => item(words.add, one)));
    const facts = [["seen_given", suspect.seen.given], ["seen_suggested", suspect.seen.suggested],
      ["where", [suspect.source.file, suspect.source.line].filter(part => part !== null && part !== "").join(":")]];
    $("facts").replaceChildren(...facts.filter(([, value]) => value !== null && value !== "").map(([word, value]) =>
      make("div", "", make("dt", "", words[word]), make("dd", "", shownText(String(value))))));
    $("decision").textContent = decided ? words.decided[decided.decision] : "";
    $("card").dataset.decision = decided?.decision ?? "";
    $("previous").disabled = at === 0;
    $("next").disabled = at >= shown.length - 1;
  }

  // ---- editing

  function openEditor() {
    const suspect = current();
    if (!suspect) return;
    editing = true;
    const decided = decisionOf(suspect);
    const from = decided?.add[0] ?? suspect.add[0] ?? suspect.remove[0];
    $("start").max = $("end").max = characters(suspect).length;
    $("start").value = from.start;
    $("end").value = from.end;
    $("new-type").value = decided?.decision === "edit" && !decided.add.length ? "-1" : String(types.indexOf(from.type));
    $("editor").hidden = false;
    preview();
    $("start").focus();
  }

  function closeEditor() {
    if (!editing) return;
    editing = false;
    $("editor").hidden = true;
    $("problem").textContent = "";
    $("card").focus();
  }

  function edited() {
    const start = Number($("start").value), end = Number($("end").value), type = types[Number($("new-type").value)];
    const fits = Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start < end && end <= characters(current()).length;
    return fits ? { start, end, type } : null;
  }

  function preview() {
    const span = edited();
    $("surface").textContent = span ? shownText(characters(current()).slice(span.start, span.end).join("")) : "";
    $("problem").textContent = span ? "" : words.no_span;
  }

  function useEdited() {
    const span = edited(), suspect = current();
    if (!span) { preview(); return; }
    const add = span.type === undefined ? [] : [span];
    const replaced = label => suspect.remove.some(one => same(one, label)) || ($("replace").checked && overlaps(label, span));
    const remove = suspect.gold.filter(label => replaced(label) && !add.some(one => same(one, label)));
    decide("edit", remove, add.filter(one => !suspect.gold.some(label => same(one, label))));
  }

  function takeSelection() {
    const selection = document.getSelection();
    if (!current() || selection.isCollapsed || !selection.rangeCount) return;
    const range = selection.getRangeAt(0);
    if (!$("now").contains(range.startContainer) || !$("now").contains(range.endContainer)) return;
    const start = characterAt(range.startContainer, range.startOffset), end = characterAt(range.endContainer, range.endOffset);
    if (start === null || end === null || start >= end) return;
    if (!editing) openEditor();
    $("start").value = start;
    $("end").value = end;
    preview();
  }

  // ---- files

  const lineOf = ([rank, value]) => {
    const suspect = suspects[rank - 1];
    return { suspect: rank, kind: suspect.kind, ...value, ...Object.fromEntries(COPIED.map(name => [name, suspect[name]])) };
  };

  function save() {
    const lines = [...decisions].sort(([a], [b]) => a - b).map(lineOf);
    const head = { format: "ner_plugins decisions", version: 1, audit: digest, decisions: lines.length };
    // A lone surrogate is no UTF-8: JSON.stringify writes its escape.
    const blob = new Blob([head, ...lines].map(line => `${JSON.stringify(line)}\n`), { type: "application/jsonl" });
    const link = make("a");
    link.href = URL.createObjectURL(blob);
    link.download = "decisions.jsonl";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    say(words.saved(lines.length));
  }

  async function load(file) {
    let taken = 0;
    try {
      const lines = (await file.text()).split("\n").filter(line => line.trim()).map(line => JSON.parse(line));
      for (const line of lines) {
        const suspect = suspects[line.suspect - 1];
        if (!suspect || suspect.key !== line.key || suspect.kind !== line.kind || !isReady(line)) continue;
        decisions.set(suspect.rank, { decision: line.decision, remove: line.remove.map(plain), add: line.add.map(plain) });
        taken += 1;
      }
    } catch { say(words.not_loaded); return; }
    history = [];
    keep();
    refill(current()?.rank ?? 1);
    show(words.loaded(taken));
  }

  // ---- the page

  const remember = (key, value) => {
    try { return value === undefined ? localStorage.getItem(key) : localStorage.setItem(key, value); } catch { return null; }
  };

  function options(select, pairs) {
    const chosen = select.value;
    select.replaceChildren(...pairs.map(([value, name]) => new Option(name, value)));
    if (pairs.some(([value]) => value === chosen)) select.value = chosen;
  }

  function speak(language) {
    words = WORDS[language];
    document.documentElement.lang = language;
    document.title = words.title;
    $("language").value = language;
    for (const element of document.querySelectorAll("[data-word]")) element.textContent = words[element.dataset.word];
    const found = kind => suspects.filter(suspect => suspect.kind === kind).length;
    options($("kind"), [["", words.any], ...Object.keys(words.kinds).map(kind => [kind, `${words.kinds[kind]} (${found(kind)})`])]);
    options($("type"), [["", words.any], ...types.map(type => [type, shownText(type)])]);
    options($("state"), [["", words.any], ["open", words.open], ["decided", words.decided_state]]);
    options($("new-type"), [["-1", words.no_label], ...types.map((type, place) => [String(place), shownText(type)])]);
    show("");
  }

  const KEYS = { a: accept, r: reject, e: openEditor, u: undo, j: () => move(1), k: () => move(-1),
    ArrowRight: () => move(1), ArrowLeft: () => move(-1) };

  function onKey(event) {
    if (event.key === "Escape" && editing) { closeEditor(); event.preventDefault(); return; }
    const isField = event.target.closest?.("input:not([type=checkbox]), select, textarea");
    if (isField || event.ctrlKey || event.metaKey || event.altKey || !$("keys").checked || !(event.key in KEYS)) return;
    event.preventDefault();
    KEYS[event.key]();
  }

  function listen() {
    for (const [id, act] of Object.entries({ accept, reject, edit: openEditor, undo, next: KEYS.j, previous: KEYS.k, save,
      cancel: closeEditor, "load-button": () => $("load").click() })) $(id).addEventListener("click", act);
    for (const id of ["kind", "type", "state"]) $(id).addEventListener("change", () => {
      closeEditor();
      refill(1);
      show("");
    });
    $("filter").addEventListener("submit", event => event.preventDefault());
    $("editor").addEventListener("submit", event => { event.preventDefault(); useEdited(); });
    for (const id of ["start", "end", "new-type"]) $(id).addEventListener("input", preview);
    $("now").addEventListener("mouseup", takeSelection);
    $("load").addEventListener("change", () => { if ($("load").files[0]) load($("load").files[0]); $("load").value = ""; });
    $("language").addEventListener("change", () => { speak($("language").value); remember("ner-language", $("language").value); });
    document.addEventListener("keydown", onKey);
  }

  const known = remember("ner-language");
  const wanted = [known, ...(navigator.languages ?? []).map(tag => tag.slice(0, 2).toLowerCase())].find(one => one in WORDS);
  restore();
  shown = suspects.map((suspect, place) => place);
  document.querySelector("main").hidden = false;
  speak(wanted ?? "en");
  const open = shown.findIndex(place => !decisions.has(suspects[place].rank));
  at = Math.max(open, 0);
  listen();
  show("");
})();
