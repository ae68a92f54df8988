"""One row of the table of measurements in `docs/results.md`."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One measurement.

    Attributes:
        what: what was measured, in words.
        target: the target, or empty; a number behind `≥` or `≤` is compared.
        file: stem of the file in `docs/results`.
        key: the path to the number inside `results`, joined by ` / `.
        shown: how the number is written.
    """

    what: str
    target: str
    file: str
    key: str
    shown: str
