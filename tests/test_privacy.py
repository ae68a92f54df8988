"""Nothing is written but the collection: the commands run in an empty home, and what they leave there is listed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("variable", ["", "0"])
def test_index_and_query_leave_nothing_in_the_home(media: Path, tmp_path: Path, variable: str) -> None:
    """onnxruntime would keep a device id and events to send in the cache folder, unless this program says no."""
    home = tmp_path / "home"
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    environment |= {"HOME": str(home), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment |= {"ORT_DISABLE_TELEMETRY": variable, "UNITE_SEARCH_HOME": str(tmp_path / "data")}
    for arguments in (["index", str(media)], ["query", "a red picture"]):
        command = [sys.executable, "-c", "from unite_search.cli import main; main()", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
    assert [path for path in home.rglob("*") if path.is_file()] == []
