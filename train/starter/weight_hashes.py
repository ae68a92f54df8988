"""Write `weights.json`, the SHA-256 of each file of weights; the fingerprint of the encoder is made of its bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from indexers.atomic import write_text

WEIGHTS_FILE = "weights.json"


def update_weight_hashes(folder: Path, names: Iterable[str]) -> None:
    """Hash files of a folder again; its `weights.json` keeps what it lists of other files, and may not exist yet."""
    path = folder / WEIGHTS_FILE
    listed = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    listed |= {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    write_text(path, json.dumps(dict(sorted(listed.items())), indent=1) + "\n")
