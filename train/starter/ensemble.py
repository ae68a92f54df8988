"""Join the heads of several seeds into the one file that the starter encoder loads.

    python -m train.starter.ensemble build/starter-2-0/encoder build/starter-2-1/encoder --out unite_search/.../weights

The embeddings of all heads are concatenated and reduced to their principal directions on the photos and texts of the
feature cache. The hash of the file is written to `weights.json`; copy it to MODEL_CARD.md by hand.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train.starter.trainee import CACHE, HEAD
from train.starter.weight_hashes import update_weight_hashes
from unite_search.encoders.starter.encoder import WEIGHTS
from unite_search.encoders.starter.head import DIM, FEATURE_DIM, TEXT_DIM, Head, packed, read_arrays

Floats = NDArray[np.float32]
MOST_ROWS = 6000


def join_heads(folders: Sequence[Path], cache: Path, out: Path) -> None:
    """Write `head.npz`, and its hash to `weights.json`.

    Args:
        folders: exports of one or several runs, each with a `head.npz`.
        cache: folder of the feature cache of these runs.
        out: folder of the starter's weights, which has a `weights.json`.
    """
    members = [read_arrays(folder / HEAD) for folder in folders]
    with np.load(cache / "pictures.npz") as pictures, np.load(cache / "texts.npz") as texts:
        seen, said = (stored["rows"][:MOST_ROWS].astype(np.float32) for stored in (pictures, texts))
    arrays = {f"{number}.{name}": array for number, member in enumerate(members) for name, array in member.items()}
    arrays["projection"] = projection([Head(member) for member in members], seen, said)
    stored: dict[str, Any] = packed(arrays)
    np.savez(out / HEAD, **stored)
    update_weight_hashes(out, [HEAD])


def projection(heads: Sequence[Head], pictures: Floats, texts: Floats) -> Floats:
    """Return the (M * D, D) principal directions of the embeddings of some pictures and texts by M heads."""
    nothing = (
        np.zeros((len(pictures), TEXT_DIM), np.float32),
        np.zeros((len(texts), FEATURE_DIM + TEXT_DIM), np.float32),
    )
    said = [np.concatenate([head(pictures, nothing[0]), head(nothing[1], texts)]) for head in heads]
    rows = np.concatenate(said, axis=1)
    return np.asarray(np.linalg.eigh(rows.T @ rows)[1][:, ::-1][:, :DIM], np.float32)


def main() -> None:
    """Join heads from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m train.starter.ensemble",
        description="Join the heads of several seeds into the file that the starter encoder loads.",
    )
    parser.add_argument("folders", type=Path, nargs="+", help="folders that training runs exported, one per seed")
    parser.add_argument("--features", type=Path, default=CACHE, help="feature cache of the runs (default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=WEIGHTS, help="folder of weights to write to (default: the package)"
    )
    given = parser.parse_args()
    join_heads(given.folders, given.features, given.out)


if __name__ == "__main__":
    main()
