"""Print: results go to stdout, everything else to stderr. No other module of the package writes to either."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from unite_search import strict_json
from unite_search.cli.streams import CLOSED_PIPE, STDOUT, discard

PIPE_WIDTH = 10_000


class _Results(Console):
    """Prints results; the command ends when nobody reads them."""

    def on_broken_pipe(self) -> None:
        """End the command."""
        discard(STDOUT)
        raise SystemExit(CLOSED_PIPE)


class _Messages(Console):
    """Prints messages; a command goes on when nobody reads them."""

    def on_broken_pipe(self) -> None:
        """Print no more messages."""
        discard(sys.stderr.fileno())
        self.quiet = True


results = _Results(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else PIPE_WIDTH)
messages = _Messages(highlight=False, soft_wrap=True, stderr=True)


def literal(text: str) -> Text:
    """Return a text in which Rich does not interpret brackets as markup."""
    return Text(text)


def say(text: str) -> None:
    """Print a message that is not a result to stderr, without interpreting markup."""
    messages.print(Text(text))


@contextmanager
def _to_reader() -> Iterator[None]:
    """End the command when nobody reads what is written to stdout in the block."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        results.on_broken_pipe()


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object, in ASCII if the encoding of stdout is not UTF-8; NaN and infinity become null."""
    is_unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = strict_json.dumps(value, indent=2, ensure_ascii=not is_unicode)
    with _to_reader():
        sys.stdout.write(text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n")


def print_paths(paths: Iterable[Path], *, end: bytes = b"\n") -> None:
    """Print paths byte for byte, each followed by `end`."""
    with _to_reader():
        sys.stdout.flush()
        for path in paths:
            sys.stdout.buffer.write(os.fsencode(path) + end)


def print_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Print rows as CSV with a header; keys that are not columns are left out, None is an empty cell."""
    import csv

    writer = csv.DictWriter(sys.stdout, columns, extrasaction="ignore", lineterminator="\n")
    with _to_reader():
        writer.writeheader()
        writer.writerows({name: _flat(value) for name, value in row.items()} for row in rows)


def print_lines(lines: Iterable[str]) -> None:
    """Print lines as results, without interpreting markup."""
    for line in lines:
        results.print(Text(line))


def new_table(*columns: str, right: Sequence[str] = ()) -> Table:
    """Return an empty table in the style of the program; the columns in `right` are aligned to the right."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def print_table(table: Table) -> None:
    """Print a table, in full width if stdout is not a terminal."""
    results.print(table)


def print_fields(fields: Mapping[str, object]) -> None:
    """Print names and values, one pair per line, aligned."""
    width = max(map(len, fields))
    print_lines(f"{name:<{width}}  {value}" for name, value in fields.items())


def _flat(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value
