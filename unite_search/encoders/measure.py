"""Measure the calibration of an encoder on photos and clips with captions.

Each example gives views of itself: a caption, another caption, a photo, an altered copy of the photo, both together.
A view as query and another view of the same example as item are related; views of two examples are not. So each kind
of query meets each kind of item without anybody's judgement. Of the examples only the vectors are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from unite_search.content import Clip, Content, Image
from unite_search.encoders.base import Encoder, Role, encode
from unite_search.encoders.calibration import Calibration, Line
from unite_search.errors import UniteSearchError

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCH = 32
"""Most contents of one kind that are encoded at once."""
HELD_BYTES = 256 << 20
"""Contents with more bytes of pixels than these do not wait for their batch to be full."""
FEWEST_EXAMPLES = 20
PRIOR = 0.01
"""One item in a hundred counts as related in the fit, so that it is exact where related and unrelated items meet."""
FLOOR_PERCENT = 5
"""Share of the related pairs below the floor, in percent. Of 2, 3, 5, 7 and 10 it is the largest with which hardly more
than a tenth of the right items of other photos were called weak even in bad luck, see `floors` in calibration.json."""
BEST_FLOOR_PERCENT = 1
"""Share of the queries with an answer whose best hit is below the floor of best hits, in percent. Queries of one word
have lower scores than the captions that are measured, and nonsense has much lower ones."""
STEPS = 100
PRECISION = 1e-6
"""Of intercept and slope; a file has three digits."""
GROUPS = 4096
"""Into how many the unrelated pairs are grouped for the fit; cosines in one differ by less than 0.0005."""
DEVIATIONS = 2
"""How far the AUC of pairs of kinds must be above chance."""
KEPT_SHARE = 0.7
"""Share of each side of a photo that its altered copy keeps."""
GAMMA = 1.4

Encoded = dict[str, tuple["NDArray[np.int64]", "NDArray[np.float32]"]]
"""By kind, the (N,) numbers of examples and the (N, D) vectors of their views."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A photo or clip and captions of it; one caption is enough, two tell how captions of one thing differ."""

    media: Image | Clip
    captions: tuple[str, ...]


def measure(encoder: Encoder, examples: Iterable[Example], origin: str) -> Calibration:
    """Measure the calibration of an encoder.

    Kinds of which there are fewer than 20 examples are left out, and so are pairs of kinds of which the encoder cannot
    tell which are related: a line that falls would turn their ranking around.

    Args:
        encoder: the encoder.
        examples: at least 20 photos or 20 clips, no two of the same thing; read once, in batches.
        origin: what they are, in a few words.

    Raises:
        UniteSearchError: there are fewer examples, or nothing can be told of any pair of kinds.
    """
    queries, items = encoded_views(encoder, examples)
    means = {kind: vectors.mean(axis=0) for kind, (_, vectors) in items.items() if len(vectors) >= FEWEST_EXAMPLES}
    if not means:
        most = max((len(numbers) for numbers, _ in items.values()), default=0)
        raise UniteSearchError(f"{most} photos or clips with captions; expected at least {FEWEST_EXAMPLES}")
    lines, spreads = {}, {}
    for kind, asking in queries.items():
        for item, mean in means.items():
            measured = pairs(asking, items[item], mean)
            line = line_of(measured)
            if line is not None:
                lines[kind, item], spreads[kind, item] = line, float(measured.unrelated.std())
    lines = {pair: _line_of_likeness(*pair, lines, spreads) for pair in lines}
    is_blind = means.keys() == {"text"}
    if not any("text" in kind and (is_blind or item != "text") for kind, item in lines):
        raise UniteSearchError(
            f"encoder {encoder.name} cannot tell which captions belong to which photos or clips; expected captions "
            "that say what is seen, and differ"
        )
    return Calibration(fingerprint=encoder.fingerprint, means=means, lines=lines, origin=origin, encoder=encoder.name)


