"""Drafts that wait for the encoder, and which of them are next: the first picture of each file, then files in turn.

A log of 3 MB has 3,000 passages and a long video a thousand clips, each of which may cost as much as ten photos.
Without an order, the photos that come after them wait for minutes.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from unite_search.media.types import Draft
from unite_search.modality import Modality

BULK_BETWEEN = 2
"""Passages or clips of a batch for an encoder that has nothing to do, while pictures are read that should not wait."""

Owner = TypeVar("Owner", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Batch(Generic[Owner]):
    """Drafts to encode in one call, each with its file; all are passages or none. `is_fresh`: they are no bulk."""

    drafts: list[tuple[Owner, Draft]]
    is_fresh: bool = False


class EncodeQueue(Generic[Owner]):
    """A queue of drafts, each with the file that it belongs to.

    The first picture or clip of a file is *fresh*; its other clips, and all passages, are *bulk*.
    """

    def __init__(self) -> None:
        self._fresh: deque[tuple[Owner, Draft]] = deque()
        self._bulk: OrderedDict[Owner, deque[Draft]] = OrderedDict()
        self._bulk_count = 0

    def put(self, owner: Owner, draft: Draft, *, is_first: bool) -> None:
        """Add a draft; `is_first` says that it is the first one of its file."""
        if is_first and not _is_passage(draft):
            self._fresh.append((owner, draft))
        else:
            self._bulk.setdefault(owner, deque()).append(draft)
            self._bulk_count += 1

    def next_batch(self, size: int, *, is_idle: bool, has_rivals: bool, are_last: bool = False) -> Batch[Owner]:
        """Take the drafts to encode next; none if it is better to wait for more.

        Args:
            size: drafts in a batch.
            is_idle: whether the encoder has nothing to do, so that a smaller batch is welcome.
            are_last: whether no fresh picture is being read, so that those in the queue wait for nothing.
            has_rivals: whether fresh pictures are being read or encoded, which bulk that is taken now would delay.
        """
        if len(self._fresh) >= size or (self._fresh and (is_idle or are_last)):
            return Batch([self._fresh.popleft() for _ in range(min(size, len(self._fresh)))], is_fresh=True)
        if len(self._bulk) >= size or (not has_rivals and self._bulk_count >= size):
            return self._bulk_of_all(size)
        if is_idle:
            return self._bulk_of_all(min(size, BULK_BETWEEN) if has_rivals else size)
        return Batch([])

    def _bulk_of_all(self, most: int) -> Batch[Owner]:
        """Take some drafts of the kind that is next: of each file with such one, again and again."""
        taken: list[tuple[Owner, Draft]] = []
        kind = next((_is_passage(drafts[0]) for drafts in self._bulk.values()), None)
        turn = deque(owner for owner, drafts in self._bulk.items() if _is_passage(drafts[0]) == kind)
        while len(taken) < most and turn:
            owner = turn.popleft()
            drafts = self._bulk.pop(owner)
            taken.append((owner, drafts.popleft()))
            if drafts:
                self._bulk[owner] = drafts
                turn.append(owner)
        self._bulk_count -= len(taken)
        return Batch(taken)


def _is_passage(draft: Draft) -> bool:
    return draft.content.modalities == Modality.TEXT
