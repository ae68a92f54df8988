"""Record which project files a process enters; `tools/structure.py` puts this folder on PYTHONPATH.

Python imports a module of this name by itself when it starts, in worker processes too. A file is entered when one of
its functions is called after import: the call stack holds no module body of the project. Each such file is written at
once, because worker processes are ended without notice.

Environment: CALL_TRACE_FOLDERS names the folders to watch, CALL_TRACE_FILE the file or pipe to which paths are added.
It is opened at the start, because decode workers may open none later. Nor may they let a file grow: give them a pipe.
"""

from __future__ import annotations

import os
import sys
import threading
from inspect import CO_OPTIMIZED
from types import FrameType
from typing import Any

FOLDERS = tuple(filter(None, os.environ.get("CALL_TRACE_FOLDERS", "").split(os.pathsep)))
RECORD = os.environ.get("CALL_TRACE_FILE", "")

_entered: set[str] = set()


def _is_importing(frame: FrameType | None) -> bool:
    """Return whether a module of the project is being imported further up the stack."""
    while frame is not None:
        code = frame.f_code
        if code.co_name == "<module>" and code.co_filename.startswith(FOLDERS):
            return True
        frame = frame.f_back
    return False


def _watch(frame: FrameType, event: str, _argument: Any) -> None:
    code = frame.f_code
    if event != "call" or code.co_filename in _entered or not code.co_filename.startswith(FOLDERS):
        return
    if code.co_flags & CO_OPTIMIZED and not _is_importing(frame):
        _entered.add(code.co_filename)
        os.write(_record, f"{code.co_filename}\n".encode())


if FOLDERS and RECORD:
    _record = os.open(RECORD, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    threading.setprofile(_watch)
    sys.setprofile(_watch)
