"""Heads of several seeds to the one file that the starter encoder loads.

    python -m train.starter.ensemble build/starter-2-0/encoder build/starter-2-1/encoder --out unite_search/.../weights

The embeddings of all heads side by side are reduced to their main directions on the photos and texts of the feature
cache. The hash of the file is put into `weights.json`; put it into MODEL_CARD.md, too.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train.starter.trainee import CACHE, HEAD
from unite_search.encoders.starter.encoder import WEIGHTS
from unite_search.encoders.starter.head import DIM, FEATURE_DIM, TEXT_DIM, Head, packed, read_arrays

Floats = NDArray[np.float32]
MOST_ROWS = 6000


def join(folders: Sequence[Path], cache: Path, out: Path) -> None:
    """Write `head.npz` and its hash."""
    members = [read_arrays(folder / HEAD) for folder in folders]
    with np.load(cache / "pictures.npz") as pictures, np.load(cache / "texts.npz") as texts:
        seen, said = (stored["rows"][:MOST_ROWS].astype(np.float32) for stored in (pictures, texts))
    arrays = {f"{number}.{name}": array for number, member in enumerate(members) for name, array in member.items()}
    arrays["projection"] = projection([Head(member) for member in members], seen, said)
    stored: dict[str, Any] = packed(arrays)
    np.savez(out / HEAD, **stored)
    listed = json.loads((out / "weights.json").read_text(encoding="utf-8"))
    listed[HEAD] = hashlib.sha256((out / HEAD).read_bytes()).hexdigest()
    (out / "weights.json").write_text(json.dumps(dict(sorted(listed.items())), indent=1) + "\n", encoding="utf-8")


def projection(heads: Sequence[Head], pictures: Floats, texts: Floats) -> Floats:
    """The (M * D, D) main directions of what the heads say of some pictures and texts."""
    nothing = (
        np.zeros((len(pictures), TEXT_DIM), np.float32),
        np.zeros((len(texts), FEATURE_DIM + TEXT_DIM), np.float32),
    )
    said = [np.concatenate([head(pictures, nothing[0]), head(nothing[1], texts)]) for head in heads]
    rows = np.concatenate(said, axis=1)
    return np.asarray(np.linalg.eigh(rows.T @ rows)[1][:, ::-1][:, :DIM], np.float32)


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description="Join heads of several seeds.")
    parser.add_argument("folders", type=Path, nargs="+", help="what runs exported")
    parser.add_argument("--features", type=Path, default=CACHE, help="the feature cache of the runs")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder of the starter's weights")
    given = parser.parse_args()
    join(given.folders, given.features, given.out)


if __name__ == "__main__":
    main()
