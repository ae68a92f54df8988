from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from benchmarks import __main__ as program
from benchmarks.common.results import RESULTS
from benchmarks.datasets.registry import DATASETS
from benchmarks.quality import command_line, covr_miniature
from tools import reliability_page, results_page

ROOT = Path(__file__).resolve().parents[1]


def test_datasets_lists_every_set(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "datasets"])
    program.main()
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(DATASETS)


def test_results_are_written_to_the_docs_and_the_committed_table_is_found() -> None:
    assert RESULTS == ROOT / "docs" / "results"
    assert covr_miniature.TABLE.is_file()


def test_the_page_of_benchmarks_names_every_set() -> None:
    page = (ROOT / "docs" / "guides" / "evaluation.md").read_text(encoding="utf-8")
    assert not [name for name in DATASETS if f"`{name}`" not in page]


def test_a_wrong_folder_ends_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"^Error: .* has no webvid8m-covr_test\.csv"):
        command_line.main(["webvid-covr", "--data", str(tmp_path), "--out", str(tmp_path / "out")])


@pytest.mark.parametrize("limit", ["0", "-3"])
def test_a_limit_below_one_is_a_usage_error(tmp_path: Path, limit: str) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line.main(["circo", "--data", str(tmp_path), "--limit", limit])
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("local", "gpus", "device"), [(None, 4, None), ("3", 4, "cuda:3"), ("3", 2, "cuda:1"), ("1", 0, None)]
)
def test_each_process_of_torchrun_has_its_own_gpu_where_there_are_any(
    monkeypatch: pytest.MonkeyPatch, local: str | None, gpus: int, device: str | None
) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    if local is not None:
        monkeypatch.setenv("LOCAL_RANK", local)
    monkeypatch.setattr(command_line, "find_spec", lambda name: name)
    stand_in = SimpleNamespace(cuda=SimpleNamespace(device_count=lambda: gpus))
    monkeypatch.setitem(sys.modules, "torch", stand_in)
    assert command_line._device() == device


def test_evaluate_and_compare_with_the_starter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, colour in (("red", (255, 0, 0)), ("blue", (0, 0, 255))):
        Image.new("RGB", (64, 64), colour).save(tmp_path / f"{name}.png")
    rows = [{"path": f"{name}.png", "modality": "image", "text": name} for name in ("red", "blue")]
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "out"
    common = ["manifest", "--data", str(tmp_path), "--cache", str(tmp_path / "cache")]
    command_line.main([*common, "--out", str(out)])
    assert "candidates 2 of 2" in capsys.readouterr().out
    command_line.main([*common, "--out", str(tmp_path / "self"), "--include-self"])
    assert "self_match 'included'" in capsys.readouterr().out
    command_line.main(["compare", str(out), str(tmp_path / "self")])
    assert "the protocols differ: self_match is 'last' and 'included'" in capsys.readouterr().out


def test_the_pages_of_results_are_made_from_the_committed_numbers() -> None:
    for script in (results_page, reliability_page):
        assert script.page() == script.PAGE.read_text(encoding="utf-8"), "run `make docs`"
