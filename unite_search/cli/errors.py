"""Run a command line: the one place where errors become a line on stderr and an exit code.

The codes: 0 success; 1 failure; 2 wrong command line; 130 interrupted; 141 nobody reads stdout any more.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import typer

from indexers.errors import IndexerError
from unite_search.cli.interrupts import INTERRUPTED, RESUMED, command_of
from unite_search.cli.output import say
from unite_search.cli.streams import CLOSED_PIPE, STDOUT, discard, flush
from unite_search.display import printable
from unite_search.errors import UniteSearchError
from unite_search.storage.guard import is_panic

FAILED = 1
DEBUG = "--debug"


STAYS = " What was committed stays; run the same command again to go on from there."
FULL_DISK = ("No space left on device", "Disk quota exceeded")
MAKE_ROOM = "; free some space"
GO_ON = " and run the same command again, what was committed stays"


def _describe_os_error(error: OSError) -> str:
    if not error.strerror:
        return str(error)
    return f"{error.strerror}: {error.filename}" if error.filename else error.strerror


def _describe_memory_error(_: MemoryError) -> str:
    return "out of memory; try a smaller --batch-size and fewer --workers"


USER_ERRORS: tuple[tuple[type[Exception], Callable[..., str]], ...] = (
    (UniteSearchError, str),
    (IndexerError, str),
    (ImportError, str),
    (OSError, _describe_os_error),
    (MemoryError, _describe_memory_error),
)


def run(app: typer.Typer, arguments: Sequence[str], *, is_interrupted: Callable[[], bool] = lambda: False) -> int:
    """Run the application on some arguments and return the exit code; with `--debug`, exceptions are raised.

    Args:
        app: the application.
        arguments: the command line, without the name of the program.
        is_interrupted: whether the user has pressed Ctrl-C, which a library may have turned into an error of its own.
    """
    arguments, is_debugging = _take_debug(arguments)
    is_resumed = command_of(arguments) in RESUMED
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        app(args=arguments, prog_name="unite-search")
        code = 0
    except SystemExit as leaving:
        code = _exit_code(leaving)
    except BaseException as error:
        if is_debugging or not (isinstance(error, Exception) or is_panic(error)):
            raise
        code = INTERRUPTED if is_interrupted() else FAILED
        if code == FAILED:
            say(f"Error: {describe(error, is_resumed=is_resumed)}")
    if code == INTERRUPTED:
        say("Interrupted." + STAYS * is_resumed)
    return _flushed(code)


def _exit_code(leaving: SystemExit) -> int:
    """Return the code that a command ends with; Click and Rich make a failure of a reader that has left."""
    if isinstance(leaving.__context__, BrokenPipeError):
        discard(STDOUT)
        return CLOSED_PIPE
    return leaving.code if isinstance(leaving.code, int) else FAILED * bool(leaving.code)


def _flushed(code: int) -> int:
    """Write what is left in stdout; return the exit code, which is another one if that fails."""
    error = flush()
    if error is None or code:
        return code
    if isinstance(error, BrokenPipeError):
        return CLOSED_PIPE
    say(f"Error: the output cannot be written: {_describe_os_error(error)}")
    return FAILED


def describe(error: BaseException, *, is_resumed: bool = False) -> str:
    """Return an error as one line, with advice; `is_resumed` says whether the command goes on when it is run again."""
    for kind, description in USER_ERRORS:
        if isinstance(error, kind):
            message = description(error)
            break
    else:
        message = f"unexpected {type(error).__name__}: {error}; run again with {DEBUG} to see where"
    advice = MAKE_ROOM + GO_ON * is_resumed if any(reason in message for reason in FULL_DISK) else ""
    return printable(" ".join(message.split()) + advice)


def _take_debug(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """Remove `--debug` from the options, wherever it stands; return the rest, and whether it was there."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = [argument for argument in arguments[:end] if argument != DEBUG]
    return [*options, *arguments[end:]], len(options) < end
