"""Write `docs/reliability.md` from the JSON that `python -m benchmarks reliability-*` left in `docs/results/`.

Run by `make docs`; a test compares. A measurement that is not there is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results"
PAGE = ROOT / "docs" / "reliability.md"
INTRODUCTION = """# Reliability

What this project promises about the safety of data is tried by scripts that break things. They kill the program, fill
the disk, flip bits and damage media files, and then look with Lance and NumPy alone, without the code that is judged,
whether something was lost. Anybody can run them in a checkout; `--small` tries one in a minute or two:

    python -m benchmarks reliability-kills
    python -m benchmarks reliability-disk
    python -m benchmarks reliability-flips
    python -m benchmarks reliability-media
    python -m benchmarks reliability-readers
    python -m benchmarks reliability-budget

`make docs` writes this page from the files in `docs/results`, so no number on it was typed.
"""
KILLS = """## Killed commands

Each command is killed with SIGKILL at random moments spread over its whole run, up to three times in a row, and then
runs to its end. *Lost* counts files that were lost, changed or embedded again. *Half done* counts kills after which a
command that is one step was seen done in part, *repaired* and *damaged* those after which `verify` found something that
`repair` mended or did not mend. *Not finished* counts later runs of the same command that failed, or led to another
state than an undisturbed run. *Left over* are files that an undisturbed run does not leave.
"""
DISK = """## Full disk and read-only disk

Each command has too little room, between none and nearly enough. *Refused* counts the commands that failed, and *not
one line* those of them that did not say why in one line and with exit code 1. Then the command gets room and must
finish. The other columns are those of the table above.
"""
FLIPS = """## Flipped bits

One bit of one file is flipped, `verify` is run, and the bit is flipped back. *Noticed* means that `verify` says so, or
opening the collection does; a *wrong answer* is one that a search gives although nobody noticed; *raw errors* are
tracebacks, panics and errors of Lance in their own words. The collection has {rows} rows.
"""
MEDIA = """## Damaged media files

{files} files of {kinds} kinds were damaged at random and lay beside {good_files} good photos. {indexed} of them were
indexed, {skipped_with_a_reason} were skipped with a reason, and {n_unaccounted} were neither. {n_lost} good photos were
lost. The run took {seconds} s and {peak_mib} MiB of memory ({peak_mib_good_files_alone} MiB for the good photos alone),
ended with exit code {exit_code} and left {left_running} processes behind. A second run ended with exit code
{exit_code_again}, and `verify` with {verify_exit_code}.
"""
READERS = """## Readers beside a writer and copies

{readers} readers asked for {seconds:.0f} s while a writer ran `index` {index_runs} times and `remove` {remove_runs}
times, of which {failed_writes} failed. The readers got {answers:,} answers, of which {wrong_answers} were wrong, and
met {reader_errors} errors. At the end {lost} committed files were lost, and `verify` said: {verify}.
"""
COPIES = """Meanwhile `cp -r` made {made} copies of the folder: {clean} passed `verify`, {repaired} passed it after
`repair`, and {damaged} did not. {lost} files that were committed before a copy began were not in it.
"""
BUDGET = """## Files without end

One such file lies beside {photos} photos. *Photos slower* is how much later than without the file the last photo is
committed with the built-in encoder; without it that takes {photos_alone_s:.1f} s from the start of the program. The
*whole run* is one with an encoder that takes no time.
"""
READ_ONLY = "On a collection that cannot be written ({method}), {works} work, and {refused} end with one line."


def page() -> str:
    """Return the page: what was tried and lost in one table, then a section for each measurement that exists."""
    found = {name: content for name in SECTIONS if (content := _read(f"reliability-{name}"))}
    lines = [INTRODUCTION, *_table(("what was tried", "how often", "what was lost", "from"), _overview(found))]
    for name, content in found.items():
        lines += ["", SECTIONS[name](content["results"]).rstrip("\n"), "", _origin(content)]
    return "\n".join(lines) + "\n"


def _read(name: str) -> Any:
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _overview(found: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return the rows of the first table; what was not measured has none."""
    rows = []
    for name, describe in OVERVIEW.items():
        if name in found:
            rows += [(*row, f"`reliability-{name}.json`") for row in describe(found[name]["results"])]
    bad = _read("bad-files")
    if bad:
        one = bad["results"]
        lost = _nothing_or(one["good_files"] - one["good_files_indexed"], "good files")
        rows.append(("Files that are unreadable in other ways", f"{one['bad_files']} files", lost, "`bad-files.json`"))
    return rows


def _kills_overview(one: dict[str, Any]) -> list[tuple[str, ...]]:
    lost = one["lost"] + one["half_done"] + one["damaged"] + one["not_finished"]
    return [("Commands killed with SIGKILL", f"{one['kills']} kills", _nothing_or(lost, "faults"))]


