// The page: connects user input to the modules that handle it.

import * as api from "./api.js";
import { closeDetail, current, openDetail, turn } from "./detail.js";
import { byId, make, number, sentence } from "./dom.js";
import { focused, focusFirst, hideMessage, moveFocus, say, showHits, shown } from "./hits.js";
import { addPart, asked, forgetItems, fromAddress, hasPicture, isEmpty, judge, query, removePart, showFilters, showParts, takeWords, toAddress, whenChanged, words } from "./query.js";
import { set, setting, whenSet } from "./settings.js";
import { follow, known, readCollections } from "./status.js";

const PAGE = 24;
const SLOW_MS = 300;
const TITLES = { 404: "It no longer exists", 413: "That is too large", 422: "That cannot be searched", 429: "Too many requests at once", 503: "Not ready yet" };
const EXAMPLES = ["a red car", "people outdoors", "the sea at sunset", "food on a table"];

let pending = null;
let nextOffset = null;

async function search({ offset = 0, remember = true } = {}) {
  pending?.abort();
  if (remember && offset === 0) rememberAddress();
  showFilters();
  if (isEmpty()) return welcome();
  const own = (pending = new AbortController());
  if (offset === 0) byId("hits").classList.add("old");
  if (!shown.length) hideMessage();
  byId("next").disabled = true;
  const slowTimer = setTimeout(() => { byId("facts").textContent = "Searching …"; }, SLOW_MS);
  try {
    show(await api.search({ ...asked(), top_k: PAGE, offset }, own.signal), offset);
  } catch (problem) {
    if (problem.name !== "AbortError") fail(problem, () => search({ offset, remember }));
  } finally {
    clearTimeout(slowTimer);
  }
}

function show(found, offset) {
  hideMessage();
  nextOffset = found.next_offset;
  showHits(found.hits, { append: offset > 0, collection: query.collection, actions: { open: (index) => openDetail(shown, index, actions), judge: actions.judge } });
  byId("next").hidden = nextOffset === null;
  byId("next").disabled = false;
  byId("facts").textContent = shown.length ? facts(found) : "";
  showNotes(found.notes);
  if (!shown.length) showNothingFound();
}

function showNotes(notes) {
  byId("notes").textContent = notes.map(sentence).join(" ");
  byId("notes").hidden = !notes.length;
}

function facts({ searched, encode_ms, search_ms }) {
  const among = Object.values(searched).reduce((sum, count) => sum + count, 0);
  const encoded = encode_ms >= 1 ? `${time(encode_ms)} to encode, ` : "";
  return `${number(shown.length)} of ${number(among)} items · ${encoded}${time(search_ms)} to search`;
}

