"""The list of licences: complete, up to date, and what the installed packages state."""

from __future__ import annotations

import json
from importlib import metadata

import pytest

from tools import licences, lock


def test_the_page_of_licences_is_up_to_date() -> None:
    assert licences.PAGE.read_text(encoding="utf-8") == licences.page(), "run `make docs`"


def test_every_locked_package_has_a_row_with_its_version() -> None:
    text = licences.PAGE.read_text(encoding="utf-8")
    for name in ("ci.txt", "container-cpu.txt", "container-gpu.txt"):
        for package, version in licences.pins(name).items():
            assert f"\n| {package} | {version} | " in text


def test_the_weights_are_listed() -> None:
    rows = [line for line in licences.page().partition("## Weights")[2].splitlines() if line.startswith("| ")]
    assert len(rows) > 2
    assert any("Apache-2.0" in row for row in rows)


def test_the_licences_are_those_of_the_installed_packages() -> None:
    """Compared with what this environment has, where it is the locked version."""
    stated = json.loads(lock.LICENCES.read_text(encoding="utf-8"))
    compared = 0
    for package, version in licences.pins("ci.txt").items():
        try:
            facts = metadata.metadata(package)
        except metadata.PackageNotFoundError:
            continue
        if facts["Version"] == version:
            assert stated[package] == lock.licence_of(facts.json)
            compared += 1
    assert compared


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"license_expression": "MIT", "license": "other"}, "MIT"),
        ({"license": "BSD 3-Clause"}, "BSD 3-Clause"),
        (
            {"license": "The text\nof a licence", "classifier": ["License :: OSI Approved :: MIT License"]},
            "MIT License",
        ),
        ({"classifier": ["Topic :: Multimedia"]}, "not stated"),
        ({"license": "Copyright (c) somebody\nAll rights reserved"}, "Copyright (c) somebody"),
    ],
)
def test_the_licence_is_the_shortest_that_a_package_states(given: dict[str, object], expected: str) -> None:
    assert lock.licence_of(given) == expected
