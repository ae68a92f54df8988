"""Write `docs/explanation/typed-queries.md` from the stored answers and from what was seen of them by eye.

Run by `make docs`; a test compares. The answers are in `docs/results/typed-queries.json`, the verdicts beside the
queries in `benchmarks/quality/data/typed-queries.json`.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results" / "typed-queries.json"
PLAN = ROOT / "benchmarks" / "quality" / "data" / "typed-queries.json"
PAGE = ROOT / "docs" / "explanation" / "typed-queries.md"
VERDICTS = ("right", "partly", "wrong", "not possible")
RANKS = {"right": 2, "partly": 1, "wrong": 0, "not possible": 0}
INTRODUCTION = """# Thirty queries, looked at

What a person types, and what comes back, before (commit {before_commit}) and after (commit {commit}). A library of
{files} files is written as people have them: folders of a camera and a phone, {clips} clips, {notes} notes, recipes
and receipts, {captioned} captioned photos and {keywords} with keywords, copies, smaller copies, and a burst. Both
commands index it and answer thirty queries. The queries and what was wanted were written down before the answers were
seen.

    {command}

The photos are those of the dev split of Flickr8k at 224 pixels; the calibration of the starter has seen the first 400
of them. A verdict is the opinion of one pair of eyes on the first five hits:

- *right*: what was wanted comes first; of a subject, at least four of five hits show it. Where nothing fits, the answer
  says so.
- *partly*: it is there, but below something else, or only some of the hits show it.
- *wrong*: it is not among the first five, or what is not there is answered as if it were.
- *not possible*: the command has no such option.

The scores of before and after are on different scales and cannot be compared. Milliseconds are those of one whole
command, loading included, on a machine with other work.

`make docs` writes this page from `docs/results/typed-queries.json` and `benchmarks/quality/data/typed-queries.json`.
"""


def page() -> str:
    """Return the page: how it was done, a table of verdicts, and a section for each query."""
    content = json.loads(RESULTS.read_text(encoding="utf-8"))
    plan = json.loads(PLAN.read_text(encoding="utf-8"))
    asked = list(zip(plan["queries"], content["results"]["queries"], strict=True))
    parts = [_introduction(content, plan), _counts(plan["queries"]), _not_right(plan["queries"])]
    parts += [_section(query, answers) for query, answers in asked]
    return "\n".join(parts)


def _introduction(content: dict[str, Any], plan: dict[str, Any]) -> str:
    results, named = content["results"], plan["named"]
    return INTRODUCTION.format(
        before_commit=results["before"]["commit"],
        commit=content["commit"],
        command=content["command"],
        files=f"{results['files']:,}",
        clips=results["clips"],
        notes=len(plan["notes"]),
        captioned=sum("caption" in entry for entry in named),
        keywords=sum("keywords" in entry for entry in named),
    )


def _counts(queries: list[dict[str, Any]]) -> str:
    lines = ["## Verdicts", "", f"| | {' | '.join(VERDICTS)} |", "|---|" + "---|" * len(VERDICTS)]
    for name in ("before", "after"):
        counts = Counter(query["verdict"][name] for query in queries)
        lines.append(f"| {name} | {' | '.join(str(counts[verdict]) for verdict in VERDICTS)} |")
    return "\n".join([*lines, ""])


def _not_right(queries: list[dict[str, Any]]) -> str:
    """List where the answer is worse than before, and where it is still not right."""
    verdicts = {query["typed"]: query["verdict"] for query in queries}
    worse = [typed for typed, one in verdicts.items() if RANKS[one["after"]] < RANKS[one["before"]]]
    lacking = [typed for typed, one in verdicts.items() if one["after"] != "right" and typed not in worse]
    return f"Worse than before: {_listed(worse)}.\n\nNot right yet: {_listed(lacking)}.\n"


def _listed(queries: list[str]) -> str:
    return ", ".join(f"`{typed}`" for typed in queries) or "none"


def _section(query: dict[str, Any], answers: dict[str, Any]) -> str:
    verdict = query["verdict"]
    lines = [f"## `{query['typed']}`", "", f"Wanted: {query['wanted']}. {verdict['seen']}", ""]
    lines += [f"| | {_head('before', verdict, answers)} | {_head('after', verdict, answers)} |", "|---|---|---|"]
    columns = [_cells(answers["before"]), _cells(answers["after"])]
    for rank in range(max(map(len, columns))):
        cells = [column[rank] if rank < len(column) else "" for column in columns]
        lines.append(f"| {rank + 1} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _head(name: str, verdict: dict[str, str], answers: dict[str, Any]) -> str:
    answer = answers[name]
    spent = f", {answer['milliseconds']:,} ms" if answer else ""
    weak = ", nothing close" if answer and answer["is_weak"] else ""
    return f"{name}: {verdict[name]}{spent}{weak}"


def _cells(answer: dict[str, Any] | None) -> list[str]:
    return [_cell(hit) for hit in answer["hits"]] if answer else []


def _cell(hit: dict[str, Any]) -> str:
    marks = [flag.removeprefix("is_") for flag in ("is_exact", "is_weak") if flag in hit]
    if "copies" in hit:
        marks.append(f"+{len(hit['copies'])} copies" if len(hit["copies"]) > 1 else "+1 copy")
    return f"`{hit['file']}` {hit['score']:.2f}{' (' + ', '.join(marks) + ')' if marks else ''}"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
