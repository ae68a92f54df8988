"""One process of the readers benchmark: threads that refresh, search and compare every answer with NumPy.

python -m benchmarks.reliability.reader DB VECTORS JOURNAL THREADS SECONDS SEED
"""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.reliability.runs import FILES, Journal, text_of
from unite_search.collection import Collection
from unite_search.query import Hit, SearchOptions
from unite_search.search.encoding import QueryVector

TOP = 10
TOLERANCE = 2e-3
"""Of a cosine: float16 rounds each component."""
FAULTS_SHOWN = 5


@dataclass(slots=True)
class Seen:
    """What the readers of this process saw.

    Attributes:
        answers: searches that were answered.
        wrong: answers that differ from those of NumPy, or that lack what was committed.
        errors: exceptions.
        versions: the most states of the collection that one reader saw.
        faults: the first wrong answers and errors.
    """

    answers: int = 0
    wrong: int = 0
    errors: int = 0
    versions: int = 0
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, fault: str | None, *, is_error: bool = False) -> None:
        """Count an answer, and what is wrong with it."""
        with self.lock:
            self.answers += 1
            if fault is None:
                return
            self.errors += is_error
            self.wrong += not is_error
            if len(self.faults) < FAULTS_SHOWN:
                self.faults.append(fault)


def read(database: Path, vectors: NDArray[np.float32], journal: Journal, until: float, seed: int, seen: Seen) -> None:
    """Read until the time is over; a reader that meets an error opens the collection again."""
    chance, versions = np.random.default_rng(seed), 1
    while time.monotonic() < until:
        try:
            with Collection.open(database) as collection:
                while time.monotonic() < until:
                    known = journal.committed()
                    versions += collection.refresh()
                    row = int(chance.integers(len(vectors)))
                    seen.note(wrong_images(collection, vectors, row))
                    seen.note(wrong_texts(collection, vectors[row]))
                    seen.note(missing(collection, known, journal, chance))
        except Exception as error:  # noqa: BLE001 (whatever a reader meets is a result)
            seen.note(f"{type(error).__name__}: {str(error)[:300]}", is_error=True)
    with seen.lock:
        seen.versions = max(seen.versions, versions)


def wrong_images(collection: Collection, vectors: NDArray[np.float32], row: int) -> str | None:
    """Compare the nearest images, which are never removed, with those that NumPy finds; return what is wrong."""
    options = SearchOptions(top_k=TOP, modalities=("image",))
    hits = collection.search_vector(QueryVector(vectors[row]), options).hits
    cosines = vectors @ vectors[row]
    best = np.sort(cosines)[::-1][:TOP]
    found = np.array([hit.cosine for hit in hits])
    own = np.array([cosines[_row_of(hit)] for hit in hits])
    if len({hit.id for hit in hits}) != TOP or _row_of(hits[0]) != row:
        return f"image {row}: {[(hit.id, hit.uri) for hit in hits]}"
    if np.abs(found - best).max() > TOLERANCE or np.abs(found - own).max() > TOLERANCE:
        return f"image {row}: cosines {found.tolist()} instead of {best.tolist()}"
    return None


def wrong_texts(collection: Collection, vector: NDArray[np.float32]) -> str | None:
    """Compare the text of each hit with what the writer wrote into that file; return what is wrong."""
    options = SearchOptions(top_k=TOP, modalities=("text",))
    for hit in collection.search_vector(QueryVector(vector), options).hits:
        path = Path(hit.uri)
        if (hit.text or "").strip() != text_of(path.parent.name, int(path.stem)).strip():
            return f"{hit.uri} has the text {hit.text!r}"
    return None


def missing(collection: Collection, known: frozenset[str], journal: Journal, chance: np.random.Generator) -> str | None:
    """Count the files of one run that was committed before; return what is missing."""
    if not known:
        return None
    folder = sorted(known)[int(chance.integers(len(known)))]
    count = collection.count(where=f"folder = '{folder}'")
    if count == FILES or folder in journal.removing():
        return None
    return f"{count} of {FILES} files of {folder}"


def main() -> None:
    """Start the threads, wait for them, and print what they saw."""
    database, vectors_folder, journal_path, threads, seconds, seed = sys.argv[1:]
    vectors = np.load(Path(vectors_folder) / "img_emb" / "img_emb_0.npy")
    until, seen = time.monotonic() + float(seconds), Seen()
    journal = Journal(Path(journal_path))
    readers = [
        threading.Thread(target=read, args=(Path(database), vectors, journal, until, 1000 * int(seed) + number, seen))
        for number in range(int(threads))
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    summary = {name: getattr(seen, name) for name in Seen.__dataclass_fields__ if name != "lock"}
    sys.stdout.write(json.dumps(summary))


def _row_of(hit: Hit) -> int:
    return int(Path(hit.uri).stem)


if __name__ == "__main__":
    main()
