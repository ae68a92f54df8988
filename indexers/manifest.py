"""The manifest of a `PartitionedIndex`: which files make up which partition, and what they were made of."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from indexers.stored_files import StoredFile
from indexers.tune import Tuning

FILE_NAME = "manifest.json"
FORMAT_VERSION = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPartition:
    """One partition on disk.

    Attributes:
        spec: of its base.
        count: living rows.
        base: files of most of the rows, by what they hold.
        fresh: files of the rows added since; empty where there are none.
        sample: the fixed sample for `merge`, kept so that a query need not collect it.
        tuning: the measured curve.
    """

    spec: str
    count: int
    base: dict[str, StoredFile]
    fresh: dict[str, StoredFile]
    sample: StoredFile
    tuning: Tuning | None

    @property
    def files(self) -> list[StoredFile]:
        """All of them."""
        return [*self.base.values(), *self.fresh.values(), self.sample]

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(file.size_bytes for file in self.files)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> StoredPartition:
        """Inverse of `dataclasses.asdict`.

        Raises:
            KeyError, TypeError, AttributeError: something is not as it was written.
        """
        return cls(
            spec=content["spec"],
            count=content["count"],
            base={role: StoredFile(**file) for role, file in content["base"].items()},
            fresh={role: StoredFile(**file) for role, file in content["fresh"].items()},
            sample=StoredFile(**content["sample"]),
            tuning=_tuning(content["tuning"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What one generation of an index consists of.

    Attributes:
        dim: D.
        fingerprint: of what made the embeddings.
        version: of the owner's data that the files cover.
        generation: counts the saves; part of file names, so that no name is used twice.
        partitions: by name, each as JSON: what cannot be read concerns one partition only.
    """

    dim: int
    fingerprint: str
    version: int
    generation: int
    partitions: dict[str, Any]

    @classmethod
    def read(cls, directory: Path) -> Manifest | None:
        """The manifest of a folder, or None where there is none that can be read."""
        try:
            content = json.loads((directory / FILE_NAME).read_text(encoding="utf-8"))
            if content.pop("format_version") != FORMAT_VERSION:
                return None
            return cls(**content)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    @classmethod
    def generation_of(cls, directory: Path) -> int:
        """The newest generation in a folder, 0 before the first."""
        manifest = cls.read(directory)
        return manifest.generation if manifest else 0

    def write(self, directory: Path) -> None:
        """Replace the manifest of a folder in one step."""
        temporary = directory / f"{FILE_NAME}.tmp"
        with temporary.open("w", encoding="utf-8") as stream:
            json.dump({"format_version": FORMAT_VERSION, **asdict(self)}, stream, indent=2)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(directory / FILE_NAME)


def _tuning(content: dict[str, Any] | None) -> Tuning | None:
    if content is None:
        return None
    lists = {name: tuple(value) for name, value in content.items() if isinstance(value, list)}
    lists["recalls"] = tuple(tuple(row) for row in content["recalls"])
    return Tuning(**{**content, **lists})
