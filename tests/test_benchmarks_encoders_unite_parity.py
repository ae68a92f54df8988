"""Every golden number of the official code. `python -m benchmarks parity` writes the same table to docs/results."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from benchmarks.encoders.golden import ADAPTER, CHECKPOINTS, Golden
from benchmarks.encoders.unite_parity import check_parity
from unite_search.encoders.unite.selfcheck import Finding

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def findings(shared_parity: Path) -> list[Finding]:
    return list(check_parity(Golden(shared_parity)))


def test_every_number_is_within_its_tolerance(findings: list[Finding]) -> None:
    assert [finding for finding in findings if not finding.is_ok] == []


def test_every_case_was_compared_on_every_checkpoint(findings: list[Finding], shared_parity: Path) -> None:
    golden = Golden(shared_parity)
    embeddings = {name.partition("/")[0] for name in golden.embeddings}
    assert embeddings == {
        "single", "batched", "right_padded", "truncated", "demo",
        "mrope_diagnostic_not_official", "batched_attention_mask_sums",
    }  # fmt: skip
    compared = {"texts end to end", "images end to end", "clips end to end", "batches", "right padding", "truncation"}
    expected = sum(
        name.startswith(("single/", "batched/", "right_padded/", "truncated/")) for name in golden.embeddings
    )
    for checkpoint in CHECKPOINTS:
        own = {finding.check: finding for finding in findings if finding.model == checkpoint}
        assert sum(own[check].cases for check in compared) == expected
        assert own["demo style"].cases == len(golden.demo)
        assert own["model on given inputs"].cases == 7
    assert {finding.check for finding in findings if finding.model == ADAPTER} == {
        "adapter, unmerged", "adapter, merged_f32", "adapter, merged_bf16_builder", "adapter on given inputs",
    }  # fmt: skip


def test_m_rope_is_not_in_use(findings: list[Finding]) -> None:
    distances = [finding for finding in findings if finding.check == "distance to M-RoPE"]
    assert len(distances) == len(CHECKPOINTS)
    assert all(finding.cases >= 34 and finding.difference > 0.05 for finding in distances)
