"""The contract between an encoder and everything around it; docs/guides/own-encoder.md shows how to write one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from unite_search.content import Content, MediaSpec
from unite_search.encoders.options import EncoderOptions
from unite_search.modality import Modality

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Role = Literal["query", "candidate"]


@dataclass(slots=True)
class Workload:
    """What an encoder has done since it was loaded.

    Attributes:
        items: contents embedded.
        tokens: their tokens.
        padded_tokens: tokens computed, padding included.
    """

    items: int = 0
    tokens: int = 0
    padded_tokens: int = 0


class Encoder(Protocol):
    """Embeds contents of any modality into one space.

    Any class with these attributes is an encoder; `EncoderDefaults` has those that most do not care about.

    Attributes:
        name: what a user types, such as `starter` or `unite-2b`.
        fingerprint: changes whenever the same content would get another vector; stored with a collection.
        dim: D, the length of a vector.
        modalities: the union of what it can embed.
        media: how it wants images and videos decoded.
        options: the choices that it was loaded with; `EncoderOptions()` for an encoder without any.
        concurrency: how many threads may call `encode` at once; indexing uses as many.
        workload: tokens computed so far; None for an encoder that does not count them.
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
    def options(self) -> EncoderOptions: ...  # noqa: D102
    @property
    def concurrency(self) -> int: ...  # noqa: D102
    @property
    def workload(self) -> Workload | None: ...  # noqa: D102

    def encode(self, contents: Sequence[Content], *, role: Role) -> NDArray[np.float32]:
        """Embed contents.

        Args:
            contents: N contents; each may mix text, images and clips.
            role: `query` for what one searches with, `candidate` for what is indexed.

        Returns:
            (N, D) float32, rows of unit length, in the order given.
        """
        ...


class EncoderDefaults:
    """The attributes of an encoder without options, which one thread calls at a time and which counts no tokens."""

    options = EncoderOptions()
    concurrency = 1
    workload: Workload | None = None