function showNothingFound() {
  const { where, min_score, mode, texts } = asked();
  if (where || query.kind || min_score !== null) {
    say("Nothing was found", ["No item passes the filter."], { buttons: [button("Search without filter", clearFilters)] });
  } else if (mode === "words") {
    say("Nothing was found", ["No item has these words."], { buttons: [button("Search by meaning, too", () => { set("mode", "auto"); search(); })] });
  } else if (texts.some((text) => /["“”„«»]/.test(text))) {
    say("Nothing was found", ["No item has the words in quotation marks."]);
  } else {
    say("Nothing was found", ["The collection has no items yet. Add some with: unite-search index FOLDER"]);
  }
}

const button = (text, onclick) => make("button", { type: "button", text, onclick });

const time = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

function fail(problem, again) {
  if (problem.status === 401) return askForToken();
  clear();
  say(TITLES[problem.status] ?? problem.title, [problem.message], { isError: true, buttons: [button("Try again", again)] });
}

function clear() {
  showHits([], { append: false });
  byId("next").hidden = true;
  byId("facts").textContent = "";
  showNotes([]);
}

function welcome() {
  clear();
  const examples = EXAMPLES.map((text) => button(text, () => { byId("words").value = text; search(); }));
  const keys = make("p", { class: "keys" }, make("kbd", { text: "/" }), " to type, arrow keys to move, ", make("kbd", { text: "Enter" }), " to open");
  const how = "Drop or paste a picture, then type how the result should differ: “at night”, “make it red”.";
  say("Search with words, a picture, a clip, or several together", [how, keys, make("div", { class: "tries" }, ...examples)]);
}

function clearFilters() {
  for (const id of ["from", "to", "where", "min"]) byId(id).value = "";
  query.kind = "";
  search();
}

const actions = {
  more(hit) {
    closeDetail();
    byId("words").value = "";
    addPart({ kind: "item", id: hit.id, uri: hit.uri }, { replace: true });
    search();
    window.scrollTo({ top: 0 });
  },
  with(hit) {
    closeDetail();
    byId("words").value = "";
    addPart({ kind: "item", id: hit.id, uri: hit.uri }, { replace: true });
    byId("words").focus();
    window.scrollTo({ top: 0 });
  },
  judge(kind, hit) {
    closeDetail();
    if (setting("mode") === "words") set("mode", "auto");
    judge(kind, hit);
    search().then(focusFirst);
    window.scrollTo({ top: 0 });
  },
};

const JUDGING = { "+": "like", "-": "unlike" };

async function addFiles(files) {
  const media = [...files].filter((file) => /^(image|video)\//.test(file.type) || !file.type);
  if (!media.length) return;
  const kept = await Promise.all(media.slice(0, 4).map((file) => addUpload(file.name, () => api.upload(file, query.collection))));
  if (kept.some(Boolean)) search();
}

// Returns whether the upload succeeded; if it did not, the page shows why.
async function addUpload(name, send) {
  const waiting = { kind: "upload", busy: true, name, id: `${name}-${performance.now()}` };
  addPart(waiting);
  try {
    const kept = await send();
    query.parts = query.parts.map((part) => (part === waiting ? { kind: "upload", id: kept.id, frames: kept.frames, name } : part));
    showParts();
    return true;
  } catch (problem) {
    query.parts = query.parts.filter((part) => part !== waiting);
    showParts();
    fail(problem, welcome);
    return false;
  }
}

async function submit(event) {
  event.preventDefault();
  const typed = words();
  if (known.allowUrl && /^https?:\/\/\S+$/.test(typed)) {
    byId("words").value = "";
    if (!(await addUpload(new URL(typed).hostname, () => api.uploadUrl(typed, query.collection)))) return;
  } else if (/^-\S/.test(typed) || hasPicture()) {
    takeWords();
  }
  search();
}

function rememberAddress() {
  const address = `#${toAddress()}`;
  if (address !== (location.hash || "#")) history.pushState(null, "", address);
}

function onKey(event) {
  const isTyping = event.target.matches("input, select, textarea, video");
  if (byId("detail").open) {
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    const does = { ArrowLeft: () => turn(-1), ArrowRight: () => turn(1), m: () => actions.more(current()), b: () => actions.with(current()), "+": () => actions.judge("like", current()), "-": () => actions.judge("unlike", current()) }[event.key];
    if (does) event.preventDefault(), does();
  } else if (event.key === "/" && !isTyping) {
    event.preventDefault();
    byId("words").select();
  } else if (event.target.id === "words") {
    onKeyInBox(event);
  } else if (JUDGING[event.key] && focused() && !event.ctrlKey && !event.metaKey) {
    actions.judge(JUDGING[event.key], focused());
  } else if (moveFocus(event.key)) {
    event.preventDefault();
  }
}

function onKeyInBox(event) {
  if (event.key === "Backspace" && !event.target.value && query.parts.length) {
    removePart(query.parts.at(-1));
  } else if (event.key === "ArrowDown" && shown.length) {
    event.preventDefault();
    focusFirst();
  } else if (event.key === "Enter" && event.shiftKey) {
    event.preventDefault();
    takeWords();
  }
}

function listen() {
  byId("form").addEventListener("submit", submit);
  byId("exclude").addEventListener("click", () => { if (takeWords("not") && !isEmpty()) search(); byId("words").focus(); });
  byId("attach").addEventListener("click", () => byId("file").click());
  byId("file").addEventListener("change", (event) => addFiles(event.target.files).finally(() => { event.target.value = ""; }));
  byId("next").addEventListener("click", () => search({ offset: nextOffset }));
  byId("collection").addEventListener("change", (event) => { query.collection = event.target.value; forgetItems(); search(); });
  for (const radio of document.getElementsByName("kind")) radio.addEventListener("change", () => { query.kind = radio.value; search(); });
  for (const id of ["from", "to"]) byId(id).addEventListener("change", () => search());
  whenSet(() => search());
  byId("where").addEventListener("keydown", (event) => { if (event.key === "Enter") search(); });
  byId("detail").addEventListener("click", (event) => { if (event.target === byId("detail")) closeDetail(); });
  byId("detail").addEventListener("close", () => byId("detail").replaceChildren());
  document.addEventListener("keydown", onKey);
  document.addEventListener("paste", (event) => { if (event.clipboardData.files.length) { event.preventDefault(); addFiles(event.clipboardData.files); } });
  window.addEventListener("popstate", () => { fromAddress(location.hash.slice(1)); search({ remember: false }); });
  whenChanged(() => search());
  listenToDrops();
}

function listenToDrops() {
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", (event) => { if (hasFiles(event)) { event.preventDefault(); byId("drop").hidden = false; } });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) byId("drop").hidden = true; });
  document.addEventListener("drop", (event) => { byId("drop").hidden = true; if (hasFiles(event)) { event.preventDefault(); addFiles(event.dataTransfer.files); } });
}

function askForToken() {
  const dialog = byId("login");
  if (!dialog.open) dialog.showModal();
  byId("login-form").onsubmit = async (event) => {
    event.preventDefault();
    try {
      await api.login(byId("token").value);
      dialog.close();
      start();
    } catch (problem) {
      byId("login-error").textContent = problem.message;
    }
  };
}

// The address that the server prints has the token after the #, which browsers never send to a server.
async function takeTokenFromAddress() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return;
  history.replaceState(null, "", location.pathname);
  await api.login(token).catch(() => {});
}

async function start() {
  try {
    await takeTokenFromAddress();
    fromAddress(location.hash.slice(1));
    await readCollections();
    follow();
    search({ remember: false });
  } catch (problem) {
    fail(problem, start);
  }
}

listen();
start();
