"""Calibration: the statistics of an encoder that turn a cosine into the log-odds that an item is relevant.

A cosine says little by itself: texts are nearer to texts than to photos whatever they say, and some queries are near to
everything. Two things make cosines comparable. The query's mean similarity to unrelated items of the same kind is
subtracted, which costs one product with their mean vector. Then a line that was fitted on pairs known to be related or
not maps the difference to log-odds:

    log_odds = intercept + slope * (cosine - query . mean of the unrelated)

The log-odds are those at a prior of one relevant item in a hundred. Nothing of this depends on the collection, so one
item is scored as among a million.

Sources: logistic calibration, Platt 1999, "Probabilistic outputs for support vector machines"; scores against a cohort
of unrelated items, Auckenthaler et al. 2000, "Score normalization for text-independent speaker verification systems".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from indexers.atomic import atomic_write
from indexers.digest import digest_of
from unite_search.errors import UniteSearchError
from unite_search.home import home

if TYPE_CHECKING:
    from numpy.typing import NDArray

VERSION = 1
BUILT_IN = {"starter": Path(__file__).parent / "starter" / "weights" / "calibration.npz"}
STAND_INS = (("video", "image"), ("text+", ""), ("image", "text"))
"""What stands in for a kind that was not measured, tried in this order: photos for clips, bare for captioned ones."""


@dataclass(frozen=True, slots=True)
class Line:
    """Log-odds as a function of a centred cosine."""

    intercept: float
    slope: float


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """The statistics of one encoder.

    Attributes:
        fingerprint: fingerprint of the encoder.
        means: mean vector (D,) of unrelated items, by kind of item: `text`, `image`, `text+image`, ...
        lines: by kind of query and kind of item.
        origin: which data it was measured on, in a few words.
    """

    fingerprint: str
    means: Mapping[str, NDArray[np.float32]]
    lines: Mapping[tuple[str, str], Line]
    origin: str = ""

    def log_odds(
        self, query: NDArray[np.float32], kind: str, partition: str, cosines: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Return the (K,) log-odds of items of a partition.

        Args:
            query: (D,) unit vector.
            kind: what the query is made of, as a partition is named.
            partition: of the items.
            cosines: (K,) cosines of the items and the query.
        """
        line, mean = self.lines[self._measured(kind, partition)], self.means[_stand_in(partition, self.means)]
        centred = cosines.astype(np.float64) - float(np.einsum("d,d->", query, mean))
        return np.asarray(line.intercept + line.slope * centred)

    def floor(self, kind: str, partition: str) -> float:
        """Return the log-odds below which an item of a partition is a weak answer to a kind of query."""
        return -1.0

    def _measured(self, kind: str, partition: str) -> tuple[str, str]:
        """Return the measured pair of kinds that is next to a pair."""
        for asked in _near(kind):
            for found in _near(partition):
                if (asked, found) in self.lines:
                    return asked, found
        raise UniteSearchError(f"the calibration has nothing about {partition} items asked for by {kind}")

    @classmethod
    def read(cls, path: Path) -> Calibration:
        """Read a file that `write` made.

        Raises:
            UniteSearchError: it cannot be read.
        """
        try:
            with np.load(path, allow_pickle=False) as held:
                about = json.loads(str(held["about"]))
                means = {name: held[f"mean {name}"].astype(np.float32) for name in about["means"]}
            lines = {(one["query"], one["item"]): Line(one["intercept"], one["slope"]) for one in about["lines"]}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UniteSearchError(f"{path}: is no calibration of an encoder, or a damaged one") from error
        if about["version"] != VERSION:
            raise UniteSearchError(f"{path}: has version {about['version']}; expected {VERSION}")
        return cls(fingerprint=about["fingerprint"], means=means, lines=lines, origin=about["origin"])

    def write(self, path: Path) -> None:
        """Write a file, which replaces one that is there."""
        about = {"version": VERSION, "fingerprint": self.fingerprint, "origin": self.origin, **self.record()}
        arrays: dict[str, Any] = {f"mean {name}": mean.astype(np.float16) for name, mean in self.means.items()}
        with atomic_write(path) as stream:
            np.savez(stream, about=np.array(json.dumps(about)), **arrays)

    def record(self) -> dict[str, Any]:
        """Return the lines and the names of the means as JSON."""
        lines = [
            {"query": query, "item": item, "intercept": round(line.intercept, 3), "slope": round(line.slope, 3)}
            for (query, item), line in self.lines.items()
        ]
        return {"means": sorted(self.means), "lines": lines}


def find_calibration(encoder: str, fingerprint: str) -> Calibration | None:
    """Return the calibration of an encoder: what a person has measured here, else what comes with the encoder.

    Args:
        encoder: its name.
        fingerprint: its fingerprint; a calibration of another version of the encoder does not count.
    """
    for path in (measured_path(fingerprint), BUILT_IN.get(encoder)):
        if path is not None and path.exists():
            found = Calibration.read(path)
            if found.fingerprint == fingerprint:
                return found
    return None


def measured_path(fingerprint: str) -> Path:
    """Return where `encoders calibrate` keeps what it measured."""
    return home() / "calibrations" / f"{digest_of(fingerprint.encode())}.npz"


def _near(kind: str) -> list[str]:
    """Return a kind and what may stand in for it, nearest first."""
    found = [kind]
    for old, new in STAND_INS:
        found += [name.replace(old, new) for name in found if name.replace(old, new) not in found]
    return found


def _stand_in(kind: str, known: Mapping[str, object]) -> str:
    name = next((name for name in _near(kind) if name in known), None)
    if name is None:
        raise UniteSearchError(f"the calibration has nothing about {kind} items")
    return name
