// What the collections hold and whether one is being indexed, polled while the page is visible.

import * as api from "./api.js";
import { byId, clock, counted, make, number } from "./dom.js";
import { query } from "./query.js";

const BUSY_MS = 1500;
const IDLE_MS = 5000;
const NAMES = { scan: "Scanning for files", index: "Indexing", compact: "Compacting", done: "Done" };

export const known = { collections: [], allowUrl: false };

export async function readCollections() {
  const answer = await api.collections();
  known.collections = answer.collections;
  known.allowUrl = answer.allow_url;
  query.collection = query.collection ?? answer.collections[0].name;
  const select = byId("collection");
  select.replaceChildren(...answer.collections.map(({ name }) => make("option", { value: name, text: name, selected: name === query.collection })));
  select.hidden = answer.collections.length < 2;
  show(answer.collections.find(({ name }) => name === query.collection));
}

export async function follow() {
  let wait = IDLE_MS;
  if (!document.hidden) {
    try {
      const status = await api.status(query.collection);
      show(status);
      if (status.indexing || !status.is_ready) wait = BUSY_MS;
    } catch (problem) {
      byId("contents").textContent = problem.title;
    }
  }
  setTimeout(follow, wait);
}

function show(status) {
  if (!status) return;
  const total = Object.values(status.items).reduce((sum, count) => sum + count, 0);
  byId("contents").textContent = status.is_ready ? `${counted(total, "item")} in ${counted(status.files, "file")}` : `Not ready: ${status.problem}`;
  showProgress(status.indexing);
}

function showProgress(run) {
  byId("indexing").hidden = !run;
  if (!run) return;
  const bar = byId("indexing-bar");
  if (run.scan_finished && run.files_total) {
    bar.max = run.files_total;
    bar.value = run.files_done;
  } else {
    bar.removeAttribute("value");
  }
  const rest = run.remaining_s ? `, ${clock(run.remaining_s)} left` : "";
  byId("indexing-text").textContent = `${NAMES[run.stage]}: ${number(run.files_done)} of ${number(run.files_total)}${run.scan_finished ? "" : "+"} files${rest}`;
}
