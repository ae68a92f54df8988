"""`index` on a disk as it is: odd times, links, sidecars and names, disks that come and go; one bad thing costs one."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from toy import LOG_VARIABLE, ToyEncoder

from unite_search.cli.app import app
from unite_search.cli.errors import run
from unite_search.encoders.base import ENCODERS
from unite_search.ingest import pipeline
from unite_search.ingest.ledger import Ledger
from unite_search.media.reasons import LEADS_OUTSIDE
from unite_search.media.scan import Found, scan
from unite_search.media.sidecars import read_sidecars
from unite_search.media.types import Hashes, MediaFile

Cli = Callable[..., dict[str, Any]]


@pytest.fixture
def cli(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command on one collection, and return what it prints as JSON; its stderr is under `errors`."""
    monkeypatch.setitem(ENCODERS, "toy", "toy:ToyEncoder")
    monkeypatch.setenv(LOG_VARIABLE, str(tmp_path / "log"))

    def call(command: str, *arguments: str | Path) -> dict[str, Any]:
        given = [command, *map(str, arguments), "--db", str(tmp_path / "db"), "--json"]
        code = run(app, [*given, *(["--encoder", ToyEncoder.name] if command == "index" else [])])
        output, errors = capfd.readouterr()
        assert code == 0, errors
        return {**json.loads(output), "errors": errors}

    return call


def paint(path: Path, *colour: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (24, 16), colour).save(path)
    return path


def hits(cli: Cli, *arguments: str) -> dict[str, dict[str, Any]]:
    """All items by file name."""
    found = cli("query", "anything", "--top-k", "100", "--no-group", *arguments)["hits"]
    return {Path(hit["uri"]).name: hit for hit in found}


def embedded(tmp_path: Path) -> int:
    log = tmp_path / "log"
    return len(log.read_text().split()) if log.exists() else 0


@pytest.mark.parametrize("year", [1905, 1969, 2300, 2440])
def test_a_file_of_any_year_is_indexed(tmp_path: Path, cli: Cli, year: int) -> None:
    odd = paint(tmp_path / "in" / "odd.png", 255, 0, 0)
    paint(tmp_path / "in" / "plain.png", 0, 0, 255)
    os.utime(odd, ((year - 1970) * 31_556_952,) * 2)
    beyond = odd.stat().st_mtime_ns >= 2**63
    first = cli("index", tmp_path / "in")
    assert (first["added"], first["skipped"]) == (2, [])
    assert [str(odd) in warning and "modified_at" in warning for warning in first["warnings"]] == [True] * beyond
    assert set(hits(cli)) == {"odd.png", "plain.png"}
    assert ("odd.png" in hits(cli, "--where", "modified_at IS NULL")) is beyond
    again = cli("index")
    assert (again["unchanged"], again["warnings"]) == (2, [])
    odd.rename(odd.with_name("renamed.png"))
    shutil.copy2(odd.with_name("renamed.png"), odd.with_name("copy.png"))
    assert cli("index")["embedded"] == 0
    assert set(hits(cli, "--copies")) == {"renamed.png", "copy.png", "plain.png"}


BAD_SIDECARS: dict[str, tuple[str, bytes, str]] = {
    "broken": (".json", b"{broken", "not valid JSON"),
    "list": (".json", b"[1]", "not a JSON object"),
    "deep": (".json", b'{"a":' * 500 + b"1" + b"}" * 500, "nested too deeply"),
    "deeper": (".json", b"[" * 200_000, "not valid JSON"),
    "digits": (".json", b'{"a":' + b"9" * 9000 + b"}", "not valid JSON"),
    "binary": (".json", bytes(range(256)) * 20, "binary data"),
    "huge": (".json", b" " * (2 << 20), "larger than 1 MB"),
    "caption": (".txt", b"\0\1\2\3" * 50, "binary data"),
    "long": (".txt", b"word " * (1 << 19), "larger than 1 MB"),
    "subtitles": (".srt", b"these are no subtitles", "no subtitles"),
    "number": (".json", b'{"caption": 5}', "`caption` is not a text"),
    "wordy": (".txt", b"word " * 201, "only the first 200 are used"),
}


