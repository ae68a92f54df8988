"""Which items go through the model together: neighbours in length, as many as a number of tokens allows.

Padding to the longest item of a batch is computed like everything else. So items are ordered by length, and a batch
ends where an item would be padded noticeably, unless the batch is so small that another forward pass costs more than
the padding.
"""

from __future__ import annotations

from collections.abc import Sequence

FILL = 0.9
SMALL_TOKENS = 512


def plan_batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Group items by length.

    Args:
        lengths: tokens of each item.
        budget: most tokens of a batch, padding included; a longer item is a batch of its own.

    Returns:
        Indices of the items, batch by batch, the longest first: what does not fit into memory fails at once.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda at: -lengths[at]):
        if not batches or _is_full(batches[-1], lengths[index], lengths, budget):
            batches.append([])
        batches[-1].append(index)
    return batches


def padded_tokens(batches: Sequence[Sequence[int]], lengths: Sequence[int]) -> int:
    """Tokens that are computed, padding included."""
    return sum(len(batch) * max(lengths[index] for index in batch) for batch in batches)


def _is_full(batch: Sequence[int], length: int, lengths: Sequence[int], budget: int) -> bool:
    longest = lengths[batch[0]]
    if (len(batch) + 1) * longest > budget:
        return True
    return length < FILL * longest and len(batch) * longest >= SMALL_TOKENS
