"""Measure composed search on edited train photos, to choose the weights of the starter's queries.

    python -m train.starter.composed_recall --manifest ../shared/data/captioned/manifest.jsonl --out build/recall.json

The gallery holds each photo unedited and after each edit of `composed_edits.py`, by one of its formulas. A query is a
photo with a wording, and its target is the edited photo; the unedited photo is left out of its ranking. The benchmark
does the same with other photos, formulas and wordings, none of which may be used here.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from train.config import SourceConfig
from train.data.sources import captioned
from train.record import write_measurement
from train.starter.composed_edits import KNOWN, UNKNOWN
from train.starter.mined_recall import TEXT_WEIGHTS, embed
from unite_search.content import Content, Image
from unite_search.encoders.base import DEFAULT_ENCODER, Encoder, load_encoder
from unite_search.media.load import load_image

EDITS = KNOWN | UNKNOWN
LEAST_CHANGE = 2.0
"""Mean change of a pixel, in levels of 255; there is no query for an edit that changes a photo by less."""

Floats = NDArray[np.float32]
Photo = PillowImage.Image


class DevelopmentQuery(NamedTuple):
    """The number of a photo, the number of an edit of `EDITS`, and the text that asks for it."""

    photo: int
    edit: int
    wording: str


def measure(photos: Sequence[Photo], encoder: Encoder) -> dict[str, Any]:
    """Compute R@1 in percent of composed queries and of late fusion with each text weight, by group and by edit."""
    variants = [[photo, *(edit.apply(photo, number) for edit in EDITS.values())] for number, photo in enumerate(photos)]
    queries = [query for number, group in enumerate(variants) for query in _queries(number, group)]
    gallery = embed(encoder, [Content((_image(photo),)) for group in variants for photo in group], "candidate")
    pictures = [_image(photos[query.photo]) for query in queries]
    asked = {
        "composed": [Content((picture, query.wording)) for picture, query in zip(pictures, queries, strict=True)],
        "image": [Content((picture,)) for picture in pictures],
        "text": [Content((query.wording,)) for query in queries],
    }
    scores = {name: embed(encoder, contents, "query") @ gallery.T for name, contents in asked.items()}
    late = {
        f"late_fusion {weight:.2f}": _recalls((1 - weight) * scores["image"] + weight * scores["text"], queries)
        for weight in TEXT_WEIGHTS
    }
    return {"queries": len(queries), "recall_at_1": {"composed": _recalls(scores["composed"], queries), **late}}


def _queries(number: int, variants: Sequence[Photo]) -> list[DevelopmentQuery]:
    """Ask for each edit that changes the photo in two wordings."""
    photo, *edited = variants
    found = []
    for edit, (kind, after) in enumerate(zip(EDITS.values(), edited, strict=True)):
        if np.abs(np.asarray(after, np.int16) - np.asarray(photo)).mean() >= LEAST_CHANGE:
            chosen = {kind.wordings[(number // len(kind.formulas) + step) % len(kind.wordings)] for step in (0, 2)}
            found += [DevelopmentQuery(number, edit, wording.format(**kind.words(photo))) for wording in sorted(chosen)]
    return found


def _recalls(scores: Floats, queries: Sequence[DevelopmentQuery]) -> dict[str, float]:
    """Compute R@1 in percent from (Q, N) scores, where the unedited photo of a query is left out."""
    rows, photo, edit = np.arange(len(queries)), *(np.array([query[part] for query in queries]) for part in (0, 1))
    ranked = scores.copy()
    ranked[rows, photo * (len(EDITS) + 1)] = -np.inf
    hits = ranked.argmax(axis=1) == photo * (len(EDITS) + 1) + 1 + edit
    groups = {"known": list(KNOWN), "unknown": list(UNKNOWN), **{name: [name] for name in EDITS}}
    asked = np.array(list(EDITS))[edit]
    return {name: round(100 * float(hits[np.isin(asked, edits)].mean()), 1) for name, edits in groups.items()}


def _image(photo: Photo) -> Image:
    return Image(np.asarray(photo))


def main() -> None:
    """Measure and write a JSON file, from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m train.starter.composed_recall",
        description="Measure composed search on edited train photos.",
    )
    parser.add_argument("--manifest", required=True, help="manifest.jsonl of captioned photos")
    parser.add_argument(
        "--split",
        default="train[:150]",
        help="split of the manifest, never the one of the benchmark (default: %(default)s)",
    )
    parser.add_argument("--encoder", default=DEFAULT_ENCODER, help="encoder to measure (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    given = parser.parse_args()
    encoder = load_encoder(given.encoder)
    paths = [path for path, _ in captioned(SourceConfig(kind="captions", path=given.manifest, split=given.split))]
    photos = [PillowImage.fromarray(load_image(Path(path), encoder.media)[0].pixels) for path in paths]
    command = " ".join(["python -m train.starter.composed_recall", *sys.argv[1:]])
    write_measurement(given.out, command, {"results": measure(photos, encoder)})


if __name__ == "__main__":
    main()
