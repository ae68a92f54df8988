// The details of one item: its picture, clip or text, its data, and similar items.

import * as api from "./api.js";
import { byId, bytes, counted, decodeIfUrl, fileName, make, modalityOf, number, span } from "./dom.js";
import { face, frames } from "./faces.js";
import { filesOf, groupName } from "./hits.js";
import { marked } from "./marks.js";
import { query } from "./query.js";
import { why } from "./why.js";

const NEIGHBOURS = 8;
const SEGMENTS = 12;
const FILES = 24;
const SHOWN_BY_BROWSERS = /\.(jpe?g|png|webp|gif|bmp|avif)$/i;

let hits = [];
let place = 0;
let act = {};

// `actions` is { more(hit), with(hit), judge(kind, hit) }: search for similar items, use the item as a part of the query,
// or move the query towards it ("like") or away from it ("unlike").
export function openDetail(list, index, actions) {
  [hits, place, act] = [list, index, actions];
  show(hits[place]);
  if (!byId("detail").open) byId("detail").showModal();
}

export function closeDetail() {
  byId("detail").close();
}

export function turn(step) {
  const next = place + step;
  if (next < 0 || next >= hits.length) return;
  place = next;
  show(hits[place]);
}

export const current = () => hits[place];

async function show(hit) {
  const dialog = byId("detail");
  const about = make("div", { class: "about" }, make("h2", { text: fileName(hit.uri) }));
  const near = make("section", { class: "near" }, make("h3", { text: "Similar items" }), make("div", { class: "row" }));
  const close = make("button", { class: "close", "aria-label": "Close", text: "×", onclick: closeDetail });
  dialog.replaceChildren(close, stage(hit), about, near);
  dialog.scrollTop = 0;
  try {
    const item = await api.item(hit.id, query.collection);
    if (current() === hit) about.append(...facts(hit, item));
  } catch (problem) {
    about.append(make("p", { class: "error", text: problem.message }));
  }
  showNeighbours(hit, near.querySelector(".row"));
}

function stage(hit) {
  const box = make("div", { class: "stage" }, shown(hit));
  const arrow = (step, name, text, isAtEnd) => make("button", { class: `turn ${name}`, "aria-label": text, text: step < 0 ? "‹" : "›", disabled: isAtEnd, onclick: () => turn(step) });
  box.append(arrow(-1, "back", "Previous hit", place === 0), arrow(1, "on", "Next hit", place === hits.length - 1));
  return box;
}

function shown(hit) {
  if (hit.modality === "text") return make("blockquote", {}, ...marked(hit.text ?? "", hit.evidence?.spans));
  const file = api.itemUrl(hit.id, "media", query.collection);
  if (hit.modality === "video") return video(hit, file);
  const url = SHOWN_BY_BROWSERS.test(hit.uri) ? file : api.itemUrl(hit.id, "thumbnail", query.collection, 1280);
  const picture = make("img", { src: url, alt: fileName(hit.uri) });
  picture.addEventListener("error", () => picture.replaceWith(make("blockquote", { text: "The file cannot be shown." })));
  return picture;
}

// Plays the matched seconds in a loop until the user seeks elsewhere; shows frames if the browser cannot play the file.
function video(hit, file) {
  const player = make("video", { controls: true, muted: true, playsinline: true, loop: hit.start_s === null, preload: "metadata" });
  player.muted = true;
  player.addEventListener("loadedmetadata", () => {
    player.currentTime = hit.start_s ?? 0;
    player.play().catch(() => {});
  });
  player.addEventListener("timeupdate", () => {
    const isPast = hit.end_s !== null && player.currentTime >= hit.end_s && player.currentTime < hit.end_s + 1;
    if (isPast && !player.seeking) player.currentTime = hit.start_s;
  });
  player.addEventListener("ended", () => {
    player.currentTime = hit.start_s ?? 0;
    player.play().catch(() => {});
  });
  player.addEventListener("error", () => player.replaceWith(filmStrip(hit)));
  player.src = file;
  return player;
}

function filmStrip(hit) {
  const ratio = hit.width && hit.height ? hit.width / hit.height : 4 / 3;
  const strip = frames(api.itemUrl(hit.id, "strip", query.collection, 640), null, ratio);
  strip.classList.add("playing");
  strip.style.aspectRatio = ratio;
  return strip;
}

