"""Look the locked versions up in a list of known vulnerabilities; `make ci` runs this as its stage `audit`.

    .venv-audit/bin/python -m tools.ci.audit

A service that cannot be reached, or a mirror that knows no vulnerabilities, would call everything sound. So a version
with vulnerabilities that are known for years is looked up first, and only a service that reports them is believed. Exit
status 77: there is none, and nothing was audited.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tools.ci.outcome import CANNOT_RUN
from tools.ci.stages import LOCK, ROOT

SERVICES = ("osv", "pypi")
KNOWN_BAD = "urllib3==1.24.1"
"""Source: CVE-2019-11324."""
TIMEOUT_S = 600

Dependency = dict[str, Any]
Audit = Callable[[str, Path], "list[Dependency] | None"]


def pip_audit(service: str, requirements: Path) -> list[Dependency] | None:
    """Return what pip-audit reports of each pinned package; None where the service did not answer."""
    command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", service, "--format", "json"]
    command += ["--progress-spinner", "off", "--disable-pip", "--no-deps", "--requirement", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    try:
        found: list[Dependency] = json.loads(done.stdout)["dependencies"]
    except ValueError:
        return None
    return found


def audited(requirements: Path, audit: Audit = pip_audit) -> tuple[int, list[str]]:
    """Return the exit status and what to print: each vulnerability, each package that no service knows."""
    with TemporaryDirectory() as folder:
        known_bad = Path(folder) / "known_bad.txt"
        known_bad.write_text(f"{KNOWN_BAD}\n")
        for service in SERVICES:
            if not _vulnerabilities(audit(service, known_bad) or ()):
                continue
            found = audit(service, requirements)
            if found is not None:
                return _verdict(service, found)
    return CANNOT_RUN, [f"nothing was audited: neither {' nor '.join(SERVICES)} reports what is known of {KNOWN_BAD}"]


def _verdict(service: str, found: Sequence[Dependency]) -> tuple[int, list[str]]:
    bad = _vulnerabilities(found)
    unknown = [f"not audited: {one['name']}: {one['skip_reason']}" for one in found if "skip_reason" in one]
    counted = f"{service}: {len(found) - len(unknown)} packages looked up, {len(bad)} known vulnerabilities"
    return (1 if bad else 0), [*bad, *unknown, counted]


def _vulnerabilities(found: Sequence[Dependency]) -> list[str]:
    return [
        f"{one['name']} {one['version']}: {entry['id']}, fixed in {', '.join(entry['fix_versions']) or 'no version'}"
        for one in found
        for entry in one.get("vulns", ())
    ]


def main() -> int:
    """Audit the lock file of CI, which holds the versions of the container too."""
    status, lines = audited(ROOT / LOCK)
    sys.stdout.write("\n".join([*lines, ""]))
    return status


if __name__ == "__main__":
    sys.exit(main())
