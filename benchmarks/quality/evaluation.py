"""Run one evaluation and write its files: metrics, values per query, a TREC run, a page of best and worst queries."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.common.results import write_result
from benchmarks.datasets.cirr import DEPTHS, submission
from benchmarks.datasets.dataset import Dataset
from benchmarks.datasets.registry import load_dataset
from benchmarks.quality.embedding import CountCallback, Embedder
from benchmarks.quality.embedding_cache import EmbeddingCache
from benchmarks.quality.pages import write_page
from benchmarks.quality.protocol import Protocol
from benchmarks.quality.ranking import Evaluation, Outcome, embed_share, evaluate
from benchmarks.quality.scoring import Scored, score, summarise
from benchmarks.quality.trec import write_trec
from unite_search.encoders.base import Encoder

QUERIES_FILE = "queries.jsonl"
PAGE_FILE = "best-and-worst.html"
CACHE_FILE = "embeddings.sqlite"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRun:
    """The settings of one evaluation.

    Attributes:
        dataset: name of the data set.
        data: folder of the data set.
        protocol: rules of the evaluation.
        out: folder of the results.
        cache: folder of the embedding cache.
        limit: number of queries to use, None for all; the gallery stays complete.
    """

    dataset: str
    data: Path
    protocol: Protocol
    out: Path
    cache: Path
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The results as `result.json` holds them, and the outcomes and values they are computed from."""

    results: dict[str, Any]
    evaluation: Evaluation
    scored: Sequence[Scored]


def run(given: EvaluationRun, encoder: Encoder, count: CountCallback | None = None) -> dict[str, Any] | None:
    """Evaluate and write everything.

    Returns:
        The part `results` of `result.json`; None in a process of torchrun that only embeds its share.

    Raises:
        DatasetError: the folder does not hold the data set.
    """
    measured = measure(given, encoder, count)
    if measured is None:
        return None
    _write(given, measured)
    return measured.results


def measure(given: EvaluationRun, encoder: Encoder, count: CountCallback | None = None) -> Measured | None:
    """Evaluate without writing result files; embeddings go to the cache. Returns None and raises as `run` does."""
    dataset = _limited(load_dataset(given.dataset, given.data), given.limit)
    with EmbeddingCache(given.cache / CACHE_FILE) as cache:
        embedder = Embedder(encoder, cache, count=count)
        if not embed_share(dataset, given.protocol, embedder):
            return None
        evaluation = evaluate(dataset, given.protocol, embedder)
    scored = score(evaluation.outcomes, given.protocol)
    results = {
        "dataset": given.dataset,
        "limit": given.limit,
        "protocol": given.protocol.described(),
        "encoder": {
            "name": _name(encoder),
            "fingerprint": encoder.fingerprint,
            "dim": encoder.dim,
            "options": encoder.options.stored(),
        },
        "coverage": evaluation.coverage,
        "metrics": summarise(scored, given.protocol),
    }
    return Measured(results=results, evaluation=evaluation, scored=scored)


def table(results: dict[str, Any]) -> str:
    """Format the results as lines for a terminal: settings, coverage, metrics."""
    coverage, metrics = results["coverage"], results["metrics"]
    rules = ", ".join(f"{name} {value!r}" for name, value in results["protocol"].items() if value not in (None, ()))
    lines = [
        f"{results['dataset']} with {results['encoder']['name']} ({results['encoder']['fingerprint']})",
        f"protocol: {rules}",
        f"queries asked {coverage['queries_asked']:,} of {coverage['queries']:,}, answerable "
        f"{coverage['queries_answerable']:,}; candidates {coverage['candidates_there']:,} of "
        f"{coverage['candidates']:,}; files {coverage['files_there']:,} of {coverage['files']:,}",
    ]
    columns = {name: part for name, part in metrics.items() if name != "groups"} | metrics.get("groups", {})
    for column, numbers in columns.items():
        lines.append(f"{column}: {numbers['queries']:,} queries")
        lines += [f"  {name:22} {_cell(number)}" for name, number in numbers.items() if isinstance(number, dict)]
    return "\n".join(lines)


def _heading(results: dict[str, Any]) -> str:
    """Return one line with data set, protocol, encoder and the first metric."""
    numbers = results["metrics"]["available"]
    first = next((f"{name} {numbers[name]['value']:.1f}" for name in numbers if name != "queries"), "no answers")
    queries = f"{numbers['queries']:,} of {results['coverage']['queries']:,} queries"
    return f"{results['dataset']} · {results['protocol']['name']} · {results['encoder']['name']} · {first} · {queries}"


def _cell(number: dict[str, float | None]) -> str:
    value, *interval = ("inf" if part is None else f"{part:.2f}" for part in number.values())
    return f"{value:>7}  [{', '.join(interval)}]" if interval else f"{value:>7}"


def _name(encoder: Encoder) -> str:
    """Return the encoder's name as given; for a folder only its last part, which does not depend on the machine."""
    return Path(encoder.name).name if Path(encoder.name).is_dir() else encoder.name


def _limited(dataset: Dataset, limit: int | None) -> Dataset:
    return dataset if limit is None else replace(dataset, questions=dataset.questions[:limit])


def _write(given: EvaluationRun, measured: Measured) -> None:
    outcomes, results = measured.evaluation.outcomes, measured.results
    given.out.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(_line(outcome, values)) + "\n" for outcome, values in measured.scored)
    (given.out / QUERIES_FILE).write_text("".join(lines), encoding="utf-8")
    write_trec(given.out, outcomes, results["encoder"]["name"])
    write_page(given.out / PAGE_FILE, _heading(results), outcomes)
    if given.dataset == "cirr":
        _write_submissions(given.out, outcomes)
    write_result("result", results, given.out)


def _line(outcome: Outcome, values: dict[str, float]) -> dict[str, Any]:
    finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
    return {"id": outcome.question.id, "answerable": outcome.is_answerable, **finite}


def _write_submissions(out: Path, outcomes: Sequence[Outcome]) -> None:
    """Write the two files for CIRR's server; the ranking of the subset has the order of the complete one."""
    asked = [outcome for outcome in outcomes if outcome.ranking is not None]
    whole = {outcome.question.id: outcome.top() for outcome in asked}
    inside = {outcome.question.id: outcome.top(inside=True) for outcome in asked}
    for metric, rankings in zip(DEPTHS, (whole, inside), strict=True):
        (out / f"cirr_{metric}.json").write_text(submission(rankings, metric), encoding="utf-8")
