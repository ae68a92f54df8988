"""Write a file so that readers, and whoever opens it after a crash, find either the old or the new content."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path`; on leaving, sync it to disk and rename it to `path`.

    An exception removes the temporary file and leaves `path` as it was. A system error names `path`, which is the name
    that the caller knows.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        with temporary.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename == str(temporary):
            error.filename, error.filename2 = str(path), None
        raise


def write_text(path: Path, text: str) -> None:
    """Replace the content of a file by a text in UTF-8; the bytes are on disk when this returns."""
    with atomic_write(path) as stream:
        stream.write(text.encode("utf-8"))
