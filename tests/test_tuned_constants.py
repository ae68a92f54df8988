"""Numbers that were measured or promised, pinned by literals: a change must be made twice, and with its reason in mind.

Constants are found by name wherever they are defined in the shipped packages, so that modules may move.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import lru_cache
from pathlib import Path

import pytest

from unite_search.encoders.starter import edits, encoder, fusion

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("unite_search", "indexers")
HOURS = 60 * 60.0
TUNED = {
    # Scores: chosen on captions of train photos, see docs/explanation/scores.md. The temperature is pinned beside the
    # merge's own tests, because the starter has a constant of that name too.
    "PRIOR_ITEMS": 8,
    "SMALLEST_SPREAD": 0.001,
    "HEAD": 100,  # as many as a first search brings at least
    "SAMPLE_ROWS": 512,  # what docs/architecture.md promises of `image.3.sample.npy`
    "NEGATIVE_WEIGHT": 0.5,  # "half the mean of the excluded texts' vectors is subtracted"
    "FIRST_FETCH": 4,  # most pages are full after one search where files have few segments
    # Row filters: `python -m benchmarks speed filters`, docs/results/speed-filters.json.
    "GATHER_SHARE": 0.02,
    "GATHER_ROWS": 2000,
    "WIDEN_SHARE": 0.5,
    "WIDEN_MARGIN": 16,
    "WIDENING": 1.25,
    # Kinds of index: times of one query in docs/results/speed-*.json.
    "MOST_EXACT_VALUES": 38_400_000,  # 100,000 rows of 384: a float32 scan takes 8 ms
    "MOST_SCANNED_VALUES": 96_000_000,  # 250,000 rows of 384: an int8 scan takes 6 ms
    "FEWEST_ROWS_IN_CELLS": 20_000,
    "FEWEST_ROWS_TO_TRAIN": 256,
    "ROWS_PER_CELL": 4,
    "RETRAIN_FACTOR": 4,
    "CANDIDATES": 4,
    "TRAIN_ROWS": 50_000,
    "TRAIN_ROWS_PER_CELL": 64,
    "TRAIN_ITERATIONS": 10,
    "SIGMAS_TO_LIMIT": 6,
    "ROTATION_SEED": 0,  # stored codes are of this rotation
    "FAST_LENGTH": 16,  # Faiss compares codes in registers at multiples of this
    # Search parameters: recall is measured for the top 10, 100 and 1,000, with 19 in 20 cases better than claimed.
    "QUERIES": 256,
    "CERTAINTY": 1.645,
    "DEPTHS": (10, 100, 1000),
    "STRIDES": (1, 4, 8),
    "GROWTH_TO_RETUNE": 1.5,
    # Batches on BLAS: docs/results/speed-search.json.
    "BATCH_FROM_QUERIES": 8,
    "PIECES_PER_THREAD": 2,
    "BLOCK_VALUES": 4_194_304,
    "MOST_BLOCK_RESULTS": 1000,
    # Changes: docs/results/speed-changes.json.
    "SMALL_ROWS": 128,  # docs/results/small-writes.json
    "COMPACT_SHARE": 0.25,
    # Commits of an index run: "every second at first, then a sixtieth of the time so far, at most ten seconds".
    "COMMIT_EVERY_S": (1.0, 10.0),
    "COMMIT_SHARE": 1 / 60,
    "COMMIT_ITEMS": 4096,
    "BATCHES_WAITING": 1,  # two batches at once and one more: docs/results/ingest.json
    "ID_BLOCK": 65_536,
    "INDEX_FROM_ROWS": 50_000,
    # Decode workers: a silent one is killed after a minute, see docs/architecture.md.
    "START_GRACE_S": 20.0,
    "LONGEST_STEP_S": 10.0,
    "SLOWEST_DISK_BYTES_PER_S": 20_000_000,
    "MEMORY_BYTES": 4_294_967_296,
    "MAX_DURATION_S": 100 * HOURS,
    # Segments: windows share a sixth; shots last between a second and a minute.
    "OVERLAP": 1 / 6,
    "MIN_SHOT_S": 1.0,
    "MAX_SHOT_S": 60.0,
    "MAX_WORDS": 160,
    "SUBTITLE_WORDS": 60,
    "SUBTITLE_SPAN_S": 60.0,
    # The server's limits, as docs/guides/server.md and the HTTP schema give them.
    "MAX_TOP_K": 200,
    "MAX_OFFSET": 10_000,
    "MAX_BATCH": 32,
    "MAX_REDIRECTS": 3,
    "FOLLOW_EVERY_S": 1.0,
}


@lru_cache
def definitions() -> dict[str, list[ast.expr]]:
    """What stands behind the name of each constant at the top of a module."""
    found: defaultdict[str, list[ast.expr]] = defaultdict(list)
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                found[node.targets[0].id].append(node.value)
    return found


@pytest.mark.parametrize("name", TUNED)
def test_a_tuned_constant_is_what_was_measured(name: str) -> None:
    (definition,) = definitions()[name]
    value = eval(ast.unparse(definition), {"__builtins__": {}})
    assert value == TUNED[name]


def test_the_starters_tuned_constants_are_those_of_its_code_version() -> None:
    """Chosen on edited train photos, see `train/starter/composed_recall.py`. Stored vectors, or the queries that they
    are compared with, depend on each: who changes one increments the version, by which collections know their encoder.
    """
    assert encoder.CODE_VERSION == 6
    assert (encoder.SWAP_SHARE, encoder.SHIFT_FACTOR, encoder.SWAP_CERTAINTY) == (0.5, 3.0, 0.5)
    assert (edits.LEAST_SIMILARITY, edits.FULL_SIMILARITY, edits.TINT) == (0.45, 0.65, 0.5)
    assert (fusion.EXAGGERATION, fusion.LATE_TEXT_WEIGHT, fusion.TEXT_SHARE) == (1.5, 0.65, 0.5)
    assert (fusion.LEAST_NAME_SCORE, fusion.FULL_NAME_SCORE, fusion.LEAST_CERTAINTY) == (0.65, 0.85, 0.5)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("TEXT", (1.0, 0.35, 0.0, 0.0, 0.0)),
        ("NAME_QUERY", (1.0, 2.0, 0.0, 0.0, 0.0)),
        ("CANDIDATE", (1.0, 0.6, 0.4, 0.5, 0.5)),
        ("PICTURE_QUERY", (1.0, 0.1, 0.4, 0.1, 0.1)),
        ("EDIT_QUERY", (0.3, 0.1, 0.4, 1.0, 1.0)),
        ("NIGHT_QUERY", (0.3, 0.1, 0.4, 1.0, 0.2)),
        ("MIXED_QUERY", (1.0, 0.2, 0.2, 0.05, 0.05)),
        ("COLOUR_WORDS_QUERY", (1.0, 0.35, 0.0, 0.7, 0.0)),
    ],
)
def test_the_starters_block_weights_are_those_of_its_code_version(
    name: str, weights: tuple[float, float, float, float, float]
) -> None:
    """Learned, semantic, appearance, colour, layout; of code version 6, as above."""
    assert getattr(fusion, name) == weights
