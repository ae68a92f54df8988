"""`collection.json`: what a collection is, which encoder made its vectors, and the next id to give out.

Ids are reserved in blocks before they are used, so a crash loses numbers and never repeats one.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from unite_search.encoders.base import Encoder
from unite_search.encoders.options import stored_options
from unite_search.errors import CollectionNotFoundError, UniteSearchError
from unite_search.files import write_atomically

FORMAT_VERSION = 1
FILE_NAME = "collection.json"
ID_BLOCK = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The content of `collection.json`.

    Attributes:
        encoder: name of the encoder.
        fingerprint: of the encoder.
        dim: vector length.
        next_id: every id below may have been used.
        roots: folders that were indexed, for a later `index` without arguments.
        segments: how videos were cut, for a later `index` without options.
        keyframes_only: how videos were read.
        encoder_options: what changes the encoder's vectors, so that queries are embedded like the items.
        format_version: of the folder's layout.
    """

    encoder: str
    fingerprint: str
    dim: int
    next_id: int = 0
    roots: tuple[str, ...] = ()
    segments: float | Literal["none", "shots"] = 60.0
    keyframes_only: bool = False
    encoder_options: dict[str, Any] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    @classmethod
    def of(cls, encoder: Encoder) -> Manifest:
        """The manifest of a new collection."""
        return cls(
            encoder=encoder.name,
            fingerprint=encoder.fingerprint,
            dim=encoder.dim,
            encoder_options=stored_options(encoder),
        )

    @classmethod
    def read(cls, directory: Path) -> Manifest:
        """Read the manifest of a collection folder.

        Raises:
            CollectionNotFoundError: there is none.
            UniteSearchError: it cannot be understood, or is of a newer version of this program.
        """
        path = directory / FILE_NAME
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            manifest = cls(**{**fields, "roots": tuple(fields["roots"])})
        except FileNotFoundError:
            raise CollectionNotFoundError(
                f"no collection at {directory}; make one with `unite-search index FOLDER`"
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise UniteSearchError(f"{path} is damaged: {error}") from error
        if manifest.format_version != FORMAT_VERSION:
            raise UniteSearchError(
                f"{directory} has format {manifest.format_version}, this program reads {FORMAT_VERSION}"
            )
        return manifest

    def write(self, directory: Path) -> None:
        """Store the manifest."""
        write_atomically(directory / FILE_NAME, json.dumps(asdict(self), indent=2) + "\n")


class IdCounter:
    """Gives out ids that no item of the collection ever had. Needs the write lock."""

    def __init__(self, directory: Path, *, used_below: int) -> None:
        self._directory = directory
        self._next = max(Manifest.read(directory).next_id, used_below)
        self._reserved = self._next

    def take(self, count: int) -> range:
        """The next `count` ids."""
        taken = range(self._next, self._next + count)
        if taken.stop > self._reserved:
            self._reserve(taken.stop + ID_BLOCK)
        self._next = taken.stop
        return taken

    def close(self) -> None:
        """Hand the unused rest of the block back."""
        if self._reserved > self._next:
            self._reserve(self._next)

    def _reserve(self, below: int) -> None:
        replace(Manifest.read(self._directory), next_id=below).write(self._directory)
        self._reserved = below
