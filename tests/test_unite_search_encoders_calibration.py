"""The fit against its definition, the floor and the AUC against naive ones, and the file: whole, damaged, replaced."""

from __future__ import annotations

import itertools
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from toy import ToyEncoder

from unite_search.content import Clip, Content, Image
from unite_search.encoders import measure as module
from unite_search.encoders.base import Role
from unite_search.encoders.calibration import (
    BUILT_IN,
    Calibration,
    Line,
    calibration_state,
    find_calibration,
    measured_path,
)
from unite_search.encoders.measure import BEST_FLOOR_PERCENT, PRIOR, Example, Pairs, auc, fit, line_of, measure
from unite_search.encoders.starter.encoder import StarterEncoder
from unite_search.errors import UniteSearchError
from unite_search.home import HOME_VARIABLE
from unite_search.modality import Modality

DRAWN = np.random.default_rng(0)
COLOURS = [tuple(colour) for colour in DRAWN.integers(0, 256, (60, 3)).tolist()]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    return tmp_path / "home"


def photo(number: int, side: int = 12) -> Image:
    """Three coloured stripes, other ones for every number."""
    stripes = [np.full((side, side, 3), COLOURS[(number * 3 + one) % 60], np.uint8) for one in range(3)]
    return Image(np.concatenate(stripes))


def film(number: int) -> Clip:
    frames = np.stack([photo(number).pixels] * 6)
    return Clip(frames, np.arange(6.0))


def photos(count: int, captions: int = 2) -> list[Example]:
    """Photos with captions of words that no other has."""
    words = [(f"word{number} thing{number} red", f"thing{number} word{number} seen") for number in range(count)]
    return [Example(photo(number), words[number][:captions]) for number in range(count)]


def small() -> Calibration:
    lines = {
        ("text", "image"): Line(-8.0, 20.0, -5.0, -3.0, 0.98, 400),
        ("text", "text"): Line(-9.0, 15.5, -4.0, -2.0, 0.99, 400),
    }
    means = {kind: DRAWN.normal(size=8).astype(np.float32) for kind in ("image", "text")}
    return Calibration(fingerprint="toy-1", means=means, lines=lines, origin="a few photos", encoder="toy")


def loss(line: NDArray[np.float64], related: NDArray[np.float64], unrelated: NDArray[np.float64]) -> float:
    """Cross-entropy with Platt's targets, pair by pair."""
    groups = [
        (related, PRIOR, (len(related) + 1) / (len(related) + 2)),
        (unrelated, 1 - PRIOR, 1 / (len(unrelated) + 2)),
    ]
    total = 0.0
    for values, weight, target in groups:
        for value in values.tolist():
            chance = 1 / (1 + np.exp(-(line[0] + line[1] * value)))
            total -= weight / len(values) * (target * np.log(chance) + (1 - target) * np.log(1 - chance))
    return total


# The fit


@pytest.mark.parametrize("gap", [0.0, 0.3, 3.0])
def test_no_line_near_the_fitted_one_has_a_smaller_loss(gap: float) -> None:
    """Also where a threshold separates the pairs, and the loss without Platt's targets would have no minimum."""
    drawn = np.random.default_rng(1)
    related, unrelated = drawn.normal(gap, 0.1, 30), drawn.normal(0, 0.1, 200)
    line = np.array(fit(related, unrelated))
    least = loss(line, related, unrelated)
    steps = [np.array(step) for step in itertools.product((-0.05, 0.0, 0.05), repeat=2) if any(step)]
    assert all(loss(line + step, related, unrelated) > least for step in steps)
    assert np.isfinite(line).all()


def test_log_odds_that_were_drawn_from_a_line_give_the_line_back() -> None:
    drawn = np.random.default_rng(2)
    values = drawn.normal(0.1, 0.15, 400_000)
    is_related = drawn.random(len(values)) < 1 / (1 + np.exp(-(-5 + 16 * values)))
    intercept, slope = fit(values[is_related], values[~is_related])
    share = is_related.mean()
    at_prior = np.log(PRIOR / (1 - PRIOR)) - np.log(share / (1 - share))
    assert (intercept, slope) == pytest.approx((-5 + at_prior, 16), abs=0.3)


def test_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    related, unrelated = DRAWN.integers(0, 9, 40).astype(float), DRAWN.integers(0, 7, 30).astype(float)
    naive = np.mean([(a > b) + 0.5 * (a == b) for a in related for b in unrelated])
    assert auc(related, unrelated) == pytest.approx(naive)


