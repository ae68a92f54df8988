"""The command line: parse arguments, call the library, print. `main` is the entry point of `unite-search`."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command that `sys.argv` names, then exit with its code."""
    import sys

    from unite_search.cli.app import app
    from unite_search.cli.errors import run

    sys.exit(run(app, sys.argv[1:]))
