"""What a run leaves behind about itself: its resolved config, the code's commit, a fingerprint of its data."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Sequence
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path

from train.config import TrainConfig
from train.data.pairs import Pair, balance

RECORD = "run.json"


def refuse_another(config: TrainConfig, folder: Path) -> None:
    """Keep a run out of a folder that is not its own.

    Raises:
        ValueError: the folder belongs to a run with another config, which this one would not continue.
    """
    path = folder / RECORD
    settings = json.loads(json.dumps(config.as_dict()))
    if path.exists() and json.loads(path.read_text(encoding="utf-8"))["config"] != settings:
        raise ValueError(f"{folder} holds a run with another config; give another run.out or remove it")


def write_record(config: TrainConfig, sources: Sequence[Sequence[Pair]], folder: Path) -> None:
    """Write `run.json`."""
    record = {
        "config": config.as_dict(),
        "commit": commit(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "data": {"fingerprint": fingerprint(sources), "pairs": [len(pairs) for pairs in sources]},
        "balance": balance(pair for pairs in sources for pair in pairs),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def fingerprint(sources: Sequence[Sequence[Pair]]) -> str:
    """A hash of all pairs in order; media count by their path."""
    digest = blake2b(digest_size=8)
    for pairs in sources:
        for pair in pairs:
            digest.update(repr(pair).encode())
    return digest.hexdigest()


def commit() -> str:
    """The commit of this code, `-dirty` where it was changed since."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
