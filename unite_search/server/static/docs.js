// The documentation of the API, made from its OpenAPI document.

import { byId, make } from "./dom.js";

const document_ = await (await fetch(new URL("../openapi.json", import.meta.url))).json();
const prefix = document_.servers?.[0]?.url ?? "";

const resolved = (schema) => (schema?.$ref ? schema.$ref.slice(2).split("/").reduce((inner, key) => inner[key], document_) : schema);

function typeOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array") return `list of ${typeOf(schema.items)}`;
  if (schema.type === "object" && schema.additionalProperties) return `object of ${typeOf(schema.additionalProperties) || "anything"}`;
  return schema.format ?? schema.type ?? "anything";
}

function table(rows) {
  return make("table", {}, ...rows.map((cells) => make("tr", {}, ...cells.map((cell, index) => make("td", {}, index ? cell : make("code", { text: cell }))))));
}

function fields(schema) {
  const { properties = {}, required = [] } = resolved(schema) ?? {};
  const needed = (name, field) => {
    if (required.includes(name)) return "required";
    return field.default === undefined || field.default === null ? "" : `default ${JSON.stringify(field.default)}`;
  };
  const about = (name, field) => [needed(name, field), field.description].filter(Boolean).join("; ");
  return table(Object.entries(properties).map(([name, field]) => [name, typeOf(field), about(name, field)]));
}

function part(title, ...content) {
  return make("div", {}, make("h3", { text: title }), ...content);
}

function route(method, path, described) {
  const body = described.requestBody?.content ?? {};
  const parts = [make("p", { text: described.description ?? "" })];
  const parameters = (described.parameters ?? []).map((it) => [it.name, `${typeOf(it.schema)}, in ${it.in}`, it.description ?? it.schema.description ?? ""]);
  if (parameters.length) parts.push(part("Parameters", table(parameters)));
  for (const [type, { schema }] of Object.entries(body)) parts.push(part(`Body: ${type}`, schema.$ref ? fields(schema) : make("p", { text: "The bytes of a file." })));
  for (const [status, response] of Object.entries(described.responses)) {
    const good = Number(status) < 300;
    const schema = response.content?.["application/json"]?.schema;
    if (good) parts.push(part(`Response ${status}`, schema ? fields(schema) : make("p", { text: Object.keys(response.content ?? {}).join(", ") || "nothing" })));
  }
  const errors = Object.entries(described.responses).filter(([status]) => Number(status) >= 400).map(([status, { description }]) => `${status} ${description}`);
  parts.push(part("Errors, as application/problem+json", make("p", { text: errors.join(", ") || "no specific ones" })));
  const name = make("span", { class: "method", text: method.toUpperCase() });
  const summary = make("summary", {}, name, make("code", { text: prefix + path }), make("span", { class: "soft", text: described.summary ?? "" }));
  return make("details", { class: "route" }, summary, make("div", { class: "inside" }, ...parts));
}

const byTag = new Map();
for (const [path, methods] of Object.entries(document_.paths)) {
  for (const [method, described] of Object.entries(methods)) {
    const tag = described.tags?.[0] ?? "other";
    byTag.set(tag, [...(byTag.get(tag) ?? []), route(method, path, described)]);
  }
}
byId("routes").append(...[...byTag].flatMap(([tag, routes]) => [make("h2", { text: tag }), ...routes]));
