"""Calibration: the statistics of an encoder that turn a cosine into the log-odds that an item is relevant.

A cosine says little by itself: texts are nearer to texts than to photos whatever they say, and some queries are near to
everything. Two things make cosines comparable. The query's mean similarity to unrelated items of the same kind is
subtracted, which costs one product with their mean vector. Then a line that was fitted on pairs known to be related or
not maps the difference to log-odds:

    log_odds = intercept + slope * (cosine - query . mean of the unrelated)

The log-odds are those at a prior of one relevant item in a hundred. Nothing of this depends on the collection, so one
item is scored as among a million. A hit whose log-odds lie below the floor of its line, as those of few related pairs
do, is weak.

`measure` makes a calibration, `unite-search encoders calibrate` writes it.

Sources: logistic calibration, Platt 1999, "Probabilistic outputs for support vector machines"; scores against a cohort
of unrelated items, Auckenthaler et al. 2000, "Score normalization for text-independent speaker verification systems".
"""

from __future__ import annotations

import json
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from indexers.atomic import atomic_write
from indexers.digest import digest_of
from unite_search.errors import UniteSearchError
from unite_search.home import home

if TYPE_CHECKING:
    from numpy.typing import NDArray

VERSION = 1
BUILT_IN = {"starter": Path(__file__).parent / "starter" / "weights" / "calibration.npz"}
STAND_INS = (("image+video", "image"), ("video", "image"), ("image", "video"), ("text+", ""), ("image", "text"))
"""What stands in for a kind that was not measured, tried in this order: photos for photos and clips, photos for clips,
clips for photos, bare for captioned ones, texts for all of them. Where no mean of them was measured, any other stands
in."""
MOST_BYTES = 64 << 20
"""Most bytes of the arrays in a file; five means of 4096 numbers have 40 kB."""
MEASURE_AGAIN = "delete it, or measure again with `unite-search encoders calibrate`"

State = Literal["built in", "measured here", "no"]

