"""Embed the entries and queries of a data set: from the cache, or decoded in worker processes and encoded in batches.

A file is decoded once for all jobs that need it, and is in memory only as long as its batch. If a file is missing or
cannot be read, the entries and queries that need it are left out, and the file is reported with the reason.

Under torchrun every process first embeds its share into a common cache; the first process then embeds what is still
missing. So processes never wait for each other, and a process that dies costs only time.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.embedding_cache import EmbeddingCache
from benchmarks.quality.jobs import Job
from indexers.unit import unit_rows
from unite_search.content import Clip, Content, Image, MediaSpec
from unite_search.encoders.base import Encoder, Role
from unite_search.media.decode_pool import DecodePool, Unwanted
from unite_search.media.types import Draft, Hashes, MediaFile, ReadOptions, Skipped

Vector = NDArray[np.float32]
CountCallback = Callable[[int, int], None]
"""Called with the number of jobs that are done or failed, and the number of those that were not in the cache."""

BATCH = 32


@dataclass(slots=True, eq=False)
class EmbeddingResult:
    """Embeddings by job id, and by path the reasons why files are missing or unreadable."""

    vectors: dict[str, Vector] = field(default_factory=dict)
    failures: dict[Path, str] = field(default_factory=dict)


class Embedder:
    """Runs jobs with one encoder and one cache."""

    def __init__(
        self, encoder: Encoder, cache: EmbeddingCache, *, count: CountCallback | None = None, workers: int | None = None
    ) -> None:
        self._encoder = encoder
        self._cache = cache
        self._count = count
        self._workers = workers or os.cpu_count() or 1
        self._done = self._wanted = 0
        self._batches: dict[Role, list[tuple[str, list[Content], NDArray[np.float64]]]] = {"query": [], "candidate": []}

    def run(self, jobs: Sequence[Job]) -> EmbeddingResult:
        """Embed all jobs whose files can be read."""
        embedded = EmbeddingResult()
        hashes = self._known_hashes(jobs, embedded.failures)
        feasible = [job for job in jobs if job.media is None or job.media.path not in embedded.failures]
        waiting = self._not_cached(feasible, hashes)
        self._done, self._wanted = 0, len(waiting)
        for job in waiting:
            if job.media is None:
                self._add(job, None, None)
        self._read([job for job in waiting if job.media is not None], hashes, embedded.failures)
        for role in self._batches:
            self._flush(role)
        keys = {job.id: self._key(job, hashes) for job in feasible if job.media is None or job.media.path in hashes}
        found = self._cache.get(keys.values())
        embedded.vectors = {name: found[key] for name, key in keys.items() if key in found}
        for job in feasible:
            if job.media is not None and job.id not in embedded.vectors:
                embedded.failures.setdefault(job.media.path, "no frames")
        return embedded

    def _key(self, job: Job, hashes: Mapping[Path, str]) -> str:
        return job.key(self._encoder, None if job.media is None else hashes[job.media.path])

    def _settled(self, jobs: int) -> None:
        self._done += jobs
        if self._count is not None:
            self._count(self._done, self._wanted)

    def _known_hashes(self, jobs: Iterable[Job], failures: dict[Path, str]) -> dict[Path, str]:
        hashes: dict[Path, str] = {}
        for path in dict.fromkeys(job.media.path for job in jobs if job.media is not None):
            if not path.is_file():
                failures[path] = "no such file"
            elif known := self._cache.hash_of(path):
                hashes[path] = known
        return hashes

    def _not_cached(self, jobs: Iterable[Job], hashes: Mapping[Path, str]) -> list[Job]:
        keys = {job.id: self._key(job, hashes) for job in jobs if job.media is None or job.media.path in hashes}
        there = self._cache.get(keys.values())
        return [job for job in jobs if keys.get(job.id) not in there]

    def _read(self, jobs: Sequence[Job], hashes: dict[Path, str], failures: dict[Path, str]) -> None:
        by_spec: dict[MediaSpec, dict[Path, list[Job]]] = defaultdict(lambda: defaultdict(list))
        for job in jobs:
            if job.media is not None:
                by_spec[job.spec(self._encoder)][job.media.path].append(job)
        for spec, files in by_spec.items():
            self._read_alike(spec, files, hashes, failures)

    def _read_alike(
        self, spec: MediaSpec, files: dict[Path, list[Job]], hashes: dict[Path, str], failures: dict[Path, str]
    ) -> None:
        def is_wanted(file: MediaFile, given: Hashes) -> bool:
            hashes[file.path] = given.content
            self._cache.remember_hash(file.path, given.content)
            return bool(self._not_cached(files[file.path], hashes))

        with DecodePool(ReadOptions(media=spec, segments="none"), workers=min(self._workers, len(files))) as pool:
            for file, event in pool.run(_media_files(files), is_wanted):
                if isinstance(event, Draft):
                    for job in files[file.path]:
                        self._add(job, hashes[file.path], _shown(event))
                elif isinstance(event, Skipped):
                    failures[file.path] = event.reason
                if isinstance(event, (Skipped, Unwanted)):
                    self._settled(len(files[file.path]))

    def _add(self, job: Job, content_hash: str | None, shown: Image | Clip | None) -> None:
        contents, weights = job.contents(shown)
        batch = self._batches[job.role]
        batch.append((job.key(self._encoder, content_hash), contents, weights))
        if sum(len(contents) for _, contents, _ in batch) >= BATCH:
            self._flush(job.role)

    def _flush(self, role: Role) -> None:
        batch = self._batches[role]
        if not batch:
            return
        rows = self._encoder.encode([content for _, contents, _ in batch for content in contents], role=role)
        vectors, start = {}, 0
        for key, contents, weights in batch:
            vectors[key] = unit_rows(weights @ rows[start : start + len(contents)])
            start += len(contents)
        self._cache.add(vectors)
        self._settled(len(batch))
        batch.clear()


def _media_files(files: dict[Path, list[Job]]) -> Iterator[MediaFile]:
    for path, jobs in files.items():
        status = path.stat()
        modality = jobs[0].media.modality if jobs[0].media is not None else "video"
        yield MediaFile(path=path, modality=modality, size_bytes=status.st_size, mtime_ns=status.st_mtime_ns)


def _shown(draft: Draft) -> Image | Clip:
    return next(part for part in draft.content.parts if not isinstance(part, str))
