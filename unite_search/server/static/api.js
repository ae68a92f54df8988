// Calls of the HTTP API. Errors are `Problem`s: the server's RFC 9457 objects, or our own if it cannot be reached.

// Relative to this file, because a proxy may serve everything below a prefix.
const BASE = new URL("../api/v1", import.meta.url).pathname;

export class Problem extends Error {
  constructor(status, title, detail) {
    super(detail);
    this.status = status;
    this.title = title;
  }
}

async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(BASE + path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "The server cannot be reached", "Is it still running? Try again in a moment.");
  }
  if (response.ok) return response.status === 204 ? null : response.json();
  const body = await response.json().catch(() => ({}));
  throw new Problem(response.status, body.title ?? "Something went wrong", body.detail ?? response.statusText);
}

function json(method, path, body, signal) {
  return request(path, { method, signal, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null);
  return new URLSearchParams(given).toString();
}

export const collections = () => request("/collections");
export const status = (collection) => request(`/status?${query({ collection })}`);
export const login = (token) => json("POST", "/session", { token });
export const search = (asked, signal) => json("POST", "/search", asked, signal);
export const item = (id, collection) => request(`/items/${id}?${query({ collection })}`);
export const similar = (id, collection, top_k) => request(`/items/${id}/similar?${query({ collection, top_k })}`);
export const upload = (file, collection) => request(`/uploads?${query({ collection })}`, { method: "POST", body: file });
export const uploadUrl = (url, collection) => json("POST", `/uploads/url?${query({ collection })}`, { url });
export const previewUrl = (uploadId) => `${BASE}/uploads/${uploadId}/preview`;
export const itemUrl = (id, what, collection, side) => `${BASE}/items/${id}/${what}?${query({ collection, side })}`;
