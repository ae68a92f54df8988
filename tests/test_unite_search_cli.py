"""The command line, in its own process where exit codes and streams matter, in this one otherwise."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import typer
from damage import rewrite, with_text, with_vector
from PIL import Image
from toy import COLOURS, ToyEncoder
from typer.testing import CliRunner

from unite_search.cli.app import app
from unite_search.cli.errors import run
from unite_search.collection import Collection
from unite_search.encoders.base import ENCODERS
from unite_search.home import HOME_VARIABLE
from unite_search.report import IndexOptions
from unite_search.storage.metadata import COLLECTION_VARIABLE

COMMANDS = sorted(command.name for command in app.registered_commands if command.name)
MAIN = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from unite_search.cli import main
from unite_search.encoders.base import ENCODERS
ENCODERS["toy"] = "toy:ToyEncoder"
if __name__ == "__main__":
    main()
"""
HIT_KEYS = {
    *("rank", "id", "score", "cosine", "uri", "modality", "partition", "start_s", "end_s", "text", "duration_s"),
    *("width", "height", "taken_at", "parent", "metadata", "segments"),
    *("is_weak", "is_exact", "evidence", "copies", "group", "files"),
}

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Named collections live below tmp_path, and the toy encoder has a name."""
    monkeypatch.setitem(ENCODERS, "toy", "toy:ToyEncoder")
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.delenv(COLLECTION_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    """Run a command line in this process; returns exit code, stdout, stderr."""

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = run(app, [str(argument) for argument in arguments])
        return code, *capfd.readouterr()

    return call


@pytest.fixture
def indexed(media: Path, home: Path) -> Path:
    """The folder `media`, in a default collection that the test may change."""
    _index(home, media)
    return media


@pytest.fixture(scope="module")
def _common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("common")
    (place / "media").mkdir()
    for name, colour in COLOURS.items():
        Image.new("RGB", (40, 30), colour).save(place / "media" / f"{name}.png")
    (place / "media" / "note.txt").write_text("a note about nothing in particular\n")
    _index(place / "home", place / "media")
    return place


@pytest.fixture
def shared(_common: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same for tests that change nothing in it; made once."""
    monkeypatch.setenv(HOME_VARIABLE, str(_common / "home"))
    monkeypatch.chdir(_common)
    return _common / "media"


def _index(home: Path, media: Path) -> None:
    with Collection.open(home / "collections" / "default", encoder=ToyEncoder(), create=True) as collection:
        collection.index([media], IndexOptions(workers=1))


def in_process(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", MAIN, str(Path(__file__).parent), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=120, check=False, **options)


def hits(output: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(output)["hits"]
    return found


def names(output: str) -> list[str]:
    return [Path(hit["uri"]).name for hit in hits(output)]


# Help and wrong use


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_that_ends_in_an_example(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"], terminal_width=200)
    (registered,) = (each for each in app.registered_commands if each.name == command)
    assert registered.callback is not None
    last_line = (registered.callback.__doc__ or "").strip().splitlines()[-1].strip()
    assert shown.exit_code == 0
    assert last_line.startswith(f"Example: unite-search {command}")
    assert f"unite-search {command}" in shown.stdout


def test_help_states_the_defaults_that_hold() -> None:
    from indexers.spec import IndexConfig
    from unite_search.encoders.base import DEFAULT_ENCODER
    from unite_search.encoders.unite.frames import UniteFrames
    from unite_search.encoders.unite.sizes import PixelLimits
    from unite_search.storage.metadata import CollectionMetadata

    commands: Any = typer.main.get_command(app)
    index = commands.commands["index"]
    stated = {parameter.name: parameter.help for parameter in index.params}
    (segments,) = (field.default for field in fields(CollectionMetadata) if field.name == "segments")
    for name, expected in {
        "max_pixels": f"Default: {PixelLimits().max_pixels}.",
        "fps": f"Default: {UniteFrames().fps:g}.",
        "max_frames": f"Default: {UniteFrames().max_frames}.",
        "target_recall": f"Default: {IndexConfig().target_recall}.",
        "encoder": f"`{DEFAULT_ENCODER}` for a new one.",
        "segments": f"{segments:g} for a new one.",
    }.items():
        assert stated[name].endswith(expected), name


@pytest.mark.parametrize("command", [command for command in COMMANDS if command != "serve"])
def test_every_command_prints_json_on_request(command: str) -> None:
    (registered,) = (each for each in app.registered_commands if each.name == command)
    assert registered.callback is not None
    assert "as_json" in registered.callback.__annotations__


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["query"], "give words"),
        (["query", "x", "--image", "missing.jpg"], "missing.jpg"),
        (["query", "x", "--in", "sound"], "expected text, image or video"),
        (["query", "x", "--top-k", "0"], "greater than or equal to 1"),
        (["query", "x", "--offset", "-1"], "greater than or equal to 0"),
        (["query", "x", "--json", "--csv"], "give one of --json, --csv and --paths"),
        (["query", "x", "--collection", "a", "--db", "b"], "not both"),
        (["index", "missing"], "does not exist"),
        (["index", ".", "--encoder", "nonsense"], "known are starter"),
        (["index", ".", "--segments", "sometimes"], "not none, shots or a number"),
        (["index", ".", "--segments", "-3"], "not none, shots or a number"),
        (["index", ".", "--segments", "nan"], "not none, shots or a number"),
        (["index", ".", "--workers", "0"], "greater than or equal to 1"),
        (["remove"], "give paths, --id or --where"),
        (["query", ""], "has no words in it"),
        (["query", "   "], "has no words in it"),
        (["query", "--text", ""], "has no words in it"),
        (["query", "x", "--not", " "], "has no words in it"),
        (["similar", "seventeen"], "integer"),
        (["import", "missing"], "does not exist"),
        (["nonsense"], "nonsense"),
        (["status", "--nonsense"], "--nonsense"),
    ],
)
def test_wrong_use_exits_2_and_says_what_was_expected(cli: Cli, arguments: list[str], expected: str) -> None:
    code, output, errors = cli(*arguments)
    assert code == 2
    assert output == ""
    assert expected in re.sub(r"[\s│]+", " ", errors)


