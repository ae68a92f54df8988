"""Multimodal search over folders of videos, images and text.

Ask with a text, a picture, a clip, or several together. `Collection` is where to start. Names are imported when they
are first used, so that `import unite_search` costs nothing.

Example:
    >>> from unite_search import Collection, Query
    >>> with Collection.open("./db", create=True) as collection:  # doctest: +SKIP
    ...     collection.index(["./photos"])
    ...     hits = collection.search(Query.of("make it red", image="q.jpg")).hits
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unite_search.collection import Collection
    from unite_search.content import Clip, Content, Image
    from unite_search.encoders.base import Encoder, MediaSpec, UniformFrames
    from unite_search.encoders.registry import load_encoder
    from unite_search.errors import (
        CollectionLockedError,
        CollectionNotFoundError,
        EncoderMismatchError,
        EncoderUnavailableError,
        FilterError,
        UniteSearchError,
        UnknownItemError,
        UnreadableFileError,
    )
    from unite_search.gallery import write_gallery
    from unite_search.media.types import Skipped
    from unite_search.modality import Modality
    from unite_search.query import Hit, Query, SearchOptions, SearchResult
    from unite_search.report import IndexOptions, IndexReport, Progress, Status

__version__ = "0.1.0"

__all__ = [
    "Clip",
    "Collection",
    "CollectionLockedError",
    "CollectionNotFoundError",
    "Content",
    "Encoder",
    "EncoderMismatchError",
    "EncoderUnavailableError",
    "FilterError",
    "Hit",
    "Image",
    "IndexOptions",
    "IndexReport",
    "MediaSpec",
    "Modality",
    "Progress",
    "Query",
    "SearchOptions",
    "SearchResult",
    "Skipped",
    "Status",
    "UniformFrames",
    "UniteSearchError",
    "UnknownItemError",
    "UnreadableFileError",
    "load_encoder",
    "write_gallery",
]

_HOMES = {
    "collection": ("Collection",),
    "content": ("Clip", "Content", "Image"),
    "encoders.base": ("Encoder", "MediaSpec", "UniformFrames"),
    "encoders.registry": ("load_encoder",),
    "errors": (
        "CollectionLockedError",
        "CollectionNotFoundError",
        "EncoderMismatchError",
        "EncoderUnavailableError",
        "FilterError",
        "UniteSearchError",
        "UnknownItemError",
        "UnreadableFileError",
    ),
    "gallery": ("write_gallery",),
    "media.types": ("Skipped",),
    "modality": ("Modality",),
    "query": ("Hit", "Query", "SearchOptions", "SearchResult"),
    "report": ("IndexOptions", "IndexReport", "Progress", "Status"),
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