def test_one_related_pair_in_twenty_lies_below_the_floor_and_one_best_hit_in_a_hundred() -> None:
    related, unrelated = DRAWN.normal(0.4, 0.1, 400), DRAWN.normal(0, 0.1, 2000)
    line = line_of(Pairs(related, unrelated, best=related + 0.1))
    assert line is not None
    best = line.intercept + line.slope * (related + 0.1)
    assert np.mean(best < line.best_floor) == pytest.approx(BEST_FLOOR_PERCENT / 100, abs=0.003)
    assert np.mean(line.intercept + line.slope * related < line.floor) == pytest.approx(0.05, abs=0.003)


def test_what_cannot_be_told_gives_no_line() -> None:
    values = DRAWN.normal(size=100)
    assert line_of(Pairs(values - 1, values, values)) is None
    assert line_of(Pairs(values[:19] + 1, values, values)) is None
    assert line_of(Pairs(values[:20] + 1, values, values)) is not None


# The measurement


def test_related_pairs_are_the_views_of_one_example() -> None:
    """Against a loop over all pairs of examples, for captions that ask for photos."""
    encoder, examples = ToyEncoder(), photos(25)
    found = measure(encoder, examples, "drawn")
    queries = encoder.encode([Content((one.captions[-1],)) for one in examples], role="query")
    items = encoder.encode([Content((one.captions[0],)) for one in examples], role="candidate")
    mean = items.mean(axis=0)
    pairs = {(i, j): float(queries[i] @ items[j] - queries[i] @ mean) for i in range(25) for j in range(25)}
    related = np.array([value for (i, j), value in pairs.items() if i == j])
    unrelated = np.array([value for (i, j), value in pairs.items() if i != j])
    line = found.lines["text", "text"]
    assert (line.intercept, line.slope) == pytest.approx(fit(related, unrelated), rel=1e-3)
    assert line.pairs == 25
    assert line.auc == pytest.approx(auc(related, unrelated))
    np.testing.assert_allclose(found.means["text"], mean, atol=1e-6)


def test_every_kind_that_examples_give_is_measured() -> None:
    clips = [Example(film(number), (f"word{number}",)) for number in range(20, 41)]
    found = measure(ToyEncoder(), [*photos(20), *clips], "drawn")
    assert set(found.means) == {"image", "text", "text+image", "video"}
    assert {kind for kind, _ in found.lines} == {"image", "text", "text+image", "video", "text+video"}
    assert all(line.slope > 0 for line in found.lines.values())


def test_a_kind_with_few_examples_is_left_out_and_a_near_one_stands_in() -> None:
    found = measure(ToyEncoder(), [*photos(30), Example(film(41), ("a word",))], "drawn")
    assert "video" not in found.means
    assert found.floor("image", "video") == found.lines["image", "image"].floor
    assert found.floor("text+video", "text+video") == found.lines["text+image", "text+image"].floor


def test_clips_stand_in_for_photos() -> None:
    found = measure(ToyEncoder(), [Example(film(number), (f"word{number}",)) for number in range(20)], "drawn")
    only = Calibration(
        fingerprint="toy-1",
        means={"video": found.means["video"]},
        lines={("video", "video"): found.lines["video", "video"]},
    )
    assert only.floor("image", "image") == only.lines["video", "video"].floor


def test_nothing_stands_in_for_texts_and_it_is_known_before_a_search_fails() -> None:
    found = measure(ToyEncoder(), photos(20, captions=1), "drawn")
    assert "text" not in found.means
    assert found.covers("image", "image")
    assert found.covers("video", "text+video")
    assert not found.covers("text", "text")
    with pytest.raises(UniteSearchError, match="nothing about text items asked for by text"):
        found.floor("text", "text")


def test_an_encoder_of_texts_alone_is_measured_on_captions() -> None:
    class Texts(ToyEncoder):
        modalities = Modality.TEXT

    assert set(measure(Texts(), photos(20), "drawn").lines) == {("text", "text")}


def test_too_few_examples_are_an_error_that_says_how_many() -> None:
    with pytest.raises(UniteSearchError, match=r"^19 photos or clips with captions; expected at least 20$"):
        measure(ToyEncoder(), photos(19), "drawn")
    with pytest.raises(UniteSearchError, match=r"^0 photos"):
        measure(ToyEncoder(), [], "drawn")


def test_an_encoder_that_says_the_same_of_everything_cannot_be_calibrated() -> None:
    class Constant(ToyEncoder):
        def encode(self, contents: object, *, role: Role) -> NDArray[np.float32]:
            return np.full((len(contents), self.dim), self.dim**-0.5, np.float32)  # type: ignore[arg-type]

    with pytest.raises(UniteSearchError, match="toy cannot tell which captions belong"):
        measure(Constant(), photos(25), "drawn")


def test_numbers_that_are_not_finite_are_refused() -> None:
    class Broken(ToyEncoder):
        def encode(self, contents: object, *, role: Role) -> NDArray[np.float32]:
            return super().encode(contents, role=role) * (np.nan if role == "candidate" else 1)  # type: ignore[arg-type]

    with pytest.raises(UniteSearchError, match="not finite"):
        measure(Broken(), photos(25), "drawn")


