// Why a hit was found: what matched, and the parts of its score.

import { make, signed } from "./dom.js";

export function why(hit) {
  if (!hit.evidence) return null;
  const { meaning, words, prior, terms } = hit.evidence;
  const rows = [
    ["Words found", terms.join(", ")],
    ["Meaning", meaning === null ? "" : signed(meaning)],
    ["Words", words ? signed(words) : ""],
    ["Partition", prior ? `${signed(prior)} (${hit.partition})` : ""],
    ["Score", `${hit.score.toFixed(2)}${hit.cosine === null ? "" : ` (cosine ${hit.cosine.toFixed(3)})`}`],
  ];
  const shown = rows.filter(([, value]) => value).flatMap(([name, value]) => [make("dt", { text: name }), make("dd", { text: value })]);
  return make("details", { class: "why" }, make("summary", {}, make("b", { text: "Why:" }), ` ${inShort(hit)}`), make("dl", {}, ...shown));
}

function inShort({ is_weak, is_exact, evidence }) {
  const matched = evidence.matched.join(", ") || "nothing close";
  if (is_weak) return evidence.matched.length ? `only ${matched}; weak` : "nothing close; weak";
  return is_exact ? `exact match in ${matched}` : matched;
}