@pytest.mark.parametrize(
    "arguments", [["query", "red"], ["status"], ["verify"], ["rebuild"], ["similar", "0"], ["index"], ["export", "out"]]
)
def test_a_collection_that_is_not_there_is_one_line_and_is_not_made(cli: Cli, home: Path, arguments: list[str]) -> None:
    code, output, errors = cli(*arguments)
    assert (code, output) == (1, "")
    assert re.fullmatch(r"Error: no collection at .+; make one with `unite-search index FOLDER`\n", errors)
    assert not home.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["query", "x", "--where", "nonsense = 1"], "nonsense"),
        (["query", "x", "--where", "width >"], "width >"),
        (["remove", "--where", "nonsense = 1", "--yes"], "nonsense"),
        (["similar", "123456"], "no item 123456"),
        (["query", "x", "--collection", "no/such"], "use letters"),
        (["query", "x", "--collection", "other"], "no collection at"),
        (["query", "--image", "broken.jpg"], "broken.jpg"),
        (["index", "media", "--encoder", "starter"], "was built by encoder toy"),
        (["index", "media", "--db", "media/note.txt/db", "--encoder", "toy"], "note.txt"),
        (["export", "media"], "not empty"),
        (["import", "empty", "-c", "other"], "empty"),
    ],
)
def test_what_a_person_can_mend_is_one_line_and_exits_1(
    cli: Cli, indexed: Path, arguments: list[str], message: str
) -> None:
    Path("broken.jpg").write_bytes(b"no picture")
    Path("empty").mkdir()
    code, output, errors = cli(*arguments)
    assert (code, output) == (1, "")
    assert errors.startswith("Error: ")
    assert errors.count("\n") == 1
    assert message in errors
    assert "Traceback" not in errors


PANIC = type("PanicException", (BaseException,), {})
"""As pyo3 names the panics of Rust code."""


