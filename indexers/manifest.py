"""The manifest of a `PartitionedIndex`: which files make up which partition, and what they were made from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from indexers.atomic import write_text
from indexers.stored_files import StoredFile
from indexers.tune import Tuning

FILE_NAME = "manifest.json"
FORMAT_VERSION = 3
OLD_FORMAT_VERSION = 2
PRESENT_NAMES = {"fresh": "delta", "dead": "deleted", "efforts": "search_parameters"}
"""Keys of format 2 and what they are called now; the files themselves are the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPartition:
    """One partition on disk.

    Attributes:
        spec: the kind of its base.
        count: number of live rows.
        base: the files of the base, by what they hold.
        delta: the files of the rows added since; empty if there are none.
        sample: the fixed sample for `calibrate`, stored so that a query need not collect it.
        tuning: the measured curve.
    """

    spec: str
    count: int
    base: dict[str, StoredFile]
    delta: dict[str, StoredFile]
    sample: StoredFile
    tuning: Tuning | None

    @property
    def files(self) -> list[StoredFile]:
        """All files of the partition."""
        return [*self.base.values(), *self.delta.values(), self.sample]

    @property
    def size_bytes(self) -> int:
        """The size of all files together."""
        return sum(file.size_bytes for file in self.files)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> StoredPartition:
        """Create the object from what `dataclasses.asdict` made of it.

        Raises:
            KeyError, TypeError, AttributeError: the content is not as it was written.
        """
        return cls(
            spec=content["spec"],
            count=content["count"],
            base={role: StoredFile(**file) for role, file in content["base"].items()},
            delta={role: StoredFile(**file) for role, file in content["delta"].items()},
            sample=StoredFile(**content["sample"]),
            tuning=_tuning(content["tuning"]),
        )


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
                content = _with_present_names(content)
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


def _tuning(content: dict[str, Any] | None) -> Tuning | None:
    if content is None:
        return None
    lists = {name: tuple(value) for name, value in content.items() if isinstance(value, list)}
    lists["recalls"] = tuple(tuple(row) for row in content["recalls"])
    return Tuning(**{**content, **lists})


def _with_present_names(content: Any) -> Any:
    """Rename the keys of a manifest of format 2, at any depth but that of partition names."""
    partitions = {name: _renamed(partition) for name, partition in content["partitions"].items()}
    return {**content, "partitions": partitions}


def _renamed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {PRESENT_NAMES.get(key, key): _renamed(inner) for key, inner in value.items()}
