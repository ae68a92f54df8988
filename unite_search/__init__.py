"""Multimodal search over folders of videos, images and text.

Ask with a text, a picture, a clip, or several together. `Collection` is where to start. Names are imported when they
are first used, so that `import unite_search` costs nothing. Public are the names in `__all__` and the modules of
`unite_search.integrations`; everything else may change without notice.

Examples:
    >>> from unite_search import Collection, Query
    >>> with Collection.open("./db", create=True) as collection:
    ...     report = collection.index(["./photos"])
    ...     result = collection.search(Query.of("make it red", image="./photos/boat.jpg"))
    >>> print(report.added, "files,", len(result.hits), "hits")
    4 files, 3 hits
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from indexers.lazy import lazy_names

if TYPE_CHECKING:
    from indexers.spec import IndexConfig
    from unite_search.collection import Collection
    from unite_search.content import Clip, Content, FrameSampler, Image, MediaSpec, Part, UniformFrames
    from unite_search.encoders.base import (
        Attention,
        DType,
        Encoder,
        EncoderDefaults,
        EncoderOptions,
        Role,
        Workload,
        load_encoder,
    )
    from unite_search.errors import (
        CollectionLockedError,
        CollectionNotFoundError,
        DamagedCollectionError,
        DecodeProcessError,
        EncoderMismatchError,
        EncoderUnavailableError,
        FilterError,
        OutdatedError,
        UniteSearchError,
        UnknownItemError,
        UnreadableFileError,
    )
    from unite_search.gallery import Section, write_gallery
    from unite_search.item import Item
    from unite_search.media.types import Cut, Skipped
    from unite_search.modality import Modality, ModalityName
    from unite_search.query import (
        Evidence,
        GroupBy,
        Hit,
        Mode,
        PartKind,
        PathArgument,
        Query,
        SearchOptions,
        SearchResult,
    )
    from unite_search.recovery import repair, verify_folder
    from unite_search.report import IndexOptions, IndexReport, Progress, ProgressCallback, RepairReport, Stage, Status
    from unite_search.search.duplicates import CopyGroup, Duplicates
    from unite_search.search.encoding import QueryVector
    from unite_search.search.words import Words
    from unite_search.storage.export import ExportReport

__version__ = "0.1.0"

__all__ = [
    "Attention",
    "Clip",
    "Collection",
    "CollectionLockedError",
    "CollectionNotFoundError",
    "Content",
    "CopyGroup",
    "Cut",
    "DType",
    "DamagedCollectionError",
    "DecodeProcessError",
    "Duplicates",
    "Encoder",
    "EncoderDefaults",
    "EncoderMismatchError",
    "EncoderOptions",
    "EncoderUnavailableError",
    "Evidence",
    "ExportReport",
    "FilterError",
    "FrameSampler",
    "GroupBy",
    "Hit",
    "Image",
    "IndexConfig",
    "IndexOptions",
    "IndexReport",
    "Item",
    "MediaSpec",
    "Modality",
    "ModalityName",
    "Mode",
    "OutdatedError",
    "Part",
    "PartKind",
    "PathArgument",
    "Progress",
    "ProgressCallback",
    "Query",
    "QueryVector",
    "RepairReport",
    "Role",
    "SearchOptions",
    "SearchResult",
    "Section",
    "Skipped",
    "Stage",
    "Status",
    "UniformFrames",
    "UniteSearchError",
    "UnknownItemError",
    "UnreadableFileError",
    "Words",
    "Workload",
    "load_encoder",
    "repair",
    "verify_folder",
    "write_gallery",
]

_HOMES = {
    "indexers.spec": ("IndexConfig",),
    "unite_search.collection": ("Collection",),
    "unite_search.content": ("Clip", "Content", "FrameSampler", "Image", "MediaSpec", "Part", "UniformFrames"),
    "unite_search.encoders.base": (
        "Attention",
        "DType",
        "DamagedCollectionError",
        "Encoder",
        "EncoderDefaults",
        "EncoderOptions",
        "Role",
        "Workload",
        "load_encoder",
    ),
    "unite_search.errors": (
        "CollectionLockedError",
        "CollectionNotFoundError",
        "DamagedCollectionError",
        "DecodeProcessError",
        "EncoderMismatchError",
        "EncoderUnavailableError",
        "FilterError",
        "OutdatedError",
        "UniteSearchError",
        "UnknownItemError",
        "UnreadableFileError",
    ),
    "unite_search.gallery": ("Section", "write_gallery"),
    "unite_search.item": ("Item",),
    "unite_search.media.types": ("Cut", "Skipped"),
    "unite_search.modality": ("Modality", "ModalityName"),
    "unite_search.query": (
        "Evidence",
        "GroupBy",
        "Hit",
        "Mode",
        "PartKind",
        "PathArgument",
        "Query",
        "SearchOptions",
        "SearchResult",
    ),
    "unite_search.recovery": ("repair", "verify_folder"),
    "unite_search.report": (
        "IndexOptions",
        "IndexReport",
        "Progress",
        "ProgressCallback",
        "RepairReport",
        "Stage",
        "Status",
    ),
    "unite_search.search.duplicates": ("CopyGroup", "Duplicates"),
    "unite_search.search.encoding": ("QueryVector",),
    "unite_search.search.words": ("Words",),
    "unite_search.storage.export": ("ExportReport",),
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
