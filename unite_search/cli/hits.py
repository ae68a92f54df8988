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
    *("duration_s", "width", "height", "taken_at"),
)
HIT_FIELDS = (*CSV_COLUMNS, "parent", "metadata")
OPENING_S = 3.0
"""How long `xdg-open` may take to find that no program opens a file."""
Draw = Callable[["Hit"], "RenderableType"]
SEGMENT_FIELDS = ("id", "score", "cosine", "partition", "start_s", "end_s", "text")


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
    """

    as_json: bool = False
    as_csv: bool = False
    as_paths: bool = False
    print0: bool = False
    html: Path | None = None
    open_first: bool = False
    thumbnails: bool = True

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
    if how.as_json:
        output.print_json(answer_record(answer))
    elif how.as_csv:
        output.print_csv(CSV_COLUMNS, map(hit_record, hits))
    elif how.as_paths or how.print0:
        output.print_paths(_distinct_paths(hits), end=b"\0" if how.print0 else b"\n")
    elif hits:
        output.print_table(hit_table(hits, thumbnails=how.thumbnails))
    if not hits:
        output.say(f"No hits among {_searched(answer.result.searched)}")
    if how.html is not None:
        _write_page(answer, how.html)
    if how.open_first and (how.html is not None or hits):
        open_path(how.html or _path(hits[0]))


def answer_record(answer: Answer) -> dict[str, Any]:
    """Return an answer as a JSON object."""
    result = answer.result
    return {
        "query": answer.asked,
        "hits": [hit_record(hit) for hit in result.hits],
        "searched": result.searched,
        "encode_ms": round(result.encode_ms, 1),
        "search_ms": round(result.search_ms, 1),
    }


def hit_record(hit: Hit) -> dict[str, Any]:
    """Return a hit as a JSON object; its segments have only the fields that differ from it."""
    known = asdict(hit)
    return {
        **{name: hit.modality if name == "modality" else known[name] for name in HIT_FIELDS},
        "segments": [{name: segment[name] for name in SEGMENT_FIELDS} for segment in known["segments"]],
    }


def hit_table(hits: Sequence[Hit], *, thumbnails: bool = False) -> Table:
    """Return a table of the hits: rank, score, file, time, text, and a picture if the terminal can show one."""
    draw = thumbnail_drawer() if thumbnails else None
    columns = [("", draw)] if draw else []
    has_time = any(hit.start_s is not None for hit in hits)
    has_text = any(hit.text for hit in hits)
    table = output.new_table(
        "#",
        "score",
        *(name for name, _ in columns),
        "file",
        *(["time"] if has_time else []),
        *(["text"] if has_text else []),
        right=("#", "score"),
    )
    for hit in hits:
        table.add_row(
            str(hit.rank),
            f"{hit.score:.3f}",
            *(drawn(hit) for _, drawn in columns),
            output.literal(shown_path(_path(hit))),
            *([time_range(hit.start_s, hit.end_s)] if has_time else []),
            *([output.literal(one_line(hit.text or "", TEXT_LENGTH))] if has_text else []),
        )
    return table


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
    return f"{counted(sum(searched.values()), 'item')}" + (f" ({parts})" if parts else " in the given scope")


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
