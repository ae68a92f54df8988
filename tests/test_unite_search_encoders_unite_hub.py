"""Fetching models, against a hub that is not there or is a folder behind a local server."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub")

from unite_search.encoders.unite.hub import ALIASES, is_hub_name, pull, repository_of
from unite_search.errors import EncoderUnavailableError

MAIN = "from unite_search.cli import main; main()"


def test_aliases_lead_to_the_published_models() -> None:
    assert repository_of("unite-2b") == "friedrichor/Unite-Instruct-Qwen2-VL-2B"
    assert repository_of("owner/model") == "owner/model"
    assert [is_hub_name(name) for name in ("unite-2b", "owner/model", "clip", "../model", "a/b/c", "~/model")] == [
        True, True, False, False, False, False,
    ]  # fmt: skip
    assert len(ALIASES) == 4
    with pytest.raises(EncoderUnavailableError, match="'clip' is no model name; known are unite-2b"):
        pull("clip")


@pytest.mark.parametrize(
    ("variables", "reason"),
    [({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set"), ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "cannot fetch")],
)
def test_without_a_network_one_line_comes_at_once(tmp_path: Path, variables: dict[str, str], reason: str) -> None:
    environment = {**os.environ, "HF_HOME": str(tmp_path), **variables}
    started = time.monotonic()
    commands = (["encoders", "pull", "unite-2b"], ["index", str(tmp_path), "--db", "db", "--encoder", "unite-2b"])
    runs = [
        subprocess.run(
            [sys.executable, "-c", MAIN, *command],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        for command in commands
    ]
    assert time.monotonic() - started < 60
    assert [run.returncode for run in runs] == [1, 1]
    assert reason in runs[0].stderr
    assert runs[0].stderr.count("\n") == 2
    (line,) = runs[1].stderr.splitlines()
    assert line == ("Error: unite-2b is not on this disk (4.4 GB); fetch it with `unite-search encoders pull unite-2b`")
