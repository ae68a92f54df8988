"""Options that several commands share, each described once, and what their values mean."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from unite_search.encoders.base import DTYPES
from unite_search.encoders.unite.sizes import READ_MIN_PIXELS
from unite_search.modality import Modality

if TYPE_CHECKING:
    from indexers.spec import IndexConfig

SegmentLength = float | Literal["none", "shots"]

WHAT = "What to look for"
WHERE = "Where to look"
HOW = "How to print"
EMBED = "How to embed (UNITE; remembered by the collection)"
INDEX = "How to index the vectors (together they replace what the collection remembers)"

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", re.IGNORECASE)
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def parse_segments(text: str) -> SegmentLength:
    """Read the value of `--segments`.

    Raises:
        ValueError: it is not none, shots or a positive number.
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


def parse_modalities(text: str) -> tuple[str, ...]:
    """Read the value of `--in`.

    Raises:
        ValueError: it names something else than text, image, video or a mix with plus signs.
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        Modality.from_partition(name)
    return names


def parse_size(text: str) -> int:
    """Read a size in bytes, such as `500MB` or `2G`.

    Raises:
        ValueError: it is none, or is zero.
    """
    match = _SIZE.fullmatch(text.strip())
    size = int(float(match[1]) * _UNITS[match[2].upper()]) if match else 0
    if not size:
        raise ValueError(f"{text!r} is not a size, such as 500MB or 2GB")
    return size


def index_config(spec: str | None, target_recall: float | None, memory: str | None) -> IndexConfig | None:
    """What the index options of a command ask for; None where none was given.

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


def _checked(parse: Callable[[str], object]) -> Callable[[str | None], str | None]:
    """Make an option callback that reports what `parse` refuses as a usage error."""

    def check(text: str | None) -> str | None:
        try:
            if text is not None:
                parse(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
        return text

    return check


def _check_encoder(name: str | None) -> str | None:
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
        "--collection", "-c", metavar="NAME", help="Named collection; else $UNITE_SEARCH_COLLECTION, else `default`."
    ),
]
Database = Annotated[
    Path | None,
    typer.Option("--db", metavar="DIR", file_okay=False, help="Folder of the collection, instead of a name."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no lists.")]
EncoderName = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        metavar="NAME|DIR",
        callback=_check_encoder,
        rich_help_panel=EMBED,
        help="Listed by `encoders`, or the folder or hub id of a UNITE model.",
    ),
]
MaxPixels = Annotated[
    int | None,
    typer.Option(min=READ_MIN_PIXELS, metavar="N", rich_help_panel=EMBED, help="Reduce larger pictures to this."),
]
Fps = Annotated[
    float | None, typer.Option(min=0.001, metavar="N", rich_help_panel=EMBED, help="Frames a second of a clip.")
]
MaxFrames = Annotated[
    int | None, typer.Option(min=2, metavar="N", rich_help_panel=EMBED, help="Frames of a clip at most.")
]
Precision = Annotated[
    str | None,
    typer.Option(
        "--dtype",
        metavar="float32|bfloat16|float16",
        callback=_check_dtype,
        rich_help_panel=EMBED,
        help="Precision; by itself bfloat16 on a GPU, float32 without one.",
    ),
]
Device = Annotated[
    str | None,
    typer.Option(metavar="cpu|cuda|cuda:N|all", rich_help_panel=EMBED, help="Where UNITE runs; all: every GPU."),
]
Segments = Annotated[
    str | None,
    typer.Option(
        metavar="none|SECONDS|shots",
        callback=_checked(parse_segments),
        help="Cut longer videos: not at all, in windows, at cuts. Without it as before, at first 60.",
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
        metavar="SHARE",
        rich_help_panel=INDEX,
        help="Share of the exact nearest neighbours that a search must find; 1 searches exactly. Default: 0.99.",
    ),
]
IndexMemory = Annotated[
    str | None,
    typer.Option(
        "--index-memory",
        metavar="SIZE",
        callback=_checked(parse_size),
        rich_help_panel=INDEX,
        help="Most memory for the vectors that a search scans, such as 2GB. Default: no limit.",
    ),
]

Images = Annotated[
    list[Path] | None,
    typer.Option("--image", metavar="FILE", exists=True, dir_okay=False, rich_help_panel=WHAT, help="A picture."),
]
Videos = Annotated[
    list[Path] | None,
    typer.Option("--video", metavar="FILE", exists=True, dir_okay=False, rich_help_panel=WHAT, help="A clip."),
]
Texts = Annotated[
    list[str] | None, typer.Option("--text", rich_help_panel=WHAT, help="A text, for example how the result differs.")
]
Exclude = Annotated[
    list[str] | None, typer.Option("--not", metavar="TEXT", rich_help_panel=WHAT, help="Move away from this.")
]
Instruction = Annotated[
    str | None, typer.Option("--instruction", rich_help_panel=WHAT, help="Replaces the encoder's task instruction.")
]

In = Annotated[
    str,
    typer.Option(
        "--in",
        metavar="MODALITIES",
        callback=_checked(parse_modalities),
        rich_help_panel=WHERE,
        help="Only these: image, video, text, separated by commas.",
    ),
]
Where = Annotated[
    str | None,
    typer.Option("--where", metavar="SQL", rich_help_panel=WHERE, help='Filter on columns, as "duration_s < 60".'),
]
TopK = Annotated[int, typer.Option("--top-k", "-k", min=1, rich_help_panel=WHERE, help="Hits to return.")]
Offset = Annotated[int, typer.Option("--offset", min=0, rich_help_panel=WHERE, help="Hits to pass over, for paging.")]
NoGroup = Annotated[
    bool, typer.Option("--no-group", rich_help_panel=WHERE, help="Each segment of a file is a hit of its own.")
]
IncludeSelf = Annotated[
    bool, typer.Option("--include-self", rich_help_panel=WHERE, help="Keep hits that are the query's own files.")
]

HitsAsJson = Annotated[bool, typer.Option("--json", rich_help_panel=HOW, help="Print one JSON object.")]
AsCsv = Annotated[bool, typer.Option("--csv", rich_help_panel=HOW, help="Print CSV with a header.")]
AsPaths = Annotated[bool, typer.Option("--paths", rich_help_panel=HOW, help="Print a path a line.")]
Print0 = Annotated[
    bool, typer.Option("--print0", "-0", rich_help_panel=HOW, help="Paths that end in NUL, for xargs -0.")
]
Html = Annotated[
    Path | None,
    typer.Option(
        "--html", metavar="FILE", dir_okay=False, rich_help_panel=HOW, help="Also write a page with pictures."
    ),
]
Open = Annotated[bool, typer.Option("--open", rich_help_panel=HOW, help="Open the first hit, or the page of --html.")]
Thumbnails = Annotated[
    bool,
    typer.Option(
        "--thumbnails/--no-thumbnails", rich_help_panel=HOW, help="Pictures in the table, where the terminal can."
    ),
]
