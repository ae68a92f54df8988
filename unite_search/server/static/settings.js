// How a query is answered: what its words mean, what makes one hit, and which hits are left out.

import { byId } from "./dom.js";

const DEFAULTS = { mode: "auto", group: "parent", min: "", copies: "", diverse: "" };
const IDS = Object.keys(DEFAULTS);

export const setting = (id) => (byId(id).type === "checkbox" ? (byId(id).checked ? "yes" : "") : byId(id).value);

// Takes a value from outside, such as an address; what is no choice becomes the default.
export function set(id, value) {
  const input = byId(id);
  if (input.type === "checkbox") input.checked = Boolean(value);
  else input.value = value;
  if (input.tagName === "SELECT" && !input.value) input.value = DEFAULTS[id];
}

export function settingsAsked() {
  return {
    mode: setting("mode"),
    group_by: setting("group"),
    min_score: setting("min") === "" ? null : Number(setting("min")),
    copies: Boolean(setting("copies")),
    diverse: Boolean(setting("diverse")),
  };
}

export const changedSettings = () => Object.fromEntries(IDS.map((id) => [id, setting(id)]).filter(([id, value]) => value !== DEFAULTS[id]));

export function takeSettings(fields) {
  for (const id of IDS) set(id, fields.get(id) ?? DEFAULTS[id]);
  byId("options").open = Object.keys(changedSettings()).length > 0;
}

export const showSettings = () => byId("options").classList.toggle("set", Object.keys(changedSettings()).length > 0);

export function whenSet(callback) {
  for (const id of IDS) byId(id).addEventListener("change", callback);
}
