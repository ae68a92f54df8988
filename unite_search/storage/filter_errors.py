"""Tell a filter that cannot be evaluated from files that cannot be read: the engine raises the same errors for both."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

import lance

from unite_search.errors import DamagedCollectionError, FilterError
from unite_search.storage.guard import engine_message
from unite_search.storage.rows import filter_columns


def refusal(
    table: lance.LanceDataset, where: str | None, error: Exception, guarded: Callable[[], AbstractContextManager[None]]
) -> Exception:
    """Return the error for a filter that could not be evaluated, or the error itself if the files are to blame."""
    if _is_valid(table, where) and not _is_readable(table, guarded):
        return error
    columns = ", ".join(filter_columns())
    said = engine_message(error)
    if said.startswith("No field named kind."):
        said = "No field named kind; it is now `modality`"
    return FilterError(f"filter {where!r}: {said} (columns: {columns})")


def _is_valid(table: lance.LanceDataset, where: str | None) -> bool:
    """Return whether a filter can be planned; it may still fail on a row, as a division by zero does."""
    with suppress(ValueError, OSError):
        table.scanner(columns=["id"], filter=where).explain_plan()
        return True
    return False


def _is_readable(table: lance.LanceDataset, guarded: Callable[[], AbstractContextManager[None]]) -> bool:
    """Return whether the rows can be read where no filter looks at them; vectors, the bulk, are left out."""
    names = [name for name in table.schema.names if name != "embedding"]
    with suppress(DamagedCollectionError), guarded():
        deque(table.to_batches(columns=names), maxlen=0)
        return True
    return False
