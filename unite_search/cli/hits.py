"""Print hits as a table, JSON, CSV or paths, write them as a page, or open the first one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from unite_search.cli import output
from unite_search.display import counted, one_line, shown_path, time_range
from unite_search.errors import UniteSearchError, UnreadableFileError

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from unite_search.query import Hit, Query, SearchResult

TEXT_LENGTH = 72
SHOWN_SIDE = 192
THUMBNAIL_CELLS = 4
CSV_COLUMNS = (
    *("rank", "id", "score", "cosine", "uri", "modality", "partition", "start_s", "end_s", "text"),
    *("duration_s", "width", "height", "taken_at", "is_weak", "is_exact"),
)
HIT_FIELDS = (*CSV_COLUMNS, "parent", "group", "files", "metadata", "evidence")
OPENING_S = 3.0
"""How long `xdg-open` may take to find that no program opens a file."""
Draw = Callable[["Hit"], "RenderableType"]
SEGMENT_FIELDS = ("id", "uri", "score", "cosine", "partition", "start_s", "end_s", "text", "is_weak", "is_exact")


@dataclass(frozen=True, slots=True, kw_only=True)
class HitOutput:
    """How to print hits.

    Attributes:
        as_json: whether to print one JSON object.
        as_csv: whether to print CSV with a header.
        as_paths: whether to print one path per line.
        print0: whether to print paths that end in NUL.
        html: page to write as well.
        open_first: whether to open the page, or the first hit without one.
        thumbnails: whether to show pictures in the table, where the terminal can.
        explain: whether to show in the table what matched, and the parts of the scores.
    """

    as_json: bool = False
    as_csv: bool = False
    as_paths: bool = False
    print0: bool = False
    html: Path | None = None
    open_first: bool = False
    thumbnails: bool = True
    explain: bool = False

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> HitOutput:
        """Pick the options for output from all options of a command, and check that the page can be written.

        Raises:
            BadParameter: two kinds of output are asked for.
            UniteSearchError: there cannot be a page, or what is there is no page.
        """
        how = cls(**{field.name: options[field.name] for field in fields(cls)})
        if how.html is not None:
            from unite_search.gallery import check_page

            check_page(how.html)
        return how

    def __post_init__(self) -> None:
        if self.as_json + self.as_csv + (self.as_paths or self.print0) > 1:
            raise typer.BadParameter("give one of --json, --csv and --paths", param_hint="--json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A query and its result.

    Attributes:
        title: the query in a few words.
        asked: the query as JSON.
        query: what the page shows of the query; None for nothing.
        result: the hits.
    """

    title: str
    asked: dict[str, Any]
    query: Query | None
    result: SearchResult


def show_answer(answer: Answer, how: HitOutput) -> None:
    """Print the hits, write the page, and open it or the first hit, as `how` says."""
    hits = answer.result.hits
    for note in answer.result.notes:
        output.say(f"Note: {note}")
    if how.as_json:
        output.print_json(answer_record(answer))
    elif how.as_csv:
        _say_if_weak(answer.result)
        output.print_csv(CSV_COLUMNS, map(hit_record, hits))
    elif how.as_paths or how.print0:
        _say_if_weak(answer.result)
        output.print_paths(_distinct_paths(hits), end=b"\0" if how.print0 else b"\n")
    else:
        _show_tables(hits, how)
    if not hits:
        output.say(f"No hits: {_searched(answer.result.searched)}")
    if how.html is not None:
        _write_page(answer, how.html)
    if how.open_first and (how.html is not None or hits):
        open_path(how.html or _path(hits[0]))


def _say_if_weak(result: SearchResult) -> None:
    if result.is_weak:
        output.say("Note: nothing close; these are the nearest")


def _show_tables(hits: Sequence[Hit], how: HitOutput) -> None:
    """Print a table of the hits, and below it one of those that are weak."""
    strong, weak = [hit for hit in hits if not hit.is_weak], [hit for hit in hits if hit.is_weak]
    if strong:
        output.print_table(hit_table(strong, thumbnails=how.thumbnails, explain=how.explain))
    if weak:
        output.print_lines(["Nothing else is close; the nearest are:" if strong else "Nothing close; the nearest are:"])
        output.print_table(hit_table(weak, thumbnails=how.thumbnails, explain=how.explain))


def answer_record(answer: Answer) -> dict[str, Any]:
    """Return an answer as a JSON object."""
    result = answer.result
    return {
        "query": answer.asked,
        "hits": [hit_record(hit) for hit in result.hits],
        "is_weak": result.is_weak,
        "notes": result.notes,
        "searched": result.searched,
        "encode_ms": round(result.encode_ms, 1),
        "search_ms": round(result.search_ms, 1),
    }


def hit_record(hit: Hit) -> dict[str, Any]:
    """Return a hit as a JSON object; its segments and copies have only the fields that differ from it."""
    known = asdict(hit)
    return {
        **{name: hit.modality if name == "modality" else known[name] for name in HIT_FIELDS},
        **{
            others: [{name: other[name] for name in SEGMENT_FIELDS} for other in known[others]]
            for others in ("segments", "copies")
        },
    }


