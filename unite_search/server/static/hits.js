// The grid of hits: cards, moving between them with the arrow keys, and the message shown if there are none.

import { byId, counted, fileName, make } from "./dom.js";
import { face } from "./faces.js";
import { excerpt } from "./marks.js";

export const shown = [];

// `actions` is { open(index), judge("like" | "unlike", hit) }.
export function showHits(hits, { append, collection, actions }) {
  const grid = byId("hits");
  if (!append) {
    shown.length = 0;
    grid.replaceChildren();
  }
  for (const hit of hits) {
    if (hit.is_weak && !shown.at(-1)?.is_weak) grid.append(divider());
    const index = shown.push(hit) - 1;
    grid.append(cell(hit, collection, { ...actions, open: () => actions.open(index) }));
  }
  grid.classList.remove("old");
}

// Weak hits come after all others.
function divider() {
  return make("h2", { class: "divider", text: shown.length ? "Nothing else is close; the nearest are" : "Nothing close; the nearest are" });
}

function cell(hit, collection, actions) {
  const name = groupName(hit) ?? fileName(hit.uri);
  const steer = (kind, sign, text) => make("button", { type: "button", text: sign, title: text, "aria-label": `${text}: ${name}`, onclick: () => actions.judge(kind, hit) });
  return make(
    "div",
    { class: hit.is_weak ? "cell weak" : "cell" },
    card(hit, name, collection, actions.open),
    make("div", { class: "steer" }, steer("like", "+", "More like this"), steer("unlike", "−", "Less like this")),
  );
}

function card(hit, name, collection, open) {
  const facts = [hit.is_exact ? "exact" : "", hit.is_weak ? "weak" : "", ...others(hit)].filter(Boolean);
  return make(
    "button",
    { class: "card", type: "button", title: hit.group ?? name, "aria-label": [`${hit.rank}. ${name}`, ...facts].join(", "), onclick: open },
    face(hit, collection),
    make("span", { class: "name", text: name }),
    make(
      "span",
      { class: "below" },
      make("span", { text: hit.score.toFixed(2), title: "Score: the log-odds that this is what was looked for" }),
      ...facts.map((text) => make("span", { text, class: text === "exact" ? "exact" : "" })),
    ),
    hit.text && hit.modality !== "text" ? make("span", { class: "caption" }, ...excerpt(hit.text, hit.evidence.spans)) : null,
  );
}

// What else stands behind a hit: files of its group, segments of its file, and copies.
function others(hit) {
  const copies = hit.copies.length ? `+${counted(hit.copies.length, "copy", "copies")}` : "";
  if (hit.group !== null) return [counted(filesOf(hit).length, "file"), copies];
  return [hit.segments.length && hit.modality !== "image" ? `+${hit.segments.length} more` : "", copies];
}

// The best item of each file of a group; the weak ones only if all are.
export function filesOf(hit) {
  const close = [hit, ...hit.segments].filter(({ is_weak }) => is_weak === hit.is_weak);
  return close.filter((item, index) => close.findIndex(({ uri }) => uri === item.uri) === index);
}

const DAY = /^\d{4}-\d\d-\d\d$/;

// The last part of a folder's path, or a day; null for a hit that stands for no group.
export function groupName({ group }) {
  if (group === null || group === undefined) return null;
  if (DAY.test(group)) return new Date(`${group}T00:00Z`).toLocaleDateString("en-GB", { dateStyle: "long", timeZone: "UTC" });
  return fileName(group) || group || "no date";
}

const cards = () => [...document.querySelectorAll("#hits .card")];

export const focusFirst = () => cards()[0]?.focus({ preventScroll: true });

export const focused = () => shown[cards().indexOf(document.activeElement)];

// Arrow keys move between cards by their position on the screen.
export function moveFocus(key) {
  const all = cards();
  const at = all.indexOf(document.activeElement);
  if (at < 0) return false;
  const next = { ArrowRight: () => all[at + 1], ArrowLeft: () => all[at - 1], ArrowDown: () => beside(all, at, 1), ArrowUp: () => beside(all, at, -1) }[key];
  if (!next) return false;
  const found = next();
  if (found) found.focus();
  else if (key === "ArrowLeft" || key === "ArrowUp") byId("words").focus();
  return true;
}

// The card in the next row (`step` 1) or the one before (-1) that is nearest to the column of a card.
function beside(all, at, step) {
  const place = (card) => card.parentElement.getBoundingClientRect();
  const places = all.map(place);
  const rows = [...new Set(places.map(({ top }) => Math.round(top)))].sort((one, other) => one - other);
  const row = rows[rows.indexOf(Math.round(places[at].top)) + step];
  const inRow = all.filter((_, index) => Math.round(places[index].top) === row);
  const distance = (card) => Math.abs(place(card).left - places[at].left);
  return inRow.sort((one, other) => distance(one) - distance(other))[0];
}

export function say(title, lines = [], { isError = false, buttons = [] } = {}) {
  const box = byId("message");
  box.className = isError ? "message error" : "message";
  box.replaceChildren(make("h2", { text: title }), ...lines.map((line) => (typeof line === "string" ? make("p", { text: line }) : line)), ...buttons);
  box.hidden = false;
}

export function hideMessage() {
  byId("message").hidden = true;
}
