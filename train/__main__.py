"""The command line of training: `python -m train CONFIG.toml` and `python -m train diagnose CONFIG.toml`.

Both also run under torchrun.
"""

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
from train.diagnostics import diagnose, dry_run
from train.distributed import process_rank
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
    about = "Train an encoder; `python -m train diagnose CONFIG` reports on a run. See docs/guides/training.md."
    parser = _parser("python -m train", about)
    parser.add_argument("--dry-run", action="store_true", help="report sizes, batches, memory and time; do not train")
    given = parser.parse_args(arguments)
    run = _run(parser, given)
    if given.dry_run:
        _print(dry_run(run))
    else:
        run.train()


def _diagnose(arguments: Sequence[str]) -> None:
    about = (
        "Report how much the loss mask hides in each batch and how far apart modalities lie, before training and, "
        "if the folder run.out holds a trained run, after it. Does not train."
    )
    parser = _parser(f"python -m train {DIAGNOSE}", about)
    run = _run(parser, parser.parse_args(arguments))
    _print(diagnose(run, run.folder / "plane.png"))


def _parser(program: str, about: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program, description=about)
    parser.add_argument("config", type=Path, help="TOML file, such as train/configs/starter-1.toml")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="TABLE.KEY=VALUE",
        help="override one setting of the config, such as run.steps=10; may be given several times",
    )
    return parser


def _run(parser: argparse.ArgumentParser, given: argparse.Namespace) -> Run:
    """Create the run of a config; an error in the config ends the program with one line."""
    if "WORLD_SIZE" in os.environ:
        _join_processes()
    try:
        return Run(load_config(given.config, given.set))
    except (OSError, ValueError, UniteSearchError) as error:
        parser.error(str(error))
    except ImportError as error:
        parser.error(f"{error}; install what training needs: pip install -e '.[cpu,train]'")


def _join_processes() -> None:
    """Join the process group that torchrun started; on machines with GPUs, each process takes its own."""
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")


def _print(values: dict[str, Any]) -> None:
    if process_rank() == 0:
        sys.stdout.write(json.dumps(values, indent=1) + "\n")


if __name__ == "__main__":
    main()
