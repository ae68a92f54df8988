"""The bookkeeping of an index run, on a catalog in memory: what is decided for each file, counted and committed."""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unite_search.content import MediaSpec
from unite_search.ingest.ledger import Ledger
from unite_search.media.reasons import LEADS_OUTSIDE
from unite_search.media.scan import NO_FOLDER
from unite_search.media.sidecars import UNREAD
from unite_search.media.types import Facts, Hashes, MediaFile, ReadOptions, Skipped, VacantFolder
from unite_search.modality import Modality
from unite_search.report import IndexReport
from unite_search.storage.change import Change, FileState
from unite_search.storage.rows import EmbeddedItem

STATE = ("size_bytes", "mtime_ns", "content_hash", "recipe", "parent")


class MemoryCatalog:
    """Rows by id, changed as the real one changes them; counts its commits."""

    def __init__(self) -> None:
        self.rows: dict[int, dict[str, Any]] = {}
        self.commits = 0
        self.is_failing = False

    def states(self) -> dict[str, FileState]:
        return {row["uri"]: FileState(*(row[name] for name in STATE)) for row in self.rows.values()}

    def rows_of(self, parents: Iterable[int]) -> list[dict[str, Any]]:
        wanted = set(parents)
        return [row for _, row in sorted(self.rows.items()) if row["parent"] in wanted]

    def commit(self, change: Change) -> None:
        self.commits += 1
        if self.is_failing:
            raise OSError("disk full")
        written = {row["id"]: row for row in change.new + change.updated}
        assert len(written) == len(change.new) + len(change.updated)
        dropped = set(change.dropped_parents)
        kept = {id_: row for id_, row in self.rows.items() if row["parent"] not in dropped}
        self.rows = {**kept, **written}

    def texts(self) -> dict[str, list[str]]:
        """What stands in the catalog, by the name of the file."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for _, row in sorted(self.rows.items()):
            found[Path(row["uri"]).name].append(row["text"])
        return dict(found)

    def ids(self, name: str) -> list[int]:
        return [id_ for id_, row in sorted(self.rows.items()) if Path(row["uri"]).name == name]


class CountingIds:
    def __init__(self, first: int) -> None:
        self._next = first

    def take(self, count: int) -> range:
        self._next += count
        return range(self._next - count, self._next)


class Run:
    """One run over a folder whose files are given by name and content; contents of n letters have n items."""

    def __init__(self, catalog: MemoryCatalog, folder: Path) -> None:
        self.catalog, self.folder, self.report = catalog, folder, IndexReport()
        ids = CountingIds(max(catalog.rows, default=-1) + 1)
        options = ReadOptions(media=MediaSpec())
        self.ledger = Ledger(catalog, ids, self.report, options)  # type: ignore[arg-type]

    def file(self, name: str, *, mtime_ns: int = 1, sidecar_state: str = "") -> MediaFile:
        path = self.folder / name
        size = path.stat().st_size if path.exists() else 0
        return MediaFile(path=path, modality="text", size_bytes=size, mtime_ns=mtime_ns, sidecar_state=sidecar_state)

    def read(self, name: str, *, sidecars: str = "", **given: Any) -> bool:
        """Meet, ask and add a file, as ingest does; returns whether it was decoded. `sidecars` is their hash."""
        file = self.file(name, **given)
        self.ledger.found(file)
        content = file.path.read_text()
        if self.ledger.is_unchanged(file):
            return False
        is_wanted = self.ledger.must_read(file, Hashes(content, sidecars))
        assert isinstance(is_wanted, bool), "a decode worker waits for a bool"
        if is_wanted:
            self.add(file, content, sidecars)
        return is_wanted

    def add(self, file: MediaFile, content: str, sidecars: str = "") -> None:
        self.ledger.add(file, Hashes(content, sidecars), Facts(), items_of(content))

    def counts(self) -> dict[str, int]:
        names = ("added", "changed", "renamed", "unchanged", "removed", "items")
        return {name: getattr(self.report, name) for name in names if getattr(self.report, name)}


def items_of(content: str) -> list[EmbeddedItem]:
    return [EmbeddedItem(Modality.TEXT, np.array([1, 0], np.float32), None, None, letter) for letter in content]


@pytest.fixture
def catalog() -> MemoryCatalog:
    return MemoryCatalog()


def write(folder: Path, **files: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content)


def indexed(catalog: MemoryCatalog, folder: Path, **files: str) -> None:
    """Put files on disk and into the catalog."""
    write(folder, **files)
    run = Run(catalog, folder)
    for name in files:
        run.read(name)
    run.ledger.commit()


def test_new_files_are_read_and_written_in_one_commit(tmp_path: Path, catalog: MemoryCatalog) -> None:
    write(tmp_path, a="xy", b="z")
    run = Run(catalog, tmp_path)
    assert run.read("a")
    assert run.ledger.pending == 2
    assert run.read("b")
    assert run.ledger.pending == 3
    run.ledger.commit()
    assert run.ledger.pending == 0
    assert catalog.commits == 1
    assert catalog.texts() == {"a": ["x", "y"], "b": ["z"]}
    assert [catalog.rows[id_]["parent"] for id_ in catalog.ids("a")] == [catalog.ids("a")[0]] * 2
    assert run.counts() == {"added": 2, "items": 3}


def test_nothing_to_do_is_no_commit(tmp_path: Path, catalog: MemoryCatalog) -> None:
    indexed(catalog, tmp_path, a="x")
    run = Run(catalog, tmp_path)
    assert not run.read("a")
    run.ledger.drop_missing([tmp_path])
    run.ledger.commit()
    assert catalog.commits == 1
    assert run.counts() == {"unchanged": 1}


def test_a_file_is_met_once(tmp_path: Path, catalog: MemoryCatalog) -> None:
    run = Run(catalog, tmp_path)
    assert [run.ledger.found(run.file(name)) for name in ("a", "b", "a")] == [True, True, False]


@pytest.mark.parametrize("change", ["nothing", "size", "time", "recipe"])
def test_a_file_is_unchanged_while_size_time_and_recipe_are(
    tmp_path: Path, catalog: MemoryCatalog, change: str
) -> None:
    indexed(catalog, tmp_path, a="x")
    run = Run(catalog, tmp_path)
    if change == "size":
        (tmp_path / "a").write_text("xy")
    changes: dict[str, dict[str, Any]] = {"time": {"mtime_ns": 2}, "recipe": {"sidecar_state": "s"}}
    given = changes.get(change, {})
    assert run.ledger.is_unchanged(run.file("a", **given)) is (change == "nothing")
    assert not run.ledger.is_unchanged(run.file("b"))
    assert run.report.unchanged == (change == "nothing")


def test_a_touched_file_keeps_its_rows_and_is_known_by_its_new_time(tmp_path: Path, catalog: MemoryCatalog) -> None:
    indexed(catalog, tmp_path, a="xy")
    before = catalog.ids("a")
    run = Run(catalog, tmp_path)
    assert not run.read("a", mtime_ns=5)
    assert run.ledger.pending == 1
    run.ledger.commit()
    assert run.counts() == {"unchanged": 1}
    assert catalog.ids("a") == before
    assert {row["mtime_ns"] for row in catalog.rows.values()} == {5}
    assert run.ledger.is_unchanged(run.file("a", mtime_ns=5))
    assert Run(catalog, tmp_path).ledger.is_unchanged(run.file("a", mtime_ns=5))


def test_another_recipe_reads_the_same_bytes_again(tmp_path: Path, catalog: MemoryCatalog) -> None:
    indexed(catalog, tmp_path, a="x")
    write(tmp_path, b="x")
    run = Run(catalog, tmp_path)
    assert run.read("b", sidecar_state="s", sidecars="one")
    assert run.read("a", sidecar_state="t", sidecars="two")
    run.ledger.commit()
    assert run.counts() == {"added": 1, "changed": 1, "items": 2}
    assert run.report.duplicates == []
    assert {Path(uri).name: state.recipe for uri, state in catalog.states().items()} == {
        "a": "t;sidecars=two",
        "b": "s;sidecars=one",
    }


def test_a_changed_file_replaces_its_rows(tmp_path: Path, catalog: MemoryCatalog) -> None:
    indexed(catalog, tmp_path, a="xy", b="z")
    before = catalog.ids("a")
    write(tmp_path, a="uvw")
    run = Run(catalog, tmp_path)
    assert run.read("a")
    assert run.ledger.pending == 4
    run.ledger.commit()
    assert run.counts() == {"changed": 1, "items": 3}
    assert catalog.texts() == {"a": ["u", "v", "w"], "b": ["z"]}
    assert not set(before) & set(catalog.ids("a"))


def test_a_renamed_file_keeps_its_rows(tmp_path: Path, catalog: MemoryCatalog) -> None:
    indexed(catalog, tmp_path, a="xy")
    before = catalog.ids("a")
    (tmp_path / "a").rename(tmp_path / "b")
    run = Run(catalog, tmp_path)
    assert not run.read("b")
    run.ledger.drop_missing([tmp_path])
    run.ledger.commit()
    assert run.counts() == {"renamed": 1}
    assert (catalog.ids("a"), catalog.ids("b")) == ([], before)
    assert {row["name"] for row in catalog.rows.values()} == {"b"}


def test_a_file_renamed_over_another_takes_its_place(tmp_path: Path, catalog: MemoryCatalog) -> None:
    indexed(catalog, tmp_path, a="x", b="yz")
    kept = catalog.ids("a")
    (tmp_path / "a").replace(tmp_path / "b")
    run = Run(catalog, tmp_path)
    assert not run.read("b")
    assert run.ledger.pending == 2
    run.ledger.drop_missing([tmp_path])
    run.ledger.commit()
    assert run.counts() == {"renamed": 1}
    assert catalog.texts() == {"b": ["x"]}
    assert catalog.ids("b") == kept


def test_a_file_renamed_twice_moves_along(tmp_path: Path, catalog: MemoryCatalog) -> None:
    """The second name is known within the same run, whose commit has not come yet."""
    indexed(catalog, tmp_path, a="x")
    kept = catalog.ids("a")
    (tmp_path / "a").rename(tmp_path / "b")
    run = Run(catalog, tmp_path)
    assert not run.read("b")
    run.ledger.commit()
    (tmp_path / "b").rename(tmp_path / "c")
    assert not run.read("c")
    run.ledger.commit()
    assert run.report.renamed == 2
    assert catalog.ids("c") == kept
    assert len(catalog.rows) == 1


def test_a_copy_of_a_known_file_gets_rows_of_its_own_without_being_read(tmp_path: Path, catalog: MemoryCatalog) -> None:
    indexed(catalog, tmp_path, a="xy", c="u")
    write(tmp_path, b="xy", c="xy")
    run = Run(catalog, tmp_path)
    assert not run.read("b")
    assert run.ledger.pending == 1
    assert not run.read("c")
    assert run.ledger.pending == 3
    run.ledger.commit()
    assert run.counts() == {"added": 1, "changed": 1, "items": 4}
    assert run.report.duplicates == [(tmp_path / name, tmp_path / "a") for name in "bc"]
    assert catalog.texts() == {"a": ["x", "y"], "b": ["x", "y"], "c": ["x", "y"]}
    assert len({row["parent"] for row in catalog.rows.values()}) == 3
    assert all(row["parent"] == catalog.ids(Path(row["uri"]).name)[0] for row in catalog.rows.values())


def test_a_file_whose_folder_may_not_be_entered_is_not_renamed(
    tmp_path: Path, catalog: MemoryCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexed(catalog, tmp_path / "locked", a="xy")
    write(tmp_path, b="xy")

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "lstat", refuse)
    monkeypatch.setattr(os, "lstat", refuse)
    run = Run(catalog, tmp_path)
    assert not run.read("b")
    run.ledger.commit()
    assert run.counts() == {"added": 1, "items": 2}
    assert catalog.texts() == {"a": ["x", "y"], "b": ["x", "y"]}


def test_a_copy_of_a_file_that_is_being_read_waits_for_it(tmp_path: Path, catalog: MemoryCatalog) -> None:
    write(tmp_path, a="xy", b="xy", c="xy")
    run = Run(catalog, tmp_path)
    first = run.file("a")
    assert run.ledger.must_read(first, Hashes("xy"))
    assert not run.read("b")
    run.ledger.commit()
    assert (catalog.commits, run.report.added) == (0, 0)
    run.add(first, "xy")
    assert run.ledger.pending == 2
    run.ledger.commit()
    assert run.counts() == {"added": 2, "items": 4}
    assert not run.read("c")
    run.ledger.commit()
    assert run.counts() == {"added": 3, "items": 6}
    assert catalog.texts() == {"a": ["x", "y"], "b": ["x", "y"], "c": ["x", "y"]}
    assert run.report.duplicates[0] == (tmp_path / "b", tmp_path / "a")


def test_the_content_of_a_replaced_file_is_no_longer_known(tmp_path: Path, catalog: MemoryCatalog) -> None:
    """`a` is read anew and loses its old content, so the same content elsewhere must be decoded."""
    indexed(catalog, tmp_path, a="x")
    write(tmp_path, a="yy", b="x")
    run = Run(catalog, tmp_path)
    assert run.read("a")
    assert run.read("b")
    run.ledger.commit()
    assert catalog.texts() == {"a": ["y", "y"], "b": ["x"]}


def test_bytes_that_were_written_and_lost_again_in_one_run_are_read_again(
    tmp_path: Path, catalog: MemoryCatalog
) -> None:
    """`c` was read and written, but replacing `b` forgets who holds these bytes: `d` must not wait for `c`."""
    indexed(catalog, tmp_path, a="x", b="x")
    write(tmp_path, a="yy", b="zzz", c="x", d="x")
    run = Run(catalog, tmp_path)
    assert run.read("a")
    assert run.read("c")
    run.ledger.commit()
    assert run.read("b")
    run.read("d")
    run.ledger.commit()
    assert catalog.texts() == {"a": ["y", "y"], "b": ["z", "z", "z"], "c": ["x"], "d": ["x"]}


def test_a_file_that_cannot_be_read_is_reported_with_those_that_wait_for_it(
    tmp_path: Path, catalog: MemoryCatalog
) -> None:
    write(tmp_path, a="bad", b="bad", c="bad", d="good")
    run = Run(catalog, tmp_path)
    first = run.file("a")
    assert run.ledger.must_read(first, Hashes("bad"))
    assert not run.read("b")
    run.ledger.skip(Skipped(path=first.path, reason="no picture"))
    assert run.report.skipped == [
        Skipped(path=tmp_path / "a", reason="no picture"),
        Skipped(path=tmp_path / "b", reason="no picture (same bytes as a)"),
    ]
    assert run.read("c"), "nobody reads these bytes any more"
    assert run.read("d")
    run.ledger.commit()
    assert catalog.texts() == {"c": list("bad"), "d": list("good")}


def test_what_is_being_read_elsewhere_goes_on_when_another_file_is_skipped(
    tmp_path: Path, catalog: MemoryCatalog
) -> None:
    write(tmp_path, a="x", b="x", bad="z")
    run = Run(catalog, tmp_path)
    first = run.file("a")
    assert run.ledger.must_read(first, Hashes("x"))
    assert run.ledger.must_read(run.file("bad"), Hashes("z"))
    run.ledger.skip(Skipped(path=tmp_path / "bad", reason="broken"))
    assert not run.read("b"), "its bytes are still being read"
    run.add(first, "x")
    run.ledger.commit()
    assert catalog.texts() == {"a": ["x"], "b": ["x"]}


def test_files_that_are_gone_leave(tmp_path: Path, catalog: MemoryCatalog) -> None:
    indexed(catalog, tmp_path, a="xy", b="z", c="u")
    run = Run(catalog, tmp_path)
    assert not run.read("b")
    run.ledger.drop_missing([tmp_path])
    assert run.ledger.pending == 2
    run.ledger.commit()
    assert run.counts() == {"unchanged": 1, "removed": 2}
    assert catalog.texts() == {"b": ["z"]}


def test_only_files_below_the_roots_leave(tmp_path: Path, catalog: MemoryCatalog) -> None:
    for name in ("one", "one more", "two"):
        indexed(catalog, tmp_path / name, **{f"{name} a": "x", f"{name} b": "y"})
    run = Run(catalog, tmp_path / "one")
    assert not run.read("one a")
    run.ledger.drop_missing([tmp_path / "one"])
    run.ledger.commit()
    assert sorted(catalog.texts()) == ["one a", "one more a", "one more b", "two a", "two b"]
    run = Run(catalog, tmp_path / "two")
    run.ledger.drop_missing([tmp_path / "two" / "two b"])
    run.ledger.commit()
    assert "two b" in catalog.texts(), "a root that is one file, not met, is an empty root"


def test_an_empty_root_does_not_empty_the_index(tmp_path: Path, catalog: MemoryCatalog) -> None:
    indexed(catalog, tmp_path / "one", a="x", b="y")
    indexed(catalog, tmp_path / "two", c="z", d="u")
    run = Run(catalog, tmp_path / "two")
    assert not run.read("c")
    run.ledger.drop_missing([tmp_path / "one", tmp_path / "two"])
    run.ledger.commit()
    assert sorted(catalog.texts()) == ["a", "b", "c"]
    assert run.report.removed == 1
    assert run.report.warnings == [
        f"{tmp_path / 'one'} holds nothing to index: what was indexed there (2 files) stays until `index --prune` or "
        "`remove` takes it out"
    ]
    run = Run(catalog, tmp_path / "two")
    assert not run.read("c")
    run.ledger.drop_missing([tmp_path / "one", tmp_path / "two"], prune=True)
    run.ledger.commit()
    assert (sorted(catalog.texts()), run.report.removed, run.report.warnings) == (["c"], 2, [])


def kept_by(catalog: MemoryCatalog, tmp_path: Path, case: str, *, prune: bool) -> tuple[list[str], list[str]]:
    """Run over `tmp_path`, where `b` and `c` below `disk` are not found; return what stays, and the warnings."""
    run = Run(catalog, tmp_path)
    assert not run.read("a")
    roots = [tmp_path]
    if case == "empty folder":
        run.ledger.keep_vacant(VacantFolder(tmp_path / "disk"))
    elif case == "link":
        run.ledger.skip(Skipped(path=tmp_path / "disk", reason=LEADS_OUTSIDE))
    elif case == "missing root":
        run.ledger.keep_root(tmp_path / "disk")
    elif case == "empty root":
        roots.append(tmp_path / "disk")
    run.ledger.drop_missing(roots, prune=prune)
    run.ledger.commit()
    return sorted(catalog.texts()), run.report.warnings


@pytest.mark.parametrize("case", ["empty folder", "link", "missing root", "empty root", "deleted folder"])
def test_what_may_be_unmounted_stays_until_it_is_pruned(tmp_path: Path, catalog: MemoryCatalog, case: str) -> None:
    indexed(catalog, tmp_path, a="x")
    indexed(catalog, tmp_path / "disk", b="y")
    indexed(catalog, tmp_path / "disk" / "sub", c="z")
    if case == "deleted folder":
        assert kept_by(catalog, tmp_path, case, prune=False) == (["a"], [])
        return
    for _ in range(2):
        names, warnings = kept_by(catalog, tmp_path, case, prune=False)
        assert names == ["a", "b", "c"]
        (warning,) = warnings
        assert "(2 files) stays until `index --prune`" in warning
    assert kept_by(catalog, tmp_path, case, prune=True) == (["a"], [])


def test_links_that_lead_outside_are_one_warning(tmp_path: Path, catalog: MemoryCatalog) -> None:
    indexed(catalog, tmp_path, a="x", b="y", c="z")
    run = Run(catalog, tmp_path)
    assert not run.read("a")
    for name in ("b", "c", "d"):
        run.ledger.skip(Skipped(path=tmp_path / name, reason=LEADS_OUTSIDE))
    run.ledger.drop_missing([tmp_path])
    (warning,) = run.report.warnings
    assert warning.startswith("what was indexed behind links that lead outside (2 files) stays")
    assert len(run.report.skipped) == 3


@pytest.mark.parametrize("reason", ["unknown file type", "not a regular file"])
def test_a_root_that_became_a_file_keeps_its_items_until_it_is_pruned(
    tmp_path: Path, catalog: MemoryCatalog, reason: str
) -> None:
    indexed(catalog, tmp_path / "root", a="x", b="y")
    for prune in (False, True):
        run = Run(catalog, tmp_path)
        run.ledger.keep_vacant(VacantFolder(tmp_path / "root", NO_FOLDER))
        run.ledger.skip(Skipped(path=tmp_path / "root", reason=reason))
        run.ledger.drop_missing([tmp_path / "root"], prune=prune)
        run.ledger.commit()
        assert sorted(catalog.texts()) == ([] if prune else ["a", "b"])
        assert [f"{NO_FOLDER}: what was indexed there (2 files) stays" in said for said in run.report.warnings] == (
            [] if prune else [True]
        )


CAPTIONED: dict[str, Any] = {"sidecar_state": ".txt:5:1"}


def recipes(catalog: MemoryCatalog) -> dict[str, str]:
    return {Path(uri).name: state.recipe for uri, state in catalog.states().items()}


def test_copies_are_told_apart_by_what_their_sidecars_hold(tmp_path: Path, catalog: MemoryCatalog) -> None:
    """Sizes and times of all sidecars are equal; `c` has the caption of `a`, with another time."""
    write(tmp_path, a="x", b="x", c="x")
    run = Run(catalog, tmp_path)
    assert run.read("a", sidecars="red", **CAPTIONED)
    assert run.read("b", sidecars="blue", **CAPTIONED)
    assert not run.read("c", sidecars="red", sidecar_state=".txt:5:2")
    run.ledger.commit()
    assert run.report.duplicates == [(tmp_path / "c", tmp_path / "a")]
    assert recipes(catalog) == {
        "a": ".txt:5:1;sidecars=red",
        "b": ".txt:5:1;sidecars=blue",
        "c": ".txt:5:2;sidecars=red",
    }
    again = Run(catalog, tmp_path)
    assert not any(again.read(name, sidecars="not asked", **CAPTIONED) for name in "ab")
    assert again.report.unchanged == 2


def test_a_touched_sidecar_is_not_read_again_and_a_changed_one_is(tmp_path: Path, catalog: MemoryCatalog) -> None:
    write(tmp_path, a="x")
    first = Run(catalog, tmp_path)
    first.read("a", sidecars="red", **CAPTIONED)
    first.ledger.commit()
    before = catalog.ids("a")
    run = Run(catalog, tmp_path)
    assert not run.read("a", sidecars="red", sidecar_state=".txt:5:9")
    run.ledger.commit()
    assert (run.counts(), catalog.ids("a"), recipes(catalog)) == (
        {"unchanged": 1},
        before,
        {"a": ".txt:5:9;sidecars=red"},
    )
    assert Run(catalog, tmp_path).read("a", sidecars="blue", sidecar_state=".txt:5:10")


def test_sidecars_that_could_not_be_read_are_tried_in_every_run(tmp_path: Path, catalog: MemoryCatalog) -> None:
    write(tmp_path, a="x")
    first = Run(catalog, tmp_path)
    first.read("a", sidecars=UNREAD + "1", **CAPTIONED)
    first.ledger.commit()
    run = Run(catalog, tmp_path)
    assert not run.ledger.is_unchanged(run.file("a", **CAPTIONED))
    assert not run.read("a", sidecars=UNREAD + "1", **CAPTIONED)
    assert run.ledger.pending == 0, "nothing has changed"
    assert Run(catalog, tmp_path).read("a", sidecars="red", **CAPTIONED)


FAULTS = (".json: not valid JSON", "`width` is empty")


def test_what_was_not_used_of_a_sidecar_is_named_in_every_run(tmp_path: Path, catalog: MemoryCatalog) -> None:
    """Unchanged, touched, renamed and copied, whether its first rows were written before or in the same run."""
    write(tmp_path, a="x", b="x")
    run = Run(catalog, tmp_path)
    first = run.file("a", **CAPTIONED)
    assert run.ledger.must_read(first, Hashes("x", "red"))
    assert not run.read("b", sidecars="red", **CAPTIONED)
    run.ledger.add(first, Hashes("x", "red"), Facts(problems=FAULTS), items_of("x"))
    run.ledger.commit()
    assert run.report.warnings == [
        *(f"{tmp_path / 'a'}: {fault}" for fault in FAULTS),
        f"{tmp_path / 'b'}: {FAULTS[0]}",
    ]
    assert set(recipes(catalog).values()) == {f".txt:5:1;sidecars=red!{FAULTS[0]}"}
    (tmp_path / "a").rename(tmp_path / "c")
    write(tmp_path, d="x")
    for state in (".txt:5:1", ".txt:5:2", ".txt:5:2"):
        later = Run(catalog, tmp_path)
        assert not any(later.read(name, sidecars="red", sidecar_state=state) for name in "bcd")
        later.ledger.drop_missing([tmp_path])
        later.ledger.commit()
        assert later.report.warnings == [f"{tmp_path / name}: {FAULTS[0]}" for name in "bcd"]
    assert later.counts() == {"unchanged": 3}
    assert later.ledger.pending == 0
    mended = Run(catalog, tmp_path)
    assert mended.read("b", sidecars="mended", sidecar_state=".txt:6:1")
    mended.ledger.commit()
    assert mended.report.warnings == []


def of_before(catalog: MemoryCatalog, folder: Path) -> None:
    """Put `a` into the catalog as versions without hashes of sidecars did."""
    write(folder, a="x")
    run = Run(catalog, folder)
    run.read("a", sidecars="red", **CAPTIONED)
    run.ledger.commit()
    for row in catalog.rows.values():
        row["recipe"] = ".txt:5:1"


def test_collections_without_hashes_of_sidecars_are_not_embedded_again(tmp_path: Path, catalog: MemoryCatalog) -> None:
    of_before(catalog, tmp_path)
    run = Run(catalog, tmp_path)
    assert not run.read("a", **CAPTIONED)
    assert run.report.unchanged == 1
    assert not run.read("a", mtime_ns=7, sidecars="red", **CAPTIONED), "only the picture was touched"
    run.ledger.commit()
    assert recipes(catalog) == {"a": ".txt:5:1;sidecars=red"}


def test_a_renamed_file_of_an_older_collection_keeps_its_rows_and_a_copy_is_read(
    tmp_path: Path, catalog: MemoryCatalog
) -> None:
    of_before(catalog, tmp_path)
    write(tmp_path, b="x")
    copied = Run(catalog, tmp_path)
    assert copied.read("b", sidecars="blue", **CAPTIONED), "its caption may differ"
    (tmp_path / "a").rename(tmp_path / "c")
    run = Run(catalog, tmp_path)
    assert not run.read("c", sidecars="red", **CAPTIONED)
    run.ledger.commit()
    assert run.counts() == {"renamed": 1}
    assert recipes(catalog) == {"c": ".txt:5:1;sidecars=red"}


def test_what_lies_below_a_folder_that_cannot_be_read_stays(tmp_path: Path, catalog: MemoryCatalog) -> None:
    (tmp_path / "locked").mkdir()
    indexed(catalog, tmp_path, **{"locked/a": "x", "b": "y", "c": "z"})
    run = Run(catalog, tmp_path)
    run.ledger.skip(Skipped(path=tmp_path / "locked", reason="permission denied"))
    assert not run.read("b")
    run.ledger.drop_missing([tmp_path])
    run.ledger.commit()
    assert sorted(catalog.texts()) == ["a", "b"]


def test_a_root_with_nothing_but_an_unreadable_file_is_not_empty(tmp_path: Path, catalog: MemoryCatalog) -> None:
    indexed(catalog, tmp_path, a="x", b="y")
    run = Run(catalog, tmp_path)
    run.ledger.skip(Skipped(path=tmp_path / "a", reason="broken"))
    run.ledger.drop_missing([tmp_path])
    run.ledger.commit()
    assert (run.report.removed, run.report.warnings) == (1, [])
    assert sorted(catalog.texts()) == ["a"]


def test_a_dry_run_counts_new_and_changed_files(tmp_path: Path, catalog: MemoryCatalog) -> None:
    indexed(catalog, tmp_path, a="x")
    run = Run(catalog, tmp_path)
    for name in ("a", "b", "c"):
        run.ledger.foresee(run.file(name))
    assert run.counts() == {"added": 2, "changed": 1}


def test_a_dry_run_asks_for_hashes_of_touched_and_renamed_files_only(tmp_path: Path, catalog: MemoryCatalog) -> None:
    indexed(catalog, tmp_path, touched="uv", old="xyz", copied="abcd", changed="k")
    (tmp_path / "old").rename(tmp_path / "renamed")
    write(tmp_path, new="abcdefg", copy="abcd", other="xyy", changed="lmno")
    run = Run(catalog, tmp_path)
    files = {name: run.file(name, mtime_ns=2) for name in ("touched", "renamed", "new", "copy", "other", "changed")}
    run.ledger.found(run.file("copied"))
    for file in files.values():
        run.ledger.found(file)
    assert run.ledger.known_sizes() == {1, 2, 3, 4}
    asked = run.ledger.may_be_settled(list(files.values()))
    assert {path.name for path in asked} == {"touched", "renamed", "other"}
    for file in files.values():
        run.ledger.foresee(file, Hashes(file.path.read_text()) if file.path in asked else None)
    run.ledger.drop_missing([tmp_path])
    assert run.counts() == {"added": 3, "changed": 1, "renamed": 1, "unchanged": 1}
    assert catalog.commits == 1


def test_a_commit_that_fails_is_not_written_again(tmp_path: Path, catalog: MemoryCatalog) -> None:
    indexed(catalog, tmp_path, a="x", gone="y")
    write(tmp_path, b="z", c="x")
    run = Run(catalog, tmp_path)
    run.read("a", mtime_ns=2)
    run.read("b")
    run.read("c")
    run.ledger.drop_missing([tmp_path])
    assert run.ledger.pending == 4
    catalog.is_failing = True
    with pytest.raises(OSError, match="disk full"):
        run.ledger.commit()
    assert run.ledger.pending == 0
    catalog.is_failing = False
    run.ledger.commit()
    assert catalog.commits == 2
    assert catalog.texts() == {"a": ["x"], "gone": ["y"]}


@pytest.mark.parametrize("seed", range(20))
def test_after_any_run_the_catalog_tells_what_is_on_disk(tmp_path: Path, catalog: MemoryCatalog, seed: int) -> None:
    """Files come, go, move, are copied and rewritten; commits fall anywhere; ids of what did not change stay."""
    rng = random.Random(seed)
    clock = 0
    for _ in range(6):
        before = {name: (catalog.ids(name), texts) for name, texts in catalog.texts().items()}
        for name in "abcdef":
            path = tmp_path / name
            clock += 1
            match rng.randrange(5):
                case 0:
                    path.write_text(rng.choice(["x", "yz", "uvw", "xy"]))
                    os.utime(path, ns=(clock, clock))
                case 1:
                    path.unlink(missing_ok=True)
                case 2 if path.exists():
                    path.replace(tmp_path / rng.choice("abcdef"))
        names = [path.name for path in tmp_path.iterdir()]
        if not names:
            continue
        rng.shuffle(names)
        run = Run(catalog, tmp_path)
        for name in names:
            run.read(name, mtime_ns=(tmp_path / name).stat().st_mtime_ns)
            if rng.random() < 0.3:
                run.ledger.commit()
        run.ledger.drop_missing([tmp_path])
        run.ledger.commit()
        assert catalog.texts() == {name: list((tmp_path / name).read_text()) for name in names}
        same = [name for name, (_, texts) in before.items() if catalog.texts().get(name) == texts]
        assert all(catalog.ids(name) == before[name][0] for name in same)
        assert all(row["parent"] == catalog.ids(Path(row["uri"]).name)[0] for row in catalog.rows.values())
