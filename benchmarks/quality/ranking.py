"""Embed a data set under a protocol and rank the gallery for each query; count what is missing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets.dataset import Dataset, Entry, Media, Question
from benchmarks.quality.embedding import Embedder, EmbeddingResult, Vector
from benchmarks.quality.jobs import jobs_of
from benchmarks.quality.metrics import Judged, Ranking, rank
from benchmarks.quality.protocol import Protocol

DEPTH = 50
RANK_VARIABLE, WORLD_VARIABLE = "RANK", "WORLD_SIZE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of one query.

    Attributes:
        question: the query.
        ranking: ranking of the rows of `gallery`; None if the query or the gallery could not be embedded.
        gallery: the candidates that were ranked.
    """

    question: Question
    ranking: Ranking | None
    gallery: Sequence[Entry]

    @property
    def is_answerable(self) -> bool:
        """Whether the query was embedded and at least one right candidate is in the gallery."""
        return bool(np.isfinite(self.first_rank))

    @property
    def first_rank(self) -> float:
        """The rank of the first right candidate; infinite if there is none."""
        return float("inf") if self.ranking is None else float(np.min(self.ranking.ranks, initial=np.inf))

    def top(self, *, inside: bool = False) -> list[str]:
        """Return the ids of the best candidates; with `inside`, of the query's own small gallery."""
        ranking = self.ranking.subset if inside and self.ranking else self.ranking
        return [] if ranking is None else [self.gallery[row].id for row in ranking.top]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All outcomes, in the order of the data set, and how much of it was available."""

    outcomes: tuple[Outcome, ...]
    coverage: dict[str, Any]


def evaluate(dataset: Dataset, protocol: Protocol, embedder: Embedder) -> Evaluation:
    """Embed what is available, rank, and count what is missing."""
    jobs = jobs_of(dataset, protocol)
    embedded = embedder.run(jobs)
    outcomes = rank_all(dataset, protocol, embedded.vectors)
    return Evaluation(outcomes=outcomes, coverage=_coverage(dataset, embedded, outcomes))


def embed_share(dataset: Dataset, protocol: Protocol, embedder: Embedder) -> bool:
    """Embed the share of this process under torchrun; does nothing in a single process.

    Returns:
        Whether this is the process that continues with the evaluation.
    """
    number, count = int(os.environ.get(RANK_VARIABLE, "0")), int(os.environ.get(WORLD_VARIABLE, "1"))
    if count > 1:
        embedder.run(jobs_of(dataset, protocol)[number::count])
    return number == 0


def rank_all(dataset: Dataset, protocol: Protocol, vectors: Mapping[str, Vector]) -> tuple[Outcome, ...]:
    """Rank the gallery of each group for the queries of the group.

    Args:
        dataset: queries, gallery and right answers.
        protocol: whether the query's own reference competes.
        vectors: embeddings by job id; queries and candidates without one count as missing.
    """
    outcomes: dict[str, Outcome] = {}
    for group in dict.fromkeys(question.group for question in dataset.questions):
        entries = [entry for entry in dataset.gallery if entry.group == group and f"candidate {entry.id}" in vectors]
        questions = [question for question in dataset.questions if question.group == group]
        outcomes |= _rank_group(questions, entries, protocol, vectors)
    return tuple(outcomes[question.id] for question in dataset.questions)


def _rank_group(
    questions: Sequence[Question], entries: Sequence[Entry], protocol: Protocol, vectors: Mapping[str, Vector]
) -> dict[str, Outcome]:
    row_of = {entry.id: row for row, entry in enumerate(entries)}
    asked = [question for question in questions if f"query {question.id}" in vectors]
    outcomes = {question.id: Outcome(question=question, ranking=None, gallery=entries) for question in questions}
    if not asked or not entries:
        return outcomes
    candidates = np.stack([vectors[f"candidate {entry.id}"] for entry in entries])
    queries = np.stack([vectors[f"query {question.id}"] for question in asked])
    judged = [_judged(question, row_of, protocol) for question in asked]
    for question, ranking in zip(asked, rank(queries, candidates, judged, depth=DEPTH), strict=True):
        outcomes[question.id] = Outcome(question=question, ranking=ranking, gallery=entries)
    return outcomes


def _judged(question: Question, row_of: Mapping[str, int], protocol: Protocol) -> Judged:
    """Translate a query's answers to rows of the gallery; missing candidates have the row -1."""
    by_grade = sorted(question.relevant, key=lambda name: question.relevant[name])
    excluded = [question.reference] if question.reference and protocol.self_match == "last" else []
    return Judged(
        relevant=np.array([row_of.get(name, -1) for name in by_grade], np.int64),
        excluded=_rows(excluded, row_of),
        subset=_rows(question.subset, row_of) if question.subset else None,
    )


def _rows(names: Sequence[str], row_of: Mapping[str, int]) -> NDArray[np.int64]:
    return np.array([row_of[name] for name in names if name in row_of], np.int64)


def _coverage(dataset: Dataset, embedded: EmbeddingResult, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    files = list(dataset.files())
    return {
        "queries": len(dataset.questions),
        "queries_asked": sum(outcome.ranking is not None for outcome in outcomes),
        "queries_answerable": sum(outcome.is_answerable for outcome in outcomes),
        "candidates": len(dataset.gallery),
        "candidates_there": sum(f"candidate {entry.id}" in embedded.vectors for entry in dataset.gallery),
        "files": len(files),
        "files_there": sum(_is_there(media, embedded) for media in files),
        "missing": {str(path): reason for path, reason in sorted(embedded.failures.items())},
    }


def _is_there(media: Media, embedded: EmbeddingResult) -> bool:
    return media.path not in embedded.failures