def _disk_overview(one: dict[str, Any]) -> list[tuple[str, ...]]:
    lost = one["lost"] + one["half_done"] + one["damaged"] + one["not_finished"]
    protected = one["read_only"]
    times = f"{len(protected['reading_works']) + len(protected['writing_says_one_line'])} commands"
    return [
        (f"Full disk ({one['method']})", f"{one['refused']} refused commands", _nothing_or(lost, "faults")),
        (f"Read-only ({protected['method']})", times, "nothing" if protected["is_unchanged"] else "changed files"),
    ]


def _flips_overview(one: dict[str, Any]) -> list[tuple[str, ...]]:
    tried = f"{one['flips']} bits in {len(one['by_kind'])} kinds of file"
    return [("Single flipped bits", tried, _nothing_or(one["missed"], "flips were not noticed"))]


def _media_overview(one: dict[str, Any]) -> list[tuple[str, ...]]:
    lost = len(one["unaccounted"]) + len(one["good_files_lost"])
    return [("Damaged media files", f"{one['files']} files", _nothing_or(lost, "files"))]


def _readers_overview(one: dict[str, Any]) -> list[tuple[str, ...]]:
    copies = one["copies"]
    wrong = one["wrong_answers"] + one["reader_errors"] + one["lost"]
    return [
        (f"{one['readers']} readers beside a writer", f"{one['answers']:,} answers", _nothing_or(wrong, "faults")),
        ("Copies of the folder meanwhile", f"{copies['made']} copies", _nothing_or(copies["lost"], "files")),
    ]


def _budget_overview(one: dict[str, Any]) -> list[tuple[str, ...]]:
    return [("Files without end", f"{len(one['by_file'])} files", _nothing_or(one["photos_missing"], "photos"))]


def _kills(one: dict[str, Any]) -> str:
    names = ("kills", "lost", "half_done", "repaired", "damaged", "not_finished", "leftover_files", "left_running")
    return "\n".join([KILLS, *_by_command(one, names)])


def _disk(one: dict[str, Any]) -> str:
    names = ("refused", "enough_room", "not_one_line", "lost", "half_done", "repaired", "damaged", "not_finished")
    protected = one["read_only"]
    text = READ_ONLY.format(
        method=protected["method"],
        works=_names(protected["reading_works"]),
        refused=_names(protected["writing_says_one_line"]),
    )
    other = [*protected["reading_fails"], *protected["writing_says_more"]]
    text += f" These do neither: {_names(other)}." if other else ""
    return "\n".join([DISK, *_by_command(one, names), "", text])


def _names(commands: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in commands)


def _by_command(one: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    rows = [(command, *(counts[name] for name in names)) for command, counts in one["by_command"].items()]
    titles = {"leftover_files": "left over", "left_running": "processes left"}
    return _table(("command", *(titles.get(name, name.replace("_", " ")) for name in names)), rows)


def _flips(one: dict[str, Any]) -> str:
    names = ("flips", "noticed", "wrong_answers", "raw_errors")
    rows = [(kind, *(counts[name] for name in names)) for kind, counts in one["by_kind"].items()]
    titles = ("kind of file", "flips", "noticed", "wrong answers", "raw errors")
    return "\n".join([FLIPS.format(rows=f"{one['rows']:,}"), *_table(titles, rows)])


def _media(one: dict[str, Any]) -> str:
    lengths = {"n_unaccounted": len(one["unaccounted"]), "n_lost": len(one["good_files_lost"])}
    return MEDIA.format(**one, **lengths)


def _readers(one: dict[str, Any]) -> str:
    return f"{READERS.format(**one)}\n{COPIES.format(**one['copies'])}"


def _budget(one: dict[str, Any]) -> str:
    rows = [
        (
            name,
            case["seconds"],
            f"{case['photos_slower_by_percent']} %",
            case["items"],
            case["said"].replace("|", "\\|") or "-",
        )
        for name, case in one["by_file"].items()
    ]
    titles = ("file", "whole run, s", "photos slower", "its items", "what is said of it")
    return "\n".join([BUDGET.format(**one), *_table(titles, rows)])


def _table(titles: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[str]:
    head = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    return [*head, *(f"| {' | '.join(map(str, row))} |" for row in rows)]


def _nothing_or(count: int, what: str) -> str:
    return f"**{count} {what}**" if count else "nothing"


def _origin(content: dict[str, Any]) -> str:
    machine = f"{content['machine']['cpu']}, {content['machine']['cores']} cores"
    return f"`{content['command']}`, commit {content['commit']}, {content['date']}, {machine}."


OVERVIEW: dict[str, Callable[[dict[str, Any]], list[tuple[str, ...]]]] = {
    "kills": _kills_overview,
    "disk": _disk_overview,
    "flips": _flips_overview,
    "media": _media_overview,
    "readers": _readers_overview,
    "budget": _budget_overview,
}
SECTIONS: dict[str, Callable[[dict[str, Any]], str]] = {
    "kills": _kills,
    "disk": _disk,
    "flips": _flips,
    "media": _media,
    "readers": _readers,
    "budget": _budget,
}


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
