"""`Manifest`: the file that names the files of an index, and the version of the data that they cover."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from indexers.atomic import write_text

FILE_NAME = "manifest.json"
FORMAT_VERSION = 3
OLD_FORMAT_VERSION = 2
RENAMED_KEYS = {"fresh": "delta", "dead": "deleted", "efforts": "search_parameters"}
"""Keys of format 2 and their names in format 3; the files themselves are the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What one generation of an index consists of.

    Attributes:
        dim: D.
        fingerprint: identifies the encoder that made the embeddings.
        version: the version of the owner's data that the files cover.
        generation: counts the saves; part of the file names, so that no name is used twice.
        partitions: by name, each as JSON, so that a partition that cannot be read does not affect the others.
    """

    dim: int
    fingerprint: str
    version: int
    generation: int
    partitions: dict[str, Any]

    @classmethod
    def read(cls, directory: Path) -> Manifest | None:
        """Read the manifest of a folder; return None if there is none that can be read."""
        try:
            content = json.loads((directory / FILE_NAME).read_text(encoding="utf-8"))
            found = content.pop("format_version")
            if found == OLD_FORMAT_VERSION:
                content = _with_renamed_keys(content)
            elif found != FORMAT_VERSION:
                return None
            return cls(**content)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    @classmethod
    def generation_of(cls, directory: Path) -> int:
        """Return the newest generation in a folder, 0 before the first."""
        manifest = cls.read(directory)
        return manifest.generation if manifest else 0

    def write(self, directory: Path) -> None:
        """Replace the manifest of a folder atomically."""
        write_text(directory / FILE_NAME, json.dumps({"format_version": FORMAT_VERSION, **asdict(self)}, indent=2))


def _with_renamed_keys(content: Any) -> Any:
    """Rename the keys of a manifest of format 2, at any depth but that of partition names."""
    partitions = {name: _renamed(partition) for name, partition in content["partitions"].items()}
    return {**content, "partitions": partitions}


def _renamed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {RENAMED_KEYS.get(key, key): _renamed(inner) for key, inner in value.items()}
