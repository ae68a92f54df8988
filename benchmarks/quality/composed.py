"""Composed queries on real photos: a photo and an edit in words, the edited photo wanted.

The gallery holds 100 photos, each as it is and in the seven edits of `edits.py`. A query's own photo, unedited, is
taken out of the ranking. Baselines use the same encoder on the picture alone, on the text alone, and sum the cosine
scores of the two with the weight that turns out best for them on these very queries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.photos import read_photos
from benchmarks.quality.edit_set import EDITS
from unite_search.content import Content, Image
from unite_search.encoders.base import Encoder
from unite_search.media.load import load_image

PHOTOS = 100
FUSION_WEIGHTS = np.linspace(0, 1, 101)
VARIANTS = 1 + len(EDITS)

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Queries:
    """All queries of the benchmark; Q of them.

    Attributes:
        photo: (Q,) which photo.
        edit: (Q,) which of `EDITS`.
        wording: the Q texts.
    """

    photo: NDArray[np.int64]
    edit: NDArray[np.int64]
    wording: tuple[str, ...]

    @property
    def reference(self) -> NDArray[np.int64]:
        """(Q,) gallery row of the unedited photo."""
        return self.photo * VARIANTS

    @property
    def target(self) -> NDArray[np.int64]:
        """(Q,) gallery row of the edited photo."""
        return self.reference + 1 + self.edit


def run(data_dir: Path, encoder: Encoder, *, split: str = "dev") -> dict[str, Any]:
    """Measure on the first photos of a split, with the wordings of that split.

    Args:
        data_dir: the folder that holds `captioned/manifest.jsonl`.
        encoder: encodes photos, texts and both together.
        split: `dev`, or `train` for tuning.

    Returns:
        R@1 in percent of each method, over all queries and for each edit, with what was measured on.
    """
    photos = [load_image(photo.path, encoder.media)[0].pixels for photo in read_photos(data_dir, split)[:PHOTOS]]
    queries = _queries(len(photos), split)
    gallery = encoder.encode(
        [Content((picture,)) for photo in photos for picture in _variants(photo)], role="candidate"
    )
    pictures = [Image(photos[number]) for number in queries.photo]
    methods = {
        "composed": _scores(
            encoder, [Content(parts) for parts in zip(pictures, queries.wording, strict=True)], gallery
        ),
        "image_only": _scores(encoder, [Content((Image(photo),)) for photo in photos], gallery)[queries.photo],
        "text_only": _scores(encoder, [Content((wording,)) for wording in queries.wording], gallery),
    }
    weight, methods["late_fusion"] = _best_fusion(methods["image_only"], methods["text_only"], queries)
    return {
        "split": split,
        "photos": len(photos),
        "gallery": len(gallery),
        "queries": len(queries.wording),
        "late_fusion_text_weight": weight,
        "recall_at_1": {name: _by_edit(scores, queries) for name, scores in methods.items()},
    }


def _variants(photo: NDArray[np.uint8]) -> Iterator[Image]:
    yield Image(photo)
    yield from (Image(edit.apply(photo)) for edit in EDITS)


def _queries(photos: int, split: str) -> Queries:
    """Each photo with each edit once; the wordings of an edit take turns over the photos."""
    photo, edit = (numbers.ravel() for numbers in np.indices((photos, len(EDITS))))
    wordings = [known.dev_wordings if split == "dev" else known.train_wordings for known in EDITS]
    wording = tuple(wordings[e][p % len(wordings[e])] for p, e in zip(photo, edit, strict=True))
    return Queries(photo=photo, edit=edit, wording=wording)


def _scores(encoder: Encoder, contents: Sequence[Content], gallery: Floats) -> Floats:
    return np.asarray(encoder.encode(contents, role="query") @ gallery.T, np.float32)


def _is_first(scores: Floats, queries: Queries) -> NDArray[np.bool_]:
    """(Q,) whether the target has the highest of the (Q, N) scores, the reference left out."""
    rows = np.arange(len(scores))
    ranked = scores.copy()
    ranked[rows, queries.reference] = -np.inf
    return np.asarray(ranked.argmax(axis=1) == queries.target)


def _best_fusion(image: Floats, text: Floats, queries: Queries) -> tuple[float, Floats]:
    """The text weight with the highest R@1, and the fused scores."""
    fused = {float(weight): (1 - weight) * image + weight * text for weight in FUSION_WEIGHTS}
    best = max(fused, key=lambda weight: _is_first(fused[weight], queries).mean())
    return best, fused[best]


def _by_edit(scores: Floats, queries: Queries) -> dict[str, float]:
    first = _is_first(scores, queries)
    parts = {edit.name: first[queries.edit == number] for number, edit in enumerate(EDITS)}
    return {name: round(100 * float(part.mean()), 1) for name, part in {"all": first, **parts}.items()}
