"""Merge an adapter into its base model and write the result as a full checkpoint, which needs neither.

    python -m train.unite.merge_adapter build/run/encoder --out build/merged --dtype bfloat16

The result loads like any UNITE model: `unite-search --encoder build/merged`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Literal

import torch

from unite_search.encoders.unite.checkpoint import CONFIG, Checkpoint, find_checkpoint
from unite_search.encoders.unite.model import UniteModel
from unite_search.encoders.unite.placement import Placement
from unite_search.errors import EncoderUnavailableError

Dtype = Literal["float32", "bfloat16"]
TOKENIZER_FILES = ("tokenizer*", "vocab.json", "merges.txt", "special_tokens_map.json", "chat_template*")


def write_merged(checkpoint: Checkpoint, out: Path, dtype: Dtype) -> None:
    """Write the merged weights, the config and the tokenizer.

    Args:
        checkpoint: an adapter and its base.
        out: folder to write to.
        dtype: type of the written weights; they are added in float32 in any case.

    Raises:
        ValueError: there is no adapter to merge, or `out` has a model already.
    """
    if checkpoint.adapter is None:
        raise ValueError(f"{checkpoint.folder} is no adapter; there is nothing to merge")
    if (out / CONFIG).exists():
        raise ValueError(f"{out} holds a model already; give another --out")
    model = UniteModel.load(checkpoint, Placement.choose("cpu", "float32"))
    model.backbone.to(getattr(torch, dtype)).save_pretrained(str(out))
    for pattern in TOKENIZER_FILES:
        for path in checkpoint.folder.glob(pattern):
            shutil.copyfile(path, out / path.name)


def main() -> None:
    """Merge from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m train.unite.merge_adapter",
        description="Merge a LoRA adapter into its base model and write a full checkpoint.",
    )
    parser.add_argument("adapter", help="folder of the adapter")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the checkpoint to")
    parser.add_argument(
        "--dtype",
        choices=["float32", "bfloat16"],
        default="bfloat16",
        help="type of the written weights (default: %(default)s)",
    )
    given = parser.parse_args()
    try:
        write_merged(find_checkpoint(given.adapter), given.out, given.dtype)
    except (OSError, ValueError, json.JSONDecodeError, EncoderUnavailableError) as error:
        parser.error(str(error))
    sys.stdout.write(f"{given.out}\n")


if __name__ == "__main__":
    main()
