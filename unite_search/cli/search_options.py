"""The options of `query` and `similar`: what is asked, where it is looked for, and how hits are printed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from unite_search.cli.options import checked
from unite_search.modality import Modality
from unite_search.query import GroupBy, Mode, PartKind

MAX_ID = 2**63 - 1
QUERY = "Query"
SCOPE = "Filters and paging"
OUTPUT = "Output"


def parse_modalities(text: str) -> tuple[str, ...]:
    """Read the value of `--in`.

    Raises:
        ValueError: a name is not text, image, video or a mix of them with plus signs.
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        Modality.from_partition(name)
    return names


def parse_weights(texts: Sequence[str]) -> dict[PartKind, float]:
    """Read the values of `--weight`.

    Raises:
        ValueError: one is not image, video or text, an equals sign and a number.
    """
    weights: dict[PartKind, float] = {}
    for text in texts:
        kind, _, number = text.partition("=")
        try:
            weight = float(number)
        except ValueError:
            weight = float("nan")
        if kind not in get_args(PartKind) or not isfinite(weight):
            raise ValueError(f"{text!r} is not image, video or text with a weight, such as image=0.7")
        weights[cast("PartKind", kind)] = weight
    return weights


def _checked_all(parse: Callable[[list[str]], object]) -> Callable[[list[str] | None], list[str] | None]:
    """Return a callback as `checked` does, for an option that may be repeated."""

    def check(texts: list[str] | None) -> list[str] | None:
        try:
            parse(texts or [])
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
        return texts

    return check


Images = Annotated[
    list[Path] | None,
    typer.Option(
        "--image",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        rich_help_panel=QUERY,
        help="An image to search with. May be repeated.",
    ),
]
Videos = Annotated[
    list[Path] | None,
    typer.Option(
        "--video",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        rich_help_panel=QUERY,
        help="A video to search with. May be repeated.",
    ),
]
Texts = Annotated[
    list[str] | None,
    typer.Option(
        "--text",
        metavar="TEXT",
        rich_help_panel=QUERY,
        help="A text to search with; beside an image or video, how the result should differ. May be repeated.",
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        "--not", metavar="TEXT", rich_help_panel=QUERY, help="A text whose matches should rank lower. May be repeated."
    ),
]
Instruction = Annotated[
    str | None,
    typer.Option(
        "--instruction",
        metavar="TEXT",
        rich_help_panel=QUERY,
        help="Task instruction for the encoder. Default: the encoder's own.",
    ),
]

In = Annotated[
    str,
    typer.Option(
        "--in",
        metavar="MODALITIES",
        callback=checked(parse_modalities),
        rich_help_panel=SCOPE,
        help="Search only these: image, video, text, or an exact mix such as text+image, separated by commas. "
        "Default: all.",
    ),
]
Where = Annotated[
    str | None,
    typer.Option("--where", metavar="SQL", rich_help_panel=SCOPE, help='Filter on columns, such as "duration_s < 60".'),
]
TopK = Annotated[int, typer.Option("--top-k", "-k", min=1, rich_help_panel=SCOPE, help="Number of hits to return.")]
Offset = Annotated[
    int, typer.Option("--offset", min=0, rich_help_panel=SCOPE, help="Number of hits to skip, for paging.")
]
SearchMode = Annotated[
    Mode,
    typer.Option(
        "--mode",
        rich_help_panel=QUERY,
        help='Look for texts by meaning, by their words, or by both. With words, "quoted words" must occur and -word '
        "must not; `words` loads no encoder.",
    ),
]
Weights = Annotated[
    list[str] | None,
    typer.Option(
        "--weight",
        metavar="PART=NUMBER",
        callback=_checked_all(parse_weights),
        rich_help_panel=QUERY,
        help="How much the images, videos or texts count, from 0 to 10, such as image=0.7. Default: 1 each. May be "
        "repeated.",
    ),
]
Like = Annotated[
    list[int] | None,
    typer.Option(
        metavar="ID",
        min=0,
        max=MAX_ID,
        rich_help_panel=QUERY,
        help="An item to move the query towards. May be repeated.",
    ),
]
Unlike = Annotated[
    list[int] | None,
    typer.Option(
        metavar="ID",
        min=0,
        max=MAX_ID,
        rich_help_panel=QUERY,
        help="An item to move the query away from. May be repeated.",
    ),
]
MinScore = Annotated[
    float | None,
    typer.Option(metavar="NUMBER", rich_help_panel=SCOPE, help="Leave out hits that score less. Default: no limit."),
]
GroupHits = Annotated[
    GroupBy,
    typer.Option(
        "--group-by",
        rich_help_panel=SCOPE,
        help="What makes one hit: an item, or all items of a file (parent), of a folder, or of a day.",
    ),
]
Copies = Annotated[
    bool,
    typer.Option("--copies", rich_help_panel=SCOPE, help="Return copies of a file as hits of their own."),
]
Diverse = Annotated[
    bool, typer.Option("--diverse", rich_help_panel=SCOPE, help="Prefer hits that differ from those before them.")
]
Explain = Annotated[
    bool,
    typer.Option(
        "--explain", rich_help_panel=OUTPUT, help="Show what matched of each hit, and the parts of its score."
    ),
]
NoGroup = Annotated[
    bool,
    typer.Option(
        "--no-group",
        rich_help_panel=SCOPE,
        help="Short for --group-by item: each segment of a file is a hit of its own.",
    ),
]
IncludeSelf = Annotated[
    bool, typer.Option("--include-self", rich_help_panel=SCOPE, help="Include hits that are the query's own files.")
]

HitsAsJson = Annotated[
    bool, typer.Option("--json", rich_help_panel=OUTPUT, help="Print the result as one JSON object.")
]
AsCsv = Annotated[bool, typer.Option("--csv", rich_help_panel=OUTPUT, help="Print the hits as CSV with a header.")]
AsPaths = Annotated[
    bool, typer.Option("--paths", rich_help_panel=OUTPUT, help="Print only the paths of the hits, one per line.")
]
Print0 = Annotated[
    bool,
    typer.Option(
        "--print0", "-0", rich_help_panel=OUTPUT, help="Like --paths, but end each path with NUL, for xargs -0."
    ),
]
Html = Annotated[
    Path | None,
    typer.Option(
        "--html",
        metavar="FILE",
        dir_okay=False,
        rich_help_panel=OUTPUT,
        help="Also write a web page with pictures of the hits. Only an earlier page is replaced.",
    ),
]
Open = Annotated[
    bool, typer.Option("--open", rich_help_panel=OUTPUT, help="Open the first hit, or the page of --html.")
]
Thumbnails = Annotated[
    bool,
    typer.Option(
        "--thumbnails/--no-thumbnails", rich_help_panel=OUTPUT, help="Show pictures in the table, if the terminal can."
    ),
]
