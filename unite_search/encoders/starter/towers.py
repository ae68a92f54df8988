"""The two frozen networks, each an onnxruntime session.

The graphs include all preprocessing and pooling: the vision graph normalises its pixels, the text graph masks, pools
and normalises. `train/starter/export_towers.py` makes both.

Small batches run in parallel, each on one thread: on two cores that processes a tenth more pictures a second than one
large batch on two threads, which wait for each other after every layer.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from unite_search.encoders.starter.tokens import batches, load_tokenizer

VISION_SIDE = 252
TEXT_DIM = 384
IMAGES_A_BATCH = 4
TEXTS_A_BATCH = 8

Batch = TypeVar("Batch")
Result = TypeVar("Result")


class Seen(NamedTuple):
    """Output of the vision tower for N pictures: class `logits` (N, 1000) and pooled `features` (N, 1280), float32."""

    logits: NDArray[np.float32]
    features: NDArray[np.float32]


class VisionTower:
    """EfficientNet-Lite2 in int8, trained on ImageNet."""

    def __init__(self, path: Path) -> None:
        self._session = open_session(path, ort.GraphOptimizationLevel.ORT_ENABLE_ALL)

    def __call__(self, pixels: NDArray[np.uint8]) -> Seen:
        """Compute logits and features of pictures, on the calling thread.

        Args:
            pixels: (N, 252, 252, 3) uint8 RGB, N from 1 to about `IMAGES_A_BATCH`.
        """
        return Seen(*self._session.run(None, {"pixels": pixels}))


class TextTower:
    """all-MiniLM-L6-v2 with int8 weights."""

    def __init__(self, model: Path, tokenizer: Path) -> None:
        # Unoptimised, the weights stay int8: opening takes 0.1 s of CPU time less, and many texts are a tenth slower.
        self._session = open_session(model, ort.GraphOptimizationLevel.ORT_DISABLE_ALL)
        self._tokenizer = load_tokenizer(tokenizer)

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed N texts as (N, 384) float32 unit rows, in the order given."""
        embeddings = np.empty((len(texts), TEXT_DIM), dtype=np.float32)
        padded = list(batches(self._tokenizer, texts, TEXTS_A_BATCH))
        rows = side_by_side(lambda batch: self._session.run(None, {"ids": batch[1]})[0], padded)
        for (positions, _), found in zip(padded, rows, strict=True):
            embeddings[positions] = found
        return embeddings


def open_session(path: Path, optimisation: ort.GraphOptimizationLevel) -> ort.InferenceSession:
    """Open a graph on the CPU; each run stays on the calling thread."""
    options = ort.SessionOptions()
    options.graph_optimization_level = optimisation
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def side_by_side(run: Callable[[Batch], Result], given: Sequence[Batch]) -> Iterable[Result]:
    """Run batches on one thread per core and return results in order; a single batch runs on the calling thread."""
    if len(given) < 2:
        return map(run, given)
    return _threads().map(run, given)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), "tower")
