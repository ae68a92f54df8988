"""`python -m train CONFIG.toml` trains, `python -m train diagnose CONFIG.toml` reports; under torchrun, too."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from train.config import load_config
from train.diagnostics import diagnose
from train.distributed import process_rank
from train.dry_run import report
from train.loop import Run
from unite_search.errors import UniteSearchError

DIAGNOSE = "diagnose"


def main() -> None:
    """Parse the command line and run."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("train").setLevel(logging.INFO)
    if sys.argv[1:2] == [DIAGNOSE]:
        _diagnose(sys.argv[2:])
    else:
        _train(sys.argv[1:])


def _train(arguments: Sequence[str]) -> None:
    parser = _parser("python -m train", "Train an encoder, or `diagnose CONFIG` a run. See docs/guides/training.md.")
    parser.add_argument("--dry-run", action="store_true", help="report sizes, batches and time, and train nothing")
    given = parser.parse_args(arguments)
    run = _run(parser, given)
    if given.dry_run:
        _print(report(run))
    else:
        run.train()


def _diagnose(arguments: Sequence[str]) -> None:
    about = "Report on batches, and on embeddings before training and after, if run.out holds a run. Trains nothing."
    parser = _parser(f"python -m train {DIAGNOSE}", about)
    run = _run(parser, parser.parse_args(arguments))
    _print(diagnose(run, run.folder / "plane.png"))


def _parser(program: str, about: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program, description=about)
    parser.add_argument("config", type=Path, help="TOML file, such as train/configs/starter-1.toml")
    parser.add_argument("--set", action="append", default=[], metavar="TABLE.KEY=VALUE", help="override a setting")
    return parser


def _run(parser: argparse.ArgumentParser, given: argparse.Namespace) -> Run:
    """The run of a config; what is wrong with it ends the program with one line."""
    if "WORLD_SIZE" in os.environ:
        _join_processes()
    try:
        return Run(load_config(given.config, given.set))
    except (OSError, ValueError, UniteSearchError) as error:
        parser.error(str(error))
    except ImportError as error:
        parser.error(f"{error}; install what training needs: pip install -e '.[cpu,train]'")


def _join_processes() -> None:
    """Meet the other processes of torchrun, each with a GPU of its own where there are any."""
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")


def _print(values: dict[str, Any]) -> None:
    if process_rank() == 0:
        sys.stdout.write(json.dumps(values, indent=1) + "\n")


if __name__ == "__main__":
    main()
