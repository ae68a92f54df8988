"""The command line: what is wrong ends in one line that names it, never in a traceback."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("transformers")

from train.__main__ import main

CONFIG = """
[run]
out = "{folder}/run"

[[data.sources]]
kind = "captions"
path = "{folder}/manifest.jsonl"
"""


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["run.stepz=3"], "unknown key run.stepz"),
        (["model.kind=gpt"], "unknown kind of model 'gpt'"),
        (["model.checkpoint=/nowhere"], "/nowhere"),
        (["model.kind=unite", "model.checkpoint=/nowhere"], "there is no folder /nowhere"),
        (["data.sources=[]"], "data.sources is empty"),
        (['data.sources=[{kind="laion",path="x"}]'], "unknown kind of source 'laion'"),
        ([], "manifest.jsonl"),
    ],
)
@pytest.mark.parametrize("word", [None, "--dry-run", "diagnose"])
def test_what_is_wrong_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    settings: list[str],
    message: str,
    word: str | None,
) -> None:
    config = tmp_path / "run.toml"
    config.write_text(CONFIG.format(folder=tmp_path))
    given = [*([word] if word else []), str(config), *(part for setting in settings for part in ("--set", setting))]
    monkeypatch.setattr(sys, "argv", ["train", *given])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"python -m train{' diagnose' if word == 'diagnose' else ''}: error:")
    assert message in last
