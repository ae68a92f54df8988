"""Measure answers at the level of what a user does: files on disk, indexed and searched by the code of the commands.

    python -m benchmarks answers                                  every part
    python -m benchmarks answers tiny-partitions absence          some parts
    python -m benchmarks answers costs --against ../main          times the command of another checkout as well
    python -m benchmarks answers --small --out DIR                as little as possible, to try it

Each part is stored as soon as it is measured, next to the other parts in `answers.json`, and each check with its limit.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from benchmarks.common.results import RESULTS, merge_result
from benchmarks.quality.answers.library import SMALL, Scale, Setting
from unite_search.encoders.base import DEFAULT_ENCODER, load_encoder

PARTS = ("tiny-partitions", "known-items", "absence", "bare-words", "feedback", "mixes", "costs")
MODULES = "benchmarks.quality.answers"
NAME = "answers"


def main(arguments: Sequence[str]) -> None:
    """Parse the command line, measure, and store each part."""
    given = _parsed(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        setting = Setting(
            data=given.data.resolve(),
            encoder=load_encoder(given.encoder),
            folder=Path(temporary).resolve(),
            scale=SMALL if given.small else Scale(),
            against=given.against and given.against.resolve(),
        )
        for part in given.parts or PARTS:
            module = import_module(f"{MODULES}.{part.replace('-', '_')}")
            results = module.run(setting)
            path = merge_result(NAME, part, results, given.out)
            sys.stdout.write(f"{json.dumps(results, indent=2)}\n{path}\n")


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks answers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{' '.join(PARTS)}; default: all")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder that holds captioned/")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the JSON")
    parser.add_argument("--encoder", default=DEFAULT_ENCODER, help="encoder to measure (default: %(default)s)")
    parser.add_argument("--against", type=Path, metavar="DIR", help="another checkout, with its environment in .venv")
    parser.add_argument("--small", action="store_true", help="do as little as possible, to try it")
    given = parser.parse_args(arguments)
    unknown = set(given.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return given
