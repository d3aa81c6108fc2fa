import { answerFile } from "./files.js";
import { marked } from "./marks.js";
import { preferredLanguage, SAMPLES, translate, WORDS } from "./words.js";

const $ = (id) => document.getElementById(id);
const state = { words: WORDS.en, language: "en", token: "", models: [], limits: {}, colours: new Map(), hidden: new Set(),
  answers: [], asked: 0, control: null, timer: 0 };

// ---- the server

class Refused extends Error {
  constructor(status, message, seconds) {
    super(message);
    this.status = status;
    this.seconds = seconds;
  }
}

async function call(path, options = {}) {
  const headers = { ...options.headers };
  if (state.token) headers.Authorization = `Bearer ${state.token}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers, cache: "no-store", credentials: "same-origin" });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Refused(0, state.words.unreachable, 1);
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  if (response.status === 401) askForToken();
  const message = response.status === 401 ? state.words.token_wrong : problem.detail ?? `${response.status}`;
  throw new Refused(response.status, String(message), Number(response.headers.get("Retry-After")) || 1);
}

const pause = (seconds) => new Promise((resolve) => { setTimeout(resolve, 1000 * seconds); });

async function callPatiently(path, options, onBusy) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call(path, options);
    } catch (error) {
      if (error.status !== 503 || attempt === 100) throw error;
      onBusy();
      await pause(Math.min(error.seconds, 5));
      options.signal?.throwIfAborted();
    }
  }
}

function askForToken() {
  $("token-form").hidden = false;
  $("token").focus();
}

async function loadModels() {
  try {
    await callPatiently("ready", {}, () => say(state.words.loading));
    const answer = await (await call("models")).json();
    const { models, ...limits } = answer;
    Object.assign(state, { models, limits });
    say("");
    tell("");
    $("token-form").hidden = true;
    const types = [...new Set(models.flatMap((model) => model.types))].sort();
    state.colours = new Map(types.map((type, place) => [type, place]));
    offer($("models"), models.map((model) => model.name), models.length > 1, () => askAgain());
    offer($("types"), types, types.length > 0, show);
    $("file-model-row").hidden = models.length < 2;
    $("file-model").replaceChildren(...models.map((model) => new Option(model.name, model.name)));
  } catch (error) {
    tell(error.message);
  }
}

// ---- what the page says

function say(message) {
  $("status").textContent = message;
}

function tell(problem) {
  $("problem").textContent = problem;
  $("problem").hidden = !problem;
}

function make(name, className, ...content) {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.append(...content);
  return element;
}

// Boxes to tick, one for each name.
function offer(fieldset, names, shown, onChange) {
  fieldset.hidden = !shown;
  fieldset.querySelector(".chips").replaceChildren(...names.map((name) => {
    const box = make("input");
    box.type = "checkbox";
    box.checked = true;
    box.value = name;
    box.addEventListener("change", onChange);
    const colour = fieldset.id === "types" ? `c${(state.colours.get(name) ?? 0) % 12}` : "";
    return make("label", `chip ${colour}`, box, make("span", "", name));
  }));
}

const ticked = (fieldset) => [...fieldset.querySelectorAll("input:checked")].map((box) => box.value);

// ---- texts

function textsOfPage() {
  const written = $("text").value;
  const texts = $("lines").checked ? written.split(/\r?\n/) : [written];
  return texts.filter((text) => text.trim());
}

async function answersOf(model, texts, signal) {
  const results = [];
  const options = $("own").checked ? {} : { thresholds: Number($("threshold").value) };
  for (let first = 0; first < texts.length; first += state.limits.max_texts) {
    const text = texts.slice(first, first + state.limits.max_texts);
    const body = JSON.stringify({ text, model, ...options });
    const headers = { "Content-Type": "application/json" };
    const response = await callPatiently("predict", { method: "POST", headers, body, signal }, () => say(state.words.busy));
    results.push(...(await response.json()).results);
  }
  return { model, results };
}

async function ask() {
  clearTimeout(state.timer);
  state.control?.abort();
  const control = new AbortController();
  state.control = control;
  const texts = textsOfPage();
  if (!texts.length) {
    say(state.words.no_text);
    $("text").focus();
    return;
  }
  const models = state.models.length > 1 ? ticked($("models")) : state.models.map((model) => model.name);
  tell("");
  say(state.words.asking);
  $("results").setAttribute("aria-busy", "true");
  const began = performance.now();
  try {
    const answers = await Promise.all(models.map((model) => answersOf(model, texts, control.signal)));
    const isFirst = !state.asked;
    Object.assign(state, { answers, milliseconds: Math.round(performance.now() - began), asked: texts.length });
    show();
    if (isFirst && matchMedia("(max-width: 56rem)").matches) $("results").scrollIntoView();  // they are below
  } catch (error) {
    if (error.name === "AbortError" || control.signal.aborted) return;
    say("");
    tell(error.message);
  } finally {
    if (state.control === control) $("results").removeAttribute("aria-busy");
  }
}

// After a change of the options, if there are answers to replace.
function askAgain() {
  clearTimeout(state.timer);
  if (state.asked) state.timer = setTimeout(ask, 200);
}

function show() {
  if (!state.asked) return;
  state.hidden = new Set([...$("types").querySelectorAll("input:not(:checked)")].map((box) => box.value));
  let number = 0;
  const columns = state.answers.map(({ model, results }) => {
    const kept = results.map(({ text, entities }) => ({
      text, entities: entities.filter((entity) => !state.hidden.has(entity.type)),
    }));
    number += kept.reduce((sum, result) => sum + result.entities.length, 0);
    return column(model, kept);
  });
  $("columns").replaceChildren(...columns);
  $("empty").hidden = true;
  say(state.words.found(number, state.asked, state.milliseconds));
  const lines = state.answers.flatMap(({ model, results }) => results.map((result) => `${JSON.stringify({ model, ...result })}\n`));
  offerToSave($("save"), new Blob(lines, { type: "application/jsonl" }), "entities.jsonl");
}

function column(model, results) {
  const entities = results.flatMap((result) => result.entities);
  const title = make("h3", "", model);
  const head = make("header", "row between", title, make("span", "count", String(entities.length)));
  const article = make("article", "card answer", head, ...results.map((result) => marked(result.text, result.entities, state.colours)));
  title.id = `model-${state.models.findIndex((one) => one.name === model)}`;
  article.setAttribute("aria-labelledby", title.id);
  article.append(entities.length ? table(entities) : make("p", "hint", state.words.none));
  return article;
}

function table(entities) {
  const head = make("tr", "", ...["entity", "type", "place", "score"].map((word) => {
    const cell = make("th", "", state.words[word]);
    cell.scope = "col";
    return cell;
  }));
  const rows = entities.map((entity) => {
    const meter = make("meter");
    meter.value = entity.score;
    meter.setAttribute("aria-hidden", "true");
    return make("tr", "", make("td", "entity", entity.text), make("td", "", entity.type),
      make("td", "number", `${entity.start}–${entity.end}`), make("td", "number", meter, entity.score.toFixed(4)));
  });
  const whole = make("table", "", make("thead", "", head), make("tbody", "", ...rows));
  const frame = make("div", "scroll", whole);
  frame.tabIndex = 0;
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", state.words.table);
  return make("details", "", make("summary", "", state.words.table), frame);
}

function offerToSave(link, blob, name) {
  if (link.href) URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.hidden = false;
}

// ---- files

async function runFile() {
  const file = $("file").files[0];
  if (!file) return;
  const control = new AbortController();
  const status = (message) => { $("file-status").textContent = message; };
  const stop = () => control.abort();
  $("file-stop").addEventListener("click", stop);
  for (const [id, hidden] of [["file-stop", false], ["file-progress", false], ["file-save", true]]) $(id).hidden = hidden;
  $("file-go").disabled = true;
  $("file-progress").value = 0;
  const query = new URLSearchParams({ model: $("file-model").value });
  if (!$("own").checked) query.set("thresholds", $("threshold").value);
  const headers = { "Content-Type": "application/x-ndjson" };
  try {
    const blob = await answerFile(file, async (body) => {
      control.signal.throwIfAborted();
      const options = { method: "POST", headers, body, signal: control.signal };
      return (await callPatiently(`predict/stream?${query}`, options, () => status(state.words.busy))).text();
    }, (share, lines, wrong) => {
      $("file-progress").value = share;
      status(state.words.lines_done(lines, wrong));
    });
    $("file-status").append(` ${state.words.file_done}`);
    offerToSave($("file-save"), blob, `${file.name.replace(/\.[^.]*$/, "")}.entities.jsonl`);
    $("file-save").focus();
  } catch (error) {
    status(error.name === "AbortError" ? state.words.cancelled : error instanceof TypeError ? state.words.not_utf8 : error.message);
  } finally {
    $("file-stop").removeEventListener("click", stop);
    $("file-stop").hidden = true;
    $("file-go").disabled = false;
  }
}

// A dropped file: a small one becomes the text, others go to the form for files.
async function take(transfer) {
  const [file] = transfer.files;
  if (!file) return;
  if (file.size < 20_000 && !/\.jsonl?$/i.test(file.name)) {
    try {
      $("text").value = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
      countCharacters();
      await ask();
    } catch (error) {
      tell(error instanceof TypeError ? state.words.not_utf8 : error.message);
    }
    return;
  }
  $("file").files = transfer.files;
  $("file").dispatchEvent(new Event("change"));
  $("file-go").focus();
}

// ---- the page

function remember(key, value) {
  try {
    if (value === undefined) return localStorage.getItem(key);
    localStorage.setItem(key, value);
  } catch { /* a browser may refuse */ }
  return null;
}

function speak(language) {
  state.language = language;
  state.words = translate(language);
  $("language").value = language;
  countCharacters();
  show();
}

function countCharacters() {
  $("count").textContent = state.words.count(Array.from($("text").value).length);
}

function showThreshold() {
  $("threshold-value").textContent = $("own").checked ? "–" : Number($("threshold").value).toFixed(2);
}

function listen() {
  $("ask").addEventListener("submit", (event) => { event.preventDefault(); ask(); });
  $("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); ask(); }
  });
  $("text").addEventListener("input", countCharacters);
  $("sample").addEventListener("click", () => {
    $("text").value = SAMPLES[state.language];
    countCharacters();
    $("text").focus();
  });
  $("threshold").addEventListener("input", () => {
    $("own").checked = false;
    showThreshold();
    askAgain();
  });
  for (const id of ["own", "lines"]) $(id).addEventListener("change", () => { showThreshold(); askAgain(); });
  $("language").addEventListener("change", () => { speak($("language").value); remember("ner-language", state.language); });
  $("theme").addEventListener("change", () => {
    document.documentElement.dataset.theme = $("theme").value;
    remember("ner-theme", $("theme").value);
  });
  $("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    state.token = $("token").value.trim();
    loadModels();
  });
  $("file").addEventListener("change", () => {
    $("file-go").disabled = !$("file").files.length;
    $("file-name").textContent = $("file").files[0]?.name ?? "";
    $("file-save").hidden = true;
    $("file-status").textContent = "";
  });
  $("file-form").addEventListener("submit", (event) => { event.preventDefault(); runFile(); });
  for (const [name, over] of [["dragenter", true], ["dragover", true], ["dragleave", false], ["drop", false]]) {
    $("drop").addEventListener(name, (event) => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.preventDefault();
      $("drop").classList.toggle("over", over);
      if (name === "drop") take(event.dataTransfer);
    });
  }
}

const theme = remember("ner-theme") ?? "";
document.documentElement.dataset.theme = theme;
$("theme").value = theme;
const known = remember("ner-language");
speak(known in WORDS ? known : preferredLanguage());
listen();
loadModels();
