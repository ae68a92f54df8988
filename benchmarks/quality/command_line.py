"""The command line of evaluations: `python -m benchmarks DATASET --data DIR`, `datasets` and `compare`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from benchmarks.datasets.registry import DATASETS, describe
from benchmarks.quality import compare
from benchmarks.quality.evaluation import EvaluationRun, run, table
from benchmarks.quality.protocol import presets
from unite_search.cli.progress import shown_count
from unite_search.encoders.base import DEFAULT_ENCODER, EncoderOptions, load_encoder
from unite_search.errors import UniteSearchError

COMMANDS = (*DATASETS, "datasets", "compare")
OUT = Path("benchmark-results")
LOCAL_RANK_VARIABLE = "LOCAL_RANK"


def main(arguments: Sequence[str]) -> None:
    """Run one command; an error that the user can correct ends the program with one line."""
    given = _parser().parse_args(arguments)
    try:
        lines = given.run(given)
    except (UniteSearchError, ValueError) as error:
        sys.exit(f"Error: {error}")
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    commands = parser.add_subparsers(required=True)
    for name, source in DATASETS.items():
        _add_evaluation(commands.add_parser(name, description=f"Evaluate on {name}. Origin: {source.origin}."), name)
    listing = commands.add_parser("datasets", description="List the data sets and where to get them.")
    listing.add_argument(
        "--data", type=Path, help="folder to check: report which data sets it holds and what is missing"
    )
    listing.set_defaults(run=lambda given: describe(given.data))
    comparison = commands.add_parser("compare", description="Compare two evaluations of a data set, query by query.")
    comparison.add_argument("first", type=Path, help="result folder of one evaluation")
    comparison.add_argument("second", type=Path, help="result folder of the other")
    comparison.set_defaults(run=lambda given: [compare.table(*compare.compare(given.first, given.second))])
    return parser


def _add_evaluation(parser: argparse.ArgumentParser, name: str) -> None:
    protocols = presets(name)
    parser.add_argument("--data", type=Path, required=True, help="folder of the downloaded data set")
    parser.add_argument(
        "--encoder",
        default=DEFAULT_ENCODER,
        help="name, hub id, or folder of a checkpoint (default: %(default)s)",
    )
    parser.add_argument(
        "--protocol",
        choices=protocols,
        default=next(iter(protocols)),
        help="rules of the evaluation (default: %(default)s)",
    )
    parser.add_argument("--include-self", action="store_true", help="let the query's own reference compete")
    parser.add_argument("--instruction", help="instruction of all queries, empty for none (default: the encoder's own)")
    parser.add_argument(
        "--max-pixels", type=_positive, help="largest number of pixels of a picture or frame (default: the encoder's)"
    )
    parser.add_argument("--limit", type=_positive, help="use only the first LIMIT queries; the gallery stays complete")
    parser.add_argument("--out", type=Path, help=f"folder of the results (default: {OUT}/DATASET-PROTOCOL-ENCODER)")
    parser.add_argument(
        "--cache", type=Path, default=OUT / "cache", help="folder of the embedding cache (default: %(default)s)"
    )
    parser.set_defaults(run=_evaluate, name=name)


def _evaluate(given: argparse.Namespace) -> list[str]:
    protocol = presets(given.name)[given.protocol]
    if given.include_self:
        protocol = replace(protocol, self_match="included")
    if given.instruction is not None:
        protocol = replace(protocol, instruction=given.instruction)
    encoder = load_encoder(given.encoder, EncoderOptions(max_pixels=given.max_pixels, device=_device()))
    out = given.out or OUT / f"{given.name}-{protocol.name}-{Path(given.encoder).name}"
    evaluation = EvaluationRun(
        dataset=given.name,
        data=given.data.resolve(),
        protocol=protocol,
        out=out,
        cache=given.cache,
        limit=given.limit,
    )
    with shown_count("Embedding", quiet=False) as count:
        results = run(evaluation, encoder, count)
    return [] if results is None else [table(results), f"written to {out}"]


def _device() -> str | None:
    """Return the GPU of this process under torchrun, if there is one; otherwise None."""
    local = os.environ.get(LOCAL_RANK_VARIABLE)
    if local is None or find_spec("torch") is None:
        return None
    import torch

    count = torch.cuda.device_count()
    return f"cuda:{int(local) % count}" if count else None


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number}; expected at least 1")
    return number
