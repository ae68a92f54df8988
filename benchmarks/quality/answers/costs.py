"""Measure what words cost: the time of a search, the CPU time of a whole command, and their share of an index run.

A search is timed with and without the words of its query, in turn, over synthetic vectors with captions made of real
ones. What an index run spends on the words is the time inside the functions that make them and index them.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.common.clustered import Clustered
from benchmarks.common.command import run_program
from benchmarks.common.exported import write_export
from benchmarks.common.photos import Captioned, read_photos
from benchmarks.common.timing import Cost, cost
from benchmarks.indexers.speed import at_most
from benchmarks.quality.answers.known_items import rare_words
from benchmarks.quality.answers.library import Setting, spoken, write_notes, write_photos
from benchmarks.system.serving import load_average
from unite_search.collection import Collection
from unite_search.query import Query
from unite_search.search.encoding import QueryVector, encode_query
from unite_search.storage import full_text, rows

WORD_FUNCTIONS: tuple[tuple[Any, str], ...] = ((rows, "words_of"), (full_text, "create"), (full_text, "update"))
"""Where an index run spends time on words."""
FILES = 200
"""Photos of the collection that whole commands search."""
QUESTION = "a dog running on the beach"


def run(setting: Setting) -> dict[str, Any]:
    """Measure searches, index runs and whole commands."""
    return {"search": _searches(setting), "index": _index_runs(setting), "command": _commands(setting)}


def long_captions(photos: Sequence[Captioned], count: int) -> list[str]:
    """Return `count` texts: first the captions of the photos, then pairs of captions that were drawn."""
    captions = [caption for photo in photos for caption in photo.captions]
    rng = np.random.default_rng(0)
    pairs = rng.integers(len(captions), size=(max(0, count - len(captions)), 2)).tolist()
    return [*captions[:count], *(f"{captions[one]} {captions[other]}" for one, other in pairs)]


def _searches(setting: Setting) -> dict[str, Any]:
    items = setting.scale.timed_items
    folder = setting.folder / "timed"
    texts = long_captions(read_photos(setting.data, "train"), items)
    write_export(folder, Clustered(setting.encoder.dim).draw(items, seed=1), setting.encoder, texts)
    with Collection.from_export(folder, setting.folder / "timed-db") as collection:
        queries = [encode_query(setting.encoder, Query.of(text)) for text in _questions(setting)]
        costs = _in_turn(collection, queries)
    medians = {name: statistics.median(one.wall_ms for one in several) for name, several in costs.items()}
    return {
        "items": items,
        "queries": len(queries),
        "median_ms": {name: round(value, 2) for name, value in medians.items()},
        "median_cpu_ms": {
            name: round(statistics.median(one.cpu_ms for one in several), 2) for name, several in costs.items()
        },
        "p95_ms": {
            name: round(float(np.percentile([one.wall_ms for one in several], 95)), 2)
            for name, several in costs.items()
        },
        "words_add_ms": at_most(10, medians["with words"] - medians["without"]),
        "load_average": load_average(),
    }


def _questions(setting: Setting) -> list[str]:
    """Return captions and single words of dev photos, half and half."""
    captions = [spoken(photo.captions[0]) for photo in setting.photos("dev")]
    words = sorted(rare_words(captions))
    half = setting.scale.timed_queries // 2
    return [*captions[:half], *words[:: max(1, len(words) // half)][:half]]


def _in_turn(collection: Collection, queries: Sequence[QueryVector]) -> dict[str, list[Cost]]:
    """Ask each query with and without its words, in changing order, and note what each search costs."""
    costs: dict[str, list[Cost]] = {"with words": [], "without": []}
    collection.search_vector(queries[0])
    for number, query in enumerate(queries):
        both = [("with words", query), ("without", replace(query, mode="meaning"))]
        for name, asked in both[:: 1 if number % 2 else -1]:
            costs[name].append(cost(partial(collection.search_vector, asked)))
    return costs


def _index_runs(setting: Setting) -> dict[str, Any]:
    """Index captioned photos and, in a collection of their own, as many notes."""
    photos = read_photos(setting.data, "train")[: setting.scale.ingested]
    folder = setting.folder / "ingested"
    write_photos(folder / "photos", photos, captioned=True)
    write_notes(folder / "notes", [" ".join(photo.captions) for photo in photos])
    shares = {}
    for kind in ("photos", "notes"):
        opened = Collection.open(folder / f"{kind}-db", encoder=setting.encoder, create=True)
        with opened as collection, _time_inside(WORD_FUNCTIONS) as spent:
            seconds = collection.index([folder / kind]).seconds
        shares[kind] = {
            "files": len(photos),
            "seconds": round(seconds, 2),
            "of_which_words": round(sum(spent), 3),
            "share": at_most(0.05, sum(spent) / seconds),
        }
    return shares


@contextmanager
def _time_inside(functions: Sequence[tuple[Any, str]]) -> Iterator[list[float]]:
    """Note the seconds of each call of some functions of modules; they must not call each other."""
    spent: list[float] = []
    with ExitStack() as replaced:
        for module, name in functions:
            replaced.enter_context(mock.patch.object(module, name, _noting(getattr(module, name), spent)))
        yield spent


def _noting(call: Callable[..., Any], spent: list[float]) -> Callable[..., Any]:
    def noted(*arguments: Any) -> Any:
        started = time.perf_counter()
        try:
            return call(*arguments)
        finally:
            spent.append(time.perf_counter() - started)

    return noted


def _commands(setting: Setting) -> dict[str, Any]:
    """Run the query command of this checkout and, if there is another one, of that, in turn."""
    programs = {"this": Path(sys.executable).with_name("unite-search")}
    if setting.against is not None:
        programs["other"] = setting.against / ".venv" / "bin" / "unite-search"
    files = setting.folder / "asked"
    write_photos(files, setting.photos("dev")[:FILES])
    for name, program in programs.items():
        run_program("index", str(files), "--db", f"{files}-{name}", "--quiet", program=[str(program)])
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(setting.scale.commands):
        for name, program in programs.items():
            arguments = ("query", QUESTION, "--db", f"{files}-{name}", "--json")
            seconds[name].append(run_program(*arguments, program=[str(program)]).cpu_s)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ratio = {"ratio_to_other": at_most(1.1, medians["this"] / medians["other"])} if "other" in medians else {}
    return {"median_cpu_s": {name: round(value, 3) for name, value in medians.items()}, **ratio}
