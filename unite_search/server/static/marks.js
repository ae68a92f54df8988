// Text in which the words that were looked for are marked.

import { make } from "./dom.js";

const LEAD_IN = 40;
const NEAR_THE_START = 100;

// Spans are those of the API: they count characters as Python does, which is code points and not units of UTF-16.
export function marked(text, spans = []) {
  return pieces([...text], spans, 0);
}

// As `marked`, but a text whose first mark is far down begins shortly before it.
export function excerpt(text, spans = []) {
  const first = spans[0]?.[0] ?? 0;
  if (first <= NEAR_THE_START) return marked(text, spans);
  return ["… ", ...pieces([...text], spans, first - LEAD_IN)];
}

function pieces(characters, spans, from) {
  const cut = (start, end) => characters.slice(start, end).join("");
  const found = [];
  for (const [start, end] of spans) {
    found.push(cut(from, start), make("mark", { text: cut(start, end) }));
    from = end;
  }
  return [...found, cut(from)].filter(Boolean);
}
