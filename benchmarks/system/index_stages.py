"""Measure the CPU milliseconds per item of each stage of `index`, one stage after the other in one process.

This gives the cost of each stage; `ingest` measures how well they overlap.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.photos import read_clips, read_photos
from benchmarks.system.ingest import ENCODE_BATCH, link_files
from unite_search.collection import Collection
from unite_search.encoders.base import Encoder
from unite_search.ingest.ledger import Ledger
from unite_search.media.read import read_file
from unite_search.media.scan import scan
from unite_search.media.types import Draft, Facts, Hashes, MediaFile, ReadOptions
from unite_search.report import IndexReport
from unite_search.storage.rows import EmbeddedItem
from unite_search.storage.store import Store

PHOTOS = 1000


def run(data: Path, encoder: Encoder) -> dict[str, Any]:
    """Measure all stages on photos and on clips."""
    photos = [photo.path for photo in read_photos(data, "train")[:PHOTOS]]
    return {"photos": _stages(photos, encoder), "clips": _stages([clip.path for clip in read_clips(data)], encoder)}


def _stages(paths: Sequence[Path], encoder: Encoder) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = link_files(Path(temporary) / "media", paths)
        clock = _Clock()
        files = [found for found in scan([folder], exclude=[], follow_links=True) if isinstance(found, MediaFile)]
        clock.stop("scan")
        options = ReadOptions(media=encoder.media)
        drafts = [(file, event) for file in files for event in read_file(file, options) if isinstance(event, Draft)]
        clock.stop("decode")
        batches = [drafts[start : start + ENCODE_BATCH] for start in range(0, len(drafts), ENCODE_BATCH)]
        encoder.encode([draft.content for _, draft in batches[0]], role="candidate")
        clock.restart()
        rows = [encoder.encode([draft.content for _, draft in batch], role="candidate") for batch in batches]
        clock.stop("encode")
        items = [EmbeddedItem.of(draft, row) for (_, draft), row in zip(drafts, np.concatenate(rows), strict=True)]
        _commit(Path(temporary) / "db", encoder, options, [file for file, _ in drafts], items, clock)
    milliseconds = {stage: round(1e3 * seconds / len(drafts), 3) for stage, seconds in clock.seconds.items()}
    return {"files": len(files), "items": len(drafts), "cpu_ms_per_item": milliseconds}


def _commit(
    folder: Path,
    encoder: Encoder,
    options: ReadOptions,
    files: Sequence[MediaFile],
    items: Sequence[EmbeddedItem],
    clock: _Clock,
) -> None:
    """Commit all items at once, and then write the partitions."""
    Collection.open(folder, encoder=encoder, create=True).close()
    store = Store(folder)
    with store.writing() as ids:
        clock.restart()
        ledger = Ledger(store.catalog, ids, IndexReport(), options)
        for file, item in zip(files, items, strict=True):
            ledger.add(file, Hashes(str(file.path)), Facts(), [item])
        ledger.commit()
        clock.stop("commit")
    clock.stop("partitions")


class _Clock:
    """Measures CPU seconds of this process, over all threads, by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.restart()

    def restart(self) -> None:
        self._started = time.process_time()

    def stop(self, stage: str) -> None:
        self.seconds[stage] = time.process_time() - self._started
        self.restart()
