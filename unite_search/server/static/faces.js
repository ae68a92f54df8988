// The card face of an item: its picture, its passage, or its frames, which play while the pointer is over them.

import { itemUrl } from "./api.js";
import { make, span } from "./dom.js";
import { excerpt } from "./marks.js";

const WAIT_MS = 120;

export function face(hit, collection, side = 320) {
  if (hit.modality === "text") return make("div", { class: "face" }, make("q", {}, ...excerpt(hit.text ?? "", hit.evidence?.spans)));
  const box = make("div", { class: "face" });
  const picture = make("img", { alt: "", loading: "lazy", decoding: "async" });
  picture.addEventListener("load", () => picture.classList.add("there"));
  picture.addEventListener("error", () => box.classList.add("broken"));
  picture.src = itemUrl(hit.id, "thumbnail", collection, side);
  box.append(picture);
  if (hit.modality === "video") {
    box.append(make("span", { class: "badge", text: span(hit) }));
    playOnHover(box, itemUrl(hit.id, "strip", collection, side));
  }
  return box;
}

// Frames side by side in one picture; the style sheet shows one of them, or each in turn.
export function frames(url, count, ratio) {
  const picture = make("img", { alt: "" });
  const box = make("div", { class: "frames" }, picture);
  const arrange = () => {
    const known = count ?? Math.max(1, Math.round(picture.naturalWidth / picture.naturalHeight / ratio));
    box.style.setProperty("--frames", known);
    box.style.setProperty("--shown", Math.floor(known / 2));
    box.classList.add("there");
  };
  picture.addEventListener("load", arrange);
  picture.src = url;
  return box;
}

function playOnHover(box, url) {
  let strip = null;
  let timer = 0;
  const start = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      strip ??= box.appendChild(covering(frames(url, null, ratioOf(box)), ratioOf(box)));
      strip.hidden = false;
      strip.classList.add("playing");
      box.append(box.querySelector(".badge"));
    }, WAIT_MS);
  };
  const stop = () => {
    clearTimeout(timer);
    if (strip) strip.hidden = true;
  };
  queueMicrotask(() => {
    const card = box.closest("button") ?? box;
    card.addEventListener("pointerenter", start);
    card.addEventListener("focus", start);
    card.addEventListener("pointerleave", stop);
    card.addEventListener("blur", stop);
  });
}

// Crops the strip like the still picture below it, which covers a face of 4:3.
function covering(strip, ratio) {
  const wide = ratio / (4 / 3);
  strip.style.width = `${Math.max(wide, 1) * 100}%`;
  strip.style.height = `${Math.max(1 / wide, 1) * 100}%`;
  return strip;
}

function ratioOf(box) {
  const { naturalWidth, naturalHeight } = box.querySelector("img");
  return naturalHeight ? naturalWidth / naturalHeight : 4 / 3;
}
