"""The errors that a user can meet.

UniteSearchError
  CollectionNotFoundError   there is no collection where one was expected
  CollectionLockedError     another process is writing to the collection
  DamagedCollectionError    files of the collection are damaged; `verify` says which, `repair` mends what can be
  DecodeProcessError        no process that decodes media can be had now
  EncoderMismatchError      the collection was built by another encoder
  EncoderUnavailableError   the encoder's weights or packages are not here
  FilterError               a --where expression that the catalog cannot evaluate
  QueryError                a query that asks for nothing that can be looked for
  OutdatedError             the version that was open has been deleted by later changes
  UnreadableFileError       one media file cannot be read; carries the reason
  UnknownItemError          an id that the collection does not hold
"""

from __future__ import annotations


class UniteSearchError(Exception):
    """Base class of errors that a user can fix; the message says how."""


class CollectionNotFoundError(UniteSearchError):
    """There is no collection where one was expected."""


class CollectionLockedError(UniteSearchError):
    """Another process is writing to the collection."""


class DamagedCollectionError(UniteSearchError):
    """Files of the collection are damaged; `verify` says which, and `repair` brings back what can be.

    Attributes:
        what: the damage in a few words, without the collection and what to do.
    """

    def __init__(self, message: str, what: str | None = None) -> None:
        super().__init__(message)
        self.what = message if what is None else what


class DecodeProcessError(UniteSearchError):
    """No process that decodes media is free or can be started; a later try may succeed."""


class EncoderMismatchError(UniteSearchError):
    """The collection was built by another encoder."""


class EncoderUnavailableError(UniteSearchError):
    """The encoder's weights or packages are not installed."""


class FilterError(UniteSearchError, ValueError):
    """A filter expression that the catalog cannot evaluate."""


class QueryError(UniteSearchError, ValueError):
    """A query that asks for nothing that can be looked for."""


class OutdatedError(UniteSearchError):
    """The version of the collection that was open has been deleted by later changes; `refresh` moves on."""


class UnreadableFileError(UniteSearchError):
    """A media file that cannot be read; `str(error)` is the reason in a few words."""


class UnknownItemError(UniteSearchError, KeyError):
    """An id that the collection does not hold."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""
