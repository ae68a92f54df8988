"""`demo`: draw a small library or take the user's own folder, index it, search it, write a page of the results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unite_search.cli import options as o
from unite_search.cli.hits import Answer, answer_record, hit_table, open_path
from unite_search.cli.index import report_record, show_report
from unite_search.cli.opening import opened
from unite_search.cli.output import print_json, print_lines, print_table, results, say
from unite_search.cli.progress import shown_count, shown_progress
from unite_search.display import printable, shown_path
from unite_search.report import IndexOptions

if TYPE_CHECKING:
    from unite_search.collection import Collection
    from unite_search.demo.questions import DemoQuestion

SEGMENT_S = 12.0


def demo(
    media: Annotated[
        Path | None,
        typer.Argument(
            metavar="MEDIA", exists=True, help="A folder of your own media. Default: a small library is drawn."
        ),
    ] = None,
    *,
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            file_okay=False,
            help="Folder for the drawn library, the collection and the page: a new or empty one, or that of an earlier "
            "demo.",
        ),
    ] = Path("unite-search-demo"),
    encoder: o.EncoderName = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page when it is written.")] = False,
    as_json: o.AsJson = False,
    quiet: o.Quiet = False,
) -> None:
    """Try it out: draw a small library, index it, search it by text, image, video and several together, write a page.

    Example: unite-search demo ~/Pictures --out ./demo --open
    """
    from unite_search.demo.clips import load_av
    from unite_search.demo.folder import DemoFolder

    if media is None:
        load_av()
    made = DemoFolder(out.absolute())
    made.claim()
    folder = media.absolute() if media else _drawn_library(made.library, quiet=quiet)
    with opened(made.collection, encoder=encoder, create=True) as target:
        with shown_progress(quiet=quiet) as progress:
            report = target.index([folder], IndexOptions(segments=SEGMENT_S), progress)
        if not (as_json or quiet):
            show_report(report)
        unreadable = {skip.path for skip in report.skipped}
        questions = _questions(folder, unreadable, is_drawn=media is None)
        answers = [_answer(target, question, folder) for question in questions]
    page = _write_page(made.page, answers)
    if as_json:
        print_json({"page": page, "index": report_record(report), "answers": [answer_record(it) for it in answers]})
    else:
        _show(answers)
        print_lines([f"The same answers with pictures: {shown_path(page)}"])
    if open_page:
        open_path(page)


def _drawn_library(folder: Path, *, quiet: bool) -> Path:
    from unite_search.demo.library import write_library

    with shown_count("Drawing", quiet=quiet) as report:
        write_library(folder, report)
    return folder


def _questions(folder: Path, unreadable: set[Path], *, is_drawn: bool) -> list[DemoQuestion]:
    from unite_search.demo.questions import drawn_questions, own_questions

    return drawn_questions(folder) if is_drawn else own_questions(folder, unreadable)


def _answer(target: Collection, question: DemoQuestion, folder: Path) -> Answer:
    """Answer from the folder of this run, as the question filters it; the collection may hold earlier folders, too."""
    from unite_search.storage.selection import all_of, any_of

    where = all_of([any_of([folder], (), None), question.options.where])
    asked: dict[str, Any] = {"title": question.title}
    result = target.search(question.query, replace(question.options, where=where))
    return Answer(title=question.title, asked=asked, query=question.query, result=result)


def _show(answers: Sequence[Answer]) -> None:
    for answer in answers:
        results.print()
        print_lines([printable(answer.title)])
        if answer.result.hits:
            print_table(hit_table(answer.result.hits, thumbnails=True))
        else:
            say("No hits")


def _write_page(path: Path, answers: Sequence[Answer]) -> Path:
    from unite_search.gallery import write_gallery

    write_gallery(path, [(answer.title, answer.query, answer.result) for answer in answers])
    return path
