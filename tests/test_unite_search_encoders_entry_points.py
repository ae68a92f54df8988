"""Encoders of other packages: found by their entry point, used by every command, and blamed by name when faulty."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from unite_search import Collection, EncoderUnavailableError, UniteSearchError, load_encoder
from unite_search.encoders.base import encoder_names
from unite_search.query import Query

MODULE = """
from toy import ToyEncoder

class Plugged(ToyEncoder):
    name = "plugged"
    fingerprint = "plugged-1"

    def __init__(self, options):
        self.options = options

def wrong_name(options):
    return ToyEncoder()

def broken(options):
    raise RuntimeError("the weights are damaged")

def nothing(options):
    return None

class Lengthless(Plugged):
    name = "lengthless"
    dim = "56"

class Wordy(Plugged):
    name = "wordy"
    short_text_templates = "a {}"

class NotNumbers(Plugged):
    name = "notnumbers"

    def encode(self, contents, *, role):
        return super().encode(contents, role=role) * float("nan")

class Short(Plugged):
    name = "short"

    def encode(self, contents, *, role):
        return super().encode(contents, role=role)[:, :-1]

def starter(options):
    raise AssertionError("a built-in name must not be replaced")
"""
ENTRIES = """
[unite_search.encoders]
plugged = toy_plugin:Plugged
misnamed = toy_plugin:wrong_name
broken = toy_plugin:broken
nothing = toy_plugin:nothing
lengthless = toy_plugin:Lengthless
wordy = toy_plugin:Wordy
notnumbers = toy_plugin:NotNumbers
short = toy_plugin:Short
absent = no_such_module:Encoder
starter = toy_plugin:starter
"""


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path with an installed distribution that offers encoders."""
    folder = tmp_path / "site"
    about = folder / "toy_plugin-1.0.dist-info"
    about.mkdir(parents=True)
    (folder / "toy_plugin.py").write_text(MODULE)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-plugin\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRIES)
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_an_entry_point_is_an_encoder_like_any_other(plugins: Path) -> None:
    assert {"starter", "plugged", "misnamed", "absent"} <= set(encoder_names())
    assert load_encoder("plugged").fingerprint == "plugged-1"


def test_a_built_in_name_cannot_be_replaced(plugins: Path) -> None:
    assert load_encoder("starter").fingerprint.startswith("starter-")


def test_a_folder_of_the_same_name_does_not_hide_it(
    plugins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work" / "plugged").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    assert load_encoder("plugged").name == "plugged"
    with Collection.open(tmp_path / "db", encoder="plugged", create=True):
        pass
    with Collection.open(tmp_path / "db", encoder="plugged") as again:
        assert again.encoder.name == "plugged"


def test_a_faulty_package_is_named(plugins: Path) -> None:
    with pytest.raises(UniteSearchError, match="package toy-plugin offers an encoder as 'misnamed' that calls itself"):
        load_encoder("misnamed")
    with pytest.raises(EncoderUnavailableError, match="encoder absent of toy-plugin cannot be loaded: No module named"):
        load_encoder("absent")
    with pytest.raises(EncoderUnavailableError, match="broken of toy-plugin cannot be loaded: the weights are damaged"):
        load_encoder("broken")


def test_an_unknown_name_lists_the_plugins_too(plugins: Path) -> None:
    with pytest.raises(ValueError, match=r"known are absent, broken, .*, plugged, short, starter"):
        load_encoder("nonsense")


def test_the_commands_index_query_and_list_with_it(plugins: Path, media: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(plugins), *filter(None, sys.path)])}

    def run(*arguments: str) -> str:
        command = [sys.executable, "-c", "from unite_search.cli import main; main()", *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=120, cwd=tmp_path, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    database = ("--db", str(tmp_path / "db"))
    run("index", str(media), "--encoder", "plugged", "--max-pixels", "100000", *database)
    hits = json.loads(run("query", "green", "--in", "image", "--json", *database))["hits"]
    assert Path(hits[0]["uri"]).name == "green.png"
    listed = {row["name"]: row for row in json.loads(run("encoders", "--json"))["encoders"]}
    assert listed["plugged"]["available"] is True
    for faulty in ("absent", "broken", "lengthless", "misnamed", "nothing"):
        assert listed[faulty]["available"] is False
        assert "toy-plugin" in listed[faulty]["error"]


def test_a_collection_remembers_it_with_its_options(plugins: Path, tmp_path: Path) -> None:
    from unite_search import EncoderOptions

    with Collection.open(tmp_path / "db", encoder="plugged", options=EncoderOptions(fps=2.0), create=True):
        pass
    with Collection.open(tmp_path / "db") as again:
        assert again.encoder.name == "plugged"
        assert again.encoder.options.fps == 2.0


def test_an_encoder_that_breaks_the_contract_is_named(plugins: Path) -> None:
    with pytest.raises(UniteSearchError, match="encoder lengthless of toy-plugin breaks the contract: dim is '56'"):
        load_encoder("lengthless")
    with pytest.raises(UniteSearchError, match="contract: short_text_templates is 'a "):
        load_encoder("wordy")
    with pytest.raises(EncoderUnavailableError, match="encoder nothing of toy-plugin cannot be loaded"):
        load_encoder("nothing")


def test_vectors_of_another_shape_end_the_run(plugins: Path, media: Path, tmp_path: Path) -> None:
    with Collection.open(tmp_path / "db", encoder="short", create=True) as collection:
        with pytest.raises(UniteSearchError, match="encoder short returned float32 of shape"):
            collection.index([media])
        assert collection.status().files == 0


def test_a_faulty_vector_costs_its_file_and_a_faulty_query_is_refused(
    plugins: Path, media: Path, tmp_path: Path
) -> None:
    with Collection.open(tmp_path / "db", encoder="notnumbers", create=True) as collection:
        report = collection.index([media])
        assert {skipped.reason for skipped in report.skipped} == {"its vector cannot be stored: NaN"}
        assert len(report.skipped) == len(list(media.iterdir()))
        assert collection.status().files == 0
        with pytest.raises(UniteSearchError, match="encoder notnumbers returned numbers that are not finite"):
            collection.search(Query.of("red"))
