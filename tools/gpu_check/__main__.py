"""`python -m tools.gpu_check`: check this project on an NVIDIA GPU and write `docs/results/gpu.json`.

Three parts run one after the other, each in its own process, so that a crash in one does not stop the others. A part
that cannot run is recorded with the reason.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.common.results import RESULTS, write_result
from tools.gpu_check.hardware import describe_gpus

PARTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "tests": ("marked_tests", ("pytest",)),
    "encoder": ("encoder", ("torch", "transformers", "threadpoolctl")),
    "faiss": ("faiss_search", ("faiss",)),
}
"""The module of each part, and the packages it cannot run without."""
TIMEOUT_S = 240
NOT_RUN, FAILED = "not run", "failed"


def main() -> int:
    """Run the chosen parts; return 1 if one of them failed."""
    given = _parse()
    if given.measure:
        module = import_module(f"tools.gpu_check.{PARTS[given.parts[0]][0]}")
        given.measure.write_text(json.dumps(module.measure(is_small=given.small)), encoding="utf-8")
        return 0
    results: dict[str, Any] = {"gpus": describe_gpus(), "is_small": given.small}
    results |= {name: {NOT_RUN: "not asked for"} for name in PARTS}
    for name in given.parts:
        results[name] = _run(name, is_small=given.small)
        path = write_result("gpu", results, given.out, command=_command())
        sys.stdout.write(f"{name}: {json.dumps(results[name], indent=2)}\n")
    sys.stdout.write(f"{path}\n")
    return int(any(is_failure(results[name]) for name in PARTS))


def is_failure(part: dict[str, Any]) -> bool:
    """Return whether a part crashed or did not pass; a part that could not run is no failure."""
    return FAILED in part or part.get("passed") is False


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.gpu_check", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], default=[], help="default: all of them")
    parser.add_argument("--small", action="store_true", help="tiny sizes on the CPU, to try this without a GPU")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for gpu.json")
    parser.add_argument("--measure", type=Path, help="run one part in this process and write what it returns here")
    given = parser.parse_args()
    given.parts = given.parts or list(PARTS)
    return given


def _command() -> str:
    return " ".join(["python -m tools.gpu_check", *sys.argv[1:]])


def _run(name: str, *, is_small: bool) -> dict[str, Any]:
    """Run one part in its own process; return what it measured, or why it measured nothing."""
    missing = [package for package in PARTS[name][1] if find_spec(package) is None]
    if missing:
        return {NOT_RUN: f"not installed: {', '.join(missing)}"}
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        options = ["--measure", str(answer), *(["--small"] if is_small else [])]
        command = [sys.executable, "-m", "tools.gpu_check", name, *options]
        try:
            done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            return {FAILED: f"took longer than {TIMEOUT_S} s"}
        if done.returncode:
            return {FAILED: f"exit status {done.returncode}: {done.stderr.strip()[-2000:]}"}
        return {"took_s": round(time.perf_counter() - started, 1), **json.loads(answer.read_text(encoding="utf-8"))}


if __name__ == "__main__":
    sys.exit(main())
