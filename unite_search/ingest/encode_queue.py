"""Drafts that wait for the encoder, and which of them are next: pictures first, then each text file in turn.

A log of 3 MB has 3,000 passages, each of which may cost the starter as much as ten photos. Without an order, the photos
that come after it wait for minutes.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from unite_search.media.types import Draft
from unite_search.modality import Modality

PASSAGES_BETWEEN = 2
"""Passages of a batch for an encoder that has nothing to do, while pictures are being read that should not wait."""

Owner = TypeVar("Owner", bound=Hashable)


class EncodeQueue(Generic[Owner]):
    """A queue of drafts, each with the file that it belongs to."""

    def __init__(self) -> None:
        self._pictures: deque[tuple[Owner, Draft]] = deque()
        self._texts: OrderedDict[Owner, deque[Draft]] = OrderedDict()
        self._passages = 0

    def put(self, owner: Owner, draft: Draft) -> None:
        """Add a draft."""
        if draft.content.modalities == Modality.TEXT:
            self._texts.setdefault(owner, deque()).append(draft)
            self._passages += 1
        else:
            self._pictures.append((owner, draft))

    def next_batch(
        self, size: int, *, is_idle: bool, has_rivals: bool, are_last: bool = False
    ) -> list[tuple[Owner, Draft]]:
        """Take the drafts to encode next; none if it is better to wait for more.

        Args:
            size: drafts in a batch.
            is_idle: whether the encoder has nothing to do, so that a smaller batch is welcome.
            are_last: whether no picture is being read, so that those in the queue wait for nothing.
            has_rivals: whether pictures are being read or encoded, which passages that are taken now would delay.
        """
        if len(self._pictures) >= size or (self._pictures and (is_idle or are_last)):
            return [self._pictures.popleft() for _ in range(min(size, len(self._pictures)))]
        if len(self._texts) >= size or (not has_rivals and self._passages >= size):
            return self._passages_of_all(size)
        if is_idle:
            return self._passages_of_all(min(size, PASSAGES_BETWEEN) if has_rivals else size)
        return []

    def _passages_of_all(self, most: int) -> list[tuple[Owner, Draft]]:
        """Take at most some passages: of each text file one, again and again."""
        taken: list[tuple[Owner, Draft]] = []
        while len(taken) < most and self._texts:
            owner, drafts = self._texts.popitem(last=False)
            taken.append((owner, drafts.popleft()))
            self._passages -= 1
            if drafts:
                self._texts[owner] = drafts
        return taken
