"""Measure the calibration that comes with the starter, on photos and clips that its head was not trained on.

    python -m train.starter.calibrate --data ../shared/data

The photos are the first 400 of the dev split; the others are left for benchmarks. On train photos, which the head has
seen, related pairs are nearer than on any others, and the slopes were 1.3 times as steep.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from itertools import islice
from pathlib import Path

from unite_search.encoders.base import load_encoder
from unite_search.encoders.calibration import BUILT_IN
from unite_search.errors import UniteSearchError
from unite_search.ingest.examples import MANIFEST, CaptionedFile, measure_files, read_manifest

STARTER = "starter"
PHOTOS = 400
ORIGIN = f"Flickr8k dev photos 1 to {PHOTOS} and 79 clips"


def calibrate_starter(data: Path, out: Path) -> None:
    """Write the calibration; the same data on the same machine give the same bytes.

    Args:
        data: the folder that holds `captioned/` and `videos/`, each with a `manifest.jsonl`.
        out: the file to write.

    Raises:
        UniteSearchError: a photo or clip cannot be read.
    """
    measured = measure_files(load_encoder(STARTER), calibration_files(data), ORIGIN)
    if measured.skipped:
        raise UniteSearchError(f"{measured.skipped[0].path}: {measured.skipped[0].reason}")
    measured.calibration.write(out)


def calibration_files(data: Path) -> list[CaptionedFile]:
    """Return the photos and clips that the calibration is measured on, in the order of their manifests."""
    photos, clips = (read_manifest(data / folder / MANIFEST) for folder in ("captioned", "videos"))
    return [*islice(photos, PHOTOS), *clips]


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m train.starter.calibrate", description="Measure the calibration that comes with the starter."
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds captioned/ and videos/")
    parser.add_argument("--out", type=Path, default=BUILT_IN[STARTER], help="file to write (default: %(default)s)")
    given = parser.parse_args()
    calibrate_starter(given.data, given.out)
    digest = hashlib.sha256(given.out.read_bytes()).hexdigest()
    sys.stdout.write(f"{given.out}: {given.out.stat().st_size:,} bytes, SHA-256 {digest}; copy it to MODEL_CARD.md\n")


if __name__ == "__main__":
    main()
