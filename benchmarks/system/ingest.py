"""Compare the speed of `index` with the upper bound that decoding and encoding set, and measure its memory.

The bound is cores / (CPU seconds to decode an item + CPU seconds to encode it), each measured separately in this run.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.common.command import run_program
from benchmarks.common.photos import read_clips, read_photos
from unite_search.content import Content
from unite_search.encoders.base import Encoder
from unite_search.media.read import read_file
from unite_search.media.scan import scan
from unite_search.media.types import Draft, MediaFile, ReadOptions

REPEATS = 5
PHOTOS = 3000
SAMPLE = 400
ENCODE_BATCH = 32
MEMORY_SIZES = (1_000, 10_000)


def run(data: Path, encoder: Encoder) -> dict[str, Any]:
    """Measure photos, clips and memory."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        photos = link_files(folder / "photos", [photo.path for photo in read_photos(data, "train")[:PHOTOS]])
        clips = link_files(folder / "clips", [clip.path for clip in read_clips(data)])
        return {
            "cores": os.cpu_count(),
            "photos": _against_bound(photos, encoder),
            "clips": _against_bound(clips, encoder),
            "memory": _memory(folder),
        }


def _against_bound(folder: Path, encoder: Encoder) -> dict[str, Any]:
    files = [found for found in scan([folder], exclude=[], follow_links=True) if isinstance(found, MediaFile)]
    rounds = [_one_round(folder, files, encoder, number) for number in range(REPEATS)]
    middle = sorted(rounds, key=lambda entry: entry["ratio_to_bound"])[REPEATS // 2]
    return {
        "files": len(files),
        "rounds": REPEATS,
        "median_round": middle,
        "ratios": [r["ratio_to_bound"] for r in rounds],
    }


def _one_round(folder: Path, files: Sequence[MediaFile], encoder: Encoder, number: int) -> dict[str, Any]:
    sample = files[:: max(1, len(files) // SAMPLE)]
    contents, decode_s = _decode(sample, encoder)
    encode_s = _encode(contents, encoder)
    indexed = run_program(
        "index", str(folder), "--db", f"{folder.parent}/db-{folder.name}-{number}", "--follow-links", "--json"
    )
    bound = (os.cpu_count() or 1) / (decode_s + encode_s)
    rate = indexed.output["items"] / indexed.output["seconds"]
    return {
        "decode_cpu_ms": round(1e3 * decode_s, 2),
        "encode_cpu_ms": round(1e3 * encode_s, 2),
        "bound_items_per_s": round(bound, 1),
        "index_items_per_s": round(rate, 1),
        "ratio_to_bound": round(rate / bound, 3),
        "whole_process_items_per_s": round(indexed.output["items"] / indexed.wall_s, 1),
        "index_cpu_ms_per_item": round(1e3 * indexed.cpu_s / indexed.output["items"], 2),
    }


def _decode(files: Sequence[MediaFile], encoder: Encoder) -> tuple[list[Content], float]:
    """Read files one after the other; returns the contents, and CPU seconds per item."""
    started = time.process_time()
    options = ReadOptions(media=encoder.media)
    contents = [event.content for file in files for event in read_file(file, options) if isinstance(event, Draft)]
    return contents, (time.process_time() - started) / len(contents)


def _encode(contents: Sequence[Content], encoder: Encoder) -> float:
    """Return the CPU seconds per item, after one batch to load the weights."""
    encoder.encode(contents[:ENCODE_BATCH], role="candidate")
    started = time.process_time()
    for start in range(0, len(contents), ENCODE_BATCH):
        encoder.encode(contents[start : start + ENCODE_BATCH], role="candidate")
    return (time.process_time() - started) / len(contents)


def _memory(folder: Path) -> dict[str, Any]:
    peaks = {}
    for count in MEMORY_SIZES:
        drawn = folder / f"drawn-{count}"
        _draw(drawn, count)
        done = run_program("index", str(drawn), "--db", f"{folder}/db-{count}", "--json", with_memory=True)
        peaks[count] = round(done.peak_bytes / 2**20)
    small, large = (peaks[count] for count in MEMORY_SIZES)
    return {
        "measure": "sum of proportional set sizes of all processes, sampled 10 times a second, MiB",
        "images_to_peak_mib": {str(count): peak for count, peak in peaks.items()},
        "difference_mib": large - small,
    }


def link_files(folder: Path, paths: Sequence[Path]) -> Path:
    """Make a folder of symbolic links to files; returns the folder."""
    folder.mkdir()
    for path in paths:
        (folder / path.name).symlink_to(path)
    return folder


def _draw(folder: Path, count: int) -> None:
    """Write distinct pictures with some structure."""
    folder.mkdir()
    for number in range(count):
        rough = np.random.default_rng(number).integers(0, 255, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(rough).resize((256, 256)).save(folder / f"{number:05}.jpg")