_DAMAGE = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    EOFError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    SyntaxError,
    tokenize.TokenError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What `zipfile` and `numpy` raise of damaged archives."""


@dataclass(frozen=True, slots=True)
class Line:
    """Log-odds as a function of a centred cosine, and what they were measured on.

    Attributes:
        intercept: log-odds at a centred cosine of 0.
        slope: log-odds for each 1 of the cosine; above 0.
        floor: log-odds below which a hit is weak; those of few related pairs lie there, see `measure.FLOOR_PERCENT`.
        best_floor: log-odds that the best hit of few queries with an answer is below.
        auc: share of the pairs of a related and an unrelated pair in which the related one has the larger cosine.
        pairs: number of related pairs.
    """

    intercept: float
    slope: float
    floor: float
    best_floor: float
    auc: float
    pairs: int


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """The statistics of one encoder.

    Attributes:
        fingerprint: fingerprint of the encoder.
        means: mean vector (D,) of unrelated items, by kind of item: `text`, `image`, `text+image`, ...
        lines: by kind of query and kind of item.
        origin: which data it was measured on, in a few words.
        encoder: name of the encoder.
    """

    fingerprint: str
    means: Mapping[str, NDArray[np.float32]]
    lines: Mapping[tuple[str, str], Line]
    origin: str = ""
    encoder: str = ""

    def log_odds(
        self, query: NDArray[np.float32], kind: str, partition: str, cosines: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Return the (K,) log-odds of items of a partition.

        Args:
            query: (D,) unit vector.
            kind: what the query is made of, as a partition is named.
            partition: of the items.
            cosines: (K,) cosines of the items and the query.

        Raises:
            UniteSearchError: nothing was measured of such a query and such items, see `covers`.
        """
        line, mean = self._line(kind, partition), self.means[_stand_in(partition, self.means)]
        centred = cosines.astype(np.float64) - float(np.einsum("d,d->", query, mean))
        return np.asarray(line.intercept + line.slope * centred)

    def floor(self, kind: str, partition: str) -> float:
        """Return the log-odds below which an item of a partition is a weak hit.

        Args:
            kind: what the query is made of, as a partition is named.
            partition: of the item.
        """
        return self._line(kind, partition).floor

    def best_floor(self, kind: str, partition: str) -> float:
        """Return the log-odds below which the best item of a partition is a weak answer; arguments as for `floor`."""
        return self._line(kind, partition).best_floor

    def covers(self, kind: str, partition: str) -> bool:
        """Return whether a query and a partition were measured, or what stands in for them; arguments as for `floor`.

        Nothing stands in for texts, and a kind of query of which nothing could be told of any item has no line.
        """
        return self._measured(kind, partition) is not None

    def _line(self, kind: str, partition: str) -> Line:
        measured = self._measured(kind, partition)
        if measured is None:
            raise UniteSearchError(f"the calibration has nothing about {partition} items asked for by {kind}")
        return self.lines[measured]

    def _measured(self, kind: str, partition: str) -> tuple[str, str] | None:
        """Return the measured pair of kinds that is next to a pair."""
        pairs = ((asked, found) for asked in _near(kind) for found in _near(partition))
        return next((pair for pair in pairs if pair in self.lines), None)

    @classmethod
    def read(cls, path: Path) -> Calibration:
        """Read a file that `write` made.

        Raises:
            UniteSearchError: it cannot be read.
        """
        try:
            about, means = _arrays(path)
            if about["version"] == VERSION:
                return _parsed(about, means)
        except OSError as error:
            raise UniteSearchError(f"{path}: cannot be read: {error.strerror}") from error
        except _DAMAGE as error:
            message = f"{path}: is no calibration of an encoder, or a damaged one; {MEASURE_AGAIN}"
            raise UniteSearchError(message) from error
        raise UniteSearchError(f"{path}: has version {about['version']!r}; expected {VERSION}; {MEASURE_AGAIN}")

    def write(self, path: Path) -> None:
        """Write a file, which replaces one that is there; the same calibration gives the same bytes."""
        about = {"version": VERSION, **self.record(), "means": sorted(self.means)}
        arrays: dict[str, Any] = {f"mean {name}": mean.astype(np.float16) for name, mean in self.means.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as stream:
            np.savez(stream, about=np.array(json.dumps(about)), **arrays)

    def record(self) -> dict[str, Any]:
        """Return everything but the means as JSON, numbers rounded."""
        lines = [
            {"query": query, "item": item, **{name: round(value, 3) for name, value in asdict(line).items()}}
            for (query, item), line in self.lines.items()
        ]
        about = {"encoder": self.encoder, "fingerprint": self.fingerprint, "origin": self.origin}
        return {**about, "lines": lines}


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


def calibration_state(encoder: str, fingerprint: str | None) -> State:
    """Return whether an encoder has a calibration, and which one counts.

    Args:
        encoder: its name.
        fingerprint: its fingerprint; None if only loading it would tell. Then a calibration of any version counts.

    Raises:
        UniteSearchError: a calibration is damaged.
    """
    if fingerprint is None:
        measured = (Calibration.read(path) for path in sorted(_measured_folder().glob("*.npz")))
        return "measured here" if any(one.encoder == encoder for one in measured) else "no"
    if find_calibration(encoder, fingerprint) is None:
        return "no"
    return "measured here" if measured_path(fingerprint).exists() else "built in"


def measured_path(fingerprint: str) -> Path:
    """Return where `encoders calibrate` keeps what it measured."""
    return _measured_folder() / f"{digest_of(fingerprint.encode())}.npz"


def _measured_folder() -> Path:
    return home() / "calibrations"


def _arrays(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the description in a file and its arrays by name."""
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MOST_BYTES:
            raise ValueError("too large")
    with np.load(path, allow_pickle=False) as held:
        arrays = {name: held[name] for name in held.files}
    return dict(json.loads(str(arrays.pop("about")))), arrays


def _parsed(about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Calibration:
    """Return the calibration that a description and arrays are; any error means that they are none."""
    means = {name: arrays[f"mean {name}"].astype(np.float32) for name in about["means"]}
    names = [field.name for field in fields(Line)]
    lines = {(one["query"], one["item"]): Line(**{name: one[name] for name in names}) for one in about["lines"]}
    numbers = [float(number) for line in lines.values() for number in asdict(line).values()]
    texts = [about["fingerprint"], about["origin"], about["encoder"], *(kind for pair in lines for kind in pair)]
    is_complete = lines and means and all(isinstance(text, str) for text in texts)
    is_finite = np.isfinite(numbers).all() and all(np.isfinite(mean).all() for mean in means.values())
    shapes = {mean.shape for mean in means.values()}
    if not is_complete or not is_finite or len(shapes) != 1 or len(shapes.pop()) != 1:
        raise ValueError("not a calibration")
    return Calibration(
        fingerprint=about["fingerprint"],
        means=means,
        lines=lines,
        origin=about["origin"],
        encoder=about["encoder"],
    )


def _near(kind: str) -> list[str]:
    """Return a kind and what may stand in for it, nearest first."""
    found = [kind]
    for old, new in STAND_INS:
        found += [name.replace(old, new) for name in found if name.replace(old, new) not in found]
    return found


def _stand_in(kind: str, known: Mapping[str, object]) -> str:
    return next(name for name in (*_near(kind), *known) if name in known)
