"""Captions and photos in one corpus: does the merged list hold the right item, whichever kind it is?

Some dev photos stand in the corpus as pictures, others only as their first caption; in equal numbers, and ten to one
either way. Every item is asked for four times, by its other captions, so each query has exactly one right item. All
ways of merging get the same ranked lists of the same two partitions. Photos that ask for their caption are counted
apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.photos import Captioned, embed, read_photos
from indexers.calibration import RankedList, merge
from indexers.partitioned import PartitionedIndex
from unite_search.encoders.base import Encoder
from unite_search.media.load import load_image

TOP = 10
DEPTH = 100
RRF_CONSTANT = 60
OTHERS = 4

Merge = Callable[[Sequence[RankedList]], list[int]]


def calibrated(lists: Sequence[RankedList]) -> list[int]:
    """The product's own merge."""
    return [int(id_) for id_ in merge(lists, TOP).ids]


def raw_cosine(lists: Sequence[RankedList]) -> list[int]:
    """Sort everything by cosine."""
    pairs = [(-score, id_) for ranked in lists for score, id_ in zip(ranked.scores, ranked.ids, strict=True)]
    return [int(id_) for _, id_ in sorted(pairs)[:TOP]]


def rank_fusion(lists: Sequence[RankedList]) -> list[int]:
    """Reciprocal rank fusion, Cormack et al. 2009, k = 60; equal ranks in the order of the partitions."""
    pairs = [(-1 / (RRF_CONSTANT + rank), int(id_)) for ranked in lists for rank, id_ in enumerate(ranked.ids, 1)]
    return [id_ for _, id_ in sorted(pairs, key=lambda pair: pair[0])[:TOP]]


MERGES: dict[str, Merge] = {"calibrated": calibrated, "raw cosine": raw_cosine, "rank fusion": rank_fusion}


def run(data: Path, encoder: Encoder, photos: int = 1000) -> dict[str, Any]:
    """Measure the share of queries whose right item is among the first ten, for each mix and each way of merging."""
    dev = read_photos(data, "dev")[:photos]
    pictured, described = dev[0::2], dev[1::2]
    few = len(pictured) // 10
    mixes = {
        "as many photos as captions": (pictured, described),
        "ten photos to a caption": (pictured, described[:few]),
        "ten captions to a photo": (pictured[:few], described),
    }
    by_caption, by_photo = {}, {}
    for name, (shown, told) in mixes.items():
        index = _index(shown, told, encoder)
        wanted = np.repeat(np.arange(len(shown) + len(told)), OTHERS)
        by_caption[name] = _hit_rates(index, _other_captions([*shown, *told], encoder), wanted)
        photos_told = embed(encoder, [_load(photo.path, encoder) for photo in told], "query")
        by_photo[name] = _hit_rates(index, photos_told, len(shown) + np.arange(len(told)))
    return {
        "corpus": {name: {"photos": len(shown), "captions": len(told)} for name, (shown, told) in mixes.items()},
        "measure": f"share of queries with the right item in the top {TOP}",
        "caption_asks": {**by_caption, "mean": _mean(by_caption)},
        "photo_asks_for_its_caption": {**by_photo, "mean": _mean(by_photo)},
    }


def _index(shown: Sequence[Captioned], told: Sequence[Captioned], encoder: Encoder) -> PartitionedIndex:
    """Photos under the ids from 0, then first captions."""
    index = PartitionedIndex.create(Path("unused"), dim=encoder.dim, fingerprint=encoder.fingerprint)
    index.add("image", np.arange(len(shown)), embed(encoder, [_load(photo.path, encoder) for photo in shown]))
    index.add("text", len(shown) + np.arange(len(told)), embed(encoder, [photo.captions[0] for photo in told]))
    return index


def _other_captions(photos: Sequence[Captioned], encoder: Encoder) -> NDArray[np.float32]:
    return embed(encoder, [caption for photo in photos for caption in photo.captions[1 : 1 + OTHERS]], "query")


def _load(path: Path, encoder: Encoder) -> Any:
    return load_image(path, encoder.media)[0]


def _hit_rates(index: PartitionedIndex, queries: NDArray[np.float32], wanted: NDArray[np.int64]) -> dict[str, float]:
    found = index.search(index.names(), queries, DEPTH)
    samples = {name: index.sample(name) @ queries.T for name in index.names()}
    hits = dict.fromkeys(MERGES, 0)
    for number, target in enumerate(wanted.tolist()):
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
        for name, merged in MERGES.items():
            hits[name] += target in merged(lists)
    return {name: round(count / len(queries), 4) for name, count in hits.items()}


def _mean(table: dict[str, dict[str, float]]) -> dict[str, float]:
    return {name: round(float(np.mean([row[name] for row in table.values()])), 4) for name in MERGES}