def encoded_views(encoder: Encoder, examples: Iterable[Example]) -> tuple[Encoded, Encoded]:
    """Encode the views of examples that ask, and those that are found, as far as the encoder takes them."""
    asked, found = _Views(encoder, "query"), _Views(encoder, "candidate")
    for number, example in enumerate(examples):
        for kind, content in query_views(example):
            asked.add(kind, number, content)
        for kind, content in item_views(example):
            found.add(kind, number, content)
    return asked.encoded(), found.encoded()


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Centred cosines.

    Attributes:
        related: (R,) of all related pairs.
        unrelated: (U,) of all others.
        best: (B,) the greatest of each query that has a related item.
    """

    related: NDArray[np.floating]
    unrelated: NDArray[np.floating]
    best: NDArray[np.floating]


def pairs(
    asking: tuple[NDArray[np.int64], NDArray[np.float32]],
    found: tuple[NDArray[np.int64], NDArray[np.float32]],
    mean: NDArray[np.float32],
) -> Pairs:
    """Return the centred cosines of all queries and items.

    Args:
        asking: numbers of examples and vectors of queries.
        found: numbers of examples and vectors of items.
        mean: (D,) mean of unrelated items of that kind.
    """
    (numbers, queries), (item_numbers, items) = asking, found
    cosines = queries @ items.T - (queries @ mean)[:, None]  # (Q, N)
    is_related = numbers[:, None] == item_numbers
    has_answer = is_related.any(axis=1)
    return Pairs(cosines[is_related], cosines[~is_related], cosines[has_answer].max(axis=1, initial=-np.inf))


def query_views(example: Example) -> Iterator[tuple[str, Content]]:
    """Yield the views of an example that ask: its last caption, and an altered copy, alone and together."""
    other = altered(example.media)
    kind = "image" if isinstance(other, Image) else "video"
    yield kind, Content((other,))
    if isinstance(example.media, Clip):
        yield "image", Content((_frame(example.media, 1, 3),))
    yield "text", Content((example.captions[-1],))
    yield f"text+{kind}", Content((other, example.captions[-1]))


def item_views(example: Example) -> Iterator[tuple[str, Content]]:
    """Yield the views of an example that are found: the photo or clip, alone and with its first caption."""
    kind = "image" if isinstance(example.media, Image) else "video"
    yield kind, Content((example.media,))
    if isinstance(example.media, Clip):
        yield "image", Content((_frame(example.media, 2, 3),))
    if len(example.captions) > 1:
        yield "text", Content((example.captions[0],))
        yield f"text+{kind}", Content((example.media, example.captions[0]))


def altered(media: Image | Clip) -> Image | Clip:
    """Return another view of a photo, cropped, mirrored and darkened; or the first half of a clip."""
    if isinstance(media, Clip):
        half = max(1, len(media.frames) // 2)
        return Clip(media.frames[:half], media.times_s[:half])
    height, width = media.pixels.shape[:2]
    top, left = (round(side * (1 - KEPT_SHARE) / 2) for side in (height, width))
    part = media.pixels[top : height - top or None, left : width - left or None][:, ::-1]
    table = np.round(255 * (np.arange(256) / 255) ** GAMMA).astype(np.uint8)
    return Image(np.ascontiguousarray(table[part]))


def line_of(measured: Pairs) -> Line | None:
    """Return the line through centred cosines.

    None if there are fewer than 20 related pairs, or if they might be nearer than the unrelated ones by chance: the AUC
    of pairs that do not differ has a standard deviation of `1 / sqrt(12 R)`, Mann and Whitney 1947, for U above R.
    """
    related, unrelated = measured.related, measured.unrelated
    if len(related) < FEWEST_EXAMPLES or not len(unrelated):
        return None
    share = auc(related, unrelated)
    intercept, slope = fit(related, unrelated)
    if slope <= 0 or share - 0.5 <= DEVIATIONS / np.sqrt(12 * len(related)):
        return None
    floor, best_floor = (
        float(np.percentile(intercept + slope * values.astype(np.float64), percent))
        for values, percent in ((related, FLOOR_PERCENT), (measured.best, BEST_FLOOR_PERCENT))
    )
    return Line(intercept, slope, floor, best_floor, share, len(related))


def _line_of_likeness(
    kind: str, item: str, lines: Mapping[tuple[str, str], Line], spreads: Mapping[tuple[str, str], float]
) -> Line:
    """Return the line of a pair of kinds, not that of its examples where both have pictures.

    There the examples are altered copies, which say nothing of what only looks alike. As many standard deviations above
    unrelated pairs as a caption is, it gets the log-odds of the caption.
    """
    own, base = lines[kind, item], lines.get(("text", item))
    if base is None or kind == "text" or item == "text":
        return own
    slope = base.slope * spreads["text", item] / spreads[kind, item]
    return replace(own, intercept=base.intercept, slope=slope, floor=base.floor, best_floor=base.best_floor)


def fit(related: NDArray[np.floating], unrelated: NDArray[np.floating]) -> tuple[float, float]:
    """Fit intercept and slope of log-odds by logistic regression, with Newton's method.

    The targets are not 0 and 1 but lie a little between, so that few pairs that a cosine separates give no infinite
    slope. Source: Platt 1999, section 2.2.

    Args:
        related: (R,) centred cosines of related pairs; together they weigh as `PRIOR`.
        unrelated: (U,) of unrelated pairs.
    """
    groups, counts = _grouped(unrelated)
    values = np.concatenate([related.astype(np.float64), groups])
    is_related = np.arange(len(values)) < len(related)
    weights = np.concatenate([np.full(len(related), PRIOR / len(related)), counts * (1 - PRIOR) / len(unrelated)])
    targets = np.where(is_related, (len(related) + 1) / (len(related) + 2), 1 / (len(unrelated) + 2))
    columns = np.stack([np.ones_like(values), values], axis=1)
    line = np.array([np.log(PRIOR / (1 - PRIOR)), 0.0])
    for _ in range(STEPS):
        chances = 1 / (1 + np.exp(-np.clip(columns @ line, -40, 40)))
        gradient = columns.T @ (weights * (targets - chances))
        curvature = (columns * (weights * chances * (1 - chances))[:, None]).T @ columns + 1e-12 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        before = _loss(columns @ line, targets, weights)
        while np.abs(step).max() > PRECISION and _loss(columns @ (line + step), targets, weights) > before:
            step = step / 2
        line = line + step
        if np.abs(step).max() <= PRECISION:
            break
    return float(line[0]), float(line[1])


def _grouped(values: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the means of values that are nearly equal, and how many each stands for: a fit of millions takes long."""
    counts, edges = np.histogram(values, GROUPS)
    sums, _ = np.histogram(values, edges, weights=values.astype(np.float64))
    is_filled = counts > 0
    return sums[is_filled] / counts[is_filled], counts[is_filled]


