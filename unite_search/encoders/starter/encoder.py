"""`StarterEncoder` embeds contents of any modality as unit vectors, with two frozen towers and a small trained head."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from indexers.unit import unit_rows
from unite_search.content import Content, Image, MediaSpec, UniformFrames
from unite_search.encoders.base import EncoderDefaults, Role
from unite_search.encoders.starter.conse import Conse
from unite_search.encoders.starter.descriptor import thumbnails
from unite_search.encoders.starter.edits import EDITS, EditBook, KnownEdit
from unite_search.encoders.starter.fusion import DIM, Parts, Picture, Words, fuse, fused_late
from unite_search.encoders.starter.head import DIM as LEARNED_DIM
from unite_search.encoders.starter.head import FEATURE_DIM, TEXT_DIM, Ensemble, one_thread
from unite_search.encoders.starter.replaced import find_replacement
from unite_search.encoders.starter.swaps import Swap, find_swap
from unite_search.encoders.starter.towers import IMAGES_A_BATCH, VISION_SIDE, TextTower, VisionTower, side_by_side
from unite_search.errors import EncoderUnavailableError
from unite_search.modality import Modality

WEIGHTS = Path(__file__).with_name("weights")
CODE_VERSION = 6
"""Raise it whenever the code changes a vector."""
SWAP_SHARE = 0.5
"""Factor of the vector from the old to the new thing of a swap, which is added to the output of the head; chosen on
triplets mined from train photos that the head had not been trained on."""
SHIFT_FACTOR = 3.0
"""Factor of the mean shift between the features of photos before and after an edit."""
SWAP_CERTAINTY = 0.5
"""Certainty that a request such as "blue instead of red" is an edit: it asks for the same photo in other colours, or
for another photo that shows a blue thing."""
FRAMES = 8

Floats = NDArray[np.float32]
Part = TypeVar("Part")
Asked = tuple[list[Picture], list[Words], list[KnownEdit]]
"""Pictures, the words that do not edit them, and the edits that have yet to be applied to their thumbnails."""


class StarterEncoder(EncoderDefaults):
    """The built-in encoder. Networks are opened when first needed, so that a text query never opens the vision tower.

    Several threads may encode at once. If two of them are the first to need a network, both may open it, and one of
    the copies is discarded.

    Args:
        weights: the folder that `train/starter/export_towers.py` wrote.

    Raises:
        EncoderUnavailableError: the folder has no weights.
    """

    name = "starter"
    dim = DIM
    modalities = Modality.TEXT | Modality.IMAGE | Modality.VIDEO
    concurrency = 2
    short_text_templates = ("a {}", "there is one {}", "a {} can be seen")
    languages = frozenset({"English"})
    media = MediaSpec(image_side=VISION_SIDE, frame_side=VISION_SIDE, sampler=UniformFrames(FRAMES))

    def __init__(self, weights: Path = WEIGHTS) -> None:
        if not (weights / "weights.json").exists():
            raise EncoderUnavailableError(f"no weights of the starter encoder in {weights}; reinstall unite-search")
        self._folder = weights

    @cached_property
    def fingerprint(self) -> str:
        """Return the version of the code and a hash of the weights' hashes, as the export listed them."""
        listed = (self._folder / "weights.json").read_bytes()
        return f"starter-{CODE_VERSION}-{hashlib.sha256(listed).hexdigest()[:16]}"

    def encode(self, contents: Sequence[Content], *, role: Role) -> Floats:
        """Embed contents as `Encoder` describes. Instructions are ignored, because the towers do not follow any."""
        texts = [_texts(content, role) for content in contents]
        pictures = [_pictures(content) for content in contents]
        with one_thread():
            words = _dealt(self._read([text for group in texts for text in group]), map(len, texts))
            seen = _dealt(self._look([frames for group in pictures for frames in group]), map(len, pictures))
            parts = list(zip(seen, words, strict=True))
            if role == "query":
                return self._encode_queries(parts)
            return self._fused([(*part, []) for part in parts], role)

    def _encode_queries(self, contents: Sequence[tuple[list[Picture], list[Words]]]) -> Floats:
        """Encode queries to (N, D).

        If an edit is uncertain, mix the vector with the edit and the one without, by certainty.
        """
        rows = self._composed([self._edited(*content) for content in contents])
        certainties = [_certainty(*content) for content in contents]
        uncertain = [row for row, certainty in enumerate(certainties) if certainty < 1]
        if uncertain:
            certainty = np.array([certainties[row] for row in uncertain], np.float32)[:, None]
            others = self._composed([(*contents[row], []) for row in uncertain])
            rows[uncertain] = unit_rows(certainty * rows[uncertain] + (1 - certainty) * others)
        return rows

    def _composed(self, contents: Sequence[Asked]) -> Floats:
        """Encode queries with the given edits to (N, D); late fusion joins pictures with words that ask for no swap."""
        rows = self._fused(contents, "query")
        late = [row for row, (seen, said, _) in enumerate(contents) if seen and said and not any(w.swap for w in said)]
        if late:
            pictures = self._fused([(contents[row][0], [], contents[row][2]) for row in late], "query")
            rows[late] = fused_late(pictures, self._fused([([], contents[row][1], []) for row in late], "query"))
        return rows

    def _fused(self, contents: Sequence[Asked], role: Role) -> Floats:
        """Fuse the parts of each content to (N, D)."""
        learned = self._learned(contents)
        if role == "query":
            self._swap(learned, contents)
        rows = [
            fuse(Parts(seen, said, row, edits), role)
            for (seen, said, edits), row in zip(contents, learned, strict=True)
        ]
        return np.stack(rows) if rows else np.empty((0, DIM), np.float32)

    def _edited(self, pictures: list[Picture], words: list[Words]) -> Asked:
        """Shift the features of pictures by the edits that words ask for; return them, the other words, the edits."""
        edits = [said.edit for said in words if said.edit]
        if not (pictures and edits):
            return pictures, words, []
        shift = np.zeros(FEATURE_DIM + TEXT_DIM, np.float32)
        for edit in edits:
            shift += SHIFT_FACTOR * self._shifts.get(edit.name, np.float32(0))
        return [self._shifted(picture, shift) for picture in pictures], [said for said in words if not said.edit], edits

    def _shifted(self, picture: Picture, shift: Floats) -> Picture:
        """Add a shift to the features of a picture, and derive its other blocks from them again."""
        features = np.asarray(picture.features + shift, np.float32)
        mix, look = unit_rows(features[None, FEATURE_DIM:]), unit_rows(features[None, :FEATURE_DIM] @ self._appearance)
        return Picture(mix, look, picture.thumbs, features)

    def _read(self, texts: Sequence[str]) -> list[Words]:
        """Embed texts, and find the edit and the swap that each asks for."""
        if not texts:
            return []
        embeddings = self._text(texts)
        semantics = self._conse.texts(embeddings)
        name_scores = (embeddings @ self._conse.classes.T).max(axis=1)
        swaps = [find_swap(text) for text in texts]
        found = map(self._edit_of, texts, embeddings, swaps)
        rows = zip(semantics, embeddings, name_scores, found, swaps, strict=True)
        return [Words(mix, row, name, edit, swap, certainty) for mix, row, name, (edit, certainty), swap in rows]

    def _edit_of(self, text: str, embedding: Floats, swap: Swap | None) -> tuple[KnownEdit | None, float]:
        """Return the edit that a text asks for and its certainty, which is reduced if the text may be a swap."""
        replacement = find_replacement(text)
        edit, certainty = (replacement, 1.0) if replacement else self._edits.find(embedding)
        return edit, min(certainty, SWAP_CERTAINTY) if swap else certainty

    def _learned(self, contents: Sequence[Asked]) -> Floats:
        """Run the head on N contents, (N, LEARNED_DIM); several pictures or texts of a content are averaged."""
        if not contents:
            return np.empty((0, LEARNED_DIM), np.float32)
        pictures = np.zeros((len(contents), FEATURE_DIM + TEXT_DIM), np.float32)
        texts = np.zeros((len(contents), TEXT_DIM), np.float32)
        for row, (seen, said, _) in enumerate(contents):
            if seen:
                pictures[row] = np.mean([picture.features for picture in seen], axis=0)
            if said:
                texts[row] = unit_rows(np.mean([words.embedding for words in said], axis=0))
        return self._head(pictures, texts)

    def _swap(self, learned: Floats, contents: Sequence[Asked]) -> None:
        """Move the rows (N, LEARNED_DIM) of pictures with a swap from the old thing towards the new one, in place."""
        swaps = [
            (row, words.swap) for row, (seen, said, _) in enumerate(contents) for words in said if seen and words.swap
        ]
        if swaps:
            rows = [row for row, _ in swaps]
            names = self._text([name for _, swap in swaps for name in swap])
            said = self._head(np.zeros((len(names), FEATURE_DIM + TEXT_DIM), np.float32), names)
            np.add.at(learned, rows, SWAP_SHARE * (said[::2] - said[1::2]))
            learned[rows] = unit_rows(learned[rows])

    def _look(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Picture]:
        """Run the vision tower on M pictures, each (F, H, W, 3) uint8; their frames share batches."""
        if not pictures:
            return []
        frames = np.concatenate(list(side_by_side(squashed, pictures)))
        batches = [frames[start : start + IMAGES_A_BATCH] for start in range(0, len(frames), IMAGES_A_BATCH)]
        blocks = [np.concatenate(parts) for parts in zip(*side_by_side(self._see(), batches), strict=True)]
        ends = np.cumsum([len(picture) for picture in pictures])[:-1]
        split = zip(*(np.split(block, ends) for block in blocks), strict=True)
        return [Picture(mix, look, thumbs, features.mean(axis=0)) for mix, look, thumbs, features in split]

    def _see(self) -> Callable[[NDArray[np.uint8]], tuple[Floats, ...]]:
        """Return the function that computes the blocks of a batch of frames.

        The networks that it needs are opened here, before several threads call it.
        """
        look, conse, appearance = self._vision, self._conse, self._appearance

        def see(frames: NDArray[np.uint8]) -> tuple[Floats, ...]:
            seen = look(frames)
            mixes = conse.pictures(seen.logits)
            features = np.concatenate([seen.features, mixes], axis=1)
            return mixes, unit_rows(seen.features @ appearance), thumbnails(frames), features

        return see

    @cached_property
    def _vision(self) -> VisionTower:
        return VisionTower(self._folder / "vision.onnx")

    @cached_property
    def _text(self) -> TextTower:
        return TextTower(self._folder / "text.onnx", self._folder / "tokenizer.json")

    @cached_property
    def _conse(self) -> Conse:
        return Conse(self._array("classes"))

    @cached_property
    def _edits(self) -> EditBook:
        return EditBook(self._array("edits"))

    @cached_property
    def _shifts(self) -> dict[str, Floats]:
        """Return the mean shift of features and class mix by each edit, measured by `train/starter/export_edits.py`."""
        return dict(zip(EDITS, self._array("shifts"), strict=True))

    @cached_property
    def _head(self) -> Ensemble:
        return Ensemble(self._folder / "head.npz")

    @cached_property
    def _appearance(self) -> Floats:
        return self._array("appearance")

    def _array(self, name: str) -> Floats:
        return np.asarray(np.load(self._folder / f"{name}.npy", allow_pickle=False), np.float32)


