"""Write rankings and relevance judgements in TREC's format, for other tools to score.

Tools rank by the score column, and each breaks ties in its own way; so the column counts down and does not hold
cosines. White space in ids is written as %20.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from benchmarks.quality.ranking import Outcome

RUN_FILE = "run.trec"
QRELS_FILE = "qrels.trec"
SPACE = re.compile(r"\s")


def write_trec(folder: Path, outcomes: Sequence[Outcome], tag: str) -> None:
    """Write `run.trec` and `qrels.trec`; the qrels have all judged queries, also those that could not be embedded."""
    (folder / RUN_FILE).write_text("".join(_run_lines(outcomes, _word(tag))), encoding="utf-8")
    (folder / QRELS_FILE).write_text("".join(_qrels_lines(outcomes)), encoding="utf-8")


def _run_lines(outcomes: Sequence[Outcome], tag: str) -> list[str]:
    lines = []
    for outcome in outcomes:
        if outcome.ranking is None:
            continue
        top = outcome.top()
        for place, name in enumerate(top, 1):
            lines.append(f"{_word(outcome.question.id)} Q0 {_word(name)} {place} {len(top) + 1 - place} {tag}\n")
    return lines


def _qrels_lines(outcomes: Sequence[Outcome]) -> list[str]:
    return [
        f"{_word(outcome.question.id)} 0 {_word(name)} {grade:g}\n"
        for outcome in outcomes
        for name, grade in outcome.question.relevant.items()
    ]


def _word(text: str) -> str:
    return SPACE.sub(lambda found: quote(found.group()), text)
