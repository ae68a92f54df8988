// Create elements, and format values for display.

export const byId = (id) => document.getElementById(id);

export function make(tag, { class: className, text, ...attributes } = {}, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

export function clock(seconds) {
  const whole = Math.floor(seconds);
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

export function span(item) {
  return item.start_s === null || item.end_s === null ? "" : `${clock(item.start_s)} – ${clock(item.end_s)}`;
}

export const fileName = (uri) => decodeIfUrl(uri).split("/").pop();

export function decodeIfUrl(uri) {
  try {
    return uri.startsWith("file://") ? decodeURIComponent(uri.slice("file://".length)) : uri;
  } catch {
    return uri;
  }
}

// What a person would call an item of a partition.
export const modalityOf = (partition) => ["video", "image"].find((name) => partition.split("+").includes(name)) ?? "text";

export const sentence = (text) => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;

export const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;

export const number = (value) => value.toLocaleString("en");

export const counted = (count, noun, plural = `${noun}s`) => `${number(count)} ${count === 1 ? noun : plural}`;

export function bytes(size) {
  const units = ["bytes", "KB", "MB", "GB"];
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${unit ? size.toFixed(1) : size} ${units[unit]}`;
}
