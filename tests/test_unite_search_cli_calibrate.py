"""`encoders calibrate` on files on disk: what it prints, what it writes, and that searches use it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toy import COLOURS, ToyEncoder

from unite_search.cli.app import app
from unite_search.cli.errors import run
from unite_search.content import Content
from unite_search.encoders.base import ENCODERS
from unite_search.encoders.calibration import Calibration, measured_path
from unite_search.home import HOME_VARIABLE
from unite_search.media.load import load_image

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(ENCODERS, "toy", "toy:ToyEncoder")
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = run(app, [str(argument) for argument in arguments])
        return code, *capfd.readouterr()

    return call


@pytest.fixture
def captioned(tmp_path: Path) -> Path:
    """Twenty-four photos, each with a caption of its colour, and one that is damaged."""
    folder = tmp_path / "captioned"
    folder.mkdir()
    drawn = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        for number in range(6):
            pixels = np.clip(drawn.normal(colour, 60, (8, 8, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).resize((40, 40)).save(folder / f"{name}{number}.png")
            (folder / f"{name}{number}.txt").write_text(f"{name} number {number} of {name} ones")
    (folder / "damaged.png").write_bytes(b"no picture")
    (folder / "damaged.txt").write_text("a caption of nothing")
    return folder


def state(cli: Cli, name: str) -> str:
    (row,) = (row for row in json.loads(cli("encoders", "--json")[1])["encoders"] if row["name"] == name)
    return str(row["calibrated"])


def test_the_command_says_what_it_measured_and_the_list_knows(cli: Cli, captioned: Path) -> None:
    assert (state(cli, "toy"), state(cli, "starter"), state(cli, "unite-2b")) == ("no", "built in", "no")
    code, output, messages = cli("encoders", "calibrate", "toy", "--data", captioned)
    assert code == 0
    assert re.search(r"^ *text +image +24 +0\.\d+ +-?\d+\.\d+ *$", output, re.M)
    assert f"24 examples measured; written to {measured_path('toy-1')}" in output
    assert "Skipped captioned/damaged.png: not an image, or a damaged one" in messages
    assert state(cli, "toy") == "measured here"
    measured_path("toy-1").write_bytes(b"damaged")
    assert state(cli, "toy") == "damaged"
    assert cli("encoders", "calibrate", "toy", "--data", captioned, "--quiet") == (0, "", "")
    assert state(cli, "toy") == "measured here"


def test_json_has_what_the_file_has(cli: Cli, captioned: Path) -> None:
    code, output, _ = cli("encoders", "calibrate", "toy", "--data", captioned, "--json", "--limit", "22")
    found = json.loads(output)
    written = Calibration.read(Path(found["path"]))
    assert (code, found["encoder"], found["fingerprint"]) == (0, "toy", "toy-1")
    assert found["lines"] == written.record()["lines"]
    assert found["examples"] + len(found["skipped"]) == 22
    assert written.origin == str(captioned)


def test_a_search_scores_with_what_was_measured(cli: Cli, captioned: Path) -> None:
    assert cli("index", captioned, "--encoder", "toy", "--quiet")[0] == 0
    asked = ["query", "--image", captioned / "red0.png", "--include-self", "--json"]
    before = json.loads(cli(*asked)[1])["hits"]
    cli("encoders", "calibrate", "toy", "--data", captioned)
    after = json.loads(cli(*asked)[1])["hits"]
    toy = ToyEncoder()
    query = toy.encode([Content((load_image(captioned / "red0.png", toy.media)[0],))], role="query")[0]
    cosines = np.array([hit["cosine"] for hit in after], np.float32)
    expected = Calibration.read(measured_path("toy-1")).log_odds(query, "image", "text+image", cosines)
    assert [hit["score"] for hit in after] == pytest.approx(expected.tolist(), abs=0.01)
    assert [hit["score"] for hit in before] != [hit["score"] for hit in after]


@pytest.mark.slow
def test_the_starter_is_measured_on_real_photos(cli: Cli, shared_data: Path) -> None:
    code, output, _ = cli("encoders", "calibrate", "--data", shared_data / "captioned", "--limit", "40", "--json")
    lines = {(line["query"], line["item"]): line for line in json.loads(output)["lines"]}
    assert code == 0
    assert len(lines) == 9
    assert all(line["auc"] > 0.9 and line["pairs"] == 40 for line in lines.values())
    assert state(cli, "starter") == "measured here"


def test_too_few_captions_are_an_error_in_one_line(cli: Cli, media: Path) -> None:
    code, output, messages = cli("encoders", "calibrate", "toy", "--data", media, "--quiet")
    assert (code, output) == (1, "")
    assert messages.startswith("Error: ") and "holds no photo or clip with a caption" in messages
    for name in COLOURS:
        (media / f"{name}.txt").write_text(name)
    code, _, messages = cli("encoders", "calibrate", "toy", "--data", media, "--quiet")
    assert (code, messages) == (1, "Error: 4 photos or clips with captions; expected at least 20\n")


def test_wrong_use_is_a_usage_error(cli: Cli, media: Path) -> None:
    assert cli("encoders", "calibrate", "nonsense", "--data", media)[0] == 2
    assert cli("encoders", "calibrate", "toy", "--data", media / "gone")[0] == 2
    assert cli("encoders", "calibrate", "toy", "--data", media, "--limit", "3")[0] == 2
    assert cli("encoders", "calibrate", "toy")[0] == 2


def test_an_encoder_that_is_not_here_is_named(cli: Cli, captioned: Path) -> None:
    code, _, messages = cli("encoders", "calibrate", "unite-2b", "--data", captioned)
    assert (code, "unite-2b is not on this disk" in messages) == (1, True)
