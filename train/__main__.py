"""`python -m train CONFIG.toml [--set table.key=value]...`, `--dry-run` or `--diagnose`; under torchrun, too."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from pathlib import Path

import torch

from train.config import load_config
from train.diagnostics import diagnose
from train.dry_run import report
from train.loop import Run
from unite_search.errors import UniteSearchError


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m train", description="Train an encoder. See docs/training.md.")
    parser.add_argument("config", type=Path, help="TOML file, such as train/configs/starter-1.toml")
    parser.add_argument("--set", action="append", default=[], metavar="TABLE.KEY=VALUE", help="override a setting")
    parser.add_argument("--dry-run", action="store_true", help="report sizes, batches and time, and train nothing")
    parser.add_argument("--diagnose", action="store_true", help="report on batches and embeddings, and train nothing")
    given = parser.parse_args()
    logging.basicConfig(format="%(message)s")
    logging.getLogger("train").setLevel(logging.INFO)
    if "WORLD_SIZE" in os.environ:
        _join_processes()
    try:
        run = Run(load_config(given.config, given.set))
    except (OSError, ValueError, UniteSearchError) as error:
        parser.error(str(error))
    except ImportError as error:
        parser.error(f"{error}; install what training needs: pip install -e '.[cpu,train]'")
    if given.dry_run:
        sys.stdout.write(json.dumps(report(run), indent=1) + "\n")
    elif given.diagnose:
        sys.stdout.write(json.dumps(diagnose(run, run.folder / "plane.png"), indent=1) + "\n")
    else:
        run.train()


def _join_processes() -> None:
    """Meet the other processes of torchrun, each with a GPU of its own where there are any."""
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")


if __name__ == "__main__":
    main()
