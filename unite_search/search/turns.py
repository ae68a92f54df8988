"""Turns: where a picture or clip asks, items with pictures and texts alone take turns.

What a picture has in common with other pictures and what it has in common with texts cannot be compared: a text is as
near as its words are right, and a picture is near because it looks alike, which may or may not be what is wanted. So
the best picture comes first, then the best text, and so on. Where most items are texts, they get as many turns as their
share of the items. Hits that are not weak take their turns before weak ones do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from unite_search.search.grouping import Group

TEXT = "text"


def side_of(partition: str, kind: str) -> str:
    """Return which items a partition takes turns with: those of the same side do not.

    Args:
        partition: name of the partition.
        kind: what the query was made of, named as a partition.
    """
    return "texts" if partition == TEXT and kind != TEXT else "all others"


def share_of_texts(sizes: Mapping[str, int]) -> float:
    """Return which share of the turns texts have, given the number of items of each partition."""
    return max(0.5, sizes.get(TEXT, 0) / max(1, sum(sizes.values())))


def taking_turns(groups: Sequence[Group], share: float) -> list[Group]:
    """Return groups, which are sorted, best first, in turns; texts have a share of them."""
    ordered: list[Group] = []
    for _, run in groupby(groups, key=lambda group: group.best.is_weak):
        alike = list(run)
        texts = [group for group in alike if group.best.partition == TEXT]
        others = [group for group in alike if group.best.partition != TEXT]
        ordered += _merged(others, texts, share)
    return ordered


def _merged(others: Sequence[Group], texts: Sequence[Group], share: float) -> Iterator[Group]:
    taken = 0
    for place in range(1, len(others) + len(texts) + 1):
        is_turn = taken < int(place * share + 1e-9) or place - 1 - taken >= len(others)
        if is_turn and taken < len(texts):
            yield texts[taken]
            taken += 1
        else:
            yield others[place - 1 - taken]
