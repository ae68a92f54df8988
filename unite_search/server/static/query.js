// The query: its parts as chips, its filters, and both in the address after the #, so that the Back button works.

import { itemUrl, previewUrl } from "./api.js";
import { byId, fileName, make } from "./dom.js";
import { frames } from "./faces.js";
import { changedSettings, settingsAsked, showSettings, takeSettings } from "./settings.js";

const WHAT_TO_FIND = matchMedia("(hover: none)").matches ? "Describe what you are looking for" : "Describe what you are looking for, or drop a picture or clip";
const HOW_TO_DIFFER = "How should the result differ? For example “at night”";
const MAX_PARTS = 4;
const MAX_JUDGED = 32;
const OF_ITEMS = { item: "", like: "more like", unlike: "less like" };

export const query = { parts: [], kind: "", collection: null };

let changed = () => {};

export function whenChanged(callback) {
  changed = callback;
}

// Parts are { kind: "text" | "not", text }, { kind: "upload", id, frames } or { kind: "item" | "like" | "unlike", id, uri }.
export function addPart(part, { replace = false } = {}) {
  const others = replace ? [] : query.parts.filter((known) => known.kind !== part.kind || known.id !== part.id || known.text !== part.text);
  const sameKind = others.filter((known) => known.kind === part.kind);
  const most = isJudged(part) ? MAX_JUDGED : MAX_PARTS;
  query.parts = sameKind.length < most ? [...others, part] : [...others.filter((known) => known !== sameKind[0]), part];
  showParts();
}

export function removePart(part) {
  query.parts = query.parts.filter((known) => known !== part);
  showParts();
  changed();
}

const isJudged = (part) => part.kind === "like" || part.kind === "unlike";

// Moves the query towards an item (`like`) or away from it (`unlike`).
export function judge(kind, { id, uri }) {
  query.parts = query.parts.filter((part) => !(isJudged(part) && part.id === id));
  addPart({ kind, id, uri });
}

export function forgetItems() {
  query.parts = query.parts.filter((part) => !(part.kind in OF_ITEMS));
  showParts();
}

export const isEmpty = () => !query.parts.some((part) => part.kind !== "not" && part.kind !== "unlike") && !words();

export const hasPicture = () => query.parts.some((part) => part.kind === "upload" || part.kind === "item");

// Turns the typed words into a part of their own: words to look for, or after a minus sign words to avoid.
export function takeWords(kind = "text") {
  const typed = words();
  if (!typed) return false;
  const isNot = kind === "not" || /^-\S/.test(typed);
  const text = typed.replace(/^-(?=\S)/, "");
  byId("words").value = "";
  addPart({ kind: isNot ? "not" : "text", text });
  return true;
}

export const words = () => byId("words").value.trim();

export function asked() {
  const of = (kind, key) => query.parts.filter((part) => part.kind === kind).map((part) => part[key]);
  return {
    collection: query.collection,
    texts: [...of("text", "text"), ...(words() ? [words()] : [])],
    exclude: of("not", "text"),
    ids: of("item", "id"),
    like: of("like", "id"),
    unlike: of("unlike", "id"),
    uploads: of("upload", "id"),
    modalities: query.kind ? [query.kind] : [],
    where: filter(),
    ...settingsAsked(),
  };
}

function filter() {
  const own = byId("where").value.trim();
  const bounds = [["from", ">=", "00:00:00"], ["to", "<=", "23:59:59"]]
    .filter(([id]) => byId(id).value)
    .map(([id, sign, time]) => {
      const at = `'${byId(id).value}T${time}'`;
      return `(taken_at ${sign} ${at} OR (taken_at IS NULL AND modified_at ${sign} ${at}))`;
    });
  return [...bounds, ...(own ? [`(${own})`] : [])].join(" AND ") || null;
}

export function toAddress() {
  const fields = new URLSearchParams();
  for (const { kind, text, id, frames: count, uri } of query.parts) {
    fields.append(kind, kind in OF_ITEMS ? `${id}:${uri ?? ""}` : kind === "upload" ? `${id}:${count}` : text);
  }
  const plain = { q: words(), kind: query.kind, from: byId("from").value, to: byId("to").value, where: byId("where").value.trim(), in: query.collection, ...changedSettings() };
  for (const [name, value] of Object.entries(plain)) if (value) fields.set(name, value);
  return fields.toString();
}

export function fromAddress(hash) {
  query.parts = [];
  const plain = { q: "", kind: "", from: "", to: "", where: "", in: null };
  for (const [name, value] of new URLSearchParams(hash)) {
    const [first, ...rest] = value.split(":");
    if (name === "text" || name === "not") query.parts.push({ kind: name, text: value });
    else if (name in OF_ITEMS && /^\d+$/.test(first)) query.parts.push({ kind: name, id: Number(first), uri: rest.join(":") });
    else if (name === "upload") query.parts.push({ kind: "upload", id: first, frames: Number(rest[0]) || 1 });
    else if (name in plain) plain[name] = value;
  }
  byId("words").value = plain.q;
  for (const id of ["from", "to", "where"]) byId(id).value = plain[id];
  byId("more").open = Boolean(plain.where);
  query.kind = plain.kind;
  if (plain.in) query.collection = plain.in;
  takeSettings(new URLSearchParams(hash));
  showParts();
  showFilters();
}

export function showFilters() {
  for (const radio of document.getElementsByName("kind")) radio.checked = radio.value === query.kind;
  for (const id of ["from", "to"]) byId(id).parentElement.classList.toggle("set", Boolean(byId(id).value));
  byId("more").classList.toggle("set", Boolean(byId("where").value.trim()));
  showSettings();
}

export function showParts() {
  byId("chips").replaceChildren(...query.parts.map(chip));
  byId("words").placeholder = hasPicture() ? HOW_TO_DIFFER : WHAT_TO_FIND;
}

function chip(part) {
  if (part.kind in OF_ITEMS) return itemChip(part);
  if (part.kind === "upload") return uploadChip(part);
  return plainChip(part, part.kind === "not" ? `not ${part.text}` : part.text);
}

function plainChip(part, text) {
  return make("li", { class: `chip ${part.kind}` }, make("span", { text, title: text }), removeButton(part, text));
}

function uploadChip(part) {
  if (part.busy) return make("li", { class: "chip picture busy" }, make("div", { class: "frames" }), make("span", { text: part.name }));
  const shown = frames(previewUrl(part.id), part.frames);
  shown.classList.toggle("playing", part.frames > 1);
  return make("li", { class: "chip picture" }, shown, removeButton(part, part.name ?? "the upload"));
}

function itemChip(part) {
  const name = `${OF_ITEMS[part.kind]} ${part.uri ? fileName(part.uri) : `item ${part.id}`}`.trim();
  const shown = frames(itemUrl(part.id, "thumbnail", query.collection, 160), 1);
  shown.firstElementChild.addEventListener("error", () => shown.remove());
  return make("li", { class: `chip picture ${part.kind}` }, shown, make("span", { text: name, title: name }), removeButton(part, name));
}

function removeButton(part, name) {
  return make("button", { type: "button", text: "×", "aria-label": `Remove ${name}`, onclick: () => removePart(part) });
}
