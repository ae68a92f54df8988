"""The GPU check says what passed, what failed and what could not run; its parts run here on the CPU, in tiny sizes."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexers.engine import faiss
from tools.gpu_check import faiss_search, hardware
from tools.gpu_check.marked_tests import read_report

check: Any = importlib.import_module("tools.gpu_check.__main__")

REPORT = """<testsuites><testsuite>
<testcase name="good"/><testcase name="also_good"/>
<testcase name="bad"><failure message="assert 1 == 2">where it failed</failure></testcase>
<testcase name="broken"><error message="no fixture">where it broke</error></testcase>
<testcase name="left_out"><skipped message="needs two CUDA devices"/></testcase>
<testcase name="whole_module"><skipped message="collection skipped">could not import 'torch'</skipped></testcase>
</testsuite></testsuites>"""


def run_check(monkeypatch: pytest.MonkeyPatch, out: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    monkeypatch.setattr(sys, "argv", ["gpu_check", *arguments, "--small", "--out", str(out)])
    status = check.main()
    return status, json.loads((out / "gpu.json").read_text(encoding="utf-8"))["results"]


def test_a_report_of_pytest_is_read_with_all_reasons(tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text(REPORT, encoding="utf-8")
    assert read_report(tmp_path / "report.xml") == {
        "passed": 2,
        "failed": {"bad": "assert 1 == 2 where it failed", "broken": "no fixture where it broke"},
        "skipped": {"left_out": "needs two CUDA devices", "whole_module": "could not import 'torch'"},
    }


def test_the_search_part_runs_and_the_others_are_recorded_as_not_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    status, results = run_check(monkeypatch, tmp_path, "faiss")
    assert status == 0
    assert results["faiss"]["passed"] is True
    assert results["faiss"]["same_ids"] == results["faiss"]["same_ids_as_faiss_gpu_directly"] == 1
    assert results["faiss"]["batch_64_ms"].keys() == {"cpu", "gpu", "faiss_gpu_directly"}
    assert results["tests"] == results["encoder"] == {"not run": "not asked for"}


def test_a_missing_package_is_a_reason_and_no_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(check.PARTS, "faiss", ("faiss_search", ("no_such_package",)))
    status, results = run_check(monkeypatch, tmp_path, "faiss")
    assert (status, results["faiss"]) == (0, {"not run": "not installed: no_such_package"})


def test_a_part_that_breaks_off_is_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(check.sys, "executable", "/bin/false")
    status, results = run_check(monkeypatch, tmp_path, "faiss")
    assert status == 1
    assert results["faiss"]["failed"].startswith("exit status 1")


def test_a_part_that_takes_too_long_is_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(check, "TIMEOUT_S", 0.01)
    status, results = run_check(monkeypatch, tmp_path, "faiss")
    assert (status, results["faiss"]) == (1, {"failed": "took longer than 0.01 s"})


def test_other_ids_than_those_of_the_cpu_do_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(faiss.IndexFlatIP):  # type: ignore[misc]
        def add(self, rows: np.ndarray) -> None:
            super().add(np.ascontiguousarray(-rows))

    monkeypatch.setattr(faiss_search, "SMALL", faiss_search.Sizes(rows=2000, dim=16, gpu_repeats=1, cpu_repeats=1))
    monkeypatch.setattr(faiss_search, "_stand_in", lambda dim, device: Wrong(dim))
    measured = faiss_search.measure(is_small=True)
    assert measured["passed"] is False
    assert measured["same_ids"] < 0.1


def test_rows_are_unit_float16_and_do_not_repeat() -> None:
    rows = faiss_search.random_unit_rows(faiss_search.BLOCK_ROWS + 5, 32)
    assert np.array_equal(rows, rows.astype(np.float16))
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-3)
    assert len(np.unique(rows, axis=0)) == len(rows)


def test_without_a_driver_nothing_is_known_of_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "NVML", "no-such-library.so")
    monkeypatch.setenv("PATH", "")
    with hardware.watched() as busy:
        pass
    assert (busy.mean, hardware.describe_gpus()) == (None, [])


def test_the_large_shape_has_as_many_weights_as_qwen2_vl_2b() -> None:
    torch: Any = pytest.importorskip("torch")
    transformers: Any = pytest.importorskip("transformers")
    from tools.gpu_check.random_checkpoint import SHAPES

    with torch.device("meta"):
        model = transformers.Qwen2VLModel(transformers.Qwen2VLConfig.from_dict(SHAPES["2b"]))
    published_bytes = 4_417_971_200  # The total size that the index of Qwen/Qwen2-VL-2B-Instruct gives, in bfloat16.
    assert 2 * sum(weight.numel() for weight in model.parameters()) == published_bytes


def test_vectors_of_another_model_do_not_pass_for_those_of_this_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tools.gpu_check import encoder
    from tools.gpu_check.random_checkpoint import write_checkpoint
    from unite_search import load_encoder

    write_checkpoint(tmp_path / "tiny", "tiny", device="cpu", dtype="float32")
    contents = encoder.mixed_contents()[:3]
    assert encoder._compare(tmp_path / "tiny", "cpu", "float32", contents)["passed"]
    load = load_encoder
    monkeypatch.setattr(encoder, "load_encoder", lambda name, options: Reversed(load(name, options)))
    monkeypatch.setattr(Reversed, "made", 0)
    assert not encoder._compare(tmp_path / "tiny", "cpu", "float32", contents)["passed"]


def test_speed_counts_whole_batches_and_tokens_without_padding(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tools.gpu_check import encoder
    from tools.gpu_check.random_checkpoint import write_checkpoint
    from unite_search import Content, load_encoder

    write_checkpoint(tmp_path / "tiny", "tiny", device="cpu", dtype="float32")
    loaded: Any = load_encoder(str(tmp_path / "tiny"))
    contents = [Content(("one",)), Content(("a sentence of several words",))]
    measured = encoder._run(loaded, encoder.EncodingLoad("texts", contents, 4, 0.05), "cpu")
    tokens = [len(loaded.inputs.tokenize(content, "candidate")) for content in contents]
    assert tokens[0] < tokens[1]
    assert measured["items"] % 4 == 0
    assert measured["items_per_s"] == pytest.approx(measured["items"] / measured["seconds"], rel=0.2)
    assert measured["tokens_per_item"] == sum(tokens) / 2
    assert 0 < measured["time_in_model_percent"] <= 100


class Reversed:
    """An encoder that gives the vectors of the contents in reverse, every second time one is made."""

    made = 0

    def __init__(self, encoder: Any) -> None:
        self.encoder, self.step = encoder, 1 if Reversed.made % 2 else -1
        Reversed.made += 1

    def encode(self, contents: Any, *, role: Any) -> Any:
        return self.encoder.encode(contents, role=role)[:: self.step]


def test_results_go_to_the_folder_of_the_documentation() -> None:
    root = Path(__file__).resolve().parents[1]
    assert root / "docs" / "results" == check.RESULTS
