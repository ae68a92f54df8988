"""The parts of the starter encoder, each against something independent."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as PillowImage

from benchmarks.quality.edit_set import EDITS as PIXEL_EDITS
from benchmarks.quality.edit_set import SeenEdit as PixelEdit
from unite_search.encoders.starter import conse, descriptor, edits, fusion, phrases
from unite_search.encoders.starter.encoder import WEIGHTS
from unite_search.encoders.starter.tokens import PAD_ID, batches, load_tokenizer
from unite_search.encoders.starter.towers import VISION_SIDE, TextTower

Floats = NDArray[np.float32]
BOUNDS = {
    "red": (0.25, 1.1, 0.65, 0.3),
    "blue": (0.3, 1.25, 0.7, 0.35),
    "green": (0.3, 1.8, 0.8, 0.45),
    "grey": (0.01,),
    "night": (0.1, 0.4, 0.3),
    "bright": (0.1, 0.7, 1.0),
}
"""By formula, the distance to the colours of edited pixels, as a share of that of the picture before the edit: what was
measured on `picture`, and a little more. The ink of a colour, the second, is none of the benchmark's formulas."""
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def text_tower() -> TextTower:
    return TextTower(WEIGHTS / "text.onnx", WEIGHTS / "tokenizer.json")


def picture(seed: int) -> NDArray[np.uint8]:
    """A (1, 252, 252, 3) picture of soft shapes, as pale as photos are, different left and right."""
    rng = np.random.default_rng(seed)
    small = (rng.integers(30, 200, (5, 6, 1)) + rng.integers(-30, 30, (5, 6, 3))).astype(np.uint8)
    return np.asarray(PillowImage.fromarray(small).resize((VISION_SIDE, VISION_SIDE), PillowImage.Resampling.BICUBIC))[
        None
    ]


def colour_distance(one: Floats, other: Floats) -> float:
    return 1 - float((descriptor.colour_block(one) * descriptor.colour_block(other)).sum())


@given(seeds)
def test_thumbnail_and_layout_of_the_mirror_image_are_mirrored(seed: int) -> None:
    pixels = picture(seed)
    seen, mirrored = descriptor.thumbnails(pixels), descriptor.thumbnails(pixels[:, :, ::-1])
    np.testing.assert_allclose(mirrored, edits.EDITS["flip"].formulas[0](seen), atol=1e-6)
    side = descriptor.GRID_SIDE
    layout = descriptor.layout_block(seen).reshape(side, side, 3)
    np.testing.assert_allclose(descriptor.layout_block(mirrored).reshape(side, side, 3), layout[:, ::-1], atol=1e-5)
    np.testing.assert_allclose(descriptor.colour_block(mirrored), descriptor.colour_block(seen), atol=1e-5)