def test_a_bad_sidecar_costs_itself_and_is_named(tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "in"
    for number, (name, (suffix, content, _)) in enumerate(BAD_SIDECARS.items()):
        paint(folder / f"{name}.png", number, 0, 0)
        (folder / f"{name}{suffix}").write_bytes(content)
    paint(folder / "good.png", 0, 0, 255)
    (folder / "good.txt").write_text("a good caption")
    report = cli("index", folder)
    assert (report["added"], report["skipped"]) == (len(BAD_SIDECARS) + 1, [])
    for name, (suffix, _, reason) in BAD_SIDECARS.items():
        (warning,) = [one for one in report["warnings"] if f"{name}.png" in one]
        assert suffix in warning
        assert reason in warning
        assert warning in report["errors"]
    assert len(report["warnings"]) == len(BAD_SIDECARS)
    assert hits(cli)["good.png"]["text"] == "a good caption"
    for options in ((), ("--dry-run",)):
        again = cli("index", *options)
        assert again["unchanged"] == len(BAD_SIDECARS) + 1
        assert sorted(again["warnings"]) == sorted(report["warnings"]), "what is missing is named in each run"


ODD_JSON = {
    "infinite": (
        '{"x": 1e400, "y": -1e999, "z": NaN, "u": [Infinity]}',
        {"x": None, "y": None, "z": None, "u": [None]},
    ),
    "whole": ('{"x": 18446744073709551616, "y": -5}', {"x": 2.0**64, "y": -5}),
    "digits": ('{"x": ' + "9" * 400 + "}", {"x": None}),
    "surrogate": ('{"\\ud800": "a\\udfff", "caption": "c\\ud83d"}', {"?": "a?", "caption": "c?"}),
    "same keys": ('{"\\ud800": 1, "\\ud801": 2, "a": 1, "a": 2}', {"?": 2, "a": 2}),
    "control": ('{"a": "\\u0000", "caption": "\\u0000\\u0007 bell"}', {"a": "\0", "caption": "\0\a bell"}),
    "depth": ('{"a":' * 30 + "1" + "}" * 30, None),
    "keys": (json.dumps({"": 1, "k" * 5000: 2}), {"": 1, "k" * 5000: 2}),
    "caption": (json.dumps({"caption": "w" * 500_000}), None),
}


def test_metadata_that_json_allows_and_stores_do_not_reaches_the_catalog(tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "in"
    for number, (name, (content, _)) in enumerate(ODD_JSON.items()):
        paint(folder / f"{name}.png", number, 9, 0)
        (folder / f"{name}.json").write_text(content)
    assert cli("index", folder)["added"] == len(ODD_JSON)
    found = hits(cli)
    for name, (_, expected) in ODD_JSON.items():
        assert expected is None or found[f"{name}.png"]["metadata"] == expected, name
    assert len(found["caption.png"]["text"]) < 500_000
    assert cli("verify")["ok"]


def test_copies_with_captions_of_equal_length_and_time_keep_their_own(tmp_path: Path, cli: Cli) -> None:
    first = paint(tmp_path / "in" / "a.png", 255, 0, 0)
    for name, caption in (("a", "grandma"), ("b", "grandpa")):
        shutil.copy2(first, first.with_name(f"{name}.png")) if name != "a" else None
        first.with_name(f"{name}.txt").write_text(caption)
        os.utime(first.with_name(f"{name}.txt"), (1_000_000_000, 1_000_000_000))
    cli("index", tmp_path / "in")
    assert {name: hit["text"] for name, hit in hits(cli).items()} == {"a.png": "grandma", "b.png": "grandpa"}
    for name in ("a.txt", "b.txt"):
        os.utime(first.with_name(name))
    before = embedded(tmp_path)
    assert cli("index")["unchanged"] == 2
    assert embedded(tmp_path) == before, "touched sidecars, equal content"
    first.with_name("b.txt").write_text("grandad")
    assert cli("index")["changed"] == 1
    assert hits(cli)["b.png"]["text"] == "grandad"


def test_a_caption_that_is_replaced_by_one_of_equal_length_and_time_is_read(tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, caption in (("a", "red boat"), ("b", "one tree"), ("c", "big cats")):
        Image.new("RGB", (32, 32), "red").save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text(caption)
        os.utime(folder / f"{name}.txt", (1e9, 1e9))
    assert cli("index", folder)["added"] == 3
    (folder / "a.txt").rename(tmp_path / "a.txt")
    (folder / "b.txt").rename(folder / "a.txt")
    (tmp_path / "a.txt").rename(folder / "b.txt")
    (folder / "c.txt").write_text("dim cats")
    os.utime(folder / "c.txt", (1e9, 1e9))
    cli("index")
    found = hits(cli)
    assert [found[name]["text"] for name in ("a.png", "b.png", "c.png")] == ["one tree", "red boat", "dim cats"]


def test_folders_that_are_emptied_or_missing_stay_until_they_are_pruned(tmp_path: Path, cli: Cli) -> None:
    for number, name in enumerate(("one/a", "one/disk/b", "one/disk/deep/c", "one/deleted/d", "two/e", "three.png/f")):
        paint(tmp_path / f"{name}.png", number, 0, 0)
    single = paint(tmp_path / "single.png", 99, 0, 0)
    cli("index", *(tmp_path / name for name in ("one", "two", "three.png")), single)
    shutil.rmtree(tmp_path / "one" / "disk")
    (tmp_path / "one" / "disk").mkdir()
    (tmp_path / "one" / "disk" / ".hidden").touch()
    shutil.rmtree(tmp_path / "one" / "deleted")
    shutil.rmtree(tmp_path / "two")
    single.unlink()
    for dry in ((), ("--dry-run",)):
        report = cli("index", *dry)
        assert report["removed"] == (0 if dry else 1), "the folder that was deleted with its file"
        assert [warning.split(": ")[0] for warning in report["warnings"]] == [
            f"{tmp_path / 'two'} is missing",
            f"{single} is missing",
            f"{tmp_path / 'one' / 'disk'} is empty",
        ]
    assert set(hits(cli)) == {f"{name}.png" for name in ("a", "b", "c", "e", "f", "single")}
    paint(tmp_path / "one" / "disk" / "deep" / "c.png", 2, 0, 0)
    back = cli("index")
    assert (back["removed"], back["added"]) == (1, 0), "the folder is not empty any more, so b was deleted"
    shutil.rmtree(tmp_path / "one" / "disk" / "deep")
    assert cli("index", "--prune")["removed"] == 3
    assert set(hits(cli)) == {"a.png", "f.png"}
    assert cli("index")["warnings"] == []
    assert cli("status")["roots"] == [str(tmp_path / "one"), str(tmp_path / "three.png")]


def test_a_dry_run_says_what_the_run_does(tmp_path: Path, cli: Cli, capfd: pytest.CaptureFixture[str]) -> None:
    library = tmp_path / "library"
    for number in range(8):
        paint(library / "in" / f"{number}.png", number * 20, 255 - number * 30, number)
    paint(library / "other" / "touched.png", 1, 1, 1)
    (library / "other" / "changed.md").write_text("before")
    cli("index", library)
    (library / "in").rename(library / "moved")
    (library / "moved" / "0.png").rename(library / "moved" / "renamed.png")
    (library / "moved" / "1.png").unlink()
    (library / "other" / "changed.md").write_text("after that")
    os.utime(library / "other" / "touched.png")
    paint(library / "new.png", 5, 6, 7)
    (library / "empty.png").touch()
    counts = ("added", "changed", "renamed", "unchanged", "removed", "skipped")
    foreseen = cli("index", "--dry-run")
    assert "a dry run decodes nothing" in foreseen["warnings"][0]
    assert run(app, ["index", "--dry-run", "--strict", "--db", str(tmp_path / "db"), "--encoder", "toy"]) == 1
    assert "1 added, 1 changed, 7 renamed, 1 unchanged, 1 removed" in capfd.readouterr().out
    report = cli("index")
    assert [foreseen[name] for name in counts] == [report[name] for name in counts]
    assert [report[name] for name in counts[:-1]] == [1, 1, 7, 1, 1]
    assert report["skipped_by_reason"] == {"empty file": 1}
    assert cli("index", "--dry-run")["warnings"] == [], "nothing is left that could be damaged"


@pytest.mark.unprivileged
@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read everything")
def test_a_dry_run_skips_what_may_not_be_read(tmp_path: Path, cli: Cli) -> None:
    paint(tmp_path / "in" / "a.png", 1, 0, 0).chmod(0)
    paint(tmp_path / "in" / "b.png", 1, 0, 0)
    report = cli("index", tmp_path / "in", "--dry-run")
    assert (report["added"], report["skipped_by_reason"]) == (1, {"permission denied": 1})


def test_files_moved_out_of_a_folder_leave_nothing_to_warn_of(tmp_path: Path, cli: Cli) -> None:
    path = paint(tmp_path / "in" / "inbox" / "a.png", 1, 2, 3)
    cli("index", tmp_path / "in")
    (tmp_path / "in" / "sorted").mkdir()
    path.rename(tmp_path / "in" / "sorted" / "a.png")
    report = cli("index")
    assert (report["renamed"], report["removed"], report["warnings"]) == (1, 0, [])


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_links_that_lead_outside_are_followed_on_request(tmp_path: Path, cli: Cli) -> None:
    library, outside = tmp_path / "library", tmp_path / "outside"
    paint(library / "a.png", 1, 0, 0)
    paint(outside / "album" / "b.png", 2, 0, 0)
    for number in range(10):
        (library / f"link {number}.png").symlink_to(paint(outside / f"{number}.png", 0, number, 0))
    (library / "album").symlink_to(outside / "album")
    (library / "itself").symlink_to(library)
    report = cli("index", library)
    assert (report["added"], report["skipped_by_reason"]) == (1, {LEADS_OUTSIDE: 11})
    assert report["errors"].count("Skipped") == 3
    assert "and 8 more skipped: a link that leads outside" in report["errors"]
    assert cli("index", "--follow-links")["added"] == 11
    assert cli("index")["unchanged"] == 12, "the option is remembered"
    kept = cli("index", "--no-follow-links")
    assert (kept["removed"], kept["unchanged"]) == (0, 1)
    assert "(11 files) stays until `index --prune`" in kept["warnings"][0]
    assert cli("index", "--prune")["removed"] == 11
    assert set(hits(cli)) == {"a.png"}


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_what_cannot_be_examined_is_one_skipped_file(tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "in"
    paint(folder / "a.png", 1, 0, 0)
    (folder / "self.png").symlink_to(folder / "self.png")
    (folder / "self").symlink_to(folder / "self")
    (folder / "a.txt").symlink_to(folder / "a.txt")
    (folder / "nowhere.mp4").symlink_to(tmp_path / "nowhere")
    os.mkfifo(folder / "pipe.jpg")
    report = cli("index", folder)
    assert report["added"] == 1
    assert {Path(one["uri"]).name: one["reason"] for one in report["skipped"]} == {
        "self.png": "a loop of links",
        "self": "a loop of links",
        "a.txt": "a loop of links",
        "nowhere.mp4": "broken link",
        "pipe.jpg": "not a regular file",
    }


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_nothing_is_pruned_where_nobody_could_look(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    locked, library = tmp_path / "locked", tmp_path / "library"
    paint(locked / "root" / "a.png", 1, 0, 0)
    paint(locked / "album" / "b.png", 2, 0, 0)
    paint(library / "c.png", 3, 0, 0)
    (library / "album").symlink_to(locked / "album")
    assert cli("index", locked / "root", library, "--follow-links")["added"] == 3
    real = Path.stat

    def refuse(path: Path, **options: Any) -> Any:
        if locked in Path(os.path.realpath(path)).parents:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", refuse)
        for options in ((), ("--prune",)):
            report = cli("index", *options)
            assert (report["removed"], report["warnings"]) == (0, [])
            assert {Path(one["uri"]).name: one["reason"] for one in report["skipped"]} == {
                "root": "permission denied",
                "album": "permission denied",
            }
    assert cli("index")["unchanged"] == 3, "the root is still known"


def test_a_root_that_became_a_file_is_treated_as_one_that_is_gone(tmp_path: Path, cli: Cli) -> None:
    for name in ("notes", "album.png", "library"):
        paint(tmp_path / name / f"{name[0]}.png", len(name), 0, 0)
    cli("index", *(tmp_path / name for name in ("notes", "album.png", "library")))
    for name in ("notes", "album.png"):
        shutil.move(tmp_path / name, tmp_path / "away" / name)
    (tmp_path / "notes").write_text("hi")
    paint(tmp_path / "album.png", 9, 9, 9)
    for _ in range(2):
        report = cli("index")
        assert report["removed"] == 0
        assert {warning.split(":")[0] for warning in report["warnings"]} == {
            f"{tmp_path / name} is not a folder any more" for name in ("notes", "album.png")
        }
    assert cli("index", "--prune")["removed"] == 2
    assert set(hits(cli)) == {"album.png", "l.png"}
    report = cli("index")
    assert (report["skipped"], report["warnings"]) == ([], [])
    assert cli("status")["roots"] == [str(tmp_path / "album.png"), str(tmp_path / "library")]


@pytest.mark.unprivileged
@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read everything")
def test_what_permissions_hide_costs_itself(tmp_path: Path, cli: Cli) -> None:
    folder, locked = tmp_path / "in", tmp_path / "locked"
    paint(folder / "a.png", 1, 0, 0)
    paint(folder / "b.png", 2, 0, 0)
    paint(locked / "c.png", 3, 0, 0)
    (folder / "link.png").symlink_to(locked / "c.png")
    (folder / "a.txt").symlink_to(locked / "a.txt")
    (folder / "b.txt").write_text("a caption")
    (folder / "b.txt").chmod(0)
    locked.chmod(0)
    try:
        report = cli("index", folder, "--dry-run")
        assert report["added"] == 2
        assert {Path(one["uri"]).name for one in report["skipped"]} == {"link.png", "a.txt"}
        said = read_sidecars([folder / "b.txt"])
        assert (said.caption, said.problems) == (None, (".txt: permission denied",))
    finally:
        locked.chmod(0o700)


@pytest.mark.parametrize("moment", ["before it is hashed", "before it is decoded", "its sidecar", "its folder"])
def test_a_file_may_disappear_at_any_moment(
    tmp_path: Path, cli: Cli, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in"
    for number, name in enumerate("abc"):
        paint(folder / name / f"{name}.png", number, 0, 0)
        (folder / name / f"{name}.txt").write_text(f"caption {name}")

    def scanned(*given: Any, **options: Any) -> Iterator[Found]:
        for one in scan(*given, **options):
            if isinstance(one, MediaFile) and one.path.name == "b.png":
                if moment == "before it is hashed":
                    one.path.unlink()
                elif moment == "its folder":
                    shutil.rmtree(one.path.parent)
            yield one

    must_read = Ledger.must_read

    def asked(self: Ledger, file: MediaFile, hashes: Hashes) -> bool:
        if file.path.name == "b.png" and moment in ("before it is decoded", "its sidecar"):
            file.path.with_suffix(".txt" if moment == "its sidecar" else ".png").unlink()
        return must_read(self, file, hashes)

    monkeypatch.setattr(pipeline, "scan", scanned)
    monkeypatch.setattr(Ledger, "must_read", asked)
    report = cli("index", folder)
    reasons = {Path(one["uri"]).name: one["reason"] for one in report["skipped"]}
    assert reasons == ({} if moment == "its sidecar" else {"b.png": "vanished while indexing"})
    found = {"a.png", "c.png", *(["b.png"] if moment == "its sidecar" else [])}
    assert set(hits(cli)) == found
    assert any("b.png: .txt: vanished" in warning for warning in report["warnings"]) is (moment == "its sidecar")
