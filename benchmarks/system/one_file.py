"""What one file may cost the others: photos beside a log of 3 MB, texts beyond their budget, and messages of workers.

The photos are timed from the start of `index` to the moment when the last of them is encoded, alone and beside the log,
in turns; the shortest round of each counts, because other programs can only lengthen one. Messages are compared with
pickles of protocol 5 of the same arrays, through the same kind of pipe, from one process to another; in both cases the
receiver first waits until something has come, as the pool does.
"""

from __future__ import annotations

import multiprocessing
import pickle
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.photos import read_photos
from benchmarks.system.ingest import link_files
from unite_search.collection import Collection
from unite_search.content import Clip, Content, Image, MediaSpec
from unite_search.encoders.base import Encoder, EncoderDefaults, Role
from unite_search.media.decode_pool import DecodePool
from unite_search.media.messages import read, written
from unite_search.media.scan import scan
from unite_search.media.types import Cut, Draft, MediaFile, ReadOptions
from unite_search.media.wire import Inbox, send
from unite_search.report import IndexOptions

PHOTOS = 58
LOG_BYTES = 3_000_000
ROUNDS = 5
MESSAGES = 300
SIDE = 224
FRAMES = 8
CUES = 1_000_000
LONG_LOG_BYTES = 64_000_000

SENT = MediaFile(path=Path("/sent"), modality="video", size_bytes=1, mtime_ns=1)


def run(data: Path, encoder: Encoder) -> dict[str, Any]:
    """Measure all three."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        return {
            "photos_beside_a_log": _photos_beside_a_log(data, encoder, folder),
            "files_beyond_their_budget": _beyond_budget(folder / "long"),
            "messages": {"image": _messages(1), "clip": _messages(FRAMES)},
        }


class _PhotosDoneError(Exception):
    """All photos are encoded; the passages of the log need not be."""


class _Watched(EncoderDefaults):
    """An encoder that stops the run when it has encoded all photos."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.photos = 0
        self.passages = 0
        self.done_at = 0.0
        self.name, self.fingerprint, self.dim = encoder.name, encoder.fingerprint, encoder.dim
        self.modalities, self.media, self.concurrency = encoder.modalities, encoder.media, encoder.concurrency

    def encode(self, contents: Sequence[Content], *, role: Role) -> NDArray[np.float32]:
        rows = self._encoder.encode(contents, role=role)
        photos = sum(isinstance(content.parts[0], Image) for content in contents)
        self.photos += photos
        self.passages += len(contents) - photos
        if self.photos == PHOTOS:
            self.done_at = time.perf_counter()
            raise _PhotosDoneError
        return rows


def _photos_beside_a_log(data: Path, encoder: Encoder, folder: Path) -> dict[str, Any]:
    photos = [photo.path for photo in read_photos(data, "train")[:PHOTOS]]
    alone = link_files(folder / "alone", photos)
    beside = link_files(folder / "beside", photos)
    _write_log(beside / "000.txt", LOG_BYTES)
    rounds = [(_timed(alone, encoder), _timed(beside, encoder)) for _ in range(ROUNDS)]
    alone_s, beside_s = min(first[0] for first, _ in rounds), min(second[0] for _, second in rounds)
    return {
        "photos": PHOTOS,
        "log_bytes": LOG_BYTES,
        "rounds": ROUNDS,
        "alone_s": round(alone_s, 3),
        "beside_the_log_s": round(beside_s, 3),
        "ratio": round(beside_s / alone_s, 3),
        "all_rounds_s": [[round(first[0], 3), round(second[0], 3)] for first, second in rounds],
        "passages_before_the_last_photo": max(second[1] for _, second in rounds),
    }


def _timed(folder: Path, encoder: Encoder) -> tuple[float, int]:
    """Return the seconds from the start of `index` to the last photo, and the passages that were encoded before it."""
    watched = _Watched(encoder)
    with (
        tempfile.TemporaryDirectory() as temporary,
        Collection.open(Path(temporary) / "db", encoder=watched, create=True) as collection,
    ):
        started = time.perf_counter()
        try:
            collection.index([folder], IndexOptions())
        except _PhotosDoneError:
            return watched.done_at - started, watched.passages
    raise RuntimeError(f"only {watched.photos} photos were encoded")