@pytest.mark.parametrize("kind", [ZeroDivisionError, PANIC])
def test_an_unexpected_error_is_one_line_unless_debugging(
    cli: Cli, shared: Path, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    def explode(*_: object) -> None:
        raise kind("in the\nengine")

    monkeypatch.setattr(Collection, "status", explode)
    code, output, errors = cli("status")
    assert (code, output) == (1, "")
    assert errors == f"Error: unexpected {kind.__name__}: in the engine; run again with --debug to see where\n"
    with pytest.raises(kind):
        cli("status", "--debug")


def test_debug_after_two_dashes_is_a_word(cli: Cli, shared: Path) -> None:
    code, output, _ = cli("query", "--json", "--", "--debug")
    assert code == 0
    assert json.loads(output)["query"]["texts"] == ["--debug"]


# Streams, in a process of its own


def test_results_go_to_stdout_and_everything_else_to_stderr(media: Path) -> None:
    (media / "broken.jpg").write_bytes(b"no picture")
    done = in_process("index", media, "--encoder", "toy", "--json")
    assert done.returncode == 0
    report = json.loads(done.stdout)
    assert (report["added"], len(report["skipped"])) == (5, 1)
    assert b"broken.jpg" in done.stderr
    assert b"\x1b" not in done.stdout + done.stderr
    found = in_process("query", "blue", "--in", "image")
    assert found.returncode == 0
    assert found.stderr == b""
    assert re.search(rb"1 +\S+ +media.blue\.png", found.stdout)


def test_wrong_use_and_failure_differ_by_exit_code() -> None:
    assert [in_process("query").returncode, in_process("query", "red").returncode] == [2, 1]
    assert in_process("--version").stdout.startswith(b"unite-search 0.")


def test_a_closed_pipe_is_quiet(shared: Path) -> None:
    command = [sys.executable, "-c", MAIN, str(Path(__file__).parent), "query", "blue", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    process.wait(timeout=60)
    assert errors == b""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT")
def test_an_interrupt_is_one_line_and_exits_130(cli: Cli, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Collection, "search", interrupt)
    code, output, errors = cli("query", "red")
    assert (code, output) == (130, "")
    assert errors.startswith("Interrupted.")
    assert errors.count("\n") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="needs file names that are not UTF-8")
def test_odd_file_names_are_escaped_for_people_and_kept_for_programs(media: Path) -> None:
    odd = media / os.fsdecode(b"od\xffd\n\x1b[31m.png")
    Image.new("RGB", (8, 8), (255, 0, 0)).save(odd)
    (media / os.fsdecode(b"bad\xff.jpg")).write_bytes(b"no picture")
    done = in_process("index", media, "--encoder", "toy")
    assert b"bad\\xff.jpg" in done.stderr
    table = in_process("query", "red", "--in", "image").stdout
    assert b"od\\xffd\\n\\x1b[31m.png" in table
    paths = in_process("query", "red", "--in", "image", "--print0").stdout.split(b"\0")
    assert os.fsencode(odd) in paths
    assert all(Path(os.fsdecode(path)).is_file() for path in paths[:-1])
    uris = [hit["uri"] for hit in hits(in_process("query", "red", "--json").stdout.decode())]
    assert any("%FFd%0A" in uri for uri in uris)


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals and process groups")
def test_control_c_while_indexing_is_one_line_and_the_next_run_finishes(media: Path, tmp_path: Path) -> None:
    slow = MAIN.replace(
        'if __name__ == "__main__":',
        """
import pathlib, time, toy
def encode(self, contents, *, role, fast=toy.ToyEncoder.encode):
    pathlib.Path("started").touch()
    time.sleep(2)
    return fast(self, contents, role=role)
toy.ToyEncoder.encode = encode
if __name__ == "__main__":""",
    )
    command = [sys.executable, "-c", slow, str(Path(__file__).parent), "index", str(media), "--encoder", "toy"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)
    deadline = time.monotonic() + 60
    while not Path("started").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    *progress, last = errors.splitlines()
    assert last.startswith(b"Interrupted.")
    assert all(line.startswith((b"Indexing:", b"Stopping: what is complete")) for line in progress)
    assert in_process("index").returncode == 0
    assert json.loads(in_process("status", "--json").stdout)["files"] == 5
    assert in_process("verify").returncode == 0


def on_terminal(*arguments: str, replies: dict[bytes, bytes]) -> bytes:
    """Run a command on a pseudo-terminal of 30 by 100 cells that answers some questions; returns what it showed."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 1000, 600))
    command = [sys.executable, "-c", MAIN, str(Path(__file__).parent), *arguments]
    environment = {**os.environ, "TERM": "xterm-256color"}
    streams: dict[str, Any] = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    with subprocess.Popen(command, start_new_session=True, env=environment, **streams):
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:
                break
            if not piece:
                break
            shown += piece
            for question, reply in replies.items():
                if question in piece:
                    os.write(ours, reply)
    os.close(ours)
    return shown


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(
    ("replies", "has_pictures"),
    [({b"\x1b[c": b"\x1b[?62;4c"}, True), ({b"\x1b[c": b"\x1b[?62c"}, False), ({}, False)],
)
def test_pictures_show_only_on_a_terminal_that_says_it_can(
    shared: Path, replies: dict[bytes, bytes], has_pictures: bool
) -> None:
    shown = on_terminal("query", "blue", "--in", "image", "-k", "2", replies=replies)
    assert b"blue.png" in shown
    assert shown.count(b"\x1bP") == (2 if has_pictures else 0)
    assert b"\x1bP" not in on_terminal("query", "blue", "--no-thumbnails", replies=replies)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_index_shows_a_bar_on_a_terminal_and_remove_asks(media: Path) -> None:
    shown = on_terminal("index", "media", "--encoder", "toy", replies={})
    assert b"Scanning" in shown or b"Indexing" in shown
    assert b"5 added" in shown
    refused = on_terminal("remove", "media", replies={b"?": b"n\n"})
    assert b"Remove 5 items" in refused
    assert json.loads(in_process("status", "--json").stdout)["files"] == 5
    on_terminal("remove", "media", replies={b"[y/N]": b"y\n"})
    assert json.loads(in_process("status", "--json").stdout)["files"] == 0


# index


def test_index_sums_up_and_names_what_it_skipped(cli: Cli, media: Path) -> None:
    (media / "broken.jpg").write_bytes(b"no picture")
    (media / "copy.png").write_bytes((media / "red.png").read_bytes())
    code, output, errors = cli("index", media, "--encoder", "toy")
    assert code == 0
    assert "6 added" in output
    assert "1 duplicate" in output
    assert re.search(r"1 file skipped: .+ \(1\)", output)
    assert re.search(r"^Skipped media.broken\.jpg: \S", errors, re.M)
    assert re.search(r"^Same as media.\w+\.png: media.\w+\.png$", errors, re.M)


def test_index_quiet_says_nothing(cli: Cli, media: Path) -> None:
    (media / "broken.jpg").write_bytes(b"no picture")
    assert cli("index", media, "--encoder", "toy", "--quiet") == (0, "", "")


def test_index_strict_fails_after_indexing_the_good_files(cli: Cli, media: Path) -> None:
    (media / "broken.jpg").write_bytes(b"no picture")
    code, _, _ = cli("index", media, "--encoder", "toy", "--strict")
    assert code == 1
    assert names(cli("query", "blue", "--json", "-k", "1")[1]) == ["blue.png"]


def test_index_without_paths_goes_over_the_folders_of_before(cli: Cli, indexed: Path) -> None:
    (indexed / "red.png").unlink()
    report = json.loads(cli("index", "--json")[1])
    assert (report["removed"], report["unchanged"], report["embedded"]) == (1, 4, 0)


def test_dry_run_makes_no_collection(cli: Cli, media: Path, home: Path) -> None:
    code, output, _ = cli("index", media, "--encoder", "toy", "--dry-run", "--json")
    report = json.loads(output)
    assert code == 0
    assert (report["added"], report["items"], report["dry_run"]) == (5, 0, True)
    assert report["collection"] == str(home / "collections" / "default")
    assert not home.exists()


def test_dry_run_leaves_a_collection_as_it_is(cli: Cli, indexed: Path) -> None:
    (indexed / "red.png").unlink()
    Image.new("RGB", (8, 8)).save(indexed / "new.png")
    report = json.loads(cli("index", indexed, "--dry-run", "--json")[1])
    assert (report["added"], report["removed"]) == (1, 1)
    assert json.loads(cli("status", "--json")[1])["items"] == {"text": 1, "image": 4}


def test_an_empty_folder_is_an_empty_collection(cli: Cli) -> None:
    Path("nothing").mkdir()
    assert cli("index", "nothing", "--encoder", "toy")[:2] == (0, "no files; 0 items written in 00:00\n")
    code, output, errors = cli("query", "red")
    assert (code, output) == (0, "")
    assert errors == "No hits: nothing is indexed, or nothing passes the filters and holds the quoted words\n"


# query and similar


def test_query_words_text_and_image_become_one_composed_query(cli: Cli, shared: Path) -> None:
    code, output, _ = cli(
        *("query", "a", "b", "--text", "c", "--image", shared / "red.png", "--not", "d", "--json"),
        *("--instruction", "e", "--in", "image, text", "--where", "width = 40", "-k", "2", "--offset", "1"),
        *("--no-group", "--include-self"),
    )
    assert code == 0
    assert json.loads(output)["query"] == {
        "texts": ["a b", "c"],
        "images": [str(shared / "red.png")],
        "videos": [],
        "exclude": ["d"],
        "instruction": "e",
        "modalities": ["image", "text"],
        "where": "width = 40",
        "top_k": 2,
        "offset": 1,
        "mode": "auto",
        "weights": {},
        "like": [],
        "unlike": [],
        "group_by": "item",
        "include_self": True,
        "copies": False,
        "min_score": None,
        "diverse": False,
    }
    assert [hit["rank"] for hit in hits(output)] == [2, 3]


def test_a_folder_or_a_day_is_named(cli: Cli, shared: Path) -> None:
    folders = hits(cli("query", "blue", "--group-by", "folder", "--json")[1])
    assert [hit["group"] for hit in folders] == [str(Path(hit["uri"]).parent) for hit in folders]
    days = hits(cli("query", "blue", "--group-by", "day", "--json")[1])
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", hit["group"]) for hit in days)
    table = cli("query", "blue", "--group-by", "day")[1]
    assert all(hit["group"] in table for hit in days)


def test_json_has_one_schema(cli: Cli, shared: Path) -> None:
    answer = json.loads(cli("query", "blue", "--json")[1])
    assert answer.keys() == {"query", "hits", "is_weak", "notes", "searched", "encode_ms", "search_ms"}
    assert all(hit.keys() == HIT_KEYS for hit in answer["hits"])
    assert answer["searched"] == {"image": 4, "text": 1}
    first = answer["hits"][0]
    assert (first["uri"], first["modality"], first["width"]) == (str(shared / "blue.png"), "image", 40)
    note = next(hit for hit in answer["hits"] if hit["modality"] == "text")
    assert note["text"] == "a note about nothing in particular"


@pytest.mark.parametrize("colour", COLOURS)
def test_every_form_of_output_names_the_same_files_in_the_same_order(cli: Cli, shared: Path, colour: str) -> None:
    expected = names(cli("query", colour, "--json")[1])
    rows = list(csv.DictReader(io.StringIO(cli("query", colour, "--csv")[1])))
    paths = cli("query", colour, "--paths")[1].splitlines()
    ended = cli("query", colour, "-0")[1].split("\0")
    table = re.findall(r"media.(\w+\.\w+)", cli("query", colour)[1])
    assert expected[0] == f"{colour}.png"
    assert [Path(row["uri"]).name for row in rows] == expected
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert [Path(path).name for path in paths] == expected
    assert [Path(path).name for path in ended] == [*expected, ""]
    assert table == expected


def test_csv_keeps_texts_with_commas_quotes_and_lines(cli: Cli, media: Path) -> None:
    text = 'one, "two"\nthree; =four'
    (media / "note.txt").write_text(text)
    cli("index", media, "--encoder", "toy", "-q")
    (row,) = csv.DictReader(io.StringIO(cli("query", "one", "--in", "text", "--csv")[1]))
    assert " ".join(row["text"].split()) == " ".join(text.split())
    assert row["width"] == ""


def test_brackets_in_a_text_are_not_markup(cli: Cli, media: Path) -> None:
    (media / "note.txt").write_text("see [bold]this[/bold] and [/nonsense]")
    cli("index", media, "--encoder", "toy", "-q")
    assert "see [bold]this[/bold] and [/nonsense]" in cli("query", "see", "--in", "text")[1]


def test_pages_follow_each_other(cli: Cli, shared: Path) -> None:
    whole = names(cli("query", "blue", "--json")[1])
    pages = [names(cli("query", "blue", "--json", "-k", "2", "--offset", str(start))[1]) for start in (0, 2, 4)]
    assert [name for page in pages for name in page] == whole


def test_in_restricts_to_modalities(cli: Cli, shared: Path) -> None:
    assert names(cli("query", "blue", "--in", "text", "--json")[1]) == ["note.txt"]
    assert "note.txt" not in names(cli("query", "blue", "--in", "image,video", "--json")[1])


def test_no_hits_says_what_was_searched_and_exits_0(cli: Cli, shared: Path) -> None:
    assert cli("query", "blue", "--offset", "50") == (
        0,
        "",
        "No hits: 5 items (image 4, text 1), but none matches, reaches --min-score, and is left after --offset\n",
    )


def test_similar_answers_like_a_query_by_that_file(cli: Cli, shared: Path) -> None:
    first = hits(cli("query", "red", "--json", "-k", "1")[1])[0]
    code, output, _ = cli("similar", str(first["id"]), "--json")
    by_file = cli("query", "--image", shared / "red.png", "--json")[1]
    assert code == 0
    assert json.loads(output)["query"]["id"] == first["id"]
    assert "red.png" not in names(output)
    assert names(output) == names(by_file)


def test_html_writes_a_page_beside_the_other_output(cli: Cli, indexed: Path) -> None:
    code, output, _ = cli("query", "blue", "--json", "--html", "page.html")
    page = Path("page.html").read_text(encoding="utf-8")
    assert code == 0
    assert all(name in page for name in names(output))
    assert page.count("data:image/jpeg") == 4


@pytest.mark.parametrize(("options", "opened"), [([], "media/blue.png"), (["--html", "page.html"], "page.html")])
def test_open_hands_the_first_hit_or_the_page_to_the_platform(
    cli: Cli, indexed: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], opened: str
) -> None:
    launched: list[str] = []

    def launch(target: str) -> int:
        launched.append(target)
        return 0

    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr("typer.launch", launch)
    assert cli("query", "blue", "--open", *options)[0] == 0
    assert [Path(target).absolute() for target in launched] == [Path(opened).absolute()]


def test_open_without_a_program_for_it_is_an_error(cli: Cli, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr("typer.launch", lambda _: 3)
    code, _, errors = cli("query", "blue", "--open")
    assert code == 1
    assert "no program opens" in errors


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # The viewer outlives the command.
@pytest.mark.parametrize(("ending", "expected"), [("exit 3", 1), ("exit 0", 0), ("exec sleep 1", 0)])
def test_open_asks_xdg_open_how_it_ended(
    cli: Cli, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, expected: int
) -> None:
    """`exit 3` is that of xdg-open where no program opens a file; it goes on where it has become that program."""
    opener = tmp_path / "bin" / "xdg-open"
    opener.parent.mkdir()
    opener.write_text(f'#!/bin/sh\necho "$1" >> {tmp_path}/opened\n{ending}\n')
    opener.chmod(0o755)
    monkeypatch.setenv("PATH", f"{opener.parent}:{os.environ['PATH']}")
    monkeypatch.setattr("unite_search.cli.hits.OPENING_S", 0.2 if "sleep" in ending else 30.0)
    code, _, errors = cli("query", "blue", "--open")
    assert (code, "no program opens" in errors) == (expected, bool(expected))
    assert Path((tmp_path / "opened").read_text().strip()).name == "blue.png"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nowhere/x.html", "nowhere/x.html cannot be written: nowhere is not a folder"),
        ("mine.html/x.html", "mine.html/x.html cannot be written: mine.html is not a folder"),
        ("mine.html", "mine.html is not a page of unite-search, so it is not replaced"),
        ("/dev/null", "/dev/null is not a page of unite-search, so it is not replaced"),
    ],
)
@pytest.mark.parametrize("command", [["query", "blue"], ["similar", "0"]])
def test_a_page_that_cannot_be_written_is_refused_before_the_search(
    cli: Cli, shared: Path, command: list[str], target: str, said: str
) -> None:
    Path("mine.html").write_text("<title>mine</title>")
    code, output, errors = cli(*command, "--html", target)
    assert (code, output) == (1, "")
    assert said in errors
    assert errors.count("\n") == 1
    assert Path("mine.html").read_text() == "<title>mine</title>"


def test_an_earlier_page_and_an_empty_file_are_replaced(cli: Cli, shared: Path) -> None:
    Path("page.html").touch()
    for words in ("blue", "red"):
        assert cli("query", words, "--html", "page.html")[0] == 0
        assert f"“{words}”" in Path("page.html").read_text(encoding="utf-8")


# Looking after collections


def test_the_collection_is_chosen_by_option_variable_or_folder(
    cli: Cli, media: Path, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for options in (["-c", "one"], ["--db", "here"]):
        assert cli("index", media, "--encoder", "toy", "-q", *options)[0] == 0
    monkeypatch.setenv(COLLECTION_VARIABLE, "two")
    assert cli("index", media, "--encoder", "toy", "-q")[0] == 0
    assert sorted(path.name for path in (home / "collections").iterdir()) == ["one", "two"]
    assert json.loads(cli("status", "--db", "here", "--json")[1])["directory"] == str(tmp_path / "here")
    assert json.loads(cli("status", "--json")[1])["name"] == "two"


def test_collections_lists_names_items_and_encoders_damaged_ones_too(cli: Cli, indexed: Path, home: Path) -> None:
    broken = home / "collections" / "broken"
    broken.mkdir()
    (broken / "collection.json").write_text("{")
    code, output, _ = cli("collections", "--json")
    rows = {row["name"]: row for row in json.loads(output)["collections"]}
    assert code == 0
    assert (rows["default"]["items"], rows["default"]["encoder"], rows["default"]["error"]) == (5, "toy", None)
    assert "is damaged" in rows["broken"]["error"]
    assert re.search(r"^ *default +5 +toy", cli("collections")[1], re.M)


def test_status_counts(cli: Cli, shared: Path) -> None:
    record = json.loads(cli("status", "--json")[1])
    assert (record["files"], record["items"], record["encoder"], record["dim"]) == (
        5,
        {"text": 1, "image": 4},
        "toy",
        56,
    )
    assert record["roots"] == [str(shared)]
    assert re.search(r"^items +5 \(", cli("status")[1], re.M)


def test_remove_by_path_id_and_filter(cli: Cli, indexed: Path) -> None:
    blue = hits(cli("query", "blue", "--json", "-k", "1")[1])[0]["id"]
    assert cli("remove", "media/red.png", "--yes")[1] == "removed 1 item\n"
    assert json.loads(cli("remove", "--id", str(blue), "--yes", "--json")[1]) == {"removed": 1, "dry_run": False}
    assert cli("remove", "media", "--dry-run")[1] == "would remove 3 items\n"
    assert cli("remove", "--where", "name = 'green.png'", "--yes")[1] == "removed 1 item\n"
    assert sorted(names(cli("query", "x", "--json")[1])) == ["note.txt", "white.png"]
    assert (indexed / "red.png").exists()


def test_a_download_without_its_package_says_so_first(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    code, output, errors = cli("encoders", "pull", "unite-2b")
    assert (code, output) == (1, "")
    assert errors.startswith("Error: UNITE models need packages that are not installed; install the extra `unite`")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_refused_rebuild_counts_the_other_problems(cli: Cli, indexed: Path, home: Path, count: int) -> None:
    def spoiled(table: pa.Table) -> pa.Table:
        for place in range(count):
            table = with_text(table, place, "wrong")
        return table

    rewrite(home / "collections" / "default", spoiled)
    _, _, errors = cli("rebuild")
    more = {1: "", 2: ", and 1 more problem;", 3: ", and 2 more problems;"}[count]
    assert more in errors
    assert ("more problem" in errors) == bool(more)


@pytest.mark.parametrize("options", [["--yes"], ["--dry-run"], ["--yes", "--json"]])
@pytest.mark.parametrize(
    "what", [["nothing"], ["--id", "99999"], ["--where", "width > 9999"], ["a", "b", "--id", "-1"]]
)
def test_remove_of_nothing_is_an_error_that_names_it(
    cli: Cli, shared: Path, what: list[str], options: list[str]
) -> None:
    code, output, errors = cli("remove", *what, *options)
    assert (code, output) == (1, "")
    named = ", ".join(word for word in what if not word.startswith("--"))
    assert errors == f"Error: nothing to remove: no item matches {named}\n"


def test_remove_names_what_matches_nothing_beside_what_does(cli: Cli, indexed: Path) -> None:
    code, output, errors = cli("remove", "media/red.png", "media/rde.png", "--id", "99999", "--yes")
    assert (code, output) == (0, "removed 1 item\n")
    assert errors == "Note: no item matches media/rde.png\nNote: no item matches 99999\n"


def test_remove_of_an_empty_folder_that_was_indexed_forgets_it(cli: Cli, indexed: Path) -> None:
    Path("empty").mkdir()
    assert cli("index", "empty")[0] == 0
    assert cli("remove", "empty", "--yes")[:2] == (0, "removed 0 items\n")
    assert cli("remove", "empty", "--yes")[0] == 1


def test_a_filter_with_a_slip_is_answered_in_plain_sentences(cli: Cli, shared: Path) -> None:
    answers = {
        "widht > 1": "Did you mean 'width'? (columns: id,",
        "kind = 'x'": "No field named kind; it is now `modality` (",
    }
    for slip, said in answers.items():
        _, _, errors = cli("query", "x", "--where", slip)
        assert said in errors
        assert not re.search(r"[?.][.;]", errors)
        assert not {"recipe", "row_crc", "vector_crc", "embedding"} & set(re.findall(r"\w+", errors))


def test_the_columns_of_the_message_are_those_of_the_page(cli: Cli, shared: Path) -> None:
    shown = cli("query", "x", "--where", "nonsense = 1")[2].split("(columns: ")[1].split(")")[0].split(", ")
    page = (Path(__file__).parents[1] / "docs" / "reference" / "filters.md").read_text(encoding="utf-8")
    table = page.split("## Columns")[1].split("## ")[0]
    cells = [row.split("|")[1] for row in table.splitlines() if "|" in row]
    explained = re.findall(r"`(\w+)`", "".join(cells))
    assert sorted(shown) == sorted(explained)


def test_copies_of_a_whole_folder_are_cut_short(cli: Cli, tmp_path: Path) -> None:
    for folder in ("in/one", "in/two"):
        Path(folder).mkdir(parents=True)
        for number in range(25):
            Path(folder, f"{number}.txt").write_text(f"text {number}")
    code, _, errors = cli("index", "in", "--encoder", "toy")
    assert code == 0
    assert errors.count("Same as ") == 20
    assert "and 5 more duplicates; --json lists them all\n" in errors


def test_remove_without_a_terminal_needs_yes(cli: Cli, indexed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    code, output, errors = cli("remove", "media")
    assert (code, output) == (2, "")
    assert "--yes" in errors
    assert json.loads(cli("status", "--json")[1])["files"] == 5


def test_verify_passes_a_sound_collection_and_fails_a_damaged_one(cli: Cli, indexed: Path, home: Path) -> None:
    assert cli("verify")[:2] == (0, "no problems found\n")
    assert json.loads(cli("verify", "--json")[1]) == {"ok": True, "problems": []}
    partitions = home / "collections" / "default" / "partitions"
    largest = max((path for path in partitions.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 0xFF
    largest.write_bytes(bytes(data))
    code, output, _ = cli("verify", "--json")
    assert code == 1
    assert json.loads(output)["problems"]
    assert not json.loads(output)["ok"]


def test_rebuild_mends_the_partitions(cli: Cli, indexed: Path, home: Path) -> None:
    before = names(cli("query", "blue", "--json")[1])
    for path in (home / "collections" / "default" / "partitions").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    assert "Note: " in cli("query", "blue", "--json")[2]
    code, output, _ = cli("rebuild")
    assert code == 0
    assert output.splitlines() == ["image: 4 items", "text: 1 item"]
    assert cli("verify")[0] == 0
    assert names(cli("query", "blue", "--json")[1]) == before


def test_repair_says_what_it_would_do_then_does_it(cli: Cli, indexed: Path, home: Path) -> None:
    assert cli("repair")[:2] == (0, "nothing to repair\n")
    database = home / "collections" / "default"
    before = sorted(names(cli("query", "blue", "--json")[1]))
    rewrite(database, lambda table: with_text(with_vector(table, 2), 1, "wrong"))
    assert cli("verify")[0] == 1
    code, _, errors = cli("rebuild")
    assert code == 1
    assert "nothing was rebuilt, because the catalog is damaged" in errors
    planned = json.loads(cli("repair", "--dry-run", "--json")[1])
    assert (planned["dry_run"], planned["restored_vectors"], planned["remaining"]) == (True, [2], [])
    assert cli("verify")[0] == 1
    assert "would be read again" in cli("repair", "--dry-run")[1]
    code, output, _ = cli("repair", "--json")
    assert code == 0
    done = json.loads(output)
    assert done["ok"]
    assert done["problems"] == planned["problems"]
    assert [row["id"] for row in done["dropped"]] == [1]
    assert cli("verify")[0] == 0
    assert sorted(names(cli("query", "blue", "--json")[1])) == before


def test_export_and_import_carry_everything_over(cli: Cli, indexed: Path) -> None:
    assert json.loads(cli("export", "out", "--json")[1])["items"] == 5
    assert json.loads(cli("import", "out", "-c", "copy", "--json")[1])["items"] == 5
    assert cli("import", "out", "-c", "copy")[0] == 1
    ours, copied = (json.loads(cli("query", "blue", "--json", *options)[1])["hits"] for options in ([], ["-c", "copy"]))
    assert [(hit["uri"], hit["cosine"]) for hit in ours] == [(hit["uri"], hit["cosine"]) for hit in copied]


def test_encoders_lists_what_can_be_used(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENCODERS, "absent", "no_such_module:Encoder")
    rows = {row["name"]: row for row in json.loads(cli("encoders", "--json")[1])["encoders"]}
    assert rows["toy"] == {
        "name": "toy",
        "is_default": False,
        "size_gb": None,
        "dim": 56,
        "modalities": ["text", "image", "video"],
        "calibrated": "no",
        "available": True,
        "error": None,
    }
    assert not rows["absent"]["available"]
    assert re.search(r"^ *toy +56 +text, image, video +no +yes", cli("encoders")[1], re.M)


def test_segments_that_cannot_be_cut_are_not_remembered(cli: Cli, media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unite_search.media.read.find_spec", lambda name: None)
    code, _, err = cli("index", str(media), "--segments", "shots")
    assert (code, "need scenedetect" in err) == (1, True)
    assert cli("index", str(media))[0] == 0


def test_status_and_rebuild_name_the_kind_of_each_index(cli: Cli, indexed: Path) -> None:
    assert "image float32, text float32" in cli("status")[1]
    rebuilt = json.loads(cli("rebuild", "--index-type", "float16", "--json")[1])
    assert rebuilt == {"items": {"image": 4, "text": 1}, "indexes": {"image": "float16", "text": "float16"}}
    assert json.loads(cli("status", "--json")[1])["indexes"] == {"image": "float16", "text": "float16"}


def test_an_unknown_encoder_to_check_is_a_usage_error(cli: Cli) -> None:
    code, _, err = cli("encoders", "check", "nonsense")
    assert (code, "unknown encoder 'nonsense'" in " ".join(err.replace("│", " ").split())) == (2, True)
