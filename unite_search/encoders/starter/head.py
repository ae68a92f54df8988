"""The trained head in numpy, which embeds features of the frozen towers. `train/starter/torch_head.py` trains it.

A picture and a text become a token each; a final token, which starts as their sum, attends to them and is pooled. Heads
trained with different seeds make different errors, so `Ensemble` concatenates their outputs and projects them onto the
principal directions. Matrices are stored as int8 with a scale for each row, which halves the file.

Letters: N contents, T = 3 tokens (picture, text, final), W width, D embedding, M heads.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from indexers.unit import unit_rows

Floats = NDArray[np.float32]

FEATURE_DIM, TEXT_DIM = 1280, 384
WIDTH, HEADS, DIM = 384, 6, 256
NORM_EPSILON = 1e-5
SCALE = ".scale"
LARGEST_INT8 = 127


class Ensemble:
    """Several heads that are used as one.

    Args:
        path: `.npz` for `read_arrays` with the parameters of each head as `NUMBER.name`, and `projection` (M * D, D).
    """

    def __init__(self, path: Path) -> None:
        arrays = read_arrays(path)
        self._projection = arrays.pop("projection")
        members: dict[str, dict[str, Floats]] = {}
        for name, array in arrays.items():
            number, _, parameter = name.partition(".")
            members.setdefault(number, {})[parameter] = array
        self._heads = [Head(weights) for weights in members.values()]

    def __call__(self, pictures: Floats, texts: Floats) -> Floats:
        """Embed contents as `Head.__call__` does."""
        return unit_rows(np.concatenate([head(pictures, texts) for head in self._heads], axis=1) @ self._projection)


class Head:
    """Embeds the features of the two towers.

    Args:
        weights: float32 arrays, named like the parameters in torch.
    """

    def __init__(self, weights: Mapping[str, Floats]) -> None:
        self._weights = weights

    def __call__(self, pictures: Floats, texts: Floats) -> Floats:
        """Embed contents.

        Args:
            pictures: (N, 1280 + 384) features and class mix; rows of zeros where there is no picture.
            texts: (N, 384); rows of zeros where there is no text.

        Returns:
            (N, D) float32 unit rows.
        """
        present = np.stack([pictures.any(axis=1), texts.any(axis=1)], axis=1)  # (N, 2)
        parts = np.zeros((len(pictures), 2, WIDTH), np.float32)
        parts[present[:, 0], 0] = self._seen(pictures[present[:, 0]])
        parts[present[:, 1], 1] = self._linear("text", texts[present[:, 1]] * np.float32(TEXT_DIM**0.5))
        final = parts.sum(axis=1)  # (N, W)
        final = final + self._attention(np.concatenate([parts, final[:, None]], axis=1), present)
        hidden = np.maximum(self._linear("hidden", self._norm("hidden_norm", final)), 0)
        final = final + self._linear("returned", hidden)
        return unit_rows(final @ self._weights["out.weight"].T)

    def _seen(self, pictures: Floats) -> Floats:
        """Turn (N, 1280 + 384) features and class mix into picture tokens (N, W)."""
        features = (pictures[:, :FEATURE_DIM] - self._weights["feature_mean"]) / self._weights["feature_spread"]
        mixes = pictures[:, FEATURE_DIM:] * np.float32(TEXT_DIM**0.5)
        return self._linear("picture", np.concatenate([features, mixes], axis=1))

    def _attention(self, tokens: Floats, present: NDArray[np.bool_]) -> Floats:
        """Let the final of (N, 3, W) tokens attend to those that are present; return (N, W)."""
        count = len(tokens)
        flat = self._norm("attention_norm", tokens).reshape(count * 3, WIDTH)
        projected = self._linear("attention", flat)  # flat, because numpy would run one small product per content
        split = projected.reshape(count, 3, 3, HEADS, WIDTH // HEADS)  # tokens, then query key value
        queries, keys, values = split[:, -1, 0], split[:, :, 1], split[:, :, 2]
        scores = np.einsum("nhd,nthd->nht", queries, keys) / (WIDTH // HEADS) ** 0.5  # (N, heads, 3)
        scores[:, :, :2][~np.broadcast_to(present[:, None], (count, HEADS, 2))] = -np.inf
        shares = np.exp(scores - scores.max(axis=2, keepdims=True))
        shares /= shares.sum(axis=2, keepdims=True)
        mixed = np.einsum("nht,nthd->nhd", shares, values).reshape(count, WIDTH)
        return self._linear("attended", mixed.astype(np.float32))

    def _linear(self, name: str, rows: Floats) -> Floats:
        return np.asarray(rows @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"], np.float32)

    def _norm(self, name: str, rows: Floats) -> Floats:
        centred = rows - rows.mean(axis=-1, keepdims=True)
        normal = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + NORM_EPSILON)
        return np.asarray(normal * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"], np.float32)


def read_arrays(path: Path) -> dict[str, Floats]:
    """Read the arrays of an `.npz` as float32; an int8 array is multiplied by the `.scale` of its rows."""
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name].astype(np.float32) for name in stored.files}
    scales = {name: arrays.pop(name) for name in list(arrays) if name.endswith(SCALE)}
    for name, scale in scales.items():
        arrays[name.removesuffix(SCALE)] *= scale
    return arrays


def packed(arrays: Mapping[str, Floats]) -> dict[str, NDArray[Any]]:
    """Pack arrays for `read_arrays`: matrices as int8 with a float32 scale for each row, vectors as float16."""
    found: dict[str, NDArray[Any]] = {}
    for name, array in arrays.items():
        if array.ndim < 2:
            found[name] = array.astype(np.float16)
            continue
        scale = np.abs(array).max(axis=1, keepdims=True).clip(np.finfo(np.float32).tiny) / LARGEST_INT8
        found[name] = np.rint(array / scale).astype(np.int8)
        found[name + SCALE] = scale.astype(np.float32)
    return found


def one_thread() -> AbstractContextManager[Any]:
    """Return a context in which BLAS keeps to one thread, unless another Python thread has limited it already.

    numpy's OpenBLAS distributes even small products over all cores and waits for each. If other processes keep those
    busy, as decode workers do, it waits longer than it computes: the head took 7 ms of CPU for a picture beside two
    busy processes, and 0.4 ms on one thread.
    """
    return _controller().limit(limits=1, user_api="blas")  # type: ignore[no-any-return]


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
