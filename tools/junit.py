"""Read the JUnit file that pytest writes: what became of each test, and why."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

LONGEST_REASON = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class TestCase:
    """The outcome of one test.

    Attributes:
        module: the module of the test, with dots; empty where pytest reports on a whole module.
        name: the name of the test, or of that module.
        outcome: an error outside of the test itself counts as `failed`.
        reason: why it failed or was skipped; empty if it passed. Of a long one, the last 1,000 characters.
    """

    __test__ = False

    module: str
    name: str
    outcome: Literal["passed", "failed", "skipped"]
    reason: str = ""


def read_cases(path: Path) -> list[TestCase]:
    """Read the tests of a JUnit file, in its order."""
    return [_case(element) for element in ElementTree.parse(path).iter("testcase")]


def _case(element: ElementTree.Element) -> TestCase:
    module, name = element.get("classname", ""), element.get("name", "")
    for kind in ("failure", "error"):
        if (problem := element.find(kind)) is not None:
            reason = f"{problem.get('message', '')} {problem.text or ''}".strip()[-LONGEST_REASON:]
            return TestCase(module=module, name=name, outcome="failed", reason=reason)
    if (skip := element.find("skipped")) is not None:
        return TestCase(module=module, name=name, outcome="skipped", reason=_skip_reason(skip))
    return TestCase(module=module, name=name, outcome="passed")


def _skip_reason(skip: ElementTree.Element) -> str:
    """Return why a test was skipped; for a whole module pytest gives it only in the text, in a printed tuple."""
    message, text = skip.get("message", ""), skip.text or ""
    if message == "collection skipped" and text:
        printed = re.search(r"Skipped: (.*?)[\"']\)", text)
        return printed[1] if printed else text
    return message or "no reason given"