@given(seeds)
def test_thumbnail_is_pillows_box_reduction(seed: int) -> None:
    pixels = picture(seed)
    expected = (
        np.asarray(PillowImage.fromarray(pixels[0]).reduce(VISION_SIDE // descriptor.THUMBNAIL_SIDE), np.float32) / 255
    )
    np.testing.assert_allclose(descriptor.thumbnails(pixels)[0], expected, atol=1 / 255)


@given(seeds)
def test_histogram_shares_sum_to_one_and_keep_the_mean_colour(seed: int) -> None:
    thumbs = descriptor.thumbnails(picture(seed))
    shares = descriptor.colour_block(thumbs)[0] ** 2
    levels = np.linspace(0, 1, descriptor.LEVELS)
    centres = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    assert shares.sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(shares @ centres, thumbs.mean(axis=(0, 1, 2)), atol=1e-4)


def test_plain_pictures_have_no_layout() -> None:
    thumbs = np.full((1, 28, 28, 3), 0.4, np.float32)
    assert np.abs(descriptor.layout_block(thumbs)).max() < 1e-3


@pytest.mark.parametrize(
    "pixel_edit", [edit for edit in PIXEL_EDITS if edit.name != "flip"], ids=lambda edit: edit.name
)
@pytest.mark.parametrize("seed", range(5))
def test_edits_of_thumbnails_go_where_edits_of_pixels_go(pixel_edit: PixelEdit, seed: int) -> None:
    before = picture(seed)
    after = descriptor.thumbnails(pixel_edit.apply(before[0])[None])
    seen = descriptor.thumbnails(before)
    edit = edits.EDITS[pixel_edit.name]
    unedited = colour_distance(seen, after)
    ratios = [colour_distance(formula(seen), after) / unedited for formula in edit.formulas]
    assert ratios[0] < 0.8
    for ratio, bound in zip(ratios, BOUNDS[edit.name], strict=True):
        assert ratio < bound


@pytest.mark.parametrize(
    "pixel_edit", [edit for edit in PIXEL_EDITS if edit.name != "flip"], ids=lambda edit: edit.name
)
@pytest.mark.parametrize("seed", range(5))
def test_a_query_with_an_edit_is_nearer_to_the_edited_pixels(pixel_edit: PixelEdit, seed: int) -> None:
    """The mean over all formulas, as it is and as far as a query goes beyond it."""
    before = picture(seed)
    after = descriptor.thumbnails(pixel_edit.apply(before[0])[None])
    seen = descriptor.thumbnails(before)
    unedited = colour_distance(seen, after)
    for exaggeration, bound in ((1.0, 0.5), (fusion.EXAGGERATION, 1.0)):
        asked = fusion._edited(descriptor.colour_block, seen, [edits.EDITS[pixel_edit.name]], exaggeration)
        distance = 1 - float((asked * descriptor.colour_block(after)).sum())
        assert distance < bound * unedited


@given(seeds, st.sampled_from(sorted(edits.EDITS)))
def test_edits_stay_colours(seed: int, name: str) -> None:
    for formula in edits.EDITS[name].formulas:
        edited = formula(descriptor.thumbnails(picture(seed)))
        assert edited.shape == (1, 28, 28, 3)
        assert 0 <= edited.min() <= edited.max() <= 1.0001


def test_colours_of_phrases_are_those_that_edits_paint_with() -> None:
    assert tuple(edits.HUES) == phrases.COLOURS


def test_every_edit_has_phrases_and_a_stored_embedding(text_tower: TextTower) -> None:
    known = phrases.all_phrases()
    stored = np.load(WEIGHTS / "edits.npy")
    assert {name for _, name in known} == {*edits.EDITS, None}
    np.testing.assert_allclose(stored, text_tower([phrase for phrase, _ in known]), atol=1e-4)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("could you make this one green", "green"),
        ("the same clip but at night", "night"),
        ("black and white please", "grey"),
        ("mirror this picture", "flip"),
        ("a bit brighter", "bright"),
        ("much darker", "dark"),
        ("a dog on the beach", None),
        ("with two children", None),
        ("a man in a red shirt rides a bicycle", None),
        ("make it a horse", None),
    ],
)
def test_edits_are_recognised_in_other_words(text_tower: TextTower, text: str, name: str | None) -> None:
    book = edits.EditBook(np.load(WEIGHTS / "edits.npy"))
    found, certainty = book.find(text_tower([text])[0])
    assert found is (edits.EDITS[name] if name else None)
    assert certainty >= 0.5 if name else certainty == 0


@pytest.mark.parametrize(("similarity", "certainty"), [(0.44, 0), (0.5, 0.25), (0.6, 0.75), (0.65, 1), (0.9, 1)])
def test_an_edit_is_as_certain_as_its_phrase_is_near(similarity: float, certainty: float) -> None:
    """With two phrases only, of which one is an edit and the other has nothing in common with the text."""
    book = edits.EditBook(np.eye(3, dtype=np.float32)[:2], ("sepia", None))
    text = np.array([similarity, 0, np.sqrt(1 - similarity**2)], np.float32)
    found, said = book.find(text)
    assert found is (edits.EDITS["sepia"] if certainty else None)
    assert said == pytest.approx(certainty, abs=1e-5)


