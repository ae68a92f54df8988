"""The demo: a library that is drawn the same every time, and the command that indexes and questions it."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageOps

from unite_search.cli.app import app
from unite_search.cli.errors import run
from unite_search.demo.canvas import BLACK, WHITE, Canvas, box, ellipse, flat, gradient, smooth, turned
from unite_search.demo.clips import all_clips, film, write_clip
from unite_search.demo.library import FILM, write_library
from unite_search.demo.pictures import DrawnPicture, all_pictures
from unite_search.demo.questions import DemoQuestion, drawn_questions, own_questions
from unite_search.encoders.base import ENCODERS
from unite_search.query import Query, SearchOptions

PICTURES = {picture.name: picture for picture in all_pictures()}


def drawn(picture: DrawnPicture) -> np.ndarray:
    return np.asarray(picture.draw(), dtype=float)


def main_colour(picture: DrawnPicture) -> np.ndarray:
    """Mean colour of the picture's middle."""
    return np.asarray(drawn(picture)[120:240, 160:320].mean(axis=(0, 1)))


def test_names_are_distinct_and_there_are_enough() -> None:
    assert len(PICTURES) == len(all_pictures()) >= 60
    assert len({clip.name for clip in all_clips()}) == len(all_clips()) >= 14
    assert sum(shot.seconds for shot in film()) > 60


def test_a_picture_is_the_same_every_time() -> None:
    digests = {hashlib.sha256(PICTURES["lighthouse_night"].draw().tobytes()).hexdigest() for _ in range(2)}
    assert len(digests) == 1


@pytest.mark.parametrize("thing", ["car", "mug", "shirt", "house"])
def test_colour_variants_have_their_colour(thing: str) -> None:
    red, blue = main_colour(PICTURES[f"{thing}_red"]), main_colour(PICTURES[f"{thing}_blue"])
    assert red[0] - red[2] > blue[0] - blue[2] + 30


@pytest.mark.parametrize("name", ["car_red", "balloon_red", "boat_white", "umbrella_red", "house_blue"])
def test_night_variants_are_darker(name: str) -> None:
    assert drawn(PICTURES[f"{name}_night"]).mean() < 0.5 * drawn(PICTURES[name]).mean()


@pytest.mark.parametrize("name", ["car_red", "boat_white", "goldfish"])
def test_mirrored_variants_are_mirrored(name: str) -> None:
    mirrored = ImageOps.mirror(PICTURES[f"{name}_mirrored"].draw())
    difference = np.abs(np.asarray(mirrored, dtype=float) - drawn(PICTURES[name]))
    assert difference.mean() < 4
    assert np.abs(drawn(PICTURES[f"{name}_mirrored"]) - drawn(PICTURES[name])).mean() > 6


def test_shapes_cover_their_area() -> None:
    canvas = Canvas(400, oversample=2)
    canvas.fill(box(0, 0, 4, 3), flat(BLACK))
    canvas.fill(box(1, 1, 3, 2, 0.2), flat(WHITE))
    square = np.asarray(canvas.finish())[..., 0] > 128
    assert square.sum() == pytest.approx((2 - (4 - np.pi) * 0.04) * 100**2, rel=0.02)
    canvas.fill(ellipse(2, 1.5, 1.2, 0.6, turn=90), flat((0, 255, 0)))
    green = np.asarray(canvas.finish())[..., 1] > 200
    rows, columns = np.nonzero(green & ~square | (np.asarray(canvas.finish())[..., 0] < 20) & green)
    assert rows.max() - rows.min() == pytest.approx(240, abs=4)
    assert columns.max() - columns.min() == pytest.approx(120, abs=4)


def test_a_gradient_runs_from_top_to_bottom_and_the_tint_dims_it() -> None:
    canvas = Canvas(80, oversample=1)
    canvas.tint = (0.5, 0.5, 0.5)
    canvas.fill(box(0, 0, 4, 3), gradient((0, 0, 0), (200, 200, 200)))
    column = np.asarray(canvas.finish())[:, 40, 0].astype(int)
    assert (np.diff(column) >= 0).all()
    assert column[0] < 5
    assert column[-1] == pytest.approx(100, abs=4)


def test_shapes_outside_the_picture_change_nothing() -> None:
    canvas = Canvas(80, oversample=1)
    before = canvas.finish().tobytes()
    canvas.fill(ellipse(9, 9, 1), flat(BLACK))
    canvas.glow(-5, 0, 1, (255, 0, 0))
    assert canvas.finish().tobytes() == before


def test_a_smooth_curve_passes_through_its_corners() -> None:
    corners = [(0.0, 0.0), (1.0, 0.2), (1.2, 1.0), (0.1, 0.9)]
    curve = smooth(corners)
    assert all(np.abs(curve - corner).sum(axis=1).min() < 1e-12 for corner in corners)
    assert np.allclose(turned(np.array([(1.0, 0.0)]), 90), [(0.0, 1.0)])


def test_a_clip_moves_and_has_its_length(tmp_path: Path) -> None:
    clip = next(clip for clip in all_clips() if clip.name == "boat_passes")
    write_clip([clip], 6, tmp_path / "clip.mp4")
    with av.open(str(tmp_path / "clip.mp4")) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24").astype(float) for frame in container.decode(stream)]
        name = stream.codec_context.name
    assert (len(frames), name, frames[0].shape) == (30, "h264", (240, 320, 3))
    assert np.abs(frames[0] - frames[15]).mean() > 2


def test_clips_without_pyav_say_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImportError, match="install the extra `demo`"):
        write_library(tmp_path / "library")
    assert not (tmp_path / "library").exists()


