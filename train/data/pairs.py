"""Training pairs: a query and its candidate, with the target modality.

A side names its media files and holds no pixels; the trainee that embeds it reads them.
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
        text: the text; media come before it unless it holds the placeholders `<|IMAGE|>` or `<|VIDEO|>`.
        images: paths; `path#edit` is the photo after an edit of `train.data.photo_edits`.
        videos: paths.
    """

    text: str = ""
    images: tuple[str, ...] = ()
    videos: tuple[str, ...] = ()

    @property
    def modalities(self) -> Modality:
        """The set of the modalities that this side contains."""
        parts = (self.text, Modality.TEXT), (self.images, Modality.IMAGE), (self.videos, Modality.VIDEO)
        held = [modality for content, modality in parts if content]
        return Modality(sum(held))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A query, its right answer and, where the data has one, a hard negative.

    Attributes:
        query: the query.
        candidate: its positive.
        negative: a hard negative, or None.
        target: the target modality as the data states it; None means that of the candidate.
        group: pairs of one group have the same right answer; empty for none.
    """

    query: Side
    candidate: Side
    negative: Side | None = None
    target: Modality | None = None
    group: str = ""

    @property
    def target_modality(self) -> Modality:
        """The modality in which the query searches: `target`, or that of the candidate."""
        return self.candidate.modalities if self.target is None else self.target


def without_unreadable(pairs: Sequence[Pair], unreadable: set[str]) -> list[Pair]:
    """Return the pairs that use none of the unreadable media."""
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
    """Count the pairs by modality of query and target, such as `text -> image`, most frequent first.

    Table 9 of arXiv 2505.19650 shows why the balance matters: text-video pairs decide how well videos are found.
    """
    return dict(
        Counter(
            f"{pair.query.modalities.partition} -> {pair.target_modality.partition}" for pair in pairs
        ).most_common()
    )


def group_numbers(pairs: Sequence[Pair], rank: int = 0) -> list[int]:
    """Return a number below 2**63 for each pair: equal for pairs of one group, in every process, and else unique."""
    names = [pair.group or f"\0{rank} {position}" for position, pair in enumerate(pairs)]
    return [int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") >> 1 for name in names]
