"""Group items of similar length into batches, up to a number of tokens.

The padding to the longest item of a batch costs as much to compute as other tokens. So items are ordered by length,
and a batch ends where an item would need much padding, unless the batch is so small that another forward pass costs
more than the padding.
"""

from __future__ import annotations

from collections.abc import Sequence

FILL = 0.9
"""An item shorter than this share of the longest one starts a new batch ..."""
SMALL_TOKENS = 512
"""... unless the batch has fewer tokens than this."""


def plan_batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Group items by length.

    Args:
        lengths: number of tokens of each item.
        budget: largest number of tokens in a batch, padding included; a longer item forms a batch of its own.

    Returns:
        Indices of the items of each batch, longest items first, so that a lack of memory shows at once.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda at: -lengths[at]):
        if not batches or _is_full(batches[-1], lengths[index], lengths, budget):
            batches.append([])
        batches[-1].append(index)
    return batches


def padded_tokens(batches: Sequence[Sequence[int]], lengths: Sequence[int]) -> int:
    """Return the number of tokens that are computed, padding included."""
    return sum(len(batch) * max(lengths[index] for index in batch) for batch in batches)


def _is_full(batch: Sequence[int], length: int, lengths: Sequence[int], budget: int) -> bool:
    longest = lengths[batch[0]]
    if (len(batch) + 1) * longest > budget:
        return True
    return length < FILL * longest and len(batch) * longest >= SMALL_TOKENS
