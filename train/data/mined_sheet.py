"""Draw a contact sheet of mined triplets, to check by eye what mining finds: photo, sentence, target photo.

    python -m train.data.mined_sheet --manifest ../shared/data/captioned/manifest.jsonl --out build/mined.png

The sheet contains the photos, so their licence decides whether it may be passed on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from train.config import SourceConfig
from train.data.mine import DEV_SENTENCES, TRAIN_SENTENCES, Triplet, mine
from train.data.sources import captioned

COLUMNS = 4
PHOTO_SIDE, GAP, LINE_HEIGHT = 128, 8, 16


def draw_sheet(triplets: Sequence[Triplet], paths: Sequence[str]) -> Image.Image:
    """Draw triplets in rows of four, each sentence under its two photos.

    Args:
        triplets: at least one triplet.
        paths: path of the photo at each position that the triplets refer to.
    """
    width, height = 2 * PHOTO_SIDE + GAP, PHOTO_SIDE + LINE_HEIGHT + GAP
    rows = -(-len(triplets) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * width, rows * height), "white")
    pen = ImageDraw.Draw(sheet)
    for number, triplet in enumerate(triplets):
        left, top = number % COLUMNS * width, number // COLUMNS * height
        for side, photo in enumerate((triplet.reference, triplet.target)):
            sheet.paste(_thumbnail(paths[photo]), (left + side * PHOTO_SIDE, top))
        pen.text((left + 2, top + PHOTO_SIDE + 2), triplet.edit, fill="black")
    return sheet


def _thumbnail(path: str) -> Image.Image:
    with Image.open(path) as photo:
        return ImageOps.fit(photo.convert("RGB"), (PHOTO_SIDE, PHOTO_SIDE))


def main() -> None:
    """Draw a sheet from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m train.data.mined_sheet", description="Draw a contact sheet of triplets mined from captions."
    )
    parser.add_argument("--manifest", required=True, help="manifest.jsonl of captioned photos")
    parser.add_argument("--split", default="train", help="split of the manifest (default: %(default)s)")
    parser.add_argument("--count", type=int, default=40, help="number of triplets, drawn at random (default: 40)")
    parser.add_argument("--out", type=Path, required=True, help="PNG to write")
    given = parser.parse_args()
    photos = captioned(SourceConfig(kind="mined", path=given.manifest, split=given.split))
    sentences = DEV_SENTENCES if given.split == "dev" else TRAIN_SENTENCES
    triplets = mine([captions for _, captions in photos], sentences)
    if not triplets:
        parser.error(f"no triplets in split {given.split!r} of {given.manifest}")
    chosen = np.random.default_rng(0).permutation(len(triplets))[: given.count]
    given.out.parent.mkdir(parents=True, exist_ok=True)
    draw_sheet([triplets[number] for number in chosen], [path for path, _ in photos]).save(given.out)
    sys.stdout.write(f"{len(chosen)} of {len(triplets)} triplets: {given.out}\n")


if __name__ == "__main__":
    main()
