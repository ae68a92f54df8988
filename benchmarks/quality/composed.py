"""Measure composed queries on real photos: a photo and an edit in words must find the edited photo.

There are two groups of edits. The head of the starter was trained on the seven of `edit_set.py`: these are `seen`. The
edits of `unseen_edits.py`, with other formulas, kinds and wordings, are `unseen`, and the encoder should be judged by
them. Each group has a gallery of 100 photos, each unedited and after every edit of the group. The unedited photo of a
query is left out of its ranking.

Development and this benchmark are separate: weights, thresholds and example phrases of the encoder are chosen on train
photos with the edits and wordings of `train/`, and neither the photos nor the unseen edits here may be used for that.

Baselines use the same encoder on the picture alone, on the text alone, and on both: late fusion is the weighted sum of
the two scores, either plain cosines or standardised over the gallery, with the weight that is best on these queries.
`late_fusion_per_edit` even has a weight for each edit, which no real system could choose.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.photos import embed, embed_contents, read_photos
from benchmarks.quality.edit_set import EDITS, AskedEdit, Pixels
from benchmarks.quality.unseen_edits import UNSEEN_EDITS
from unite_search.content import Content, Image
from unite_search.encoders.base import Encoder
from unite_search.media.load import load_image

PHOTOS = 100
FUSION_WEIGHTS = np.linspace(0, 1, 101)
LEAST_CHANGE = 2.0
"""Mean change of a pixel, in levels of 255; there is no query for an edit that changes a photo by less."""

Floats = NDArray[np.float32]
Parts = dict[str, tuple[AskedEdit, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Queries:
    """The Q queries of one group of edits.

    Attributes:
        photo: (Q,) number of the photo.
        edit: (Q,) number of the edit in its group.
        wording: the Q texts.
        variants: number of gallery rows of each photo, of which the unedited photo is the first.
    """

    photo: NDArray[np.int64]
    edit: NDArray[np.int64]
    wording: tuple[str, ...]
    variants: int = 1 + len(EDITS)

    @property
    def reference(self) -> NDArray[np.int64]:
        """Return the gallery rows (Q,) of the unedited photos."""
        return self.photo * self.variants

    @property
    def target(self) -> NDArray[np.int64]:
        """Return the gallery rows (Q,) of the edited photos."""
        return self.reference + 1 + self.edit


def run(data_dir: Path, encoder: Encoder, *, split: str = "dev") -> dict[str, Any]:
    """Measure both groups on the first photos of a split.

    Args:
        data_dir: the folder that holds `captioned/manifest.jsonl`.
        encoder: encodes photos, texts and both together.
        split: `dev`; `train` measures only the seen edits, with the wordings for tuning.

    Returns:
        R@1 in percent of each method, over all queries, for each part of the group and for each edit.
    """
    photos = [load_image(photo.path, encoder.media)[0].pixels for photo in read_photos(data_dir, split)[:PHOTOS]]
    groups: dict[str, Parts] = {"seen": {"all": tuple(edit.asked(split) for edit in EDITS)}}
    if split == "dev":
        groups["unseen"] = UNSEEN_EDITS
    measured = {name: measure(photos, parts, encoder) for name, parts in groups.items()}
    return {"split": split, "photos": len(photos), **measured}


def measure(photos: Sequence[Pixels], parts: Parts, encoder: Encoder) -> dict[str, Any]:
    """Measure one group of edits, which consists of named parts."""
    edits = [edit for part in parts.values() for edit in part]
    variants = [[photo, *(edit.apply(photo) for edit in edits)] for photo in photos]
    queries = _queries(variants, edits)
    gallery = embed(encoder, [Image(pixels) for group in variants for pixels in group])
    image, text, composed = (embed_contents(encoder, asked, "query") @ gallery.T for asked in _asked(photos, queries))
    fusions = {setting: _is_first(scores, queries) for setting, scores in _fusions(image, text)}
    best = max(fusions, key=lambda setting: fusions[setting].mean())
    first = {
        "composed": _is_first(composed, queries),
        "image_only": _is_first(image, queries),
        "text_only": _is_first(text, queries),
        "late_fusion": fusions[best],
        "late_fusion_per_edit": _best_of_each_edit(list(fusions.values()), queries),
    }
    return {
        "gallery": len(gallery),
        "queries": len(queries.wording),
        "late_fusion_scores": best[0],
        "late_fusion_text_weight": round(best[1], 2),
        "recall_at_1": {name: _recalls(hits, queries, parts) for name, hits in first.items()},
    }


def _queries(variants: Sequence[Sequence[Pixels]], edits: Sequence[AskedEdit]) -> Queries:
    """Ask for each edit of each photo that it changes; the photos take the wordings of an edit in turn."""
    found = [
        (photo, number, edit.wordings[photo % len(edit.wordings)].format(**edit.words(pixels)))
        for photo, (pixels, *edited) in enumerate(variants)
        for number, edit in enumerate(edits)
        if np.abs(edited[number].astype(np.int16) - pixels).mean() >= LEAST_CHANGE
    ]
    photo, edit, wording = zip(*found, strict=True)
    return Queries(photo=np.array(photo), edit=np.array(edit), wording=wording, variants=1 + len(edits))


def _asked(photos: Sequence[Pixels], queries: Queries) -> Iterator[list[Content]]:
    """Yield the queries as pictures alone, as texts alone, and composed."""
    pictures = [Image(photos[number]) for number in queries.photo]
    yield [Content((picture,)) for picture in pictures]
    yield [Content((text,)) for text in queries.wording]
    yield [Content(both) for both in zip(pictures, queries.wording, strict=True)]


def _is_first(scores: Floats, queries: Queries) -> NDArray[np.bool_]:
    """Return whether (Q,) the target has the highest of the (Q, N) scores, where the reference is left out."""
    rows = np.arange(len(scores))
    ranked = scores.copy()
    ranked[rows, queries.reference] = -np.inf
    return np.asarray(ranked.argmax(axis=1) == queries.target)


def _fusions(image: Floats, text: Floats) -> Iterator[tuple[tuple[str, float], Floats]]:
    """Yield every setting of late fusion, which is the kind of scores and the weight of the text, with (Q, N) sums."""
    for name, one, other in (
        ("cosines", image, text),
        ("standardised", _standardised(image), _standardised(text)),
    ):
        for weight in FUSION_WEIGHTS:
            yield (name, float(weight)), (1 - weight) * one + weight * other


def _standardised(scores: Floats) -> Floats:
    """Scale the scores of each query to mean 0 and standard deviation 1 over the gallery."""
    deviations = np.maximum(scores.std(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return np.asarray((scores - scores.mean(axis=1, keepdims=True)) / deviations, np.float32)


def _best_of_each_edit(fusions: Sequence[NDArray[np.bool_]], queries: Queries) -> NDArray[np.bool_]:
    """Return the hits (Q,) of the fusion that is best for the edit of each query."""
    hits = np.zeros(len(queries.edit), np.bool_)
    for number in np.unique(queries.edit):
        asked = queries.edit == number
        hits[asked] = max((fusion[asked] for fusion in fusions), key=lambda found: float(found.mean()))
    return hits


def _recalls(hits: NDArray[np.bool_], queries: Queries, parts: Parts) -> dict[str, float]:
    """Return the percentage of hits over all queries, for each part if there are several, and for each edit."""
    names = [edit.name for part in parts.values() for edit in part]
    chosen = {"all": names}
    if len(parts) > 1:
        chosen |= {part: [edit.name for edit in edits] for part, edits in parts.items()}
    chosen |= {name: [name] for name in names}
    asked = np.array(names)[queries.edit]
    return {name: round(100 * float(hits[np.isin(asked, within)].mean()), 1) for name, within in chosen.items()}
