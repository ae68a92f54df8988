"""Score the nearest items of several partitions so that one list over all of them is right.

With a calibration of the encoder, a score is the log-odds that the item is relevant, plus the prior of its partition.
Without one, scores are relative to the other items of the partition (`indexers.calibration`), which is the best that
can be said of an encoder of which nothing is known.

The prior: if every item were as likely to be the answer, one captioned photo among five thousand plain ones would have
to be far nearer to the query than they; if every partition were as likely, it would come first whatever is asked. The
truth lies between: people who keep few notes among many photos mean the notes more often than one time in a thousand.
A partition of n items has the weight n ** (1 - PRIOR_POWER), shared equally among its items.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from indexers.calibration import RankedList, calibrate
from unite_search.encoders.calibration import Calibration
from unite_search.search.encoding import QueryVector
from unite_search.search.lexical import Lexical

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRIOR_POWER = 0.4
"""Chosen on mixes of photos and captions, see docs/explanation/scores.md."""


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Items of one query, best first.

    Attributes:
        ids: (K,) int64.
        names: K names of partitions.
        scores: (K,) by which they are sorted.
        meaning: (K,) log-odds from the vectors alone; None if the encoder has no calibration.
        words: (K,) evidence of the words.
        cosines: (K,) cosines.
    """

    ids: NDArray[np.int64]
    names: tuple[str, ...]
    scores: NDArray[np.float64]
    meaning: NDArray[np.float64] | None
    words: NDArray[np.float64]
    cosines: NDArray[np.float32]


def scored(
    lists: Sequence[RankedList], query: QueryVector, calibration: Calibration | None, lexical: Lexical, k: int
) -> Scored:
    """Score the items of ranked lists and return the best `k` of all."""
    filled = [ranked for ranked in lists if len(ranked.ids)]
    if not filled:
        none = np.empty(0)
        return Scored(none.astype(np.int64), (), none, None, none, none.astype(np.float32))
    ids = np.concatenate([ranked.ids for ranked in filled])
    names = np.repeat([ranked.name for ranked in filled], [len(ranked.ids) for ranked in filled])
    cosines = np.concatenate([ranked.scores for ranked in filled])
    words = np.array([lexical.of(id_) for id_ in ids.tolist()])
    meaning = _meaning(filled, query, calibration)
    if meaning is None:
        scores = np.concatenate(calibrate(filled)) + words
    else:
        prior = log_priors({ranked.name: ranked.size for ranked in filled})
        scores = meaning + words + np.array([prior[name] for name in names])
    order = np.argsort(-scores, kind="stable")[:k]
    return Scored(
        ids=ids[order],
        names=tuple(names[order].tolist()),
        scores=scores[order],
        meaning=None if meaning is None else meaning[order],
        words=words[order],
        cosines=cosines[order],
    )


def _meaning(
    lists: Sequence[RankedList], query: QueryVector, calibration: Calibration | None
) -> NDArray[np.float64] | None:
    if calibration is None:
        return None
    odds = [calibration.log_odds(query.embedding, query.kind, ranked.name, ranked.scores) for ranked in lists]
    return np.concatenate(odds)


def log_priors(sizes: Mapping[str, int]) -> dict[str, float]:
    """Return for each partition how much likelier its items are than if all items were equally likely, as a logarithm.

    A partition alone has 0.
    """
    weights = {name: size ** (1 - PRIOR_POWER) for name, size in sizes.items()}
    total = sum(weights.values())
    everything = sum(sizes.values())
    return {name: float(np.log(everything * weights[name] / (total * size))) for name, size in sizes.items()}
