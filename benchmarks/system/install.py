"""Measure what an installation takes: size on disk by extra, its largest packages, and what can be left out.

Each set of extras is installed from this checkout into an environment of its own, with the newest packages that pip
finds. Sizes are those of the blocks on disk, in MB of 1,000,000 bytes.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BLOCK_BYTES = 512
MB = 1_000_000
LARGEST = 7
EXTRAS = ("cpu", "cpu,demo", "cpu,serve", "cpu,shots", "cpu,unite")
NOT_NEEDED = {
    "decord2": ("decord2",),
    "pillow-heif": ("pillow-heif",),
    "textual-image": ("textual-image",),
    "huggingface-hub": ("huggingface-hub", "hf-xet"),
}
"""Packages that `[cpu]` works without, for some files or terminals; docs/troubleshooting.md says what is lost."""
UNUSED_FOLDERS = ("pyarrow/tests", "pyarrow/include")


def run() -> dict[str, Any]:
    """Install each set of extras; then take out of `[cpu]` what can be left out."""
    with tempfile.TemporaryDirectory() as temporary:
        sizes = {}
        for extras in EXTRAS:
            environment = Path(temporary) / "environment"
            seconds = _install(environment, extras)
            sizes[extras] = {"mb": _mb(environment), "seconds": round(seconds)}
            if extras == EXTRAS[0]:
                largest = dict(_package_sizes(environment).most_common(LARGEST))
            shutil.rmtree(environment)
        return {"extras": sizes, "largest_mb": largest, "smaller": _smaller(Path(temporary) / "smaller")}


def _install(environment: Path, extras: str, *options: str) -> float:
    """Make an environment with some extras; return the seconds that it took, downloads included."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    _pip(environment, "install", *options, f"{ROOT}[{extras}]")
    return time.perf_counter() - started


def _smaller(environment: Path) -> dict[str, Any]:
    """Measure what each step of a smaller installation saves, in MB, and what is left after all of them."""
    _install(environment, EXTRAS[0])
    with_bytecode = _mb(environment)
    shutil.rmtree(environment)
    _install(environment, EXTRAS[0], "--no-compile")
    before = _mb(environment)
    saved = {"no-compile": with_bytecode - before}
    for name, packages in NOT_NEEDED.items():
        _pip(environment, "uninstall", "--yes", *packages)
        saved[name] = before - _mb(environment)
        before = _mb(environment)
    for folder in UNUSED_FOLDERS:
        shutil.rmtree(_site_packages(environment) / folder)
    _pip(environment, "uninstall", "--yes", "setuptools", "pip")
    return {"saved_mb": {**saved, "pip": before - _mb(environment)}, "mb": _mb(environment)}


def _pip(environment: Path, *arguments: str) -> None:
    command = [str(environment / "bin" / "python"), "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check"]
    subprocess.run(command, check=True)


def _package_sizes(environment: Path) -> Counter[str]:
    found = distributions(path=[str(_site_packages(environment))])
    return Counter({package.metadata["Name"]: round(_bytes_of(_files(package)) / MB) for package in found})


def _files(package: Distribution) -> Iterable[Path]:
    return [Path(str(file.locate())) for file in package.files or () if Path(str(file.locate())).is_file()]


def _site_packages(environment: Path) -> Path:
    return next((environment / "lib").glob("python*/site-packages"))


def _mb(folder: Path) -> int:
    return round(_bytes_of(folder.rglob("*")) / MB)


def _bytes_of(paths: Iterable[Path]) -> int:
    """Return the bytes of the blocks of some files and folders, without following links."""
    return BLOCK_BYTES * sum(path.lstat().st_blocks for path in paths)
