"""Compare ways of merging the rankings of photos and captions in one corpus.

Some dev photos are in the corpus as pictures, others only as their first caption: in equal numbers, and ten to one
either way. Every item is searched for four times, by its other captions, so each query has exactly one right item. All
ways of merging are given the same ranked lists of the same two partitions, and none looks words up. Photos that search
for their caption are counted separately.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.photos import Captioned, embed, read_photos
from indexers.calibration import RankedList, merge
from indexers.partitioned import PartitionedIndex
from unite_search.encoders.base import Encoder
from unite_search.encoders.calibration import Calibration, find_calibration
from unite_search.media.load import load_image
from unite_search.search.encoding import QueryVector
from unite_search.search.found import by_meaning
from unite_search.search.lexical import NOTHING_TO_LOOK_UP
from unite_search.search.scoring import meanings

TOP = 10
DEPTH = 100
RRF_CONSTANT = 60
OTHERS = 4

Merge = Callable[[Sequence[RankedList]], list[int]]


def calibrated(lists: Sequence[RankedList], *, query: QueryVector, calibration: Calibration | None) -> list[int]:
    """Merge as the search engine does: by log-odds and the prior of each partition."""
    rows: dict[int, dict[str, Any]] = {id_: {} for ranked in lists for id_ in ranked.ids.tolist()}
    found = by_meaning(lists, meanings(lists, query, calibration), NOTHING_TO_LOOK_UP, rows)
    return [one.id for one in found[:TOP]]


def relative(lists: Sequence[RankedList]) -> list[int]:
    """Merge by scores relative to the partition, as the search engine does for an encoder without a calibration."""
    return [int(id_) for id_ in merge(lists, TOP).ids]


def raw_cosine(lists: Sequence[RankedList]) -> list[int]:
    """Merge by cosine."""
    pairs = [(-score, id_) for ranked in lists for score, id_ in zip(ranked.scores, ranked.ids, strict=True)]
    return [int(id_) for _, id_ in sorted(pairs)[:TOP]]


def rank_fusion(lists: Sequence[RankedList]) -> list[int]:
    """Merge by reciprocal rank fusion, Cormack et al. 2009, k = 60; equal ranks in the order of the partitions."""
    pairs = [(-1 / (RRF_CONSTANT + rank), int(id_)) for ranked in lists for rank, id_ in enumerate(ranked.ids, 1)]
    return [id_ for _, id_ in sorted(pairs, key=lambda pair: pair[0])[:TOP]]


MERGES: dict[str, Merge] = {"relative": relative, "raw cosine": raw_cosine, "rank fusion": rank_fusion}
"""The ways of merging that need nothing but the lists."""
WAYS = ("calibrated", *MERGES)


def run(data: Path, encoder: Encoder, photos: int = 1000) -> dict[str, Any]:
    """Measure the share of queries whose right item is among the first ten, for each mix and each way of merging.

    Args:
        data: the folder that holds `captioned/`.
        encoder: the encoder to measure.
        photos: number of dev photos to use.
    """
    corpora = mixes(read_photos(data, "dev")[:photos])
    by_caption, by_photo = {}, {}
    for name, (pictures, captions) in corpora.items():
        index = _index(pictures, captions, encoder)
        targets = np.repeat(np.arange(len(pictures) + len(captions)), OTHERS)
        asked = _other_captions([*pictures, *captions], encoder)
        by_caption[name] = _hit_rates(index, asked, targets, kind="text", encoder=encoder)
        queries = embed(encoder, [_load(photo.path, encoder) for photo in captions], "query")
        targets = len(pictures) + np.arange(len(captions))
        by_photo[name] = _hit_rates(index, queries, targets, kind="image", encoder=encoder)
    return {
        "corpus": {
            name: {"photos": len(pictures), "captions": len(captions)} for name, (pictures, captions) in corpora.items()
        },
        "measure": f"share of queries with the right item in the top {TOP}",
        "caption_asks": {**by_caption, "mean": _mean(by_caption)},
        "photo_asks_for_its_caption": {**by_photo, "mean": _mean(by_photo)},
    }


def mixes(photos: Sequence[Captioned]) -> dict[str, tuple[Sequence[Captioned], Sequence[Captioned]]]:
    """Return for each mix the photos that are in the corpus as pictures, and those that are as captions."""
    pictured, described = photos[0::2], photos[1::2]
    few = max(1, len(pictured) // 10)
    return {
        "as many photos as captions": (pictured, described),
        "ten photos to a caption": (pictured, described[:few]),
        "ten captions to a photo": (pictured[:few], described),
    }


def _index(pictures: Sequence[Captioned], captions: Sequence[Captioned], encoder: Encoder) -> PartitionedIndex:
    """Index the photos of some items, with ids from 0, and then the first captions of others."""
    index = PartitionedIndex.create(Path("unused"), dim=encoder.dim, fingerprint=encoder.fingerprint)
    images = embed(encoder, [_load(photo.path, encoder) for photo in pictures])
    texts = embed(encoder, [photo.captions[0] for photo in captions])
    index.add("image", np.arange(len(pictures)), images)
    index.add("text", len(pictures) + np.arange(len(captions)), texts)
    return index


def _other_captions(photos: Sequence[Captioned], encoder: Encoder) -> NDArray[np.float32]:
    return embed(encoder, [caption for photo in photos for caption in photo.captions[1 : 1 + OTHERS]], "query")


def _load(path: Path, encoder: Encoder) -> Any:
    return load_image(path, encoder.media)[0]


def _hit_rates(
    index: PartitionedIndex, queries: NDArray[np.float32], targets: NDArray[np.int64], *, kind: str, encoder: Encoder
) -> dict[str, float]:
    calibration = find_calibration(encoder.name, encoder.fingerprint)
    found = index.search(index.names(), queries, DEPTH)
    samples = {name: index.sample(name) @ queries.T for name in index.names()}
    hits = dict.fromkeys(WAYS, 0)
    for number, target in enumerate(targets.tolist()):
        lists = [
            RankedList(
                name=name,
                ids=ids[number],
                scores=scores[number],
                sample_scores=samples[name][:, number],
                size=index.count(name),
            )
            for name, (scores, ids) in found.items()
        ]
        query = QueryVector(queries[number], kind=kind)
        ways: dict[str, Merge] = {"calibrated": partial(calibrated, query=query, calibration=calibration), **MERGES}
        for name, merged in ways.items():
            hits[name] += target in merged(lists)
    return {name: round(count / len(queries), 4) for name, count in hits.items()}


def _mean(table: dict[str, dict[str, float]]) -> dict[str, float]:
    return {name: round(float(np.mean([row[name] for row in table.values()])), 4) for name in WAYS}
