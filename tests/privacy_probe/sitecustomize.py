"""Note what a Python process opens to write, connects to and looks up; `tests/traced.py` reads the notes.

Python imports a module of this name by itself when it starts, in decode processes too. It sees what Python code does
and nothing that a library does in C; that is left to strace and to the counters of a network namespace.

Environment: PRIVACY_NOTES names the folder of the notes, one file a process. PRIVACY_WITHOUT names an environment
variable that the program cannot set, so that a test can show what happens without this switch.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

FOLDER = os.environ.get("PRIVACY_NOTES", "")
WITHOUT = os.environ.get("PRIVACY_WITHOUT", "")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
PATHS_OF = {
    "os.mkdir": (0,),
    "os.rename": (0, 1),
    "os.remove": (0,),
    "os.rmdir": (0,),
    "os.link": (1,),
    "os.symlink": (1,),
    "os.truncate": (0,),
    "os.chmod": (0,),
    "os.utime": (0,),
}
"""The arguments of each event of Python that are paths to be changed."""


def _install() -> None:
    notes = os.open(f"{FOLDER}/{os.getpid()}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(kind: str, value: Any) -> None:
        shown = os.fsdecode(value) if isinstance(value, (bytes, os.PathLike)) else value
        os.write(notes, (json.dumps([kind, shown], default=str) + "\n").encode())

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and not isinstance(arguments[0], int):
            if arguments[2] & WRITES:
                note("write", os.path.abspath(arguments[0]))  # noqa: PTH100 - pathlib would open files itself
        elif event in PATHS_OF:
            for path in (arguments[at] for at in PATHS_OF[event] if not isinstance(arguments[at], int)):
                note("write", os.path.abspath(path))  # noqa: PTH100
        elif event in ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"):
            note("address", arguments[1])
        elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
            note("lookup", arguments[0])

    sys.addaudithook(hook)


def _keep_unset(name: str) -> None:
    """Let an assignment to `os.environ[name]` do nothing, so that it is as if the program did not have it."""
    environment = type(os.environ)
    assign = environment.__setitem__

    def assign_others(self: Any, key: str, value: str) -> None:
        if key != name:
            assign(self, key, value)

    environment.__setitem__ = assign_others  # type: ignore[method-assign]


if FOLDER:
    _install()
if WITHOUT:
    _keep_unset(WITHOUT)
