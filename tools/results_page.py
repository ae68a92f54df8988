"""Write `docs/results.md` from the JSON that benchmarks left in `docs/results/`.

Run by `make docs`; a test compares.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tools.measured_table import measured

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results"
PAGE = ROOT / "docs" / "results.md"
METRICS = ("R@1", "R@5", "R@10", "R@50", "nDCG@10", "median rank")
SETS = {
    "captions": "Captions to photos and clips",
    "covr-miniature": "The rules of WebVid-CoVR on 77 clips",
    "covr-miniature-tiny-unite": "The same with an untrained UNITE checkpoint",
}
REMARKS = {
    "covr-miniature-tiny-unite": "The weights of this checkpoint are random. It shows that both protocols run with a "
    "UNITE model; its numbers say nothing about quality."
}
COMPOSED = {
    "composed": "photo + words",
    "late_fusion": "best late fusion",
    "late_fusion_per_edit": "late fusion, best weight for each edit",
    "image_only": "photo only",
    "text_only": "words only",
}
COSTS = {
    "import_s": "import vectors, s",
    "index_s": "index as many text files, s",
    "add_s": "add 100 files, s",
    "nothing_new_s": "run again, nothing changed, s",
    "open_s": "open, s",
    "query_s": "query, s",
    "status_cpu_s": "`status`, CPU s",
    "status_peak_mib": "`status`, peak memory, MiB",
}
STAGES = ("scan", "decode", "encode", "commit", "partitions")
INTRODUCTION = """# Results

`make docs` writes this page from the files in `docs/results`, so no number on it was typed. The
[guide to evaluation](guides/evaluation.md) explains the metrics and how to run each benchmark.
"""
EVALUATIONS = """## Evaluations

In brackets: the 95 % interval of a bootstrap over queries. Ties count against the encoder.
"""
PUBLISHED = """### Published numbers

