"""Control-C three times in a row, at chosen moments of `index`: no traceback, exit code 130, nothing committed lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs signals and process groups")

PATIENCE_S = 60
START = """
import pathlib, sys, time
sys.path.insert(0, sys.argv.pop(1))
def reached():
    pathlib.Path("reached").touch()
    for _ in range(500):
        time.sleep(0.01)
"""
END = """
from unite_search.cli import main
from unite_search.encoders.base import ENCODERS
ENCODERS["toy"] = "toy:ToyEncoder"
if __name__ == "__main__":
    main()
"""
WRAP = """
if __name__ == "__main__":
    import {module} as module
    whole = module.{name}
    def waiting(*given, **options):
        {before}
        result = whole(*given, **options)
        {after}
        return result
    module.{name} = waiting
"""


def wrapped(module: str, name: str, *, after: bool = False) -> str:
    """Code that waits before, or after, a function is called."""
    calls = {"before": "pass", "after": "reached()"} if after else {"before": "reached()", "after": "pass"}
    return WRAP.format(module=module, name=name, **calls)


IMPORT = """
class Finder:
    def find_spec(self, name, path, target=None):
        if name == "unite_search.storage.catalog":
            reached()
if __name__ == "__main__":
    sys.meta_path.insert(0, Finder())
"""
FINALIZER = """
import weakref
class Held: pass
def stopped(*given, whole, **options):
    held = Held()
    weakref.finalize(held, reached)
    del held
    return whole(*given, **options)
if __name__ == "__main__":
    import functools
    import unite_search.ingest.pipeline as module
    module.scan = functools.partial(stopped, whole=module.scan)
"""
MOMENTS = {
    "the start of a process": wrapped("multiprocessing.popen_spawn_posix", "util.spawnv_passfds", after=True),
    "an import": IMPORT,
    "a finalizer": FINALIZER,
    "the first file": wrapped("unite_search.ingest.ledger", "Ledger.must_read"),
    "a batch": wrapped("unite_search.ingest.pipeline", "Ingest._encode", after=True),
    "a commit": wrapped("unite_search.storage.catalog", "Catalog.commit"),
    "after a commit": wrapped("unite_search.storage.catalog", "Catalog.commit", after=True),
    "the end of the run": wrapped("unite_search.ingest.ledger", "Ledger.drop_missing"),
    "compaction": wrapped("unite_search.storage.catalog", "Catalog.compact"),
    "the partitions": wrapped("unite_search.storage.store", "Store._save_partitions"),
    "the report": wrapped("unite_search.cli.index", "show_report"),
}


def start(tmp_path: Path, code: str, *arguments: str) -> subprocess.Popen[str]:
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", START + code + END, here, *arguments, "--db", str(tmp_path / "db")]
    return subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def press(process: subprocess.Popen[str], *, times: int, pause_s: float) -> None:
    for _ in range(times):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(pause_s)


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not path.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert path.exists(), process.communicate()


def assert_no_process_left(group: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("a process outlives the command")


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_three_times_control_c_ends_cleanly(tmp_path: Path, media: Path, moment: str) -> None:
    process = start(tmp_path, MOMENTS[moment], "index", str(media), "--encoder", "toy")
    wait_for(tmp_path / "reached", process)
    press(process, times=3, pause_s=0.05)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert_no_process_left(process.pid)
    assert process.returncode == 130, errors
    known = ("Interrupted. What was committed stays", "Stopping: what is complete", "Indexing:", "Compacting:")
    assert all(line.startswith(known) for line in errors.splitlines()), errors
    committed = _files(tmp_path)
    assert committed >= {"after a commit": 1, "compaction": 5, "the partitions": 5, "the report": 5}.get(moment, 0)
    assert _finished(tmp_path, "index", str(media), "--encoder", "toy") == 0
    assert _files(tmp_path) == 5
    assert _finished(tmp_path, "verify") == 0


def _finished(tmp_path: Path, *arguments: str) -> int:
    process = start(tmp_path, "", *arguments)
    process.communicate(timeout=PATIENCE_S)
    return process.returncode


def _files(tmp_path: Path) -> int:
    if not (tmp_path / "db" / "collection.json").exists():
        return 0
    output, errors = start(tmp_path, "", "status", "--json").communicate(timeout=PATIENCE_S)
    assert errors == ""
    return int(json.loads(output)["files"])


@pytest.mark.parametrize(("command", "said"), [(["index", "media", "--encoder", "toy"], True), (["status"], False)])
def test_a_first_press_is_answered_at_once_where_a_batch_is_finished(
    tmp_path: Path, media: Path, command: list[str], *, said: bool
) -> None:
    """And a command that only reads speaks of nothing that was committed."""
    assert _finished(tmp_path, "index", str(media), "--encoder", "toy") == 0
    code = wrapped("unite_search.storage.store", "Store.__init__")
    process = start(tmp_path, code, *command)
    wait_for(tmp_path / "reached", process)
    press(process, times=1, pause_s=0.0)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert errors.splitlines()[0].startswith("Stopping: what is complete is being written.") == said
    assert errors.splitlines()[-1].startswith("Interrupted.")
    assert ("committed" in errors) == said


def test_control_c_is_an_answer_to_a_question(tmp_path: Path, media: Path) -> None:
    pty = pytest.importorskip("pty")
    assert _finished(tmp_path, "index", str(media), "--encoder", "toy") == 0
    ours, theirs = pty.openpty()
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", START + END, here, "remove", str(media), "--db", str(tmp_path / "db")]
    process = subprocess.Popen(command, stdin=theirs, stderr=subprocess.PIPE, start_new_session=True)
    assert process.stderr is not None
    asked = b""
    while b"?" not in asked:
        asked += process.stderr.read(1)
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE_S)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 130
    assert errors.decode().split("\n")[-2] == "Interrupted."
    assert b"Aborted" not in errors
    assert _files(tmp_path) == 5


def test_a_late_press_ends_a_clean_up_that_hangs(tmp_path: Path, media: Path) -> None:
    hanging = """