def _certainty(pictures: list[Picture], words: list[Words]) -> float:
    """Return the lowest certainty among the words that may ask for an edit of the pictures; 1 if there are none."""
    return min((said.certainty for said in words if pictures and said.edit), default=1.0)


def _texts(content: Content, role: Role) -> list[str]:
    """Return the texts to read one by one: joined, unless each may ask for an edit of the query's picture."""
    said = [part for part in content.parts if isinstance(part, str)]
    may_edit = role == "query" and len(said) < len(content.parts)
    return said if may_edit or not said else [" ".join(said)]


def _pictures(content: Content) -> list[NDArray[np.uint8]]:
    """Return each image or clip as (F, H, W, 3) frames."""
    shown = [part for part in content.parts if not isinstance(part, str)]
    return [part.pixels[None] if isinstance(part, Image) else part.frames for part in shown]


def squashed(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Scale (F, H, W, 3) frames to the square input of the tower, without cropping."""
    size = (VISION_SIDE, VISION_SIDE)
    if frames.shape[1:3] == size:
        return frames
    pictures = (PillowImage.fromarray(frame).resize(size, PillowImage.Resampling.BILINEAR) for frame in frames)
    return np.stack([np.asarray(picture, np.uint8) for picture in pictures])


def _dealt(parts: Sequence[Part], counts: Iterable[int]) -> Iterator[list[Part]]:
    """Split a flat list into groups of the given sizes."""
    rest = iter(parts)
    return (list(islice(rest, count)) for count in counts)
