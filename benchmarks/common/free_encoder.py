"""An encoder that costs nothing, for measuring what stands around encoders."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unite_search.content import Content, Image, MediaSpec, Part
from unite_search.encoders.base import EncoderDefaults, Role
from unite_search.modality import Modality


class FreeEncoder(EncoderDefaults):
    """Of a picture the first bytes of its pixels, of a text its first characters; of clips nothing is known."""

    name = "free"
    fingerprint = "free-1"
    modalities = Modality.TEXT | Modality.IMAGE
    media = MediaSpec(image_side=256)

    def __init__(self, dim: int = 512) -> None:
        self.dim = dim

    def encode(self, contents: Sequence[Content], *, role: Role) -> NDArray[np.float32]:
        """(N, D) unit rows."""
        rows = np.stack([self._row(content.parts[0]) for content in contents])
        unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit

    def _row(self, part: Part) -> NDArray[np.float32]:
        content = (
            part.pixels.ravel()[: self.dim] if isinstance(part, Image) else np.frombuffer(str(part).encode(), "u1")
        )
        return np.resize(content[: self.dim], self.dim).astype(np.float32) + 1
