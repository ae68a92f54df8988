"""Options that several commands share, each defined once, and the functions that parse their values."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from unite_search.encoders.base import DTYPES
from unite_search.encoders.unite.sizes import READ_MIN_PIXELS

if TYPE_CHECKING:
    from indexers.spec import IndexConfig

SegmentLength = float | Literal["none", "shots"]

ENCODER = "Encoder"
INDEX = "Vector index (giving one of these resets the others)"

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([KMGT])(i?))?B?", re.IGNORECASE)
_PREFIXES = " KMGT"


def parse_segments(text: str) -> SegmentLength:
    """Read the value of `--segments`.

    Raises:
        ValueError: the text is not none, shots or a positive number.
    """
    if text == "none":
        return "none"
    if text == "shots":
        return "shots"
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError(f"{text!r} is not none, shots or a number of seconds above 0")
    return seconds


def parse_size(text: str) -> int:
    """Read a size such as `500MB`, `2G` or `2GiB`, and return it in bytes.

    Raises:
        ValueError: the text is not a size, or the size is zero.
    """
    match = _SIZE.fullmatch(text.strip())
    step = 1024 if match and match[3] else 1000
    size = int(float(match[1]) * step ** _PREFIXES.index((match[2] or " ").upper())) if match else 0
    if not size:
        raise ValueError(f"{text!r} is not a size, such as 500MB or 2GB")
    return size


def index_config(spec: str | None, target_recall: float | None, memory: str | None) -> IndexConfig | None:
    """Return the index configuration that the options of a command ask for; None if none was given.

    Raises:
        BadParameter: the recall is out of range.
    """
    from indexers.spec import IndexConfig

    if spec is None and target_recall is None and memory is None:
        return None
    try:
        return IndexConfig(
            spec=spec,
            target_recall=IndexConfig().target_recall if target_recall is None else target_recall,
            memory_bytes=None if memory is None else parse_size(memory),
        )
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--target-recall") from error


def checked(parse: Callable[[str], object]) -> Callable[[str | None], str | None]:
    """Return an option callback that reports a ValueError of `parse` as a usage error."""

    def check(text: str | None) -> str | None:
        try:
            if text is not None:
                parse(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
        return text

    return check


def check_encoder(name: str | None) -> str | None:
    """Refuse the name of an unknown encoder, and return the name that a collection stores.

    Raises:
        BadParameter: no encoder has that name.
    """
    from unite_search.encoders.base import canonical_name

    try:
        return None if name is None else canonical_name(name)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _check_dtype(name: str | None) -> str | None:
    if name is not None and name not in DTYPES:
        raise typer.BadParameter(f"{name!r} is not {', '.join(DTYPES)}")
    return name


Name = Annotated[
    str | None,
    typer.Option(
        "--collection",
        "-c",
        metavar="NAME",
        help="Name of the collection. Default: $UNITE_SEARCH_COLLECTION, or `default`.",
    ),
]
Database = Annotated[
    Path | None,
    typer.Option("--db", metavar="DIR", file_okay=False, help="Folder of the collection, instead of its name."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress and no report.")]
EncoderName = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        metavar="NAME|DIR",
        callback=check_encoder,
        rich_help_panel=ENCODER,
        help="A name that `unite-search encoders` lists, or the folder or hub id of a UNITE model. Default: that of "
        "the collection, `starter` for a new one.",
    ),
]
MaxPixels = Annotated[
    int | None,
    typer.Option(
        min=READ_MIN_PIXELS,
        metavar="N",
        rich_help_panel=ENCODER,
        help="UNITE: reduce pictures and frames with more pixels than this. Default: 1003520.",
    ),
]
Fps = Annotated[
    float | None,
    typer.Option(
        min=0.001, metavar="N", rich_help_panel=ENCODER, help="UNITE: frames per second of video. Default: 1."
    ),
]
MaxFrames = Annotated[
    int | None,
    typer.Option(
        min=2, metavar="N", rich_help_panel=ENCODER, help="UNITE: most frames of one video segment. Default: 12."
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(
        "--dtype",
        metavar="float32|bfloat16|float16",
        callback=_check_dtype,
        rich_help_panel=ENCODER,
        help="UNITE: precision of the model. Default: bfloat16 on a GPU, float32 without one.",
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        metavar="cpu|cuda|cuda:N|all",
        rich_help_panel=ENCODER,
        help="UNITE: where the model runs; `all` spreads it over every GPU. Default: cuda if there is a GPU, else cpu.",
    ),
]
Segments = Annotated[
    str | None,
    typer.Option(
        metavar="none|SECONDS|shots",
        callback=checked(parse_segments),
        help="Split long videos not at all, into windows of at most SECONDS, or at shot boundaries. Default: as the "
        "collection was indexed before, 60 for a new one.",
    ),
]
IndexedPaths = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="PATHS", exists=True, help="Folders and files to index. Default: the folders indexed before."
    ),
]
FollowLinks = Annotated[
    bool | None,
    typer.Option(
        "--follow-links/--no-follow-links",
        help="Follow links that lead outside the indexed folders, or skip them. Default: as the collection was indexed "
        "before, skip for a new one.",
    ),
]
Prune = Annotated[
    bool,
    typer.Option(
        "--prune",
        help="Also remove what was indexed in folders that are missing or empty now, which otherwise stays: the disk "
        "might not be mounted.",
    ),
]
WorkerCount = Annotated[
    int | None, typer.Option(min=1, help="Number of processes that read files. Default: one per core.")
]
Fast = Annotated[
    bool | None,
    typer.Option(
        "--fast/--every-frame",
        help="Read only the key frames of videos (faster, less exact), or any frame. Default: as the collection was "
        "indexed before, any frame for a new one.",
    ),
]

IndexType = Annotated[
    str | None,
    typer.Option(
        "--index-type",
        metavar="TYPE",
        rich_help_panel=INDEX,
        help="float32, float16, int8 or a Faiss factory string such as HNSW32. Default: chosen by size.",
    ),
]
TargetRecall = Annotated[
    float | None,
    typer.Option(
        "--target-recall",
        metavar="FRACTION",
        rich_help_panel=INDEX,
        help="Fraction of the exact nearest neighbours that a search must find; 1 searches exactly. Default: 0.99.",
    ),
]
IndexMemory = Annotated[
    str | None,
    typer.Option(
        "--index-memory",
        metavar="SIZE",
        callback=checked(parse_size),
        rich_help_panel=INDEX,
        help="Memory limit for the vectors that a search scans, such as 2GB. Default: no limit.",
    ),
]
