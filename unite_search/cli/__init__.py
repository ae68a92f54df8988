"""The command line: parse arguments, call the library, print. `main` is the entry point of `unite-search`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unite_search.cli.interrupts import Interrupts

__all__ = ["main"]


def main() -> None:
    """Run the command that `sys.argv` names, then exit with its code."""
    import sys

    from unite_search.cli.interrupts import INTERRUPTED, Interrupts, command_of

    interrupts = Interrupts(command_of(sys.argv[1:]))
    try:
        interrupts.install()
        code = _run(interrupts)
        interrupts.finish()
    except KeyboardInterrupt:
        code = INTERRUPTED
        interrupts.finish()
    sys.exit(code)


def _run(interrupts: Interrupts) -> int:
    import sys

    from unite_search.cli.streams import keep_stderr, open_closed

    open_closed()
    from unite_search.cli.app import app
    from unite_search.cli.errors import DEBUG, run

    if DEBUG not in sys.argv:
        keep_stderr()

    return run(app, sys.argv[1:], is_interrupted=lambda: interrupts.came)
