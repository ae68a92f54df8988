"""The starter encoder as the rest of the project sees it: one unit vector a content."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from unite_search.content import Clip, Content, Image
from unite_search.encoders.base import Role
from unite_search.encoders.starter.edits import EDITS
from unite_search.encoders.starter.encoder import WEIGHTS, StarterEncoder
from unite_search.encoders.starter.fusion import LATE_TEXT_WEIGHT
from unite_search.encoders.starter.towers import VISION_SIDE, VisionTower
from unite_search.errors import EncoderUnavailableError

TEXTS = ("a dog", "two children play football on a large green field while their parents look on", "snow", "a boat")


@pytest.fixture(scope="module")
def encoder() -> StarterEncoder:
    return StarterEncoder()


def drawn(seed: int, height: int = VISION_SIDE, width: int = VISION_SIDE) -> Image:
    """Coloured boxes on a coloured ground."""
    rng = np.random.default_rng(seed)
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:] = rng.integers(0, 256, 3)
    for top, left in rng.integers(0, min(height, width) * 3 // 4, (4, 2)):
        pixels[top : top + height // 4, left : left + width // 3] = rng.integers(0, 256, 3)
    return Image(pixels)


def thing(shape: int, colour: NDArray[np.uint8] | tuple[int, ...]) -> Image:
    """A coloured square or bar on a pale ground."""
    pixels = np.full((VISION_SIDE, VISION_SIDE, 3), (235, 230, 225), np.uint8)
    pixels[(slice(60, 160), slice(60, 160)) if shape else (slice(100, 140), slice(20, 200))] = colour
    return Image(pixels)


def clip(*images: Image) -> Clip:
    return Clip(np.stack([image.pixels for image in images]), np.arange(len(images), dtype=np.float64))


def mixed_contents() -> list[Content]:
    """Every kind of content, in an order that no batching would keep by chance."""
    return [
        Content((clip(drawn(1), drawn(2), drawn(3)),)),
        Content((TEXTS[1],)),
        Content((drawn(4, 230, 300),)),
        Content((TEXTS[0], drawn(5))),
        Content((TEXTS[2],)),
        Content((drawn(6), clip(drawn(7), drawn(8)), "make it red")),
        Content((TEXTS[3], "at night")),
        Content((clip(drawn(9, 252, 448)), "with a dog")),
        Content((drawn(10), "a cat instead of the dog")),
    ]


@pytest.mark.parametrize("role", ["query", "candidate"])
def test_rows_are_unit_float32_and_repeat_exactly(encoder: StarterEncoder, role: Role) -> None:
    first, again = (encoder.encode(mixed_contents(), role=role) for _ in range(2))
    assert first.dtype == np.float32
    assert first.shape == (len(mixed_contents()), encoder.dim)
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("role", ["query", "candidate"])
def test_a_batch_equals_its_contents_one_by_one_in_order(encoder: StarterEncoder, role: Role) -> None:
    contents = mixed_contents()
    together = encoder.encode(contents, role=role)
    alone = np.concatenate([encoder.encode([content], role=role) for content in contents])
    assert (together * alone).sum(axis=1).min() > 0.99999
    assert (together @ alone.T).argmax(axis=1).tolist() == list(range(len(contents)))


def test_more_images_and_texts_than_a_batch_keep_their_order(encoder: StarterEncoder) -> None:
    images = [Content((drawn(seed),)) for seed in range(20)]
    texts = [Content((" ".join(["word"] * (number % 7)) + f" number {number}",)) for number in range(70)]
    for contents in (images, texts):
        together = encoder.encode(contents, role="candidate")
        chosen = [0, len(contents) // 2, len(contents) - 1]
        alone = encoder.encode([contents[number] for number in chosen], role="candidate")
        assert (together @ alone.T).argmax(axis=0).tolist() == chosen


def test_no_contents_give_no_rows(encoder: StarterEncoder) -> None:
    assert encoder.encode([], role="query").shape == (0, encoder.dim)


@pytest.mark.parametrize("parts", [("",), ("[PAD]",), ("日本語 🐕 \x00",), ("word " * 5000,)])
def test_odd_texts_give_unit_rows(encoder: StarterEncoder, parts: tuple[str]) -> None:
    assert np.linalg.norm(encoder.encode([Content(parts)], role="query")) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 3000, 3), (VISION_SIDE, VISION_SIDE, 3), (500, 3, 3)])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_plain_and_thin_images_give_unit_rows(encoder: StarterEncoder, shape: tuple[int, ...], value: int) -> None:
    row = encoder.encode([Content((Image(np.full(shape, value, np.uint8)),))], role="candidate")
    assert np.linalg.norm(row) == pytest.approx(1, abs=1e-6)


def test_a_text_never_opens_the_vision_tower_nor_an_image_the_text_tower() -> None:
    reader, looker = StarterEncoder(), StarterEncoder()
    reader.encode([Content(("a dog",))], role="query")
    looker.encode([Content((drawn(0),))], role="query")
    assert {"_vision", "_text"} & vars(reader).keys() == {"_text"}
    assert {"_vision", "_text"} & vars(looker).keys() == {"_vision"}


def test_threads_that_encode_at_once_get_what_one_gets(encoder: StarterEncoder) -> None:
    contents = [Content((drawn(seed),)) for seed in range(12)] + [
        Content(("a dog",)),
        Content((drawn(1), "make it red")),
    ]
    fresh = StarterEncoder()
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: fresh.encode(contents, role="query"), range(4)))
    expected = encoder.encode(contents, role="query")
    for rows in found:
        np.testing.assert_allclose(rows, expected, atol=1e-6)


def test_a_clip_of_one_frame_is_that_image_and_frames_are_averaged(encoder: StarterEncoder) -> None:
    one, same, other, both = encoder.encode(
        [
            Content((drawn(1),)),
            Content((clip(drawn(1), drawn(1)),)),
            Content((drawn(2),)),
            Content((clip(drawn(1), drawn(2)),)),
        ],
        role="candidate",
    )
    assert one @ same > 0.99999
    assert one @ other < min(both @ one, both @ other)


def test_an_image_is_nearest_to_itself_whatever_the_role(encoder: StarterEncoder) -> None:
    contents = [Content((drawn(seed),)) for seed in range(12)]
    queries = encoder.encode(contents, role="query")
    candidates = encoder.encode(contents, role="candidate")
    assert (queries @ candidates.T).argmax(axis=1).tolist() == list(range(12))


def test_synonyms_are_nearer_than_other_things(encoder: StarterEncoder) -> None:
    rows = encoder.encode([Content((text,)) for text in ("a puppy", "a young dog", "a sailing ship")], role="query")
    assert rows[0] @ rows[1] > rows[0] @ rows[2] + 0.3


@pytest.mark.parametrize(("edit", "channel"), [("make it red", 0), ("turn it green", 1), ("the same in blue", 2)])
def test_an_edit_finds_the_same_thing_in_that_colour(encoder: StarterEncoder, edit: str, channel: int) -> None:
    colours = [*(np.eye(3, dtype=np.uint8) * 170 + 40), (240, 210, 60)]
    things = [thing(shape, colour) for shape in range(2) for colour in colours]
    candidates = encoder.encode([Content((image,)) for image in things], role="candidate")
    for yellow in (3, 7):
        (query,) = encoder.encode([Content((things[yellow], edit))], role="query")
        ranked = [int(number) for number in np.argsort(-candidates @ query) if number != yellow]
        assert ranked[0] == yellow - 3 + channel


def test_other_words_move_a_query_towards_their_subject(encoder: StarterEncoder) -> None:
    words = encoder.encode([Content(("a horse in the snow",))], role="candidate")[0]
    plain, mixed = encoder.encode([Content((drawn(3),)), Content((drawn(3), "a horse in the snow"))], role="query")
    assert mixed @ words > plain @ words + 0.2


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(EncoderUnavailableError, match=re.escape(str(tmp_path))):
        StarterEncoder(tmp_path)


def test_fingerprint_is_stable_and_changes_with_any_weight(tmp_path: Path) -> None:
    copy = tmp_path / "weights.json"
    shutil.copy(WEIGHTS / "weights.json", copy)
    assert StarterEncoder(tmp_path).fingerprint == StarterEncoder().fingerprint
    hashes = json.loads(copy.read_text())
    for name in hashes:
        copy.write_text(json.dumps({**hashes, name: "0" * 64}))
        assert StarterEncoder(tmp_path).fingerprint != StarterEncoder().fingerprint


def test_listed_hashes_are_those_of_the_files_and_stand_in_the_model_card() -> None:
    listed = json.loads((WEIGHTS / "weights.json").read_text())
    found = {path.name for path in WEIGHTS.iterdir()} - {"weights.json", "MODEL_CARD.md", "calibration.npz"}
    assert listed == {name: hashlib.sha256((WEIGHTS / name).read_bytes()).hexdigest() for name in found}
    card = (WEIGHTS / "MODEL_CARD.md").read_text(encoding="utf-8")
    shown = listed | {"calibration.npz": hashlib.sha256((WEIGHTS / "calibration.npz").read_bytes()).hexdigest()}
    assert [name for name, digest in shown.items() if f"`{name}`" not in card or digest not in card] == []


def test_weights_stay_under_60_megabytes() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 60e6


def golden_pixels() -> NDArray[np.uint8]:
    """The picture of `train/starter/export_towers.py` golden_pixels, drawn again: that module needs torch."""
    row, column, channel = np.indices((VISION_SIDE, VISION_SIDE, 3))
    drawn_pixels = (row * 3 + column * (channel + 1) + row * column // 64) % 256
    return np.asarray(drawn_pixels[None], np.uint8)


def test_vision_graph_in_integers_says_nearly_what_torch_said() -> None:
    golden = json.loads((WEIGHTS / "golden.json").read_text())
    logits = VisionTower(WEIGHTS / "vision.onnx")(golden_pixels()).logits[0, golden["classes"]]
    assert np.corrcoef(logits, golden["torch"])[0, 1] > 0.98


def test_vision_graph_says_the_same_on_every_processor() -> None:
    golden = json.loads((WEIGHTS / "golden.json").read_text())
    logits = VisionTower(WEIGHTS / "vision.onnx")(golden_pixels()).logits[0, golden["classes"]]
    np.testing.assert_allclose(logits, golden["integers"], atol=0.1)


def test_real_photos_are_found_by_their_captions(encoder: StarterEncoder, shared_data: Path) -> None:
    """R@10 among 100 train photos, where chance is 10 %."""
    from benchmarks.common.photos import embed, read_photos
    from unite_search.media.load import load_image

    photos = read_photos(shared_data, "train")[:100]
    images = embed(encoder, [load_image(photo.path, encoder.media)[0] for photo in photos])
    scores = embed(encoder, [photo.captions[0] for photo in photos], "query") @ images.T
    assert ((scores > np.diag(scores)[:, None]).sum(axis=1) < 10).mean() > 0.5


def test_words_that_are_no_edit_and_no_swap_are_late_fusion(encoder: StarterEncoder) -> None:
    """Scores are the weighted sum of the scores of the picture alone and of the words alone, but for one factor."""
    gallery = encoder.encode([Content((drawn(seed),)) for seed in range(8)] + [Content(("a dog",))], role="candidate")
    for words in ("with a dog", "posterised like a screen print"):
        asked = [Content((drawn(3), words)), Content((drawn(3),)), Content((words,))]
        both, image, text = encoder.encode(asked, role="query") @ gallery.T
        expected = (1 - LATE_TEXT_WEIGHT) * image + LATE_TEXT_WEIGHT * text
        np.testing.assert_allclose(both / np.linalg.norm(both), expected / np.linalg.norm(expected), atol=1e-4)


def test_an_edit_that_may_be_meant_lies_between_the_edit_and_late_fusion(
    encoder: StarterEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = [Content((drawn(3), "make it sepia"))]
    rows = {}
    for certainty in (1.0, 0.4, 0.0):
        found = (EDITS["sepia"], certainty)
        monkeypatch.setattr(StarterEncoder, "_edit_of", lambda *_, found=found: found)
        rows[certainty] = encoder.encode(content, role="query")[0]
    assert rows[1.0] @ rows[0.0] < 0.95
    expected = 0.4 * rows[1.0] + 0.6 * rows[0.0]
    np.testing.assert_allclose(rows[0.4], expected / np.linalg.norm(expected), atol=1e-5)


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("turn it upside down", lambda pixels: pixels[::-1, ::-1]),
        ("mirror it", lambda pixels: pixels[:, ::-1]),
        ("zoom in", lambda pixels: np.kron(pixels[63:189, 63:189], np.ones((2, 2, 1), np.uint8))),
        ("in sepia", lambda pixels: (pixels.mean(axis=2, keepdims=True) * (1, 0.8, 0.55)).astype(np.uint8)),
        ("invert the colours", lambda pixels: 255 - pixels),
        ("at night", lambda pixels: (pixels * (0.25, 0.25, 0.35)).astype(np.uint8)),
    ],
)
def test_an_edit_finds_the_same_picture_after_that_edit_and_no_other(
    encoder: StarterEncoder, text: str, after: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
) -> None:
    pixels = drawn(5).pixels
    others = [pixels[::-1], pixels // 2 + 128, np.roll(pixels, 1, axis=2), drawn(6).pixels, after(drawn(6).pixels)]
    gallery = [Content((Image(np.ascontiguousarray(one)),)) for one in (after(pixels), *others)]
    (query,) = encoder.encode([Content((drawn(5), text))], role="query")
    assert int((encoder.encode(gallery, role="candidate") @ query).argmax()) == 0