def test_pixels_are_let_go_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more examples are alive at once than may wait, by their number or by their bytes."""
    alive: set[int] = set()
    most = 0

    class Counted(Image):
        def __del__(self) -> None:
            alive.discard(id(self))

    def one_by_one(count: int) -> object:
        nonlocal most
        for number in range(count):
            media = Counted(photo(number).pixels)
            alive.add(id(media))
            most = max(most, len(alive))
            yield Example(media, (f"word{number}", f"word{number} again"))
            del media

    measure(ToyEncoder(), one_by_one(150), "drawn")  # type: ignore[arg-type]
    assert most <= 2 * module.BATCH
    most = 0
    monkeypatch.setattr(module, "HELD_BYTES", 5 * photo(0).pixels.nbytes)
    measure(ToyEncoder(), one_by_one(60), "drawn")  # type: ignore[arg-type]
    assert most <= 8


# The file


def test_a_written_file_reads_the_same_and_has_the_same_bytes_again(tmp_path: Path) -> None:
    small().write(tmp_path / "deep" / "a.npz")
    again = Calibration.read(tmp_path / "deep" / "a.npz")
    again.write(tmp_path / "b.npz")
    assert (tmp_path / "b.npz").read_bytes() == (tmp_path / "deep" / "a.npz").read_bytes()
    assert (again.record(), again.lines) == (small().record(), small().lines)


def test_log_odds_and_floor_are_those_of_the_line() -> None:
    calibration, query = small(), DRAWN.normal(size=8).astype(np.float32)
    cosines = np.array([0.1, 0.5], np.float32)
    mean = sum(float(a) * float(b) for a, b in zip(query, calibration.means["image"], strict=True))
    expected = [-8 + 20 * (value - mean) for value in (0.1, 0.5)]
    assert calibration.log_odds(query, "text", "image", cosines) == pytest.approx(expected, rel=1e-5)
    assert calibration.floor("text", "image") == -5
    assert calibration.floor("text+image", "video") == -5


def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path) -> None:
    """Bytes turned around, or the file cut there: it is read, or refused."""
    path = tmp_path / "a.npz"
    small().write(path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 23):
        flipped = whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
        for content in (flipped, whole[:place]):
            path.write_bytes(content)
            try:
                Calibration.read(path)
            except UniteSearchError as error:
                assert str(error).startswith(str(path)) and "\n" not in str(error)


@pytest.mark.parametrize(
    "change",
    [
        {"lines": []},
        {"lines": [{"query": "text"}]},
        {"lines": 3},
        {"means": ["other"]},
        {"fingerprint": None},
        {"version": 99},
        {"encoder": ["toy"]},
    ],
)
def test_a_file_that_says_something_else_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    small().write(path)
    with np.load(path) as held:
        arrays = {name: held[name] for name in held.files}
    arrays["about"] = np.array(json.dumps(json.loads(str(arrays["about"])) | change))
    np.savez(path, **arrays)
    with pytest.raises(UniteSearchError, match=re.escape(str(path))):
        Calibration.read(path)


def test_files_that_hold_something_else_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.save(tmp_path / "one.npy", np.zeros(3))
    for content in (b"", b"text", (tmp_path / "one.npy").read_bytes()):
        path.write_bytes(content)
        with pytest.raises(UniteSearchError, match="no calibration of an encoder"):
            Calibration.read(path)
    np.savez(path, about=np.array({"a": 1}, dtype=object))
    with pytest.raises(UniteSearchError, match="no calibration of an encoder"):
        Calibration.read(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("about.npy", bytes(100 << 20))
    with pytest.raises(UniteSearchError, match="no calibration of an encoder"):
        Calibration.read(path)
    with pytest.raises(UniteSearchError, match="cannot be read"):
        Calibration.read(tmp_path)


# Which one counts


def test_the_starter_has_one_of_its_own_version() -> None:
    fingerprint = StarterEncoder().fingerprint
    found = find_calibration("starter", fingerprint)
    assert found is not None and found.fingerprint == fingerprint == Calibration.read(BUILT_IN["starter"]).fingerprint
    assert calibration_state("starter", fingerprint) == "built in"
    assert find_calibration("starter", "another version") is None


def test_what_was_measured_here_counts_first() -> None:
    assert (calibration_state("toy", "toy-1"), calibration_state("toy", None)) == ("no", "no")
    small().write(measured_path("toy-1"))
    found = find_calibration("toy", "toy-1")
    assert found is not None and found.origin == "a few photos"
    assert (calibration_state("toy", "toy-1"), calibration_state("toy", None)) == ("measured here", "measured here")
    assert (calibration_state("toy", "toy-2"), calibration_state("other", None)) == ("no", "no")