function facts(hit, item) {
  const rows = [
    ["Segment", span(item)],
    ["Length", item.duration_s === null ? null : `${number(Math.round(item.duration_s * 10) / 10)} s`],
    ["Size", [item.width ? `${item.width} × ${item.height}` : null, bytes(item.size_bytes)].filter(Boolean).join(", ")],
    ["Taken", time(item.taken_at)],
    ["Modified", time(item.modified_at)],
    ...Object.entries(item.metadata).slice(0, 12).map(([key, value]) => [key, typeof value === "object" ? JSON.stringify(value) : String(value)]),
  ];
  const list = make("dl", {}, ...rows.filter(([, value]) => value).flatMap(([name, value]) => [make("dt", { text: name }), make("dd", { text: value })]));
  const caption = item.text && item.modality !== "text" ? make("p", {}, ...marked(item.text, hit.evidence?.spans)) : null;
  return [caption, actions(hit), why(hit), list, path(item), group(hit), segments(hit), copies(hit), keys()].filter(Boolean);
}

const time = (text) => (text ? new Date(text.endsWith("Z") ? text : `${text}Z`).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" }) : null);

function actions(hit) {
  return make(
    "div",
    { class: "actions" },
    make("button", { class: "go", text: "Similar items", title: "Search with this item alone", onclick: () => act.more(hit) }),
    make("button", { text: "Like this, but …", title: "Add this item to the query and type how the result should differ", onclick: () => act.with(hit) }),
    make("button", { text: "More like this", title: "Move the query towards this item", onclick: () => act.judge("like", hit) }),
    make("button", { text: "Less like this", title: "Move the query away from this item", onclick: () => act.judge("unlike", hit) }),
  );
}

function keys() {
  const key = (text) => make("kbd", { text });
  return make("p", { class: "keys soft" }, key("←"), " ", key("→"), " other hits, ", key("m"), " similar items, ", key("b"), " like this, but, ", key("+"), " ", key("-"), " more or less like this");
}

function path(item) {
  const plain = decodeIfUrl(item.uri);
  const copy = make("button", { text: "Copy", "aria-label": "Copy the path" });
  copy.addEventListener("click", async () => {
    const isDone = await navigator.clipboard.writeText(plain).then(() => true, () => false);
    copy.textContent = isDone ? "Copied" : "Select the path and copy it";
  });
  return make("p", { class: "path" }, make("code", { text: plain }), copy);
}

// Items behind a hit as hits of their own, so that they can be opened.
const asHits = (items) => items.map((item) => ({ ...item, modality: modalityOf(item.partition), segments: item.segments ?? [], copies: item.copies ?? [] }));

// The other files of a folder or a day.
function group(hit) {
  const name = groupName(hit);
  if (name === null) return null;
  const others = asHits(filesOf(hit).slice(1));
  const title = make("p", { class: "soft", text: `${name}: ${counted(others.length + 1, "file")} found`, title: hit.group });
  const buttons = others.slice(0, FILES).map((other, index) => opening(others, index, face(other, query.collection, 160)));
  return make("section", { class: "group", "aria-label": name }, title, make("div", { class: "row" }, ...buttons));
}

function opening(list, index, ...shown) {
  const name = fileName(list[index].uri);
  return make("button", { "aria-label": name, title: name, onclick: () => openDetail(list, index, act) }, ...shown);
}

function copies(hit) {
  if (!hit.copies?.length) return null;
  const list = asHits(hit.copies);
  const lines = list.map((copy, index) => make("li", {}, make("button", { text: decodeIfUrl(copy.uri), onclick: () => openDetail(list, index, act) })));
  return make("details", { class: "copies" }, make("summary", { text: counted(list.length, "copy", "copies") }), make("ul", {}, ...lines));
}

function segments(hit) {
  if (!hit.segments?.length || hit.modality === "image" || groupName(hit) !== null) return null;
  const parts = [hit, ...hit.segments].map((segment) => ({ ...hit, ...segment, segments: [] }));
  const turnTo = (segment, button) => {
    for (const other of button.parentElement.children) other.classList.toggle("current", other === button);
    document.querySelector(".stage").firstElementChild.replaceWith(shown(segment));
  };
  const buttons = parts.slice(0, SEGMENTS).map((segment, index) => {
    const text = span(segment) || (segment.text ?? "").slice(0, 40);
    return make("button", { class: index === 0 ? "current" : "", text, onclick: (event) => turnTo(segment, event.target) });
  });
  return make("div", {}, make("p", { class: "soft", text: `${counted(parts.length, "segment")} of this file were found` }), make("div", { class: "segments" }, ...buttons));
}

async function showNeighbours(hit, row) {
  try {
    const found = (await api.similar(hit.id, query.collection, NEIGHBOURS)).hits;
    if (current() !== hit) return;
    row.replaceChildren(...found.map((near, index) => opening(found, index, face(near, query.collection, 160))));
  } catch (problem) {
    row.replaceChildren(make("p", { class: "error", text: problem.message }));
  }
}
