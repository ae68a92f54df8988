"""The contract between an encoder and everything around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from unite_search.content import Content
from unite_search.modality import Modality

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Role = Literal["query", "candidate"]


class FrameSampler(Protocol):
    """Chooses the frames of one window of a video; must be picklable, for it runs in decode workers."""

    def __call__(self, times_s: NDArray[np.float64], start_s: float, end_s: float) -> NDArray[np.int64]:
        """Return the sorted indices of the wanted frames.

        Args:
            times_s: (N,) presentation time of every frame of the file, ascending.
            start_s: first second of the window.
            end_s: end of the window, exclusive.
        """
        ...


@dataclass(frozen=True, slots=True)
class UniformFrames:
    """`count` frames at the middles of equal parts of the window; fewer where the window has fewer."""

    count: int = 8

    def __call__(self, times_s: NDArray[np.float64], start_s: float, end_s: float) -> NDArray[np.int64]:
        """See `FrameSampler`."""
        import numpy as np

        middles = start_s + (np.arange(self.count) + 0.5) / self.count * (end_s - start_s)
        shown = np.searchsorted(times_s, middles, side="right") - 1
        return np.unique(np.clip(shown, 0, len(times_s) - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaSpec:
    """What an encoder wants decoders to hand it, so that no pixel travels that it would throw away.

    Attributes:
        image_side: shorter side that images may be reduced to, never enlarged; None keeps every pixel.
        frame_side: the same for video frames.
        sampler: which frames of a window.
    """

    image_side: int | None = None
    frame_side: int | None = None
    sampler: FrameSampler = field(default_factory=UniformFrames)


class Encoder(Protocol):
    """Embeds contents of any modality into one space.

    Attributes:
        name: what a user types, such as `starter` or `unite-2b`.
        fingerprint: changes whenever the same content would get another vector; stored with a collection.
        dim: D, the length of a vector.
        modalities: the union of what it can embed.
        media: how it wants images and videos decoded.
        concurrency: how many threads may call `encode` at once, and are best to; indexing does.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def fingerprint(self) -> str: ...  # noqa: D102
    @property
    def dim(self) -> int: ...  # noqa: D102
    @property
    def modalities(self) -> Modality: ...  # noqa: D102
    @property
    def media(self) -> MediaSpec: ...  # noqa: D102
    @property
    def concurrency(self) -> int: ...  # noqa: D102

    def encode(self, contents: Sequence[Content], *, role: Role) -> NDArray[np.float32]:
        """Embed contents.

        Args:
            contents: N contents; each may mix text, images and clips.
            role: `query` for what one searches with, `candidate` for what is indexed.

        Returns:
            (N, D) float32, rows of unit length, in the order given.
        """
        ...
