"""The one place where errors of the catalog's engine become errors of this program.

The engine answers damage with `OSError`, `ValueError`, Arrow's errors or, where its own code did not expect it, with a
panic, which derives from `BaseException`. All become a `DamagedCollectionError` that names the collection and
what to do, or an `OutdatedError` where a writer has deleted the version that is being read.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

from unite_search.errors import DamagedCollectionError, OutdatedError, UniteSearchError

PANIC = "PanicException"
REFUSALS = (
    "No space left on device",
    "Permission denied",
    "Read-only file system",
    "Disk quota exceeded",
    "Too many open files",
    "Cannot allocate memory",
    "Stale file handle",
    "Input/output error",
    "File too large",
)
"""What the operating system says when it refuses; the engine repeats it inside its own messages."""
METHOD = TypeVar("METHOD", bound=Callable[..., Any])


@contextmanager
def guarded(directory: Path, is_outdated: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Turn what the engine raises into errors that name the collection and say what to do.

    Args:
        directory: the collection's folder.
        is_outdated: returns whether the version that is being read has been deleted.

    Raises:
        DamagedCollectionError: the catalog cannot be read.
        OutdatedError: the version that was being read has been deleted.
    """
    try:
        yield
    except UniteSearchError:
        raise
    except BaseException as error:
        if not is_of_engine(error):
            raise
        refusal = refusal_of_system(error)
        if refusal:
            raise UniteSearchError(f"{directory}: {refusal}") from error
        if is_outdated():
            raise OutdatedError(
                f"{directory}: the version of the collection that was open has been deleted by later changes; "
                "open the collection again"
            ) from error
        raise damaged(directory, damage_message(error)) from error


def damaged(directory: Path, what: str) -> DamagedCollectionError:
    """Return the error for a catalog that cannot be read."""
    return DamagedCollectionError(
        f"the catalog of {directory} cannot be read: {what}; `unite-search verify --db {directory}` says what is "
        f"damaged, `unite-search repair --db {directory}` brings back what can be",
        what,
    )


def is_of_engine(error: BaseException) -> bool:
    """Return whether an error is one that the engine raises: an ordinary error of a call, or a panic."""
    ordinary = (OSError, ValueError, RuntimeError, KeyError, NotImplementedError)
    return isinstance(error, ordinary) or is_panic(error)


def is_panic(error: BaseException) -> bool:
    """Return whether an error is a panic of the engine's Rust code, which is no `Exception`."""
    return type(error).__name__ == PANIC


def refusal_of_system(error: BaseException) -> str | None:
    """Return why the system refused a read or a write, which is no damage; None if it did not."""
    text = str(error)
    return next((reason for reason in REFUSALS if reason.lower() in text.lower()), None)


def damage_message(error: BaseException) -> str:
    """Return what is wrong with a catalog that cannot be read; the engine's own words tell a user nothing."""
    is_missing = "not found" in str(error).lower() or isinstance(error, FileNotFoundError)
    return "a file is missing" if is_missing else "the bytes of a file are not those that were written"


def engine_message(error: BaseException) -> str:
    """Return the engine's message on a filter, without the source positions that it appends."""
    lines = str(error).splitlines() or [type(error).__name__]
    line = lines[0].split(", /")[0].split(". Valid fields")[0]
    return line.removeprefix("Invalid user input: ").removeprefix("Schema error: ").strip().rstrip(".")


def guard(method: METHOD) -> METHOD:
    """Decorate a method or a generator method of an object whose `guarded()` is a context manager."""
    if inspect.isgeneratorfunction(method):

        @wraps(method)
        def streamed(self: Any, *arguments: Any, **named: Any) -> Iterator[Any]:
            items = method(self, *arguments, **named)
            while True:
                with self.guarded():
                    try:
                        item = next(items)
                    except StopIteration:
                        return
                yield item

        return cast(METHOD, streamed)

    @wraps(method)
    def called(self: Any, *arguments: Any, **named: Any) -> Any:
        with self.guarded():
            return method(self, *arguments, **named)

    return cast(METHOD, called)
