"""Folders that are there whole or not at all: failures, kills at every step, two writers at once."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unite_search.collection import Collection
from unite_search.errors import UniteSearchError
from unite_search.home import HOME_VARIABLE
from unite_search.storage import whole_folder as module
from unite_search.storage.metadata import list_collections
from unite_search.storage.whole_folder import content, whole_folder

LAST = "z-complete"
KILLS = 20
PROGRAM = "from unite_search.cli import main; main()"


def fill(folder: Path, text: str = "") -> None:
    (folder / "a").mkdir()
    (folder / "a" / "x").write_text(f"x{text}")
    (folder / "b").write_text(f"b{text}")
    (folder / LAST).write_text("yes")


def state(target: Path) -> dict[str, str]:
    return {
        str(path.relative_to(target)): path.read_text()
        for entry in content(target)
        for path in ([entry] if entry.is_file() else entry.rglob("*"))
    }


WHOLE = {"a/x": "x", "b": "b", LAST: "yes"}


@pytest.mark.parametrize("is_there", [False, True])
def test_whole_after_success_and_nothing_after_an_error(tmp_path: Path, is_there: bool) -> None:
    target = tmp_path / "deep" / "target"
    if is_there:
        target.mkdir(parents=True)
    with pytest.raises(RuntimeError), whole_folder(target, last=LAST) as folder:
        fill(folder)
        raise RuntimeError
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["target"] * is_there
    assert not is_there or list(target.iterdir()) == []
    with whole_folder(target, last=LAST) as folder:
        fill(folder)
    assert state(target) == WHOLE
    assert {path.name for path in target.iterdir()} == {"a", "b", LAST}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["target"]


def _die_after(renames: int, target: Path) -> None:
    """Kill this process after so many renames, as a power cut would."""
    real = Path.rename
    left = [renames]

    def counted(self: Path, to: Path) -> Path:
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return real(self, to)

    Path.rename = counted  # type: ignore[assignment, method-assign]
    with whole_folder(target, last=LAST) as folder:
        fill(folder)
        if renames < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("renames", [-1, 0, 1, 2, 3])
@pytest.mark.parametrize("is_there", [False, True])
def test_a_kill_at_every_step_never_blocks_the_next_try(tmp_path: Path, is_there: bool, renames: int) -> None:
    target = tmp_path / "target"
    if is_there:
        target.mkdir()
    process = multiprocessing.get_context("spawn").Process(target=_die_after, args=(renames, target))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    if (target / LAST).exists():
        assert state(target) == WHOLE
        module.remove_leftovers(target)
        assert state(target) == WHOLE, "what is complete stays"
    else:
        with whole_folder(target, last=LAST) as folder:
            fill(folder, " again")
        assert state(target) == {"a/x": "x again", "b": "b again", LAST: "yes"}
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert {path.name for path in target.iterdir()} == {"a", "b", LAST}


def test_an_export_undoes_what_a_killed_import_has_moved(tmp_path: Path) -> None:
    """Each has another entry that says that it is complete."""
    target = tmp_path / "target"
    target.mkdir()
    process = multiprocessing.get_context("spawn").Process(target=_die_after, args=(2, target))
    process.start()
    process.join()
    assert sorted(path.name for path in content(target)) == ["a", "b"]
    with whole_folder(target, last="unite_search.json") as folder:
        (folder / "unite_search.json").write_text("exported")
    assert [path.name for path in target.iterdir()] == ["unite_search.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_a_folder_with_content_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    entered = False
    with pytest.raises(UniteSearchError, match="is not empty; name a new folder"), whole_folder(tmp_path, last=LAST):
        entered = True
    assert not entered
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


@pytest.mark.parametrize("is_there", [False, True])
def test_two_at_once_and_the_first_to_finish_wins(tmp_path: Path, is_there: bool) -> None:
    target = tmp_path / "target"
    if is_there:
        target.mkdir()
    with pytest.raises(UniteSearchError, match="name a new folder"), whole_folder(target, last=LAST) as slow:
        fill(slow, " slow")
        with whole_folder(target, last=LAST) as quick:
            fill(quick)
        assert state(target) == WHOLE
        assert (slow / "b").read_text() == "b slow", "a running try is left alone"
    assert state(target) == WHOLE
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert {path.name for path in target.iterdir()} == {"a", "b", LAST}


def test_a_long_name_fits(tmp_path: Path) -> None:
    with whole_folder(tmp_path / ("ä" * 120), last=LAST) as folder:
        fill(folder)
    assert state(tmp_path / ("ä" * 120)) == WHOLE


def _vectors(folder: Path, count: int, files: int) -> None:
    for part in ("img_emb", "metadata"):
        (folder / part).mkdir(parents=True)
    for number in range(files):
        rows = np.random.default_rng(number).normal(size=(count, 32)).astype(np.float32)
        np.save(folder / "img_emb" / f"img_emb_{number}.npy", rows)
        paths = [f"/p/{number}/{place}" for place in range(count)]
        pq.write_table(pa.table({"image_path": paths}), folder / "metadata" / f"metadata_{number}.parquet")


def _killed(*arguments: str, after_s: float) -> bool:
    """Run a command, kill it after a time, and return whether it was still running."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.kill()
    return process.wait() == -signal.SIGKILL


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
from unite_search.cli import main
main()
"""


def test_what_cannot_be_written_leaves_nothing_and_says_why(tmp_path: Path) -> None:
    """No file may grow beyond a limit, which a program meets as it meets a full disk."""
    _vectors(tmp_path / "e", count=4000, files=1)
    Collection.from_export(tmp_path / "e", tmp_path / "db").close()
    for command in (("import", str(tmp_path / "e"), "--db"), ("export", "--db", str(tmp_path / "db"))):
        arguments = [sys.executable, "-c", LIMITED, "100000", *command, str(tmp_path / "out")]
        failed = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert failed.returncode == 1
        assert "cannot be written: " in failed.stderr
        assert failed.stderr.count("\n") == 1
        assert "LanceError" not in failed.stderr
        assert sorted(path.name for path in tmp_path.iterdir()) == ["db", "e"]
    _took_s("export", str(tmp_path / "out"), "--db", str(tmp_path / "db"))


def _took_s(*arguments: str) -> float:
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", PROGRAM, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


@pytest.mark.slow
def test_twenty_killed_imports_leave_nothing_or_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    _vectors(tmp_path / "e", count=500, files=12)
    whole_s = min(_took_s("import", str(tmp_path / "e"), "-c", name) for name in ("first", "second"))
    shutil.rmtree(tmp_path / "home" / "collections" / "second")
    chance, kills = random.Random(5), 0
    home = tmp_path / "home" / "collections"
    for _ in range(KILLS):
        kills += _killed("import", str(tmp_path / "e"), "-c", "second", after_s=chance.uniform(0.3, 1.0) * whole_s)
        if [folder.name for folder in list_collections()] == ["first"]:
            assert not (home / "second").exists()
        else:
            with Collection.open(home / "second") as collection:
                assert collection.count(where="true") == 6000
                assert collection.verify() == []
            shutil.rmtree(home / "second")
    _took_s("import", str(tmp_path / "e"), "-c", "second")
    assert sorted(path.name for path in home.iterdir()) == ["first", "second"]
    assert kills > KILLS / 3, "the kills came too late to mean anything"


@pytest.mark.slow
@pytest.mark.parametrize("is_there", [False, True])
def test_twenty_killed_exports_leave_nothing_or_everything(tmp_path: Path, is_there: bool) -> None:
    _vectors(tmp_path / "e", count=2000, files=3)
    Collection.from_export(tmp_path / "e", tmp_path / "db").close()
    whole_s = _took_s("export", str(tmp_path / "first"), "--db", str(tmp_path / "db"))
    expected = {path.relative_to(tmp_path / "first") for path in (tmp_path / "first").rglob("*")}
    chance, kills, target = random.Random(5), 0, tmp_path / "out"
    if is_there:
        target.mkdir()
    for _ in range(KILLS):
        after_s = chance.uniform(0.3, 1.0) * whole_s
        kills += _killed("export", str(target), "--db", str(tmp_path / "db"), after_s=after_s)
        if (target / "unite_search.json").exists():
            entries = content(target)
            found = {path.relative_to(target) for entry in entries for path in [entry, *entry.rglob("*")]}
            assert found == expected
            shutil.rmtree(target)
            if is_there:
                target.mkdir()
        else:
            assert is_there or not target.exists()
    _took_s("export", str(target), "--db", str(tmp_path / "db"))
    assert {path.relative_to(target) for path in target.rglob("*")} == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["db", "e", "first", "out"]
    assert kills > KILLS / 3, "the kills came too late to mean anything"
