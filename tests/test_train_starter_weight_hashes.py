"""The bytes of `weights.json` are the fingerprint of the starter, so they may not depend on who writes them."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

from train.starter.weight_hashes import update_weight_hashes
from unite_search.encoders.starter.encoder import WEIGHTS

NO_WEIGHTS = ("weights.json", "MODEL_CARD.md", "calibration.npz")
COMMITTED = (WEIGHTS / "weights.json").read_bytes()


def linked(folder: Path) -> list[str]:
    """Link the package's weights into a folder, and return their names, unsorted."""
    names = [path.name for path in WEIGHTS.iterdir() if path.name not in NO_WEIGHTS]
    for name in names:
        (folder / name).symlink_to(WEIGHTS / name)
    return sorted(names, reverse=True)


def test_the_weights_of_the_package_give_the_committed_bytes(tmp_path: Path) -> None:
    """At once in a new folder, and file by file as the exports of towers, edits and head do."""
    names = linked(tmp_path)
    update_weight_hashes(tmp_path, names)
    assert (tmp_path / "weights.json").read_bytes() == COMMITTED
    (tmp_path / "weights.json").unlink()
    for name in names:
        update_weight_hashes(tmp_path, [name])
    assert (tmp_path / "weights.json").read_bytes() == COMMITTED


def test_a_new_head_changes_its_own_line_only(tmp_path: Path) -> None:
    linked(tmp_path)
    (tmp_path / "weights.json").write_bytes(COMMITTED)
    (tmp_path / "head.npz").unlink()
    (tmp_path / "head.npz").write_bytes(b"another head")
    update_weight_hashes(tmp_path, ["head.npz"])
    expected = json.loads(COMMITTED) | {"head.npz": sha256(b"another head").hexdigest()}
    assert json.loads((tmp_path / "weights.json").read_bytes()) == expected
