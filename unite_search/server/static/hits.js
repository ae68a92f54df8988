// The grid of hits: cards, moving between them with the arrow keys, and the message shown if there are none.

import { byId, fileName, make } from "./dom.js";
import { face } from "./faces.js";

export const shown = [];

export function showHits(hits, { append, collection, open }) {
  const grid = byId("hits");
  if (!append) {
    shown.length = 0;
    grid.replaceChildren();
  }
  for (const hit of hits) {
    const index = shown.push(hit) - 1;
    grid.append(card(hit, collection, () => open(index)));
  }
  grid.classList.remove("old");
}

function card(hit, collection, open) {
  const name = fileName(hit.uri);
  const more = hit.segments.length && hit.modality !== "image" ? `+${hit.segments.length} more` : null;
  return make(
    "button",
    { class: "card", type: "button", title: name, "aria-label": `${hit.rank}. ${name}`, onclick: open },
    face(hit, collection),
    make("span", { class: "name", text: name }),
    make("span", { class: "below" }, make("span", { text: hit.score.toFixed(2), title: "Score: the logarithm of how many times likelier than a random item" }), more ? make("span", { text: more }) : null),
    hit.text && hit.modality !== "text" ? make("span", { class: "caption", text: hit.text }) : null,
  );
}

// Arrow keys move between cards by their position on the screen.
export function moveFocus(key) {
  const cards = [...byId("hits").children];
  const at = cards.indexOf(document.activeElement);
  if (at < 0) return false;
  const columns = cards.filter((other) => other.offsetTop === cards[0].offsetTop).length;
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[key];
  if (step === undefined) return false;
  cards[at + step]?.focus();
  if (at + step < 0) byId("words").focus();
  return true;
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
