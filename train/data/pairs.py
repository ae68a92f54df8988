"""What is trained on: pairs of a query and its candidate, with the modality that the query wants.

A side names its media and holds no pixels; whoever embeds it reads them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from unite_search.modality import Modality


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a pair.

    Attributes:
        text: what is said; media stand before it unless it holds `<|IMAGE|>` or `<|VIDEO|>`.
        images: paths; `path#edit` is the photo after an edit of `train.data.photo_edits`.
        videos: paths.
    """

    text: str = ""
    images: tuple[str, ...] = ()
    videos: tuple[str, ...] = ()

    @property
    def modalities(self) -> Modality:
        """The set of what it holds."""
        parts = (self.text, Modality.TEXT), (self.images, Modality.IMAGE), (self.videos, Modality.VIDEO)
        held = [modality for content, modality in parts if content]
        return Modality(sum(held))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A query, its right answer and, where the data has one, an answer that is close and wrong.

    Attributes:
        query: what one searches with.
        candidate: what should be found.
        negative: a hard negative.
        target: the modality wanted; that of the candidate unless the data says otherwise.
        group: pairs of one group have the same right answer; empty for none.
    """

    query: Side
    candidate: Side
    negative: Side | None = None
    target: Modality | None = None
    group: str = ""

    @property
    def wanted(self) -> Modality:
        """The target modality."""
        return self.candidate.modalities if self.target is None else self.target


def without(pairs: Sequence[Pair], unreadable: set[str]) -> list[Pair]:
    """Pairs none of whose media is unreadable."""
    return [
        pair
        for pair in pairs
        if unreadable.isdisjoint(
            name
            for side in (pair.query, pair.candidate, pair.negative)
            if side
            for name in (*side.images, *side.videos)
        )
    ]


def balance(pairs: Iterable[Pair]) -> dict[str, int]:
    """How many pairs go from which modality to which, such as `text -> image`, most frequent first.

    The paper's Table 9 says why it matters: text-video pairs decide how well videos are found.
    """
    return dict(
        Counter(f"{pair.query.modalities.partition} -> {pair.wanted.partition}" for pair in pairs).most_common()
    )


def group_numbers(pairs: Sequence[Pair], rank: int = 0) -> list[int]:
    """Numbers below 2**63, equal for pairs of one group in every process; without a group, equal to no other."""
    names = [pair.group or f"\0{rank} {position}" for position, pair in enumerate(pairs)]
    return [int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") >> 1 for name in names]