def test_shifts_are_stored_for_every_edit_and_a_mirrored_photo_shifts_least() -> None:
    """Photos are as often of one side as of the other, so mirroring hardly moves their mean; blur takes much away."""
    shifts = dict(zip(edits.EDITS, np.load(WEIGHTS / "shifts.npy").astype(np.float32), strict=True))
    lengths = {name: float(np.linalg.norm(shift)) for name, shift in shifts.items()}
    assert {row.shape for row in shifts.values()} == {(1280 + 384,)}
    assert min(lengths, key=lambda name: lengths[name]) == "flip"
    assert min(lengths[name] for name in ("grey", "sepia", "blur", "upside down")) > 4 * lengths["flip"]


@given(seeds)
def test_turning_twice_and_mirroring_twice_give_the_picture_back(seed: int) -> None:
    seen = descriptor.thumbnails(picture(seed))
    for name in ("flip", "upside down", "negative"):
        (formula,) = edits.EDITS[name].formulas
        np.testing.assert_allclose(formula(formula(seen)), seen, atol=1e-6)


def test_a_crop_shows_what_pillow_shows_of_the_middle() -> None:
    pixels = picture(3)
    kept = PillowImage.fromarray(pixels[0]).crop((45, 45, 207, 207)).resize((VISION_SIDE, VISION_SIDE))
    expected = descriptor.layout_block(descriptor.thumbnails(np.asarray(kept)[None]))
    found = [
        descriptor.layout_block(formula(descriptor.thumbnails(pixels))) for formula in edits.EDITS["crop"].formulas
    ]
    assert (found[1] * expected).sum() > 0.95
    assert (found[1] * expected).sum() > (descriptor.layout_block(descriptor.thumbnails(pixels)) * expected).sum()


def test_class_probabilities_are_a_cut_softmax() -> None:
    logits = np.random.default_rng(0).normal(scale=4, size=(3, 300)).astype(np.float32)
    for row, found in zip(logits, conse.class_probabilities(logits), strict=True):
        kept = np.sort(np.argsort(-row)[: conse.TOP_CLASSES])
        expected = np.exp(row[kept] / conse.TEMPERATURE)
        np.testing.assert_array_equal(np.flatnonzero(found), kept)
        np.testing.assert_allclose(found[kept], expected / expected.sum(), rtol=1e-4)


def test_a_picture_of_one_class_lies_where_the_name_of_the_class_lies() -> None:
    space = conse.Conse(np.load(WEIGHTS / "classes.npy"))
    logits = np.full((2, 1000), -100, np.float32)
    logits[[0, 1], [7, 950]] = 100
    np.testing.assert_allclose(space.pictures(logits), space.texts(space.classes[[7, 950]]), atol=1e-4)


def test_batches_hold_every_text_once_sorted_by_length_and_padded() -> None:
    tokenizer = load_tokenizer(WEIGHTS / "tokenizer.json")
    texts = ["a b c d e f", "a", "a b c", "", "a b"]
    found = list(batches(tokenizer, texts, 2))
    assert [positions.tolist() for positions, _ in found] == [[3, 1], [4, 2], [0]]
    for positions, ids in found:
        for position, row in zip(positions, ids, strict=True):
            expected = tokenizer.encode(texts[position]).ids
            assert row.tolist() == expected + [PAD_ID] * (ids.shape[1] - len(expected))


def test_long_texts_are_cut() -> None:
    (batch,) = batches(load_tokenizer(WEIGHTS / "tokenizer.json"), ["word " * 5000], 8)
    assert batch[1].shape == (1, 256)


def test_padding_does_not_change_an_embedding(text_tower: TextTower) -> None:
    short, long = "a dog", "a long sentence about a dog that runs over the wide beach with a ball in its mouth"
    np.testing.assert_allclose(
        text_tower([short, long]), np.concatenate([text_tower([short]), text_tower([long])]), atol=1e-5
    )
