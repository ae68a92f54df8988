"""Place pictures and texts in one space without training: a picture is a weighted mean of class name embeddings.

Source: Norouzi et al. 2014, "Zero-Shot Learning by Convex Combination of Semantic Embeddings", arXiv 1312.5650, eq. 4.
Differences: sentence vectors instead of word vectors, a temperature above 1, many classes, and the mean of all class
vectors is subtracted from pictures and texts, which makes them more similar. Temperature and class count were chosen on
the captions of train photos.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexers.unit import unit_rows

Floats = NDArray[np.float32]

TEMPERATURE = 3.0
TOP_CLASSES = 100


class Conse:
    """The common space; `classes` is (C, D) float32, the text embedding of each class of the classifier."""

    def __init__(self, classes: Floats) -> None:
        self.classes = classes
        self._centre = classes.mean(axis=0)

    def pictures(self, logits: Floats) -> Floats:
        """Place pictures by their (N, C) logits; return (N, D) unit rows."""
        return unit_rows(class_probabilities(logits) @ self.classes - self._centre)

    def texts(self, embeddings: Floats) -> Floats:
        """Place texts by their (N, D) text embeddings; return (N, D) unit rows."""
        return unit_rows(embeddings - self._centre)


def class_probabilities(logits: Floats) -> Floats:
    """Return the softmax over the `TOP_CLASSES` largest logits of each row at `TEMPERATURE`; the others are 0."""
    count = min(TOP_CLASSES, logits.shape[1])
    least = np.partition(logits, -count, axis=1)[:, -count, None]
    weights = np.exp((logits - logits.max(axis=1, keepdims=True)) / TEMPERATURE) * (logits >= least)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)
