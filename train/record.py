"""Records of what was run: a training run's `run.json` with its config and a fingerprint of its data; measurements."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

from indexers.atomic import write_text
from train.config import TrainConfig
from train.data.pairs import Pair, balance

RECORD = "run.json"


def refuse_other_run(config: TrainConfig, folder: Path) -> None:
    """Refuse a folder that holds a run with another config.

    Raises:
        ValueError: the folder holds such a run, which this one could not continue.
    """
    path = folder / RECORD
    settings = json.loads(json.dumps(config.as_dict()))
    if path.exists() and json.loads(path.read_text(encoding="utf-8"))["config"] != settings:
        raise ValueError(f"{folder} holds a run with another config; give another run.out or remove it")


def write_record(config: TrainConfig, sources: Sequence[Sequence[Pair]], folder: Path) -> None:
    """Write `run.json` into the run's folder."""
    record = {
        "config": config.as_dict(),
        "commit": commit(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "data": {"fingerprint": fingerprint(sources), "pairs": [len(pairs) for pairs in sources]},
        "balance": balance(pair for pairs in sources for pair in pairs),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / RECORD, json.dumps(record, indent=1) + "\n")


def write_measurement(path: Path, command: str, measured: Mapping[str, Any]) -> str:
    """Write a JSON file of what was measured, with the command and the commit that it was measured with.

    Args:
        path: the file to write; its folder is created if it does not exist.
        command: the command line to run again.
        measured: further keys of the file, such as `results`.

    Returns:
        The text of the file.
    """
    text = json.dumps({"command": command, "commit": commit(), **measured}, indent=2) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    return text


def fingerprint(sources: Sequence[Sequence[Pair]]) -> str:
    """Return a hash of all pairs in order; media are represented by their path, not their content."""
    digest = blake2b(digest_size=8)
    for pairs in sources:
        for pair in pairs:
            digest.update(repr(pair).encode())
    return digest.hexdigest()


def commit() -> str:
    """Return the commit of this code, with `-dirty` if it was changed since.

    Where there is no Git history it is the environment variable GIT_COMMIT, or `unknown`.
    """
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("GIT_COMMIT", "unknown")
