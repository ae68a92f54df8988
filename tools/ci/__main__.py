"""Run every stage of CI, one after another, and print a summary; `.ci/run` calls this.

    python -m tools.ci [STAGE...]

A stage that fails does not end the run: the stages that do not need it still run. The exit status is 1 if any failed.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType

from tools.ci.outcome import StageOutcome, line_coverage, read_report, summary
from tools.ci.stages import COVERAGE, OUT, ROOT, Stage, other_interpreters, stages

TIMED_OUT = 124


def main(arguments: Sequence[str]) -> int:
    """Run the named stages; without names, all stages."""
    parser = argparse.ArgumentParser(prog="python -m tools.ci", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("stage", nargs="*", help="Stages to run, by name. Default: all stages.")
    chosen = parser.parse_args(arguments).stage
    known = {stage.name: stage for stage in stages()}
    if unknown := sorted(set(chosen) - set(known)):
        parser.error(f"unknown stages {', '.join(unknown)}; known are {', '.join(known)}")
    COVERAGE.unlink(missing_ok=True)
    outcomes: list[StageOutcome] = []
    for stage in known.values():
        if not chosen or stage.name in chosen:
            outcomes.append(run_after(stage, outcomes))
    remarks = [] if other_interpreters() else ["other Pythons: this machine has only the one that CI runs on"]
    sys.stdout.write(summary(outcomes, line_coverage(COVERAGE), remarks))
    return 1 if any(outcome.is_bad for outcome in outcomes) else 0


def run_after(stage: Stage, before: Sequence[StageOutcome]) -> StageOutcome:
    """Run a stage, unless a stage that it needs ran and did not pass."""
    if any(outcome.stage.name in stage.needs and outcome.status != 0 for outcome in before):
        return StageOutcome(stage=stage, status=None)
    return run(stage)


def run(stage: Stage) -> StageOutcome:
    """Run a stage and measure its time; it prints to the output of this process."""
    sys.stdout.write(f"\n{'-' * 20} {stage.name}: {' '.join(stage.command)}\n")
    sys.stdout.flush()
    OUT.mkdir(parents=True, exist_ok=True)
    if stage.report is not None:
        stage.report.unlink(missing_ok=True)
    started = time.monotonic()
    environment = {**os.environ, **stage.environment}
    process = subprocess.Popen(stage.command, cwd=ROOT, env=environment, start_new_session=True)
    try:
        status = process.wait(stage.timeout_s)
    except subprocess.TimeoutExpired:
        status = TIMED_OUT
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    seconds = time.monotonic() - started
    return StageOutcome(stage=stage, status=status, seconds=seconds, tests=read_report(stage.report))


def _end(_number: int, _frame: FrameType | None) -> None:
    """End this process by an exception, so that the stage that runs is ended too."""
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    sys.exit(main(sys.argv[1:]))
