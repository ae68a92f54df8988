"""Turn texts into padded batches of token ids, with the tokenizer that MiniLM was trained with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

PAD_ID = 0


def load_tokenizer(path: Path) -> Tokenizer:
    """Read a `tokenizer.json`. Texts are truncated as the file says; `batches` pads them."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    return tokenizer


def batches(
    tokenizer: Tokenizer, texts: Sequence[str], size: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Group texts of similar length in batches, so that few tokens are padding.

    Args:
        tokenizer: from `load_tokenizer`.
        texts: N texts.
        size: largest number of texts in a batch.

    Yields:
        (B,) positions in `texts`, and (B, T) token ids of these texts, padded with `PAD_ID`.
    """
    rows = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
    order = np.array(sorted(range(len(rows)), key=lambda position: len(rows[position])), dtype=np.int64)
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        yield chosen, _padded([rows[position] for position in chosen])


def _padded(rows: list[list[int]]) -> NDArray[np.int64]:
    """Pad rows of token ids to (B, T)."""
    ids = np.full((len(rows), max(map(len, rows))), PAD_ID, dtype=np.int64)
    for target, row in zip(ids, rows, strict=True):
        target[: len(row)] = row
    return ids
