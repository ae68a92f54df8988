"""Merge the ranked lists of several partitions into one, on calibrated scores.

Raw scores of different partitions cannot be compared: an encoder is trained to rank within one modality, and a text is
closer to other texts than to images whatever it says. What can be compared is the training objective itself: the
softmax of an item among the candidates of its own modality. With z the score in standard deviations above the mean of
this query's scores on the partition,

    calibrated = z / t - log(mean over the partition of exp(z / t))

is the logarithm of how many times more likely the item is than a random item of its partition. One clear answer raises
the mean and so lowers the rest of its partition, which makes room for items of others; the size of a partition cancels
out. The scores of a partition with few items say little about their distribution: there, mean and standard deviation
are shrunk towards those of all partitions, and `PRIOR_ITEMS` imaginary items with normally distributed scores are added
to the real ones.

Source: softmax over candidates of one modality, UNITE (arXiv 2505.19650), MAMCL; standardisation, Montague and Aslam
2001, "Relevance score normalization for metasearch". t was chosen on training captions, see docs/explanation/scores.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import Ids, Scores

HEAD = 100
"""The best items of each list, which enter the mean exactly; the rest of the partition is estimated from its sample."""
TEMPERATURE = 0.5
PRIOR_ITEMS = 8
PRIOR_LOG_MEAN_EXP = 1 / (2 * TEMPERATURE**2)
"""log E[exp(z / t)] of a standard normal z."""
SMALLEST_SPREAD = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RankedList:
    """The results of one query in one partition.

    Attributes:
        name: name of the partition.
        ids: (K,) int64, best first.
        scores: (K,) raw scores of the ids.
        sample_scores: (S,) raw scores of the same query on a fixed sample of the partition.
        size: N, the number of items that competed; the list holds the best of them, at least `HEAD` (100) if so many
            exist.
    """

    name: str
    ids: Ids
    scores: Scores
    sample_scores: Scores
    size: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Merged:
    """One list over all partitions, best first.

    Attributes:
        ids: (K,) int64.
        names: K partition names.
        scores: (K,) calibrated scores.
        cosines: (K,) raw scores.
    """

    ids: Ids
    names: tuple[str, ...]
    scores: NDArray[np.float64]
    cosines: Scores


def merge(lists: Sequence[RankedList], k: int) -> Merged:
    """Merge ranked lists and keep the best `k`; the order within one list never changes.

    Args:
        lists: one list for each partition.
        k: K, the maximum length of the result.
    """
    filled = [ranked for ranked in lists if len(ranked.ids)]
    if not filled:
        none = np.empty(0)
        return Merged(ids=none.astype(np.int64), names=(), scores=none, cosines=none.astype(np.float32))
    scores = np.concatenate(calibrate(filled))
    names = np.repeat([ranked.name for ranked in filled], [len(ranked.ids) for ranked in filled])
    order = np.argsort(-scores, kind="stable")[:k]
    return Merged(
        ids=np.concatenate([ranked.ids for ranked in filled])[order],
        names=tuple(names[order].tolist()),
        scores=scores[order],
        cosines=np.concatenate([ranked.scores for ranked in filled])[order],
    )


def calibrate(lists: Sequence[RankedList]) -> list[NDArray[np.float64]]:
    """Make the scores of several lists comparable, by the formula in the module's docstring.

    Returns:
        One (K,) array for each list, in descending order as the scores are.
    """
    means, spreads = _means_and_spreads(lists)
    calibrated = []
    for ranked, mean, spread in zip(lists, means, spreads, strict=True):
        logits = (ranked.scores.astype(np.float64) - mean) / (spread * TEMPERATURE)
        sample = (ranked.sample_scores.astype(np.float64) - mean) / (spread * TEMPERATURE)
        calibrated.append(logits - _log_mean_exp(logits[:HEAD], sample, ranked.size))
    return calibrated


def _means_and_spreads(lists: Sequence[RankedList]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of each sample, shrunk towards the common ones by a prior.

    The prior weighs as much as `PRIOR_ITEMS` observations.
    """
    samples = [ranked.sample_scores.astype(np.float64) for ranked in lists]
    counts = np.array([len(sample) for sample in samples])
    means = np.array([sample.mean() for sample in samples])
    variances = np.array([sample.var() for sample in samples])
    means, variances = (
        (counts * values + PRIOR_ITEMS * np.average(values, weights=counts)) / (counts + PRIOR_ITEMS)
        for values in (means, variances)
    )
    return means, np.maximum(np.sqrt(variances), SMALLEST_SPREAD)


def _log_mean_exp(head: NDArray[np.float64], sample: NDArray[np.float64], size: int) -> float:
    """Return log mean exp(logit) over a partition and the prior: the head exactly, the rest from the sample."""
    terms = [*head, np.log(PRIOR_ITEMS) + PRIOR_LOG_MEAN_EXP]
    rest = size - len(head)
    if rest > 0:
        below = sample[sample < head[-1]]
        typical = np.logaddexp.reduce(below) - np.log(len(below)) if len(below) else head[-1]
        terms.append(np.log(rest) + typical)
    return float(np.logaddexp.reduce(terms) - np.log(size + PRIOR_ITEMS))
