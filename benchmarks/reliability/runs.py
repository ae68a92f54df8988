"""What the writer of the readers benchmark writes, and its journal, by which readers know what must be there."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

FILES = 12
"""Text files in the folder of one run."""


def text_of(run: str, number: int) -> str:
    """Return the text of one file."""
    return f"{run} file {number}: " + " ".join(f"w{number * 31 + place * 7}" for place in range(12)) + "\n"


class Journal:
    """A file with one line for each step of the writer: `committed FOLDER` after, `removing FOLDER` before it."""

    def __init__(self, path: Path) -> None:
        """Create the file if it does not exist."""
        self._path = path
        path.touch()

    def write(self, step: Literal["committed", "removing"], folder: Path) -> None:
        """Append a line."""
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(f"{step} {folder}\n")

    def committed(self) -> frozenset[str]:
        """Return the folders that were indexed and whose removal has not begun."""
        return self._folders("committed") - self.removing()

    def removing(self) -> frozenset[str]:
        """Return the folders whose removal has begun."""
        return self._folders("removing")

    def _folders(self, step: str) -> frozenset[str]:
        lines = self._path.read_text(encoding="utf-8").splitlines()
        return frozenset(line.partition(" ")[2] for line in lines if line.startswith(f"{step} "))
