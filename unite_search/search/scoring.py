"""Score the nearest items of several partitions so that one list over all of them is right.

With a calibration of the encoder, a score is the log-odds that the item is relevant, plus the prior of its partition.
Without one, scores are relative to the other items of the partition (`indexers.calibration`), which is the best that
can be said of an encoder of which nothing is known. So they are, in all partitions, where the calibration has nothing
about one of them.

The prior: if every item were as likely to be the answer, one captioned photo among five thousand plain ones would have
to be far nearer to the query than they; if every partition were as likely, it would come first whatever is asked. The
truth lies between: people who keep few notes among many photos mean the notes more often than one time in a thousand.
So with the probability `PARTITION_SHARE` the answer is in any of the P partitions, each as likely as the others, and
otherwise it is any of the N items. An item of a partition with n items then is

    (1 - PARTITION_SHARE) + PARTITION_SHARE / P * N / n

times as likely as one item in N. The prior is the logarithm of that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from indexers.calibration import RankedList, calibrate
from unite_search.encoders.calibration import Calibration
from unite_search.search.encoding import QueryVector

if TYPE_CHECKING:
    from numpy.typing import NDArray

PARTITION_SHARE = 0.2
"""Chosen on the photos by which the starter was calibrated, see docs/explanation/scores.md."""


@dataclass(frozen=True, slots=True, eq=False)
class Meaning:
    """What the vectors say of the items of one partition.

    Attributes:
        log_odds: (K,) evidence, in the order of the ranked list.
        prior: log-odds of the partition.
        floor: log-odds, without the prior, below which a hit is weak.
        best_floor: log-odds, without the prior, below which the whole answer is weak if no hit is above.
    """

    log_odds: NDArray[np.float64]
    prior: float = 0.0
    floor: float = -np.inf
    best_floor: float = -np.inf


def meanings(lists: Sequence[RankedList], query: QueryVector, calibration: Calibration | None) -> dict[str, Meaning]:
    """Score the items of ranked lists, none of them empty, by their vectors; return the scores by partition."""
    if calibration is None or not all(calibration.covers(query.kind, ranked.name) for ranked in lists):
        relative = calibrate(lists)
        return {ranked.name: Meaning(scores) for ranked, scores in zip(lists, relative, strict=True)}
    priors = log_priors({ranked.name: ranked.size for ranked in lists})
    return {
        ranked.name: Meaning(
            calibration.log_odds(query.embedding, query.kind, ranked.name, ranked.scores),
            priors[ranked.name],
            calibration.floor(query.kind, ranked.name),
            calibration.best_floor(query.kind, ranked.name),
        )
        for ranked in lists
    }


def log_priors(sizes: Mapping[str, int]) -> dict[str, float]:
    """Return for each partition how much likelier its items are than if all items were equally likely, as a logarithm.

    A partition alone has 0.
    """
    everything, share = sum(sizes.values()), PARTITION_SHARE / len(sizes)
    return {name: float(np.log(1 - PARTITION_SHARE + share * everything / size)) for name, size in sizes.items()}