def _loss(log_odds: NDArray[np.float64], targets: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Return the weighted cross-entropy of log-odds."""
    return float(weights @ (np.logaddexp(0, log_odds) - targets * log_odds))


def auc(related: NDArray[np.floating], unrelated: NDArray[np.floating]) -> float:
    """Return the chance that a related pair has a larger value than an unrelated one; equal ones count half."""
    ordered = np.sort(unrelated)
    below = np.searchsorted(ordered, related, "left") + np.searchsorted(ordered, related, "right")
    return float(below.mean() / (2 * len(ordered)))


class _Views:
    """Encodes contents in batches of one kind; keeps their vectors and the numbers of their examples."""

    def __init__(self, encoder: Encoder, role: Role) -> None:
        self._encoder = encoder
        self._role: Role = role
        self._waiting: dict[str, list[Content]] = {}
        self._waiting_bytes = 0
        self._numbers: dict[str, list[int]] = {}
        self._vectors: dict[str, list[NDArray[np.float32]]] = {}

    def add(self, kind: str, number: int, content: Content) -> None:
        """Take a view of an example; one that the encoder cannot embed is left out."""
        if content.modalities not in self._encoder.modalities:
            return
        self._numbers.setdefault(kind, []).append(number)
        self._waiting.setdefault(kind, []).append(content)
        self._waiting_bytes += _size_bytes(content)
        if self._waiting_bytes > HELD_BYTES:
            for one in self._waiting:
                self._encode(one)
            self._waiting_bytes = 0
        elif len(self._waiting[kind]) == BATCH:
            self._waiting_bytes -= sum(map(_size_bytes, self._waiting[kind]))
            self._encode(kind)

    def encoded(self) -> Encoded:
        """Encode what waits, and return everything."""
        for kind in self._waiting:
            self._encode(kind)
        return {
            kind: (np.array(numbers), np.concatenate(self._vectors[kind])) for kind, numbers in self._numbers.items()
        }

    def _encode(self, kind: str) -> None:
        contents, self._waiting[kind] = self._waiting[kind], []
        if not contents:
            return
        vectors = encode(self._encoder, contents, role=self._role)
        if not np.isfinite(vectors).all():
            raise UniteSearchError(f"encoder {self._encoder.name} returned numbers that are not finite")
        self._vectors.setdefault(kind, []).append(vectors)


def _size_bytes(content: Content) -> int:
    """Return the bytes of the pixels of a content."""
    pixels = (
        part.pixels if isinstance(part, Image) else part.frames for part in content.parts if not isinstance(part, str)
    )
    return sum(one.nbytes for one in pixels)


def _frame(clip: Clip, part: int, parts: int) -> Image:
    return Image(clip.frames[len(clip.frames) * part // parts])
