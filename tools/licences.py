"""Write `docs/reference/licences.md`: the licence that each installed package states, and those of the weights.

The licences are those of `requirements/licences.json`, which `make lock` writes from the metadata of the locked
packages. Run by `make docs`; a test compares.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "licences.md"
REQUIREMENTS = ROOT / "requirements"
MODEL_CARD = ROOT / "unite_search" / "encoders" / "starter" / "weights" / "MODEL_CARD.md"
PIN = re.compile(r"^([\w.-]+)==([^\s;]+)", re.MULTILINE)
INTRODUCTION = """# Licences

unite-search is Apache-2.0. `make docs` writes this page from what the locked packages state in their metadata, in their
own words; it is a list, not legal advice.

The metadata is about the Python part. Some wheels bring compiled libraries with licences of their own:

- decord2 and PyAV bring FFmpeg with x264 and x265, which are under the GPL, version 2 or later.
- pillow-heif brings libheif and libde265 (LGPL) and x265 (GPL).
- OpenCV brings FFmpeg (LGPL) and, in the package that is not headless, Qt (LGPL).
- numpy, scipy and faiss-cpu bring OpenBLAS (BSD) and the runtime of GCC (GPL with the runtime exception).
- torch and faiss-gpu for CUDA bring or install libraries under NVIDIA's proprietary licence.
"""


def page() -> str:
    """Return the page.

    Raises:
        ValueError: a locked package has no entry in `licences.json`, which `make lock` writes.
    """
    licences = json.loads((REQUIREMENTS / "licences.json").read_text(encoding="utf-8"))
    cpu, gpu, everything = (pins(f"{name}.txt") for name in ("container-cpu", "container-gpu", "ci"))
    if missing := sorted((cpu | gpu | everything).keys() - licences.keys()):
        raise ValueError(f"licences.json lacks {', '.join(missing)}; run `make lock`")
    rest = {name: version for name, version in everything.items() if name not in cpu | gpu}
    lines = [INTRODUCTION, *_section("What `[cpu,serve]` installs", cpu, licences)]
    lines += _section("What `[gpu,serve]` adds", {name: gpu[name] for name in gpu if name not in cpu}, licences)
    lines += _section("Other extras, and what only tests, training and documentation need", rest, licences)
    lines += ["## Weights", "", *_weights(), ""]
    lines.append("The [model card](../explanation/starter.md) says more, about the training data too.")
    lines.append("A UNITE model has the licence that its page on the hub states. None is part of this package.")
    return "\n".join([*lines, ""])


def pins(name: str) -> dict[str, str]:
    """Return the versions in a requirements file by package."""
    return dict(PIN.findall((REQUIREMENTS / name).read_text(encoding="utf-8")))


def _section(title: str, versions: dict[str, str], licences: dict[str, str]) -> Iterator[str]:
    yield from (f"## {title}", "", "| package | version | licence, as stated |", "|---|---|---|")
    for name, version in sorted(versions.items()):
        yield f"| {name} | {version} | {licences[name].replace('|', '/')} |"
    yield ""


def _weights() -> Sequence[str]:
    """Return the table of the model card that names source and licence of each part."""
    text = MODEL_CARD.read_text(encoding="utf-8").partition("## Origin and licences")[2]
    lines = text.strip().splitlines()
    end = next((number for number, line in enumerate(lines) if not line.startswith("|")), len(lines))
    return lines[:end]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
