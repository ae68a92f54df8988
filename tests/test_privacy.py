"""Nothing leaves the machine: every command runs traced, in a network without routes and an empty home folder.

A command may write its collection, the temporary folder and what it is told to write. It may connect to the machine
itself, and look up no name. The controls show that each observer notices what it is there for, and that the telemetry
of onnxruntime would be noticed if its switch were taken out. docs/explanation/privacy.md is the page about this.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import traced
import typer
from drawn_media import numbered_frames, write_clip
from PIL import Image
from toy import COLOURS
from traced import MAIN, Observation, Place, observe

from unite_search.cli.app import app

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="network namespaces and strace are those of Linux")

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = "192.0.2.1"
"""An address that belongs to nobody. Source: RFC 5737, section 3."""
COMMANDS = {
    "index": ["index", "{media}", "--segments", "1"],
    "query": ["query", "a red picture", "--video", "{media}/clip.mp4", "--html", "hits.html"],
    "similar": ["similar", "1", "--in", "image"],
    "serve": ["serve", "--port", "0"],
    "demo": ["demo", "{media}", "--out", "demo", "--quiet"],
    "status": ["status", "--json"],
    "collections": ["collections"],
    "duplicates": ["duplicates", "--near", "--html", "copies.html"],
    "remove": ["remove", "{media}/red.png", "--yes"],
    "rebuild": ["rebuild", "--index-type", "int8"],
    "verify": ["verify"],
    "repair": ["repair"],
    "export": ["export", "exported"],
    "import": ["import", "{exported}", "--collection", "copy"],
    "encoders": ["encoders"],
    "encoders pull": ["encoders", "pull", "owner/model"],
    "encoders check": ["encoders", "check", "unite-2b"],
    "encoders calibrate": ["encoders", "calibrate", "--data", "{media}"],
}
"""A command line for each command; a new command needs one here."""
STATUS = {"encoders pull": 1, "encoders check": 1}
"""What those exit with that cannot work here: no hub, no model."""
USES_THE_NETWORK = {"encoders pull"}
CONNECTS = f"import socket; socket.create_connection(('{OUTSIDE}', 443), 1)"
CONTROLS = {
    "a connection": (CONNECTS, {"strace", "python", "namespace"}),
    "a connection in C": (
        "import ctypes, socket; one = socket.socket(); where = bytes([2, 0, 1, 187, 192, 0, 2, 1]) + bytes(8); "
        "ctypes.CDLL(None).connect(one.fileno(), where, 16)",
        {"strace", "namespace"},
    ),
    "a connection of a child": (
        f"import subprocess, sys; subprocess.run([sys.executable, '-I', '-c', {CONNECTS!r}])",
        {"strace", "namespace"},
    ),
    "a datagram": (
        f"import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('{OUTSIDE}', 53))",
        {"strace", "python", "namespace"},
    ),
    "a name look-up": (
        "import socket; socket.getaddrinfo('example.com', 443)",
        {"strace", "python", "namespace"},
    ),
    "a name look-up in C": (
        "import ctypes; ctypes.CDLL(None).getaddrinfo(b'example.com', b'443', None, (ctypes.c_void_p * 1)())",
        {"strace", "namespace"},
    ),
    "a file in the home": (
        "import pathlib; (pathlib.Path.home() / 'id').write_text('x')",
        {"strace", "python", "home"},
    ),
    "a file in the home, in C": (
        "import ctypes, os; ctypes.CDLL(None).creat(os.path.expandvars('$HOME/id').encode(), 384)",
        {"strace", "home"},
    ),
    "a file elsewhere": (
        "import os, pathlib; (pathlib.Path(os.environ['HOME']).parent / 'id').write_text('x')",
        {"strace", "python"},
    ),
}
"""Code that does what no command may do, and the observers that must notice it, where they can look."""
SWITCHED_OFF_IN = ("unite_search.encoders.starter", "train.starter")
"""Packages that turn the telemetry of onnxruntime off before any module of them is imported."""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, a clip, a text, a caption, captions for `calibrate`, and files that name an address outside."""
    folder = tmp_path_factory.mktemp("library")
    for name, colour in COLOURS.items():
        Image.new("RGB", (40, 30), colour).save(folder / f"{name}.png")
    (folder / "red.txt").write_text(f"a caption of http://{OUTSIDE}/red\n")
    rows = [{"path": f"{name}.png", "text": f"a {name} picture, number {n}"} for name in COLOURS for n in range(5)]
    (folder / "manifest.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (folder / "note.md").write_text(f"![a picture](http://{OUTSIDE}/a.png)\n")
    write_clip(folder / "clip.mp4", numbered_frames(30))
    (folder / "list.mp4").write_text(f"#EXTM3U\n#\x01\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://{OUTSIDE}/a.ts\n")
    (folder / "call.mp4").write_text(f"v=0\ns=x\x01\nc=IN IP4 {OUTSIDE}\nt=0 0\nm=video 5004 RTP/AVP 96\n")
    return folder


@pytest.fixture(scope="module")
def indexed(library: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, Observation]:
    """A collection of the library, and what was seen while it was made."""
    place = Place(tmp_path_factory.mktemp("indexed"))
    return place, observe([*MAIN, *filled(COMMANDS["index"], library, place)], place)


def filled(words: list[str], library: Path, place: Place) -> list[str]:
    return [word.format(media=library, exported=place.writable[-1] / "exported") for word in words]


def names_of_commands() -> set[str]:
    groups = {str(group.name): group.typer_instance or typer.Typer() for group in app.registered_groups}
    inner = {
        f"{name} {command.name or getattr(command.callback, '__name__', '')}"
        for name, group in groups.items()
        for command in group.registered_commands
    }
    return {str(command.name) for command in app.registered_commands} | set(groups) | inner


def test_every_command_is_observed() -> None:
    assert set(COMMANDS) == names_of_commands(), "a new command needs a command line in COMMANDS"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_keeps_to_this_machine(
    name: str, library: Path, indexed: tuple[Place, Observation], tmp_path: Path
) -> None:
    place, seen = indexed
    if name != "index":
        shutil.copytree(place.writable[0], tmp_path / "data")
        place = Place(tmp_path)
        if name == "import":
            observe([*MAIN, *COMMANDS["export"]], place)
        words = filled(COMMANDS[name], library, place)
        seen = observe([*MAIN, *words], place, HF_ENDPOINT=f"http://{OUTSIDE}", HF_HOME=str(place.writable[-1] / "hub"))
    assert seen.status == STATUS.get(name, 0), seen.messages
    assert [one for one in seen.violations if name not in USES_THE_NETWORK or OUTSIDE not in one] == no_packets(
        name, seen
    )


def no_packets(name: str, seen: Observation) -> list[str]:
    """What the namespace counts when a command uses the network, which it is the only one to do."""
    counted = [one for one in seen.violations if one.startswith("namespace: ")]
    return counted if name in USES_THE_NETWORK else []


def test_finding_shots_keeps_to_this_machine(library: Path, tmp_path: Path) -> None:
    """OpenCV and PySceneDetect are imported for nothing else."""
    seen = observe([*MAIN, "index", str(library / "clip.mp4"), "--segments", "shots"], Place(tmp_path))
    assert (seen.status, seen.violations) == (0, ()), seen.messages


def test_a_command_that_uses_the_network_is_seen_to(tmp_path: Path) -> None:
    """Where this fails, so would any test of the other commands: nobody looked."""
    place = Place(tmp_path)
    seen = observe([*MAIN, *COMMANDS["encoders pull"]], place, HF_ENDPOINT=f"http://{OUTSIDE}")
    assert {one.partition(":")[0] for one in seen.violations} >= seen.seen_by - {"home"}


@pytest.mark.parametrize("name", CONTROLS)
def test_what_no_command_may_do_is_noticed(name: str, tmp_path: Path) -> None:
    code, observers = CONTROLS[name]
    seen = observe([sys.executable, "-c", code], Place(tmp_path))
    assert {one.partition(":")[0] for one in seen.violations} == observers & seen.seen_by, seen.violations


def test_this_machine_can_trace_system_calls(tmp_path: Path) -> None:
    """Skipped, and so listed in the summary of CI, where strace is missing; the other observers look everywhere."""
    if not traced.strace_options():
        pytest.skip("needs strace, and the permission to trace")
    assert "strace" in observe([sys.executable, "-c", ""], Place(tmp_path)).seen_by


def test_this_machine_can_make_a_network_namespace(tmp_path: Path) -> None:
    seen = observe([sys.executable, "-c", ""], Place(tmp_path))
    assert seen.violations == ()
    if "namespace" not in seen.seen_by:
        pytest.skip("needs the permission to make a network namespace")


@pytest.mark.parametrize("variable", ["", "0"])
def test_a_variable_of_the_user_cannot_turn_the_telemetry_on(
    variable: str, indexed: tuple[Place, Observation], tmp_path: Path
) -> None:
    shutil.copytree(indexed[0].writable[0], tmp_path / "data")
    seen = observe([*MAIN, "query", "a red picture"], Place(tmp_path), ORT_DISABLE_TELEMETRY=variable)
    assert (seen.status, seen.violations) == (0, ())


@pytest.mark.parametrize("name", ["query", "index"])
def test_without_the_switch_the_telemetry_is_noticed(
    name: str, library: Path, indexed: tuple[Place, Observation], tmp_path: Path
) -> None:
    """The same commands with the switch taken out: onnxruntime keeps a device id in the home."""
    import onnxruntime

    native = Path(onnxruntime.__file__).parent.glob("capi/onnxruntime_pybind11_state*")
    if not any(b"ORT_DISABLE_TELEMETRY" in path.read_bytes() for path in native):
        pytest.skip("this onnxruntime has no telemetry to turn off")
    shutil.copytree(indexed[0].writable[0], tmp_path / "data")
    place = Place(tmp_path)
    (place.writable[-1] / "more").mkdir(parents=True)
    shutil.copy(library / "blue.png", place.writable[-1] / "more" / "new.png")
    words = ["index", "more"] if name == "index" else filled(COMMANDS[name], library, place)
    seen = observe([*MAIN, *words], place, PRIVACY_WITHOUT="ORT_DISABLE_TELEMETRY")
    assert seen.status == 0, seen.messages
    assert {one.partition(":")[0] for one in seen.violations} >= seen.seen_by & {"strace", "home"}
    assert any("onnxruntime" in one for one in seen.violations)


def test_a_unite_model_keeps_to_this_machine(unite_checkpoint: Path, library: Path, tmp_path: Path) -> None:
    """torch and transformers load, embed and are checked; nothing of them may look for a newer model."""
    place = Place(tmp_path)
    model = ["--encoder", str(unite_checkpoint), "--collection", "unite"]
    for words in (
        ["index", str(library / "red.png"), str(library / "note.md"), *model],
        ["query", "a red picture", *model],
        ["encoders", "check", str(unite_checkpoint)],
    ):
        seen = observe([*MAIN, *words], place)
        assert (seen.status, seen.violations) == (0, ()), seen.messages


def test_importing_keeps_to_this_machine(tmp_path: Path) -> None:
    """Every module of the project, as far as what it needs is installed: torch, mteb and its datasets too."""
    paths = [path for package in ("unite_search", "train", "benchmarks") for path in (ROOT / package).rglob("*.py")]
    names = [name_of(path) for path in paths if path.stem != "__main__"]
    lines = [
        "import contextlib, importlib, warnings",
        "warnings.simplefilter('ignore')",
        f"for name in {sorted(names)}:",
        "    with contextlib.suppress(ModuleNotFoundError): importlib.import_module(name)",
    ]
    place = Place(tmp_path)
    seen = observe([sys.executable, "-c", "\n".join(lines)], place, MTEB_CACHE=str(place.writable[-1]))
    assert (seen.status, seen.violations) == (0, ()), seen.messages


def test_the_telemetry_is_off_before_any_module_imports_onnxruntime() -> None:
    """The packages that hold such a module turn it off in their `__init__.py`, which Python runs first."""
    importing: set[str] = set()
    clean = {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    for folder in ("unite_search", "train", "benchmarks", "tools"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "onnxruntime" in imported_by(path):
                importing.add(name_of(path))
    assert "unite_search.encoders.starter.towers" in importing
    for name in importing:
        assert name.startswith(tuple(f"{package}." for package in SWITCHED_OFF_IN))
    for package in SWITCHED_OFF_IN:
        code = (
            f"import os, sys, {package}; print(os.environ.get('ORT_DISABLE_TELEMETRY'), 'onnxruntime' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], env=clean, capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["1", "False"]


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_by(path: Path) -> set[str]:
    """The top packages that a file imports, wherever in it."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    given = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in plain | given}