if __name__ == "__main__":
    import unite_search.cli.interrupts as interrupts
    import unite_search.ingest.ledger as module
    interrupts.FORCE_AFTER_S = 0.2
    module.Ledger.must_read = lambda *given: reached()
    def commit(self):
        pathlib.Path("hangs").touch()
        while True:
            time.sleep(0.1)
    module.Ledger.commit = commit
"""
    process = start(tmp_path, hanging, "index", str(media), "--encoder", "toy")
    wait_for(tmp_path / "reached", process)
    press(process, times=1, pause_s=0.0)
    wait_for(tmp_path / "hangs", process)
    time.sleep(0.3)
    press(process, times=1, pause_s=0.0)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert errors.endswith("Stopped at once. What was committed stays.\n")
    assert_no_process_left(process.pid)


def test_an_error_that_a_library_makes_of_an_interrupt_is_one(tmp_path: Path, media: Path) -> None:
    turned = """
if __name__ == "__main__":
    import unite_search.storage.catalog as module
    def commit(*given):
        try:
            reached()
        except KeyboardInterrupt:
            raise OSError("LanceError(IO): interrupted")
    module.Catalog.commit = commit
"""
    process = start(tmp_path, turned, "index", str(media), "--encoder", "toy")
    wait_for(tmp_path / "reached", process)
    press(process, times=1, pause_s=0.0)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert errors.splitlines()[-1].startswith("Interrupted.")


def test_who_starts_a_command_may_have_interrupts_ignored(tmp_path: Path, media: Path) -> None:
    """A shell does so for what runs in its background."""
    ignoring = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    code = ignoring + wrapped("unite_search.storage.catalog", "Catalog.compact").replace("range(500)", "range(10)")
    process = start(tmp_path, code, "index", str(media), "--encoder", "toy")
    wait_for(tmp_path / "reached", process)
    press(process, times=3, pause_s=0.05)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
