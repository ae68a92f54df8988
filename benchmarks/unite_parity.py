"""The UNITE encoder against the golden data of the official code: the largest difference of every group of cases."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from unite_search.encoders.unite.golden import Golden
from unite_search.encoders.unite.parity import check_parity

PACKAGES = ("torch", "transformers", "tokenizers", "decord2", "pillow")


def run(parity: Path) -> dict[str, Any]:
    """Compare everything."""
    findings = list(check_parity(Golden(parity)))
    return {
        "packages": {package: version(package) for package in PACKAGES},
        "all_within_limits": all(finding.is_ok for finding in findings),
        "comparisons": sum(finding.cases for finding in findings),
        "largest_difference_float32_end_to_end": max(
            finding.difference for finding in findings if finding.check.endswith("end to end")
        ),
        "smallest_distance_to_mrope": min(finding.difference for finding in findings if finding.is_minimum),
        "findings": [finding.record() for finding in findings],
    }
