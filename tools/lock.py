"""Write the versions that CI and the container install, as pip resolves them now; `make lock` runs this.

`requirements/ci.txt` is a constraints file: it is given to `pip install --constraint` beside the extras that are
wanted, so that it pins an environment with torch as well as one without. It holds for the Python that ran this (the one
of CI); other Pythons are tested with the newest dependencies that they can have.

`requirements/container-cpu.txt` and `container-gpu.txt` are what the images install, with the SHA-256 of each wheel.
Their versions are those of `ci.txt`, so that the images run what was tested. `requirements/licences.json` is what each
package says of its licence. Nothing is installed to write any of them.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements" / "ci.txt"
LICENCES = ROOT / "requirements" / "licences.json"
WANTED = ("torch==2.14.1", "torchvision==0.29.1", "--editable", f"{ROOT}[cpu,dev,train]", "mteb")
OURS = "unite-search"
CONTAINERS = {"cpu": ("x86_64", "aarch64"), "gpu": ("x86_64",)}
"""The images, and the processors that wheels of their dependencies exist for."""
CONTAINER_PYTHON = "3.12"
OLDEST_GLIBC, NEWEST_GLIBC = 17, 36
"""The minor versions of glibc 2 that wheels may ask for. Debian 12 has 2.36."""

LONGEST_LICENCE = 60
"""A longer text is the licence itself, not its name."""

Installed = list[dict[str, Any]]


def resolved(wanted: Sequence[str]) -> Installed:
    """Return what pip would install into an empty environment."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed"]
        subprocess.run([*command, "--report", str(report), *wanted], check=True)
        installed: Installed = json.loads(report.read_text(encoding="utf-8"))["install"]
        return installed


def lock_of(installed: Installed) -> str:
    """Return the lines of the lock file, sorted by name."""
    pins = {name_of(entry): entry["metadata"]["version"] for entry in installed}
    pins.pop(OURS, None)
    lines = [f"{name}=={version}" for name, version in sorted(pins.items())]
    head = f"# Made by `make lock` on Python {platform.python_version()}, {sys.platform}; used by CI as constraints."
    return "\n".join([head, *lines, ""])


def licences_of(installed: Installed) -> str:
    """Return JSON with the licence of each package, as its metadata states it."""
    found = {name_of(entry): licence_of(entry["metadata"]) for entry in installed if name_of(entry) != OURS}
    return json.dumps(found, indent=1, sort_keys=True) + "\n"


def licence_of(metadata: dict[str, Any]) -> str:
    """Return the licence that a package states: the SPDX expression, or the short text, or the classifiers."""
    if expression := metadata.get("license_expression"):
        return str(expression)
    stated = str(metadata.get("license") or "").strip()
    if stated and len(stated) <= LONGEST_LICENCE and "\n" not in stated:
        return stated
    named = [line.rpartition(" :: ")[2] for line in metadata.get("classifier", ()) if line.startswith("License :: ")]
    first_line = stated.partition("\n")[0].strip()
    return ", ".join(named) or first_line[:LONGEST_LICENCE] or "not stated"


def container_lock(image: str, found: Sequence[Installed]) -> str:
    """Return the requirements of an image: pinned, with the hash of the wheel for each processor."""
    machines = " and ".join(CONTAINERS[image])
    return hashed_lock(found, f"`[{image},serve]` on Python {CONTAINER_PYTHON}, {machines}")


def resolved_for_container(image: str) -> list[Installed]:
    """Return what pip would install into an image on each of its processors, in the versions of `ci.txt`."""
    with tempfile.TemporaryDirectory() as folder:
        build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, str(ROOT)]
        subprocess.run(build, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        wanted = (f"{wheel}[{image},serve]", "--constraint", str(LOCK), "--target", str(Path(folder) / "none"))
        return [resolved((*wanted, *for_machine(machine))) for machine in CONTAINERS[image]]


def for_machine(machine: str) -> Iterable[str]:
    """Return the options of pip that choose wheels of the container's Python on another processor."""
    yield from ("--only-binary", ":all:", "--implementation", "cp", "--python-version", CONTAINER_PYTHON)
    for tag in (f"cp{CONTAINER_PYTHON.replace('.', '')}", "abi3", "none"):
        yield from ("--abi", tag)
    for glibc in range(OLDEST_GLIBC, NEWEST_GLIBC + 1):
        yield from ("--platform", f"manylinux_2_{glibc}_{machine}")
    yield from ("--platform", f"manylinux2014_{machine}")


def hashed_lock(found: Sequence[Installed], what: str) -> str:
    """Return a requirements file of what was found for several processors.

    Raises:
        ValueError: two processors got different versions of a package.
    """
    versions: dict[str, str] = {}
    hashes: dict[str, set[str]] = {}
    for entry in (one for installed in found for one in installed):
        name, version = name_of(entry), entry["metadata"]["version"]
        if name == OURS:
            continue
        if versions.setdefault(name, version) != version:
            raise ValueError(f"{name}: {versions[name]} and {version}; constrain it, so that every processor gets one")
        hashes.setdefault(name, set()).add(entry["download_info"]["archive_info"]["hashes"]["sha256"])
    lines = [f"# Made by `make lock` for {what}; the Dockerfile installs it with --require-hashes."]
    for name, version in sorted(versions.items()):
        lines.append(
            " \\\n    ".join([f"{name}=={version}", *(f"--hash=sha256:{one}" for one in sorted(hashes[name]))])
        )
    return "\n".join([*lines, ""])


def name_of(entry: dict[str, Any]) -> str:
    """Return the normalised name of a package in pip's report."""
    return str(entry["metadata"]["name"]).lower().replace("_", "-").replace(".", "-")


def main() -> None:
    """Write all files."""
    LOCK.parent.mkdir(exist_ok=True)
    installed = resolved(WANTED)
    LOCK.write_text(lock_of(installed), encoding="utf-8")
    for image in CONTAINERS:
        found = resolved_for_container(image)
        (LOCK.parent / f"container-{image}.txt").write_text(container_lock(image, found), encoding="utf-8")
        installed += [entry for each in found for entry in each]
    LICENCES.write_text(licences_of(installed), encoding="utf-8")


if __name__ == "__main__":
    main()
