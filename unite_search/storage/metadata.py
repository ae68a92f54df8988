"""Where collections are stored, and `collection.json`: the encoder, the index configuration, the next free id.

Ids are reserved in blocks before they are used, so a crash may lose numbers but never gives one twice.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, cast

from indexers.atomic import write_text
from indexers.digest import digest_of
from indexers.spec import IndexConfig
from unite_search import strict_json
from unite_search.encoders.base import Encoder, EncoderOptions, is_folder, load_encoder
from unite_search.errors import (
    CollectionNotFoundError,
    DamagedCollectionError,
    EncoderMismatchError,
    EncoderUnavailableError,
    UniteSearchError,
)
from unite_search.home import home

FORMAT_VERSION = 4
"""Formats 1 to 3 had other columns; `storage.upgrade` converts them."""
FILE_NAME = "collection.json"
CHECKSUM = "checksum"
"""The last key of the file: BLAKE2b of the other keys. To edit the file by hand, take the key out."""
ID_BLOCK = 65_536
DEFAULT_COLLECTION = "default"
COLLECTION_VARIABLE = "UNITE_SEARCH_COLLECTION"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
OTHER_ENCODER = "use the encoder and options that built it, or index into another collection"
OTHER_VERSION = "that is another version: index the folders again, into another collection"


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionMetadata:
    """The content of `collection.json`.

    Attributes:
        encoder: name of the encoder.
        fingerprint: fingerprint of the encoder.
        dim: length of a vector.
        next_id: ids from this one on were never used; those below may have been.
        roots: folders that were indexed, for a later `index` without arguments.
        segments: how videos were cut, for a later `index` without options.
        keyframes_only: whether only key frames of videos were read.
        follow_links: whether links that lead outside the roots were followed.
        encoder_options: the options that change the encoder's vectors, so that queries are embedded like the items.
        index: configuration of the vector indexes, for later runs.
        format_version: version of the folder's layout.
    """

    encoder: str
    fingerprint: str
    dim: int
    next_id: int = 0
    roots: tuple[str, ...] = ()
    segments: float | Literal["none", "shots"] = 60.0
    keyframes_only: bool = False
    follow_links: bool = False
    encoder_options: dict[str, Any] = field(default_factory=dict)
    index: IndexConfig = field(default_factory=IndexConfig)
    format_version: int = FORMAT_VERSION

    @classmethod
    def of(cls, encoder: Encoder, index: IndexConfig | None = None) -> CollectionMetadata:
        """Return the metadata of a new collection."""
        return cls(
            encoder=encoder.name,
            fingerprint=encoder.fingerprint,
            dim=encoder.dim,
            encoder_options=encoder.options.stored(),
            index=index or IndexConfig(),
        )

    @classmethod
    def read(cls, directory: Path) -> CollectionMetadata:
        """Read the metadata of a collection folder.

        Raises:
            CollectionNotFoundError: the folder has no metadata.
            DamagedCollectionError: the metadata is damaged.
            UniteSearchError: the metadata was written by a newer version of this program.
        """
        path = directory / FILE_NAME
        try:
            return cls.parse(path.read_text(encoding="utf-8"), directory)
        except FileNotFoundError:
            raise CollectionNotFoundError(
                f"no collection at {directory}; make one with `unite-search index FOLDER`"
            ) from None
        except ValueError as error:
            raise DamagedCollectionError(
                f"{path} is damaged: {error}; `unite-search repair --db {directory}` takes its second copy"
            ) from error

    @classmethod
    def parse(cls, text: str, directory: Path) -> CollectionMetadata:
        """Create the object from what `text` made of it.

        Raises:
            UniteSearchError: a newer version of this program wrote it.
            ValueError: the text is not as it was written, or says what cannot be; the message is the reason alone.
        """
        given = _object(text)
        version = given.get("format_version", FORMAT_VERSION)
        if _is_count(version) and version > FORMAT_VERSION:
            raise UniteSearchError(
                f"{directory} has format {version}, this program reads up to {FORMAT_VERSION}; update unite-search"
            )
        if CHECKSUM in given and text != _with_checksum(given):
            raise ValueError("its checksum differs")
        given.pop(CHECKSUM, None)
        _refuse_wrong_values(given)
        try:
            index = IndexConfig(**given.pop("index", {}))
        except TypeError:
            raise ValueError("`index` has an unknown key") from None
        return cls(**{**given, "roots": tuple(given["roots"]), "index": index})

    def text(self) -> str:
        """Return the content of the file."""
        return _with_checksum(asdict(self))

    def write(self, directory: Path) -> None:
        """Store the metadata."""
        write_text(directory / FILE_NAME, self.text())

    def refuse_other_name(self, directory: Path, given: str | Encoder | None) -> None:
        """Refuse an encoder whose name is not that of the collection's encoder.

        A checkpoint named by its folder passes, because the folder may have been moved: `load_encoder` compares its
        fingerprint.

        Raises:
            EncoderMismatchError: the name is that of another encoder.
        """
        if given is None or is_folder(given):
            return
        name = given if isinstance(given, str) else given.name
        if name != self.encoder:
            raise self._mismatch(directory, name, OTHER_ENCODER)

    def load_encoder(self, directory: Path, given: str | Encoder | None, options: EncoderOptions) -> Encoder:
        """Load the encoder that made the vectors, or check the one that was given in its place.

        Raises:
            EncoderMismatchError: the encoder gives other vectors than those of the collection.
            EncoderUnavailableError: no encoder has the name.
        """
        chosen = self.encoder if given is None else given
        merged = options.over(EncoderOptions(**self.encoder_options))
        try:
            encoder = load_encoder(chosen, merged) if isinstance(chosen, str) else chosen
        except ValueError as error:
            raise EncoderUnavailableError(f"{directory} was built by an encoder that is not there: {error}") from error
        if encoder.fingerprint != self.fingerprint:
            own = encoder.options.stored()
            is_other_version = (encoder.name, own) == (self.encoder, self.encoder_options)
            described = _described(encoder.name, encoder.fingerprint, own)
            raise self._mismatch(directory, described, OTHER_VERSION if is_other_version else OTHER_ENCODER)
        return encoder

    def _mismatch(self, directory: Path, given: str, advice: str) -> EncoderMismatchError:
        built_by = _described(self.encoder, self.fingerprint, self.encoder_options)
        return EncoderMismatchError(f"{directory} was built by encoder {built_by}, this is {given}; {advice}")


class IdCounter:
    """Gives out ids that no item of the collection ever had. The caller must hold the write lock."""

    def __init__(self, directory: Path, *, used_below: int) -> None:
        self._directory = directory
        self._next = max(CollectionMetadata.read(directory).next_id, used_below)
        self._reserved = self._next

    def take(self, count: int) -> range:
        """Return the next `count` ids."""
        taken = range(self._next, self._next + count)
        if taken.stop > self._reserved:
            self._reserve(taken.stop + ID_BLOCK)
        self._next = taken.stop
        return taken

    def close(self) -> None:
        """Return the unused rest of the reserved block."""
        if self._reserved > self._next:
            self._reserve(self._next)

    def _reserve(self, below: int) -> None:
        replace(CollectionMetadata.read(self._directory), next_id=below).write(self._directory)
        self._reserved = below


def _object(text: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ValueError: the text is none.
    """
    try:
        found = strict_json.loads(text)
    except ValueError:
        raise ValueError("it is not valid JSON") from None
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")
    return found


