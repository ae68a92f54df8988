"""A deterministic encoder without weights, importable by the processes that tests start."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unite_search.content import Clip, Content, Image, MediaSpec, Part, UniformFrames
from unite_search.encoders.base import EncoderDefaults, Role
from unite_search.modality import Modality

GRID = 4
LOG_VARIABLE = "TOY_ENCODER_LOG"
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}


class ToyEncoder(EncoderDefaults):
    """Pictures become their mean colours on a grid, colour words the colour, other words noise from their hash.

    Where `$TOY_ENCODER_LOG` names a file, each embedded candidate appends a line to it before `encode` returns.
    """

    name = "toy"
    fingerprint = "toy-1"
    dim = GRID * GRID * 3 + 8
    modalities = Modality.TEXT | Modality.IMAGE | Modality.VIDEO
    concurrency = 1
    media = MediaSpec(image_side=32, frame_side=32, sampler=UniformFrames(4))

    def encode(self, contents: Sequence[Content], *, role: Role) -> NDArray[np.float32]:
        if role == "candidate" and LOG_VARIABLE in os.environ:
            with Path(os.environ[LOG_VARIABLE]).open("a", encoding="utf-8") as log:
                log.writelines(f"{digest_of_content(content)}\n" for content in contents)
        rows = np.stack([sum((self._part(part) for part in content.parts), np.zeros(self.dim)) for content in contents])
        return np.asarray((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32))

    def _part(self, part: Part) -> NDArray[np.float64]:
        if isinstance(part, str):
            return np.asarray(np.sum([self._word(word) for word in part.lower().split()] or [self._word(" ")], axis=0))
        frames = part.pixels[None] if isinstance(part, Image) else part.frames
        return self._joined(_grid(frames.mean(axis=0)))

    def _word(self, word: str) -> NDArray[np.float64]:
        if word in COLOURS:
            return self._joined(np.tile(COLOURS[word], (GRID, GRID, 1)).astype(float))
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "little")
        noise = np.random.default_rng(seed).normal(size=8)
        return np.concatenate([np.zeros(GRID * GRID * 3), noise])

    def _joined(self, grid: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate([grid.reshape(-1) / 255 + 1e-3, np.zeros(8)])


def _grid(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    rows = np.array_split(np.arange(pixels.shape[0]), GRID)
    columns = np.array_split(np.arange(pixels.shape[1]), GRID)
    return np.array([[pixels[np.ix_(r, c)].mean(axis=(0, 1)) for c in columns] for r in rows])


def digest_of_content(content: Content) -> str:
    parts = (
        part.encode() if isinstance(part, str) else (part.frames if isinstance(part, Clip) else part.pixels).tobytes()
        for part in content.parts
    )
    return hashlib.sha256(b"|".join(parts)).hexdigest()[:16]
