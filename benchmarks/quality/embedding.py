"""Entries and queries of a set to embeddings: from the cache, or decoded in worker processes and encoded in batches.

A file is decoded once for all that is asked of it, and is never in memory longer than its batch. A file that is missing
or cannot be read costs the entries and queries that need it, and is reported with its reason.

Under torchrun every process first embeds its share into the one cache; the first process then embeds what is still not
there, so nobody waits for anybody and a process that dies costs time only.
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
from unite_search.content import Clip, Content, Image, MediaSpec
from unite_search.encoders.base import Encoder, Role
from unite_search.media.decode_pool import ReadPool, Unwanted
from unite_search.media.types import Draft, MediaFile, ReadOptions, Skipped

Vector = NDArray[np.float32]
Count = Callable[[int, int], None]
"""Told how many embeddings are settled, of how many that were not there before."""

BATCH = 32


@dataclass(slots=True, eq=False)
class Embedded:
    """What came out: embeddings by job id, and reasons by path of the files that are missing or unreadable."""

    vectors: dict[str, Vector] = field(default_factory=dict)
    failures: dict[Path, str] = field(default_factory=dict)


class Embedder:
    """Runs jobs with one encoder and one cache."""

    def __init__(
        self, encoder: Encoder, cache: EmbeddingCache, *, count: Count | None = None, workers: int | None = None
    ) -> None:
        self._encoder = encoder
        self._cache = cache
        self._count = count
        self._workers = workers or os.cpu_count() or 1
        self._done = self._wanted = 0
        self._batches: dict[Role, list[tuple[str, list[Content], NDArray[np.float64]]]] = {"query": [], "candidate": []}

    def run(self, jobs: Sequence[Job]) -> Embedded:
        """Embed all jobs that can be."""
        embedded = Embedded()
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
        def is_wanted(file: MediaFile, content_hash: str) -> bool:
            hashes[file.path] = content_hash
            self._cache.remember_hash(file.path, content_hash)
            return bool(self._not_cached(files[file.path], hashes))

        with ReadPool(ReadOptions(media=spec, segments="none"), workers=min(self._workers, len(files))) as pool:
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
            pooled = weights @ rows[start : start + len(contents)]
            vectors[key] = (pooled / np.linalg.norm(pooled)).astype(np.float32)
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
