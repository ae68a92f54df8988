"""Measure an encoder on captions of photos (Flickr8k dev) and of real clips, and check the scores with trec_eval.

The scores of trec_eval, through `ir-measures`, are computed from the TREC files that the evaluation wrote.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import ir_measures
from ir_measures import Measure, Success, nDCG

from benchmarks.quality.evaluation import EvaluationRun
from benchmarks.quality.evaluation import run as run_evaluation
from benchmarks.quality.protocol import PLAIN
from benchmarks.quality.trec import QRELS_FILE, RUN_FILE
from unite_search.encoders.base import Encoder

FOLDERS = {"flickr8k dev": "captioned", "clips": "videos"}
AGAIN: dict[str, Measure] = {
    "R@1": Success @ 1,
    "R@5": Success @ 5,
    "R@10": Success @ 10,
    "R@50": Success @ 50,
    "nDCG@10": nDCG @ 10,
}


def run(data: Path, encoder: Encoder) -> dict[str, Any]:
    """Evaluate on both data sets; `rescored` has the scores of trec_eval, in percent.

    Args:
        data: the folder that holds `captioned/` and `videos/`.
        encoder: the encoder to measure.
    """
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for name, folder in FOLDERS.items():
            out = Path(temporary) / folder
            given = EvaluationRun(
                dataset="manifest", data=data / folder, protocol=PLAIN, out=out, cache=Path(temporary)
            )
            results = run_evaluation(given, encoder)
            found[name] = (results or {}) | {"rescored": rescore(out)}
    return found


def rescore(folder: Path) -> dict[str, float]:
    """Score the TREC files of an evaluation with trec_eval; returns percentages."""
    qrels = ir_measures.read_trec_qrels(str(folder / QRELS_FILE))  # type: ignore[no-untyped-call]
    ranked = ir_measures.read_trec_run(str(folder / RUN_FILE))  # type: ignore[no-untyped-call]
    scores = ir_measures.calc_aggregate(list(AGAIN.values()), qrels, ranked)
    return {name: round(100 * scores[measure], 4) for name, measure in AGAIN.items()}