def test_questions_to_a_folder_use_its_first_readable_files(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    questions = own_questions(tmp_path, {tmp_path / "a.jpg"})
    examples = {path for question in questions for path in (*question.query.images, *question.query.videos)}
    assert examples == {tmp_path / "b.jpg"}
    assert any(question.query.texts and question.query.images for question in questions)


def test_questions_to_an_empty_folder_are_words_only(tmp_path: Path) -> None:
    assert all(question.query.texts and not question.query.images for question in own_questions(tmp_path, ()))


def test_the_command_takes_a_folder_of_ones_own(
    media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(ENCODERS, "toy", "toy:ToyEncoder")
    out = tmp_path / "demo"
    assert run(app, ["demo", str(media), "--out", str(out), "--encoder", "toy", "--json"]) == 0
    answers = json.loads(capfd.readouterr().out)
    assert answers["index"]["added"] == 5
    assert len(answers["answers"]) == len(own_questions(media, ()))
    assert (out / "gallery.html").read_text(encoding="utf-8").count("<section>") == len(answers["answers"])
    assert not (out / "library").exists()
    assert run(app, ["demo", str(media), "--out", str(out), "--quiet"]) == 0
    assert "Image: more like blue.png" in capfd.readouterr().out


def test_the_demo_of_one_folder_shows_nothing_of_another(
    media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(ENCODERS, "toy", "toy:ToyEncoder")
    other, out = tmp_path / "other", str(tmp_path / "demo")
    other.mkdir()
    Image.new("RGB", (40, 30), (255, 255, 0)).save(other / "yellow.png")
    assert run(app, ["demo", str(media), "--out", out, "--encoder", "toy", "--quiet"]) == 0
    capfd.readouterr()
    assert run(app, ["demo", str(other), "--out", out, "--json"]) == 0
    answers = json.loads(capfd.readouterr().out)["answers"]
    assert {Path(hit["uri"]).name for answer in answers for hit in answer["hits"]} == {"yellow.png"}


def files_below(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["gallery.html", "photo.jpg", "library/a.txt", "collection/b.txt"])
def test_the_demo_writes_to_no_folder_of_somebody_else(
    name: str, media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(ENCODERS, "toy", "toy:ToyEncoder")
    mine = tmp_path / "mine" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    for given in ([str(media)], []):
        assert run(app, ["demo", *given, "--out", str(tmp_path / "mine"), "--encoder", "toy"]) == 1
        said = capfd.readouterr()
        assert said.out == ""
        assert said.err.startswith(f"Error: {tmp_path}/mine is not empty, and no demo made it")
    assert files_below(tmp_path / "mine") == {mine: b"mine"}


def test_the_demo_replaces_no_page_of_somebody_else_in_its_own_folder(
    media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(ENCODERS, "toy", "toy:ToyEncoder")
    arguments = ["demo", str(media), "--out", str(tmp_path / "demo"), "--encoder", "toy", "--quiet"]
    assert run(app, arguments) == 0
    (tmp_path / "demo" / "gallery.html").write_text("mine")
    assert run(app, arguments) == 1
    assert "gallery.html is not a page of unite-search" in capfd.readouterr().err
    assert (tmp_path / "demo" / "gallery.html").read_text() == "mine"


def test_a_question_with_a_filter_is_answered_with_it(
    media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(ENCODERS, "toy", "toy:ToyEncoder")
    for folder in (media, tmp_path / "other"):
        folder.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(folder / f"film_{folder.name}.png")
    filtered = DemoQuestion("films", Query.of("red"), SearchOptions(where="name LIKE 'film%' OR false"))
    monkeypatch.setattr("unite_search.demo.questions.own_questions", lambda *_: [filtered])
    for folder in (tmp_path / "other", media):
        arguments = ["demo", str(folder), "--out", str(tmp_path / "demo"), "--encoder", "toy", "--json", "--quiet"]
        assert run(app, arguments) == 0
        (answer,) = json.loads(capfd.readouterr().out)["answers"]
        assert [Path(hit["uri"]).name for hit in answer["hits"]] == [f"film_{folder.name}.png"]


def test_a_demo_without_pyav_says_so_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    assert run(app, ["demo", "--out", str(tmp_path / "demo")]) == 1
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.startswith("Error: the demo library needs PyAV")
    assert not (tmp_path / "demo").exists()


@pytest.mark.slow
def test_the_drawn_library_answers_its_questions(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(app, ["demo", "--out", str(tmp_path), "--json", "--quiet"]) == 0
    answers = json.loads(capfd.readouterr().out)
    first = {
        answer["query"]["title"]: [Path(hit["uri"]).stem for hit in answer["hits"]] for answer in answers["answers"]
    }
    assert answers["index"]["skipped"] == []
    assert len(first) == len(drawn_questions(tmp_path))
    assert first["Image and text: this car, but blue"][0] == "car_blue"
    assert first["Image and text: this boat at night"][0] == "boat_white_night"
    assert first["Image and text: this fish, mirrored"][0] == "goldfish_mirrored"
    assert first["Video and text: this clip, but at night"][0] == "car_drives_red_night"
    assert "fruit_salad" in first["Text: how do I make a fruit salad?"][:3]
    assert first["Text in videos: the sun sets behind the sea"][0] in {"sun_sets", FILM}
    assert "car_red" in first["Text: a red car"][:4]
    assert set(first["Text, with a filter: only the film"]) == {FILM}
    assert run(app, ["demo", "--out", str(tmp_path), "--json", "--quiet"]) == 0
    again = json.loads(capfd.readouterr().out)
    assert (again["index"]["embedded"], again["index"]["unchanged"]) == (0, answers["index"]["added"])
