"""The words of a row: what the full-text index holds of it."""

from __future__ import annotations

from typing import Any

from unite_search import strict_json
from unite_search.analyzer import document

WORDS = "words"
"""The column. It is made from others whenever a row is written, so it has no checksum of its own."""
KEYWORD_KEYS = ("title", "caption", "description", "keywords", "tags", "subject")
"""Keys of a JSON sidecar whose texts are found by their words."""


def words_of(row: dict[str, Any]) -> str:
    """Return the words of a row: its caption or passage, name, the keywords of its sidecar, and folder."""
    metadata = row.get("metadata")
    known = strict_json.loads(metadata) if metadata and metadata != "{}" else {}
    return document(row.get("text") or "", [row["name"], *keywords_of(known), row["folder"]])


def keywords_of(metadata: dict[str, Any]) -> list[str]:
    """Return the texts of the object of a JSON sidecar that are found by their words."""
    return [text for key in KEYWORD_KEYS for text in _texts(metadata.get(key))]


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