def _refuse_wrong_values(given: Mapping[str, Any]) -> None:
    """Refuse fields that are unknown, missing, or cannot be what this program wrote.

    Raises:
        ValueError: there is one.
    """
    unknown, missing = sorted(given.keys() - _CHECKS.keys()), sorted(_REQUIRED - given.keys())
    if unknown or missing:
        raise ValueError(f"unknown key {unknown[0]!r}" if unknown else f"`{missing[0]}` is missing")
    for name, value in given.items():
        holds, expected = _CHECKS[name]
        if not holds(value):
            raise ValueError(f"`{name}` is {value!r}; expected {expected}")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_positive(value: object) -> bool:
    return type(value) is int and value > 0


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _are_options(value: object) -> bool:
    return isinstance(value, dict) and value.keys() <= {option.name for option in fields(EncoderOptions)}


def _are_paths(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _are_segments(value: object) -> bool:
    return value in ("none", "shots") or (type(value) in (int, float) and cast(float, value) > 0)


_REQUIRED = frozenset({"encoder", "fingerprint", "dim", "roots"})
_CHECKS: dict[str, tuple[Callable[[object], bool], str]] = {
    "encoder": (_is_text, "a name"),
    "fingerprint": (_is_text, "a text"),
    "dim": (_is_positive, "a number above 0"),
    "next_id": (_is_count, "a number from 0 on"),
    "roots": (_are_paths, "a list of paths"),
    "segments": (_are_segments, "a number of seconds above 0, none or shots"),
    "keyframes_only": (_is_flag, "true or false"),
    "follow_links": (_is_flag, "true or false"),
    "encoder_options": (_are_options, "options of the encoder"),
    "index": (_is_object, "an object"),
    "format_version": (_is_positive, "a number above 0"),
}
"""What each field must be, and how to say so."""


def _with_checksum(fields: Mapping[str, Any]) -> str:
    """Return fields as JSON, with the checksum of the text that they have without it."""
    content = {name: value for name, value in fields.items() if name != CHECKSUM}
    digest = digest_of(json.dumps(content, indent=2).encode())
    return json.dumps({**content, CHECKSUM: digest}, indent=2) + "\n"


def _described(name: str, fingerprint: str, options: Mapping[str, object]) -> str:
    """Describe an encoder for a mismatch message."""
    chosen = "".join(f", {option} {value}" for option, value in options.items())
    return f"{name} ({fingerprint}{chosen})"


def collections_home() -> Path:
    """Return the folder of the named collections."""
    return home() / "collections"


def collection_directory(name: str | None = None, db: Path | None = None) -> Path:
    """Return the folder of a collection: `db` itself, else by `name`, else by `$UNITE_SEARCH_COLLECTION`.

    Raises:
        UniteSearchError: the name is not valid as a folder name.
    """
    if db is not None:
        return db.expanduser().absolute()
    chosen = name or os.environ.get(COLLECTION_VARIABLE) or DEFAULT_COLLECTION
    if not _NAME.fullmatch(chosen):
        raise UniteSearchError(f"collection name {chosen!r}: use letters, digits, dot, dash and underscore")
    return collections_home() / chosen


def list_collections() -> list[Path]:
    """Return the folders of all named collections, sorted."""
    home = collections_home()
    if not home.is_dir():
        return []
    return sorted(folder for folder in home.iterdir() if (folder / FILE_NAME).is_file())