def _beyond_budget(folder: Path) -> dict[str, Any]:
    """Read files that hold more than one file may, one after the other, without encoding what they hold."""
    folder.mkdir()
    _write_log(folder / "log.txt", LONG_LOG_BYTES)
    _write_cues(folder / "cues.srt")
    outcomes = {}
    for file in scan([folder], exclude=[]):
        if isinstance(file, MediaFile):
            outcomes[file.path.name] = _read(file)
    return outcomes


def _read(file: MediaFile) -> dict[str, Any]:
    started, items, reason = time.perf_counter(), 0, None
    with DecodePool(ReadOptions(media=MediaSpec(image_side=SIDE, frame_side=SIDE)), workers=1) as pool:
        for _, event in pool.run(iter([file]), lambda *_: True):
            items += isinstance(event, Draft)
            reason = event.reason if isinstance(event, Cut) else reason
    seconds = time.perf_counter() - started
    return {"size_bytes": file.size_bytes, "items": items, "cut": reason, "seconds": round(seconds, 1)}


def _messages(frames: int) -> dict[str, Any]:
    """Compare messages with pickles, for an image or for a clip of some frames."""
    pixels = np.random.default_rng(0).integers(0, 255, (frames, SIDE, SIDE, 3), dtype=np.uint8)
    part = Image(pixels[0]) if frames == 1 else Clip(frames=pixels, times_s=np.arange(float(frames)))
    draft = Draft(content=Content((part,)))
    rounds = [(_received(_send_pickles, draft, _pickles), _received(_send_messages, draft, _drafts)) for _ in range(4)]
    pickle_s, message_s = min(first for first, _ in rounds), min(second for _, second in rounds)
    return {
        "array_bytes": pixels.nbytes,
        "pickle_us": round(1e6 * pickle_s / MESSAGES, 1),
        "message_us": round(1e6 * message_s / MESSAGES, 1),
        "ratio": round(message_s / pickle_s, 3),
    }


def _received(
    sender: Callable[[Connection, Draft], None], draft: Draft, receive: Callable[[Connection], Iterator[object]]
) -> float:
    """Return the seconds in which all messages of a process came, after the first."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=sender, args=(theirs, draft), daemon=True)
    process.start()
    theirs.close()
    arriving = receive(ours)
    next(arriving)
    started = time.perf_counter()
    count = sum(1 for _ in arriving)
    seconds = time.perf_counter() - started
    process.join()
    ours.close()
    if count != MESSAGES:
        raise RuntimeError(f"{count} messages came instead of {MESSAGES}")
    return seconds


def _send_pickles(connection: Connection, draft: Draft) -> None:
    for _ in range(MESSAGES + 1):
        connection.send_bytes(pickle.dumps([draft], 5))


def _pickles(connection: Connection) -> Iterator[object]:
    for _ in range(MESSAGES + 1):
        connection.poll(None)
        yield connection.recv()[0]


def _send_messages(connection: Connection, draft: Draft) -> None:
    for _ in range(MESSAGES + 1):
        send(connection, [written(draft)])


def _drafts(connection: Connection) -> Iterator[object]:
    inbox = Inbox(connection)
    for _ in range(MESSAGES + 1):
        group = None
        while group is None:
            connection.poll(None)
            group = inbox.receive()
        yield read(group[0], SENT)


def _write_log(path: Path, size_bytes: int) -> None:
    with path.open("w") as stream:
        number = 0
        while stream.tell() < size_bytes:
            number += 1
            stream.write(f"2026-11-26 14:23:{number % 60:02} app[{number}]: INFO request took {number % 977} ms\n")


def _write_cues(path: Path) -> None:
    with path.open("w") as stream:
        for number in range(CUES):
            stream.write(f"{number}\n{_time(number)} --> {_time(number + 1)}\nline number {number}\n\n")


def _time(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02},000"
