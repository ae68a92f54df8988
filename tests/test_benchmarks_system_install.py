"""The size of an installation is what du says; the installations themselves need a package index."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from benchmarks.system.install import MB, _bytes_of, _package_sizes


@pytest.mark.skipif(os.name == "nt", reason="needs du")
def test_sizes_are_those_of_du(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "lib" / "python3.11" / "site-packages"
    (folder / "thing-1.dist-info").mkdir(parents=True)
    (folder / "thing-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: thing\nVersion: 1\n")
    (folder / "thing-1.dist-info" / "RECORD").write_text("thing.py,,\nmissing.py,,\n")
    (folder / "thing.py").write_bytes(os.urandom(3 * MB))
    (folder / "sparse").touch()
    os.truncate(folder / "sparse", 9 * MB)
    (folder / "link").symlink_to("thing.py")
    said = subprocess.run(["du", "--block-size=1", "-s", str(tmp_path)], capture_output=True, text=True, check=True)
    assert _bytes_of([tmp_path, *tmp_path.rglob("*")]) == int(said.stdout.split()[0])
    assert _package_sizes(tmp_path / "a") == {"thing": 3}
