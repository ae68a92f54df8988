"""The outcome of a comparison of vectors, as `encoders check` prints it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The outcome of one comparison over several cases.

    Attributes:
        check: what was compared.
        model: the checkpoint.
        cases: how many.
        worst: the case with the largest difference.
        difference: largest absolute difference; for `is_minimum` the smallest.
        limit: what it may be at most; at least, for `is_minimum`.
        is_minimum: whether vectors must be far apart.
    """

    check: str
    model: str
    cases: int
    worst: str
    difference: float
    limit: float
    is_minimum: bool = False

    @property
    def is_ok(self) -> bool:
        """Whether it is within the limit."""
        return self.difference >= self.limit if self.is_minimum else self.difference <= self.limit

    def record(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**asdict(self), "is_ok": self.is_ok}


def worst_of(check: str, model: str, differences: Mapping[str, float], limit: float) -> Finding:
    """The finding of several cases, each with its difference."""
    worst = max(differences, key=lambda name: differences[name])
    return Finding(
        check=check, model=model, cases=len(differences), worst=worst, difference=differences[worst], limit=limit
    )


def distance(ours: Vectors, expected: Vectors) -> float:
    """Largest absolute difference of two arrays of one shape."""
    return float(np.abs(ours.astype(np.float64) - expected).max())


def unit_rows(rows: Vectors) -> Vectors:
    """Rows scaled to unit length."""
    unit: Vectors = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    return unit
