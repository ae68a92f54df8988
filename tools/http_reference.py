"""Write `docs/reference/http.md` from the OpenAPI document of the server: each request, then each object.

Run by `make docs`; a test compares.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from unite_search.collection import Collection
from unite_search.server.app import create_app
from unite_search.server.service import Service
from unite_search.server.settings import Settings

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "http.md"
INTRODUCTION = """# HTTP API

`make docs` writes this page from the OpenAPI document that `unite-search serve` gives at `/openapi.json` and shows at
`/docs`. The [guide to the server](../guides/server.md) has examples. Where the server was started with `--token`, each
request needs the header `Authorization: Bearer TOKEN`. Errors are
[`application/problem+json`](#problem).
"""
ERRORS_ANYWHERE = {"400", "401", "403", "408", "413", "421", "429"}
ANYWHERE = """Besides the statuses that are listed, any request below `/api` may be answered with 400 (it cannot be
read), 401 (no token, or a wrong one), 403 (a web page of another origin), 408 (the body came too slowly), 413 (it is
too large), 421 (a wrong Host header) or 429 (too many requests).
"""

Schema = dict[str, Any]


def page() -> str:
    """Return the page."""
    document = _document()
    parts = [INTRODUCTION, "## Requests\n", ANYWHERE]
    for path, operations in document["paths"].items():
        parts += [_request(f"{method.upper()} {path}", operation) for method, operation in operations.items()]
    parts.append("## Objects\n")
    parts += [_object(name, schema) for name, schema in sorted(document["components"]["schemas"].items())]
    return "\n".join(parts)


def _document() -> Schema:
    """Return the OpenAPI document of a server on an empty collection, which is made for it."""
    with TemporaryDirectory() as folder, Collection.open(Path(folder) / "none", create=True) as collection:
        return create_app(Service([collection], Settings())).openapi()


def _request(title: str, operation: Schema) -> str:
    described = str(operation.get("description") or operation.get("summary") or "")
    lines = [f"### {title}", "", described, ""]
    rows = [_parameter(one) for one in operation.get("parameters", [])]
    if rows:
        lines += ["| parameter | in | type | meaning |", "|---|---|---|---|", *rows, ""]
    for media, body in operation.get("requestBody", {}).get("content", {}).items():
        lines += [f"Body: {_type(body.get('schema', {}))}, as `{media}`.", ""]
    lines += ["Answers:", "", *(f"- {answer}" for answer in _answers(operation["responses"]))]
    return "\n".join([*lines, ""])


def _parameter(parameter: Schema) -> str:
    schema = parameter["schema"]
    meaning = parameter.get("description") or schema.get("description") or ""
    return f"| `{parameter['name']}` | {parameter['in']} | {_type(schema)} | {_with_default(meaning, schema)} |"


def _answers(responses: Schema) -> Iterator[str]:
    for status, response in responses.items():
        content = [
            f"{_type(one.get('schema', {}))} as `{media}`" if one.get("schema") else f"`{media}`"
            for media, one in response.get("content", {}).items()
        ]
        if status < "400":
            yield f"{status}: {' or '.join(content) or 'without a body'}"
    refused = [status for status in responses if status >= "400" and status not in ERRORS_ANYWHERE]
    if refused:
        yield f"{', '.join(refused)}: [Problem](#problem) as `application/problem+json`"


def _object(name: str, schema: Schema) -> str:
    lines = [f"### {name}", "", schema.get("description", ""), ""]
    if properties := schema.get("properties"):
        rows = [
            f"| `{field}` | {_type(one)} | {_with_default(one.get('description', ''), one)} |"
            for field, one in properties.items()
        ]
        lines += ["| field | type | meaning |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _type(schema: Schema) -> str:
    """Describe a JSON schema in a few words, with a link if it is an object of this page."""
    if reference := schema.get("$ref"):
        name = reference.rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if options := schema.get("anyOf"):
        return " or ".join(_type(option) for option in options)
    if values := schema.get("enum"):
        return ", ".join(f"`{value}`" for value in values)
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("type", "any"))


def _with_default(meaning: str, schema: Schema) -> str:
    default = schema.get("default")
    text = meaning.replace("|", "\\|").replace("\n", " ")
    if default in (None, [], {}, ""):
        return text
    return f"{text} Default: `{str(default).lower() if isinstance(default, bool) else default}`.".strip()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
