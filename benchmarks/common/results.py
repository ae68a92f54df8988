"""Write a result: numbers, with the command, the commit and the machine that produced them."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import datetime, timezone
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"
PACKAGES = (
    "numpy",
    "onnxruntime",
    "pylance",
    "pyarrow",
    "decord2",
    "pillow",
    "faiss-cpu",
    "faiss-gpu",
    "torch",
    "transformers",
    "hnswlib",
    "usearch",
    "lancedb",
)


def write_result(name: str, results: dict[str, Any], folder: Path = RESULTS, *, command: str | None = None) -> Path:
    """Store the results of one benchmark as `<folder>/<name>.json`; return the path.

    Args:
        name: name of the file, without `.json`.
        results: the measured numbers.
        folder: folder of the file; created if it does not exist.
        command: the command that produced the results; None for that of this process.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    found = list(distributions())[::-1]  # Where a package is installed twice, the first one is imported.
    versions = {(installed.metadata["Name"] or "").lower(): installed.version for installed in found}
    content = {
        "command": command or _command(),
        "date": _now(),
        "commit": _commit(),
        "machine": {"cpu": _cpu(), "cores": os.cpu_count(), "system": platform.platform()},
        "python": platform.python_version(),
        "packages": {package: versions[package] for package in PACKAGES if package in versions},
        "results": results,
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return path


def merge_result(name: str, key: str, results: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Store results under one key of `<folder>/<name>.json`, with commit and command of this run; return the path."""
    path = folder / f"{name}.json"
    kept = json.loads(path.read_text(encoding="utf-8"))["results"] if path.exists() else {}
    origin = {"commit": _commit(), "date": _now(), "command": _command()}
    return write_result(name, {**kept, key: {**origin, **results}}, folder)


def _command() -> str:
    return "python -m benchmarks " + " ".join(sys.argv[1:])


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def _commit() -> str:
    """Return the commit of the checkout, or the environment variable GIT_COMMIT where there is no Git history."""
    command = ["git", "-C", str(RESULTS.parents[1]), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("GIT_COMMIT", "unknown")


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")