R@1 on the public WebVid-CoVR test set, as the papers give it: UNITE 7B 72.5, UNITE 2B 69.1, CoVR-2 59.8. This project
has not run that set, because its clips and the weights were not on the machine that measured the rest. The miniature
above has another gallery, so its numbers must not be compared with these.
"""


def page() -> str:
    """Return the page: the table of measurements, then a table for each file of evaluations that exists."""
    parts = [INTRODUCTION, measured(), EVALUATIONS]
    for name, title in SETS.items():
        path = RESULTS / f"{name}.json"
        if path.is_file():
            parts.append(_section(title, REMARKS.get(name), json.loads(path.read_text(encoding="utf-8"))))
    parts.append(PUBLISHED)
    more = {
        "composed": _composed,
        "stages": _stages,
        "scaling": _scaling,
        "gpu": _gpu,
        "peers": _peers,
        "copies": _copies,
    }
    for name, section in more.items():
        path = RESULTS / f"{name}.json"
        if path.is_file():
            parts.append(section(json.loads(path.read_text(encoding="utf-8"))))
    return "\n".join(parts)


def _section(title: str, remark: str | None, content: dict[str, Any]) -> str:
    runs: dict[str, Any] = content["results"]
    lines = [f"### {title}", "", *([remark, ""] if remark else [])]
    encoders = sorted({f"{one['encoder']['name']} (`{one['encoder']['fingerprint']}`)" for one in runs.values()})
    lines += [f"{', '.join(encoders)}; {_origin(content)}", ""]
    lines += [f"| | queries | candidates | {' | '.join(METRICS)} |", "|---|" + "---|" * (len(METRICS) + 2)]
    for name, one in runs.items():
        lines.append(_row(name, one["metrics"]["available"], one["coverage"]))
        if "rescored" in one:
            again = [f"{one['rescored'][metric]:.1f}" if metric in one["rescored"] else "" for metric in METRICS]
            lines.append(f"| the same, by trec_eval | | | {' | '.join(again)} |")
    return "\n".join([*lines, ""])


def _row(name: str, numbers: dict[str, Any], coverage: dict[str, Any]) -> str:
    cells = [_cell(numbers[metric]) for metric in METRICS]
    there = f"{coverage['candidates_there']:,} of {coverage['candidates']:,}"
    return f"| {name} | {numbers['queries']:,} of {coverage['queries']:,} | {there} | {' | '.join(cells)} |"


def _cell(number: dict[str, float]) -> str:
    return f"{number['value']:.1f} [{number['low']:.1f}, {number['high']:.1f}]"


def _origin(content: dict[str, Any]) -> str:
    return f"commit {content['commit']}, {content['date']}."


def _copies(content: dict[str, Any]) -> str:
    """Write what is taken for a copy with each hash at the chosen thresholds."""
    results = content["results"]
    chosen, hashes = results["chosen"], results["hashes"]
    found = {
        name: next(
            row
            for row in judged["taken_for_copies"]
            if (row["most_bits"], row["least_cosine"]) == (chosen["most_bits"], chosen["least_cosine"])
        )
        for name, judged in hashes.items()
    }
    pairs = hashes[chosen["hash"]]["different_pairs"]
    lines = [
        "### Copies of photos",
        "",
        f"What `unite-search duplicates --near` takes for copies: at most {chosen['most_bits']} bits of the hashes "
        f"differ, and the cosine is at least {chosen['least_cosine']}. {results['copied']} dev photos of 224 pixels, "
        f"{results['clips']} clips, `python -m benchmarks copies`; {_origin(content)} A burst, a mirrored photo and "
        "different photos should not be taken for copies.",
        "",
        f"| in percent | {' | '.join(f'{name} hash' for name in found)} |",
        f"|---|{'---|' * len(found)}",
    ]
    kinds = [name for name in found[chosen["hash"]] if name not in ("most_bits", "least_cosine", "different")]
    lines += [f"| {kind} | {' | '.join(f'{100 * row[kind]:.1f}' for row in found.values())} |" for kind in kinds]
    lines += [
        f"| different photos, of {pairs:,} pairs | {' | '.join(str(row['different']) for row in found.values())} |"
    ]
    lines += [f"| CPU time, µs a picture | {' | '.join(str(hashes[name]['hash_us']) for name in found)} |"]
    return "\n".join([*lines, ""])


def _composed(content: dict[str, Any]) -> str:
    """Write a table for each group of edits, the unseen ones first, because they are the measure of the encoder."""
    results = content["results"]
    intro = (
        f"R@1 in percent on {results['photos']} dev photos, `python -m benchmarks composed`; {_origin(content)} Unseen "
        "edits have formulas, kinds and wordings that nothing was trained or tuned on "
        "(`benchmarks/quality/unseen_edits.py`): `formulas` are the trained edits in other formulas, `kinds` are other "
        "kinds that the encoder has a rule for, "
        "`unruled` are kinds that it has none for. Seen edits are pixel for pixel those of training, in other words. "
        "Late fusion has the weight that is best on these queries."
    )
    parts = ["## A photo and an edit in words", "", intro, ""]
    for group in ("unseen", "seen"):
        one = results[group]
        first = f"{group}: {one['queries']:,} queries, {one['gallery']:,} photos"
        parts += [f"| {first} | {' | '.join(COMPOSED.values())} |", "|---|" + "---|" * len(COMPOSED)]
        recalls = one["recall_at_1"]
        for edit in recalls["composed"]:
            parts.append(f"| {edit} | {' | '.join(str(recalls[method][edit]) for method in COMPOSED)} |")
        parts.append("")
    return "\n".join(parts)


def _stages(content: dict[str, Any]) -> str:
    rows = [
        f"| {name} | {one['items']:,} | {' | '.join(str(one['cpu_ms_per_item'][stage]) for stage in STAGES)} |"
        for name, one in content["results"].items()
    ]
    head = [f"| | items | {' | '.join(STAGES)} |", "|---|" + "---|" * (len(STAGES) + 1)]
    intro = f"CPU milliseconds per item, by `python -m benchmarks stages`; {_origin(content)}"
    return "\n".join(["## What the stages of index cost", "", intro, "", *head, *rows, ""])


def _scaling(content: dict[str, Any]) -> str:
    by_size = content["results"]["by_size"]
    head = [f"| items | {' | '.join(f'{int(size):,}' for size in by_size)} |", "|---|" + "---|" * len(by_size)]
    rows = [
        f"| {label} | {' | '.join(str(one.get(name, '')) for one in by_size.values())} |"
        for name, label in COSTS.items()
    ]
    intro = (
        f"Random vectors of {content['results']['dim']} dimensions, without an encoder; {_origin(content)} Up to "
        "100,000 items the index is exact; a million items are int8 codes in cells, tuned at import for a "
        "recall of 0.99."
    )
    plot = "![The same table as a plot; both axes are logarithmic](results/scaling.svg)"
    return "\n".join(["## How costs grow with a collection", "", intro, "", *head, *rows, "", plot, ""])


def _gpu(content: dict[str, Any]) -> str:
    results = content["results"]
    faiss, encoder = results["faiss"], results["encoder"]
    sizes = faiss["sizes"]
    names = ", ".join(f"{gpu['name']} (driver {gpu['driver_version']})" for gpu in results["gpus"])
    lines = [
        "## On an NVIDIA GPU",
        "",
        f"{names}, {content['machine']['cores']} CPU cores, by `make gpu-check`; {_origin(content)}",
        "",
        f"Exact search of {sizes['rows']:,} rows of {sizes['dim']} dimensions, top {sizes['k']}, milliseconds a batch:",
        "",
        "| queries at once | CPU | GPU | faiss-gpu alone |",
        "|---|---|---|---|",
    ]
    for batch in (1, 64):
        times = faiss[f"batch_{batch}_ms"]
        lines.append(f"| {batch} | {times['cpu']:.1f} | {times['gpu']:.2f} | {times['faiss_gpu_directly']:.2f} |")
    lines += [
        "",
        f"A UNITE model of 2 billion parameters with random weights, {encoder['speed']['dtype']}:",
        "",
        "| | batch size | items a second | tokens an item | peak memory, GB |",
        "|---|---|---|---|---|",
    ]
    for one in encoder["speed"]["workloads"]:
        cells = (
            one["name"],
            one["batch_size"],
            one["items_per_s"],
            f"{one['tokens_per_item']:g}",
            one["peak_memory_gb"],
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join([*lines, ""])


def _peers(content: dict[str, Any]) -> str:
    results = content["results"]
    lines = [
        "## Comparison with other tools",
        "",
        "Both sides run without their models; [the guide](guides/evaluation.md#comparison-with-other-tools) says why. "
        f"Measured at {_origin(content)}",
        "",
    ]
    if one := results.get("rclip"):
        ours, theirs = one["unite-search"], one["rclip"]
        found = f"{ours['search']['items']:,} items"
        lines += [f"| | rclip {theirs['version']} | unite-search |", "|---|---|---|"]
        lines += _beside(f"index {one['photos']:,} photos, s", ours["index"], theirs["index"], "wall_s")
        lines += _beside("the same, CPU s", ours["index"], theirs["index"], "cpu_s")
        lines += _beside("run again, nothing changed, s", ours["index"], theirs["index"], "again_wall_s")
        lines += _beside(f"open {found} and query, ms", ours["search"], theirs["search"], "open_and_query_ms")
        lines += [*_beside("the next query, ms", ours["search"], theirs["search"], "query_ms"), ""]
    if one := results.get("clip-retrieval"):
        ours, theirs = one["unite-search"], one["clip-retrieval"]
        about = f"clip-retrieval {theirs['version']}, autofaiss {theirs['autofaiss']} ({theirs['index_key']})"
        lines += [f"| {one['items']:,} x {one['dim']} | {about} | unite-search |", "|---|---|---|"]
        lines += _beside("build, s", ours, theirs, "build_wall_s") + _beside(
            "build, CPU s", ours, theirs, "build_cpu_s"
        )
        lines += _beside("query with metadata, ms", ours, theirs, "query_ms")
        lines += [*_beside("recall of the exact 10", ours, theirs, "recall@10"), ""]
    return "\n".join(lines)


def _beside(label: str, ours: dict[str, Any], theirs: dict[str, Any], name: str) -> list[str]:
    return [f"| {label} | {float(f'{theirs[name]:.4g}')} | {float(f'{ours[name]:.4g}')} |"]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
