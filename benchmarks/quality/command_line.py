"""The command line of evaluations: `python -m benchmarks SET --data DIR`, `datasets` and `compare`."""

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
from benchmarks.quality.evaluation import Run, run, table
from benchmarks.quality.protocol import presets
from unite_search.cli.progress import shown_count
from unite_search.encoders.base import DEFAULT_ENCODER, EncoderOptions, load_encoder
from unite_search.errors import UniteSearchError

COMMANDS = (*DATASETS, "datasets", "compare")
OUT = Path("benchmark-results")
LOCAL_RANK_VARIABLE = "LOCAL_RANK"


def main(arguments: Sequence[str]) -> None:
    """Run one command; what a person can mend ends the program with one line."""
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
        _add_evaluation(commands.add_parser(name, description=f"{name}: {source.origin}"), name)
    listing = commands.add_parser("datasets", description="where each set comes from; with --data, what a folder holds")
    listing.add_argument("--data", type=Path)
    listing.set_defaults(run=lambda given: describe(given.data))
    comparison = commands.add_parser("compare", description="two result folders, query by query")
    comparison.add_argument("first", type=Path)
    comparison.add_argument("second", type=Path)
    comparison.set_defaults(run=lambda given: [compare.table(*compare.compare(given.first, given.second))])
    return parser


def _add_evaluation(parser: argparse.ArgumentParser, name: str) -> None:
    protocols = presets(name)
    parser.add_argument("--data", type=Path, required=True, help="the folder that was downloaded")
    parser.add_argument("--encoder", default=DEFAULT_ENCODER, help="a name, a hub id, or the folder of a checkpoint")
    parser.add_argument("--protocol", choices=protocols, default=next(iter(protocols)))
    parser.add_argument("--include-self", action="store_true", help="let the query's own reference compete")
    parser.add_argument("--instruction", help="of queries; the encoder's own otherwise, and an empty one for none")
    parser.add_argument("--max-pixels", type=_positive, help="of a picture or frame; otherwise the encoder's own")
    parser.add_argument("--limit", type=_positive, help="ask only the first so many queries, of the whole gallery")
    parser.add_argument("--out", type=Path, help=f"folder of the results; otherwise {OUT}/SET-PROTOCOL-ENCODER")
    parser.add_argument("--cache", type=Path, default=OUT / "cache", help="folder of the embeddings")
    parser.set_defaults(run=_evaluate, name=name)


def _evaluate(given: argparse.Namespace) -> list[str]:
    protocol = presets(given.name)[given.protocol]
    if given.include_self:
        protocol = replace(protocol, self_match="included")
    if given.instruction is not None:
        protocol = replace(protocol, instruction=given.instruction)
    encoder = load_encoder(given.encoder, EncoderOptions(max_pixels=given.max_pixels, device=_device()))
    out = given.out or OUT / f"{given.name}-{protocol.name}-{Path(given.encoder).name}"
    what = Run(
        dataset=given.name,
        data=given.data.resolve(),
        protocol=protocol,
        out=out,
        cache=given.cache,
        limit=given.limit,
    )
    with shown_count("Embedding", quiet=False) as count:
        results = run(what, encoder, count)
    return [] if results is None else [table(results), f"written to {out}"]


def _device() -> str | None:
    """Under torchrun, each process its own GPU, where there is one."""
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
