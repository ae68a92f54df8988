"""Synthetic pictures: plausible features of the vision tower for each of the 1000 ImageNet classes.

Captioned photos show few of the classes, and a head trained on them alone forgets the others. The classifier's weights
tell the direction in which the features of a class lie: if the classes were Gaussian with a common covariance S, the
weights would be those of linear discriminant analysis, w = S^-1 m, so the class mean m has the direction of S w. The
deviation of a random photo from the mean of all photos is added to that class mean.

Source: Hastie et al. 2009, The Elements of Statistical Learning, eq. 4.10, for the weights of such classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from train.data.class_names import CLASS_NAME, PROMPTS

Floats = NDArray[np.float32]

CLASS_SHARE = 0.46
"""Cosine of S w and the features, measured on the 1726 train photos whose class the classifier gives above 0.7."""


class ClassPictures:
    """Synthesises features of classes.

    Args:
        vision: ONNX file of the vision tower, which contains the classifier.
        photos: (N, 1280) features of real photos, for the mean, the covariance and the deviations.
    """

    def __init__(self, vision: Path, photos: Floats) -> None:
        constants = {entry.name: entry for entry in onnx.load(str(vision)).graph.initializer}
        self._weights, self._bias = (
            numpy_helper.to_array(constants[f"backbone._fc.{kind}"]) for kind in ("weight", "bias")
        )
        self._mean = photos.mean(axis=0)
        self._particulars = photos - self._mean
        covariance = self._particulars.T @ self._particulars / len(photos)
        smoothed = covariance + np.eye(len(covariance), dtype=np.float32) * np.trace(covariance) / len(covariance)
        directions = (self._weights - self._weights.mean(axis=0)) @ smoothed
        self._directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)

    def __call__(self, names: Sequence[str]) -> tuple[Floats, Floats]:
        """Return the features, (N, 1280), of N synthetic pictures, and the classifier's logits for them, (N, 1000)."""
        numbers, variants = np.array([_parsed(name) for name in names]).T
        particulars = self._particulars[(numbers * len(PROMPTS) + variants) % len(self._particulars)]
        lengths = np.linalg.norm(particulars, axis=1, keepdims=True)
        common = CLASS_SHARE * lengths * self._directions[numbers]
        features = (self._mean + common + (1 - CLASS_SHARE**2) ** 0.5 * particulars).clip(min=0)
        return np.asarray(features, np.float32), np.asarray(features @ self._weights.T + self._bias, np.float32)


def _parsed(name: str) -> tuple[int, int]:
    match = CLASS_NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is not a synthetic picture; expected class:NUMBER:VARIANT")
    return int(match["number"]), int(match["variant"])
