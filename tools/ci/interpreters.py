"""Find the Python interpreters of this machine that the project supports."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

OLDEST = (3, 10)
NEWEST_TRIED = (3, 15)
VERSION = "import sys, venv; print(*sys.version_info[:2])"

Version = tuple[int, int]


def interpreters() -> dict[Version, Path]:
    """Return one working interpreter of each supported version, newest last; the path goes before pyenv."""
    found: dict[Version, Path] = {}
    for path in _candidates():
        version = _version_of(path)
        if version is not None and version >= OLDEST:
            found.setdefault(version, path)
    return dict(sorted(found.items()))


def oldest_and_newest(found: dict[Version, Path], *, but: Version) -> dict[Version, Path]:
    """Return the oldest and the newest interpreter found, without the version that the other stages use."""
    ends = {version: found[version] for version in (min(found), max(found))} if found else {}
    return {version: path for version, path in ends.items() if version != but}


def _candidates() -> Iterable[Path]:
    for minor in range(OLDEST[1], NEWEST_TRIED[1] + 1):
        if on_path := shutil.which(f"python3.{minor}"):
            yield Path(on_path)
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted((root / "versions").glob("3.*/bin/python"))


def _version_of(path: Path) -> Version | None:
    """Return the version of an interpreter; None if it does not run, like the shims of pyenv for inactive versions."""
    done = subprocess.run([path, "-c", VERSION], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return None
    major, minor = done.stdout.split()
    return int(major), int(minor)
