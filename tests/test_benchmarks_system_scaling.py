"""The scaling benchmark at toy size, and the plot it draws."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.common.plot import log_log
from benchmarks.system import scaling


def test_the_plot_is_logarithmic_on_both_axes() -> None:
    svg = log_log({"a < b": [(10, 1), (100, 10), (1000, 100)]}, title="t", x_label="x", y_label="y")
    root = ElementTree.fromstring(svg)
    (line,) = (element for element in root.iter() if element.tag.endswith("polyline"))
    places = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    steps = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(places)]
    assert steps[0] == pytest.approx(steps[1]), "equal factors are equal distances"
    assert steps[0][0] > 0 > steps[0][1]
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert {"1,000", "100", "a < b", "t", "x", "y"} <= set(texts)


def test_every_cost_is_measured_at_every_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "SIZES", (20, 60))
    monkeypatch.setattr(scaling, "TEXT_SIZES", (20,))
    monkeypatch.setattr(scaling, "ADDED", 3)
    monkeypatch.setattr(scaling, "ROUNDS", 1)
    monkeypatch.setattr(scaling, "RESULTS", tmp_path)
    found = scaling.run()
    small, large = found["by_size"]["20"], found["by_size"]["60"]
    assert set(scaling.LINES) <= set(small)
    assert set(small) - set(large) == {"index_s"}
    assert all(value > 0 and math.isfinite(value) for value in small.values())
    assert found["ratios_to_smallest"]["60"]["open_s"] == pytest.approx(large["open_s"] / small["open_s"], abs=0.1)
    assert len(re.findall("<polyline", (tmp_path / "scaling.svg").read_text())) == len(scaling.LINES)
