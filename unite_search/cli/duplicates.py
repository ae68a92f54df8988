"""`duplicates`: show groups of files that are copies of each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unite_search.cli import options as o
from unite_search.cli.opening import chosen_directory, opened
from unite_search.cli.output import literal, new_table, print_csv, print_json, print_lines, print_table, say
from unite_search.display import counted, file_size, printable, shown_path
from unite_search.errors import UniteSearchError

if TYPE_CHECKING:
    from unite_search.collection import Collection
    from unite_search.item import Item
    from unite_search.search.duplicates import CopyGroup, Duplicates

FILE_FIELDS = (
    *("id", "uri", "modality", "size_bytes", "width", "height", "duration_s"),
    *("taken_at", "modified_at", "content_hash"),
)
CSV_COLUMNS = ("group", "is_exact", *FILE_FIELDS)


def duplicates(  # noqa: PLR0913 (the parameters of a command are its options)
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATHS", help="Only files at or below these paths. Default: the whole collection."),
    ] = None,
    *,
    near: Annotated[
        bool,
        typer.Option(
            "--near",
            help="Also find pictures and clips that look the same: resized, compressed again, slightly cropped or "
            "brightened.",
        ),
    ] = False,
    collection: o.Name = None,
    db: o.Database = None,
    as_json: o.AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the files as CSV with a header.")] = False,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="Also write a web page with pictures. Only an earlier page is replaced.",
        ),
    ] = None,
) -> None:
    """Find files that are copies of each other. Nothing is deleted.

    Groups that would free the most come first, and in each group the file with the most pixels. What is shown is what
    the last run of `index` has seen.

    Example: unite-search duplicates --near --html copies.html
    """
    if as_json and as_csv:
        raise typer.BadParameter("give one of --json and --csv", param_hint="--json")
    if html is not None:
        from unite_search.gallery import check_page

        check_page(html)
    with opened(chosen_directory(collection, db)) as target:
        _refuse_unknown(target, paths or ())
        found = target.duplicates(paths or (), near=near)
    if as_json:
        print_json(_record(found))
    elif as_csv:
        print_csv(CSV_COLUMNS, _csv_rows(found.groups))
    else:
        _print_groups(found)
    if found.without_hash:
        say(_unhashed(found.without_hash))
    if html is not None:
        from unite_search.gallery import write_copies

        write_copies(html, [group.files for group in found.groups], facts=_total(found))


def _refuse_unknown(target: Collection, paths: Sequence[Path]) -> None:
    """Refuse paths below which nothing is indexed, so that a typing error does not look like a lack of copies.

    Raises:
        UniteSearchError: there is such a path.
    """
    for path in paths:
        if not target.count(paths=[path]):
            raise UniteSearchError(
                f"nothing at or below {printable(str(path))} is indexed; `unite-search index` it first"
            )


def _unhashed(count: int) -> str:
    has = "has" if count == 1 else "have"
    return (
        f"Note: {counted(count, 'picture or clip', 'pictures and clips')} {has} no perceptual hash, because an earlier "
        "version indexed them or they were imported; only copies with equal bytes were found among them. "
        "To have all compared, `unite-search remove` and `index` them again"
    )


def _print_groups(found: Duplicates) -> None:
    if found.groups:
        table = new_table("#", "file", "size", "pixels", "taken", "modified", "", right=("#", "size"))
        for number, group in enumerate(found.groups, 1):
            for place, file in enumerate(group.files):
                table.add_row(str(number) if not place else "", *_cells(file, group.files[0]))
        print_table(table)
    print_lines([_total(found)])


def _cells(file: Item, first: Item) -> Iterator[Any]:
    from unite_search.item import local_time
    from unite_search.media.uri import uri_to_path

    yield literal(shown_path(uri_to_path(file.uri)))
    yield file_size(file.size_bytes)
    yield f"{file.width} x {file.height}" if file.width and file.height else ""
    yield from (f"{date:%Y-%m-%d %H:%M}" if date else "" for date in (file.taken_at, local_time(file.modified_at)))
    yield "" if file is first else "same bytes" if file.content_hash == first.content_hash else "looks the same"


def _total(found: Duplicates) -> str:
    if not found.groups:
        return "no copies found"
    spare = found.files - len(found.groups)
    return (
        f"{counted(len(found.groups), 'group')} of {counted(found.files, 'file')}; without "
        f"{counted(spare, 'copy', 'copies')}, {file_size(found.freed_bytes)} would be free"
    )


def _record(found: Duplicates) -> dict[str, Any]:
    return {
        "groups": [
            {"is_exact": group.is_exact, "freed_bytes": group.freed_bytes, "files": list(map(_file, group.files))}
            for group in found.groups
        ],
        "files": found.files,
        "freed_bytes": found.freed_bytes,
        "without_hash": found.without_hash,
    }


def _csv_rows(groups: Sequence[CopyGroup]) -> Iterator[dict[str, Any]]:
    for number, group in enumerate(groups, 1):
        for file in group.files:
            yield {"group": number, "is_exact": group.is_exact, **_file(file)}


def _file(file: Item) -> dict[str, Any]:
    return {name: getattr(file, name) for name in FILE_FIELDS}