def hit_table(hits: Sequence[Hit], *, thumbnails: bool = False, explain: bool = False) -> Table:
    """Return a table of the hits, without columns of what none of them has, or of pictures that cannot be shown."""
    draw = thumbnail_drawer() if thumbnails else None
    columns: dict[str, Draw] = {"#": lambda hit: str(hit.rank), "score": lambda hit: f"{hit.score:.2f}"}
    if draw:
        columns[""] = draw
    if any(hit.group is not None for hit in hits):
        columns["group"] = _group_cell
    columns["file"] = _file_cell
    if any(hit.start_s is not None for hit in hits):
        columns["time"] = lambda hit: time_range(hit.start_s, hit.end_s)
    if any(hit.text for hit in hits):
        columns["text"] = lambda hit: output.literal(one_line(hit.text or "", TEXT_LENGTH))
    if explain:
        columns["why"] = lambda hit: output.literal(explanation(hit))
    table = output.new_table(*columns, right=("#", "score"))
    for hit in hits:
        table.add_row(*(cell(hit) for cell in columns.values()))
    return table


def _group_cell(hit: Hit) -> RenderableType:
    """Return the folder or the day that a hit stands for, and how many files of it were found."""
    from unite_search.media.uri import uri_to_path

    name = shown_path(uri_to_path(hit.group)) if hit.group else "no date"
    return output.literal(f"{name} ({counted(hit.files, 'file')})")


def _file_cell(hit: Hit) -> RenderableType:
    exact = " (exact)" if hit.is_exact else ""
    others = f" (+{counted(len(hit.copies), 'copy', 'copies')})" if hit.copies else ""
    return output.literal(f"{shown_path(_path(hit))}{exact}{others}")


def explanation(hit: Hit) -> str:
    """Return in one line what matched of a hit, which words, and the parts of its score.

    Examples:
        >>> from unite_search.query import Evidence, Hit
        >>> why = Evidence(meaning=-0.5, prior=0.25, words=2.0, matched=("caption", "picture"), terms=("dog",))
        >>> hit = Hit(rank=1, id=7, score=1.75, cosine=0.3, partition="text+image", uri="/a", parent=7, evidence=why)
        >>> explanation(hit)
        'caption, picture ("dog"): meaning -0.50, words +2.00, partition +0.25'
    """
    why = hit.evidence
    words = ", ".join(f'"{term}"' for term in why.terms)
    matched = ("exact in " if hit.is_exact else "") + (", ".join(why.matched) or "nothing close")
    sums = ", ".join(f"{name} {part:+.2f}" for name, part in why.parts.items())
    return f"{matched}{f' ({words})' if words else ''}: {sums}"


def thumbnail_drawer() -> Draw | None:
    """Return a function that draws the picture of a hit; None if the terminal cannot show pictures.

    textual-image draws with Kitty's protocol or sixel, after it has asked the terminal what it supports; iTerm2 answers
    as a sixel terminal. Other terminals get no picture column: block characters would show too little in so few cells.
    """
    if not (output.results.is_terminal and sys.stdin.isatty()) or os.environ.get("TERM") == "dumb":
        return None
    if 0 in os.get_terminal_size(sys.stdout.fileno()):
        return None
    from textual_image.renderable import Image, SixelImage, TGPImage

    picture = Image
    if picture not in (SixelImage, TGPImage):
        return None

    def draw(hit: Hit) -> RenderableType:
        from unite_search.media.preview import image_thumbnail

        if hit.modality == "text":
            return ""
        try:
            thumbnail = image_thumbnail(_path(hit), side=SHOWN_SIDE, start_s=hit.start_s, end_s=hit.end_s)
        except (UnreadableFileError, OSError):
            return ""
        drawn: RenderableType = picture(thumbnail, width="auto", height=THUMBNAIL_CELLS)
        return drawn

    return draw


def _path(hit: Hit) -> Path:
    from unite_search.media.uri import uri_to_path

    return uri_to_path(hit.uri)


def _distinct_paths(hits: Sequence[Hit]) -> list[Path]:
    return list(dict.fromkeys(map(_path, hits)))


def _searched(searched: dict[str, int]) -> str:
    parts = ", ".join(f"{name} {count:,}" for name, count in searched.items() if count)
    if not parts:
        return "nothing is indexed, or nothing passes the filters and holds the quoted words"
    reasons = "but none matches, reaches --min-score, and is left after --offset"
    return f"{counted(sum(searched.values()), 'item')} ({parts}), {reasons}"


def _write_page(answer: Answer, path: Path) -> None:
    from unite_search.gallery import write_gallery

    write_gallery(path, [(answer.title, answer.query, answer.result)])


def open_path(path: Path) -> None:
    """Open a file with the default program of the platform.

    Raises:
        UniteSearchError: no program opens the file.
    """
    opener = shutil.which("xdg-open")
    code = typer.launch(str(path)) if opener is None else _opened_by(opener, path)
    if code != 0:
        raise UniteSearchError(f"no program opens {path} here")


def _opened_by(opener: str, path: Path) -> int:
    """Start `xdg-open`, and return its exit code; 0 if it still runs after `OPENING_S`.

    It ends at once where it finds no program or hands the file to a desktop, and may last as long as the program that
    it starts. `typer.launch` never asks how it ended.
    """
    started = subprocess.Popen(
        [opener, str(path.absolute())], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        return started.wait(OPENING_S)
    except subprocess.TimeoutExpired:
        return 0
