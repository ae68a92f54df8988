"""Random histories of a folder, each step indexed, against the folder itself."""

from __future__ import annotations

import hashlib
import itertools
import os
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toy import ToyEncoder

from unite_search.collection import Collection
from unite_search.storage.catalog import Catalog

NAMES = [f"{name}.png" for name in "abcdef"]
STEPS = 12
CHANGES_A_STEP = 4
CLOCK = itertools.count(1)


def draw(path: Path, shade: int) -> None:
    Image.new("RGB", (20 + shade, 20), (shade * 20, 40, 200)).save(path)
    stamp(path)


def stamp(path: Path) -> None:
    """A time of its own: files written within one tick of the system's clock could not be told apart by time."""
    os.utime(path, (next(CLOCK),) * 2)


def change(folder: Path, chance: random.Random) -> None:
    """One thing that people do to files."""
    path, other = (folder / name for name in chance.sample(NAMES, 2))
    action = chance.choice(["draw", "delete", "rename", "copy", "touch"])
    if action == "draw" or not path.exists():
        draw(path, chance.randrange(8))
    elif action == "delete":
        path.unlink()
    elif action == "rename":
        path.replace(other)
    elif action == "copy":
        other.write_bytes(path.read_bytes())
        stamp(other)
    else:
        stamp(path)


def hash_of(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_after_any_changes_the_catalog_is_the_folder(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    folder = tmp_path / "media"
    folder.mkdir()
    (folder / "always.txt").write_text("so that the folder is never empty")
    owner_of_id: dict[int, str] = {}
    with Collection.open(tmp_path / "db", encoder=ToyEncoder(), create=True) as collection:
        for _ in range(STEPS):
            for _ in range(chance.randint(1, CHANGES_A_STEP)):
                change(folder, chance)
            collection.index([folder])
            catalog = Catalog(tmp_path / "db" / "catalog", dim=ToyEncoder.dim)
            ids = np.concatenate(list(catalog.ids_by_partition().values()))
            rows = catalog.rows(ids.tolist(), ["uri", "content_hash", "parent"])
            assert {row["uri"]: row["content_hash"] for row in rows.values()} == {
                str(path): hash_of(path) for path in folder.iterdir()
            }
            assert len(rows) == len(list(folder.iterdir()))
            for id_, row in rows.items():
                assert owner_of_id.setdefault(id_, row["content_hash"]) == row["content_hash"]
            assert collection.verify() == []
        assert collection.index([folder]).embedded == 0
