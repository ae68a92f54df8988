"""The manifest of a folder of partitions: which files belong to its newest generation, and their checksums."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from indexers.atomic import write_text
from indexers.digest import digest_of

FILE_NAME = "manifest.json"
FORMAT_VERSION = 4
"""Format 3 had no tails and no checksum, format 2 also had other keys."""
CHECKSUM = "checksum"
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
            text = (directory / FILE_NAME).read_text(encoding="utf-8")
            content = json.loads(text)
            found = content.pop("format_version")
            if found == FORMAT_VERSION and content.pop(CHECKSUM) and text != _as_text(content):
                return None
            return cls(**_READERS[found](content))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    @classmethod
    def generation_of(cls, directory: Path) -> int:
        """Return the newest generation in a folder, 0 before the first."""
        manifest = cls.read(directory)
        return manifest.generation if manifest else 0

    def write(self, directory: Path) -> None:
        """Replace the manifest of a folder atomically."""
        write_text(directory / FILE_NAME, _as_text(asdict(self)))


def _as_text(content: dict[str, Any]) -> str:
    """Return the text of a manifest, with the BLAKE2b of what it says."""
    digest = digest_of(json.dumps(content, indent=2).encode())
    return json.dumps({"format_version": FORMAT_VERSION, CHECKSUM: digest, **content}, indent=2)


def _with_renamed_keys(content: Any) -> Any:
    """Rename the keys of a manifest of format 2, at any depth but that of partition names."""
    partitions = {name: _renamed(partition) for name, partition in content["partitions"].items()}
    return {**content, "partitions": partitions}


def _as_it_is(content: Any) -> Any:
    return content


_READERS: dict[int, Callable[[Any], Any]] = {2: _with_renamed_keys, 3: _as_it_is, FORMAT_VERSION: _as_it_is}


def _renamed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {RENAMED_KEYS.get(key, key): _renamed(inner) for key, inner in value.items()}
