"""Write `requirements/ci.txt`: the exact versions that CI installs, as pip resolves them now; `make lock` runs this.

The file is a constraints file: it is given to `pip install --constraint` beside the extras that are wanted, so that it
pins an environment with torch as well as one without. Nothing is installed to write it. It holds for the Python that
ran this (the one of CI); other Pythons are tested with the newest dependencies that they can have.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements" / "ci.txt"
WANTED = ("torch==2.14.1", "torchvision==0.29.1", "--editable", f"{ROOT}[cpu,dev,train]", "mteb")
OURS = "unite-search"


def resolved(wanted: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return what pip would install into an empty environment."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed"]
        subprocess.run([*command, "--report", str(report), *wanted], check=True)
        installed: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["install"]
        return installed


def lock_of(installed: list[dict[str, Any]]) -> str:
    """Return the lines of the lock file, sorted by name."""
    pins = {entry["metadata"]["name"].lower().replace("_", "-"): entry["metadata"]["version"] for entry in installed}
    pins.pop(OURS, None)
    lines = [f"{name}=={version}" for name, version in sorted(pins.items())]
    head = f"# Made by `make lock` on Python {platform.python_version()}, {sys.platform}; used by CI as constraints."
    return "\n".join([head, *lines, ""])


if __name__ == "__main__":
    LOCK.parent.mkdir(exist_ok=True)
    LOCK.write_text(lock_of(resolved(WANTED)), encoding="utf-8")
