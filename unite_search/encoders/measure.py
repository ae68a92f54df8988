"""Measure the calibration of an encoder on photos and clips with captions.

Each example gives views of itself: a caption, another caption, a photo, an altered copy of the photo, both together.
A view as query and another view of the same example as item are related; views of two examples are not. So each kind
of query meets each kind of item without anybody's judgement.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unite_search.content import Clip, Content, Image
from unite_search.encoders.base import Encoder, Role, encode
from unite_search.encoders.calibration import Calibration, Line

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCH = 32
FEWEST_EXAMPLES = 20
PRIOR = 0.01
"""One item in a hundred counts as related in the fit, so that it is exact where related and unrelated items meet."""
STEPS = 100
KEPT_SHARE = 0.7
"""Share of each side of a photo that its altered copy keeps."""
GAMMA = 1.4


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A photo or clip and captions of it; one caption is enough, two tell how captions of one thing differ."""

    media: Image | Clip
    captions: tuple[str, ...]


def measure(encoder: Encoder, examples: Sequence[Example], origin: str) -> Calibration:
    """Measure the calibration of an encoder.

    Args:
        encoder: the encoder.
        examples: at least 20 photos or 20 clips, no two of the same thing.
        origin: what they are, in a few words.

    Raises:
        ValueError: there are fewer examples.
    """
    asked, found = _Views(), _Views()
    for number, example in enumerate(examples):
        for kind, content in query_views(example):
            asked.add(kind, number, content)
        for kind, content in item_views(example):
            found.add(kind, number, content)
    queries, items = asked.encoded(encoder, "query"), found.encoded(encoder, "candidate")
    means = {kind: vectors.mean(axis=0) for kind, (_, vectors) in items.items() if len(vectors) >= FEWEST_EXAMPLES}
    if not means:
        raise ValueError(f"{len(examples)} examples; expected at least {FEWEST_EXAMPLES} photos or clips with captions")
    lines = {}
    for kind, (numbers, vectors) in queries.items():
        for item, mean in means.items():
            cosines = vectors @ items[item][1].T - (vectors @ mean)[:, None]
            is_related = numbers[:, None] == items[item][0]
            if is_related.sum() >= FEWEST_EXAMPLES:
                lines[kind, item] = fit(cosines[is_related], cosines[~is_related])
    return Calibration(fingerprint=encoder.fingerprint, means=means, lines=lines, origin=origin)


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


def fit(related: NDArray[np.floating], unrelated: NDArray[np.floating]) -> Line:
    """Fit log-odds by logistic regression, with Newton's method.

    Args:
        related: (R,) centred cosines of related pairs; together they weigh as `PRIOR`.
        unrelated: (U,) of unrelated pairs.
    """
    values = np.concatenate([related, unrelated]).astype(np.float64)
    is_related = np.arange(len(values)) < len(related)
    weights = np.where(is_related, PRIOR / len(related), (1 - PRIOR) / len(unrelated))
    columns = np.stack([np.ones_like(values), values], axis=1)
    line = np.array([np.log(PRIOR / (1 - PRIOR)), 0.0])
    for _ in range(STEPS):
        odds = 1 / (1 + np.exp(-np.clip(columns @ line, -40, 40)))
        gradient = columns.T @ (weights * (is_related - odds))
        curvature = (columns * (weights * odds * (1 - odds))[:, None]).T @ columns + 1e-12 * np.eye(2)
        step = np.clip(np.linalg.solve(curvature, gradient), -5, 5)
        line = line + step
        if np.abs(step).max() < 1e-8:
            break
    return Line(float(line[0]), float(line[1]))


class _Views:
    """Contents by kind, each with the number of its example."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[list[int], list[Content]]] = {}

    def add(self, kind: str, number: int, content: Content) -> None:
        numbers, contents = self._held.setdefault(kind, ([], []))
        numbers.append(number)
        contents.append(content)

    def encoded(self, encoder: Encoder, role: Role) -> dict[str, tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Return by kind the (N,) numbers of examples and (N, D) vectors of the contents."""
        return {
            kind: (np.array(numbers), _encoded(encoder, contents, role))
            for kind, (numbers, contents) in self._held.items()
        }


def _encoded(encoder: Encoder, contents: Sequence[Content], role: Role) -> NDArray[np.float32]:
    starts = range(0, len(contents), BATCH)
    return np.concatenate([encode(encoder, contents[start : start + BATCH], role=role) for start in starts])


def _frame(clip: Clip, part: int, parts: int) -> Image:
    return Image(clip.frames[len(clip.frames) * part // parts])
