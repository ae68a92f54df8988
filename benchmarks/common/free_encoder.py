"""An encoder that takes almost no time, to measure everything around the encoder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from indexers.unit import unit_rows
from unite_search.content import Content, Image, MediaSpec, Part
from unite_search.encoders.base import EncoderDefaults, Role
from unite_search.modality import Modality


class FreeEncoder(EncoderDefaults):
    """Embed an image or clip by its first pixel bytes and a text by its first characters."""

    name = "free"
    fingerprint = "free-1"
    modalities = Modality.TEXT | Modality.IMAGE | Modality.VIDEO
    media = MediaSpec(image_side=256, frame_side=256)

    def __init__(self, dim: int = 512) -> None:
        self.dim = dim

    def encode(self, contents: Sequence[Content], *, role: Role) -> NDArray[np.float32]:
        """Return (N, D) unit rows."""
        return unit_rows(np.stack([self._row(content.parts[0]) for content in contents]))

    def _row(self, part: Part) -> NDArray[np.float32]:
        if isinstance(part, str):
            content = np.frombuffer(part.encode(), "u1")
        else:
            content = (part.pixels if isinstance(part, Image) else part.frames[0]).ravel()
        return np.resize(content[: self.dim], self.dim).astype(np.float32) + 1
