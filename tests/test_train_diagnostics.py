"""Shares and cosines on cases worked by hand; before and after a run of a tiny model, against what it exported."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from train.__main__ import main
from train.data.pairs import Pair, Side
from train.diagnostics import masked_percent, mean_cosines
from train.plane import MARGIN, SIDE
from train.record import RECORD
from unite_search.content import Content
from unite_search.modality import Modality

TEXT, IMAGE = Side(text="t"), Side(images=("i",))
CONFIG = """
[run]
out = "{folder}/run"
steps = 3

[data]
batch = 12
chunk = 4
floor = 1

[[data.sources]]
kind = "captions"
path = "{folder}/manifest.jsonl"
weight = 11

[[data.sources]]
kind = "photos"
path = "{folder}/manifest.jsonl"

[model]
kind = "unite"
checkpoint = "{checkpoint}"

[loss]
stage = 2

[optimiser]
learning_rate = 0.01
averaging = 0.5
"""


def test_masked_share_counts_the_candidates_of_other_modalities() -> None:
    batch = [Pair(query=TEXT, candidate=IMAGE)] * 4 + [Pair(query=IMAGE, candidate=TEXT)]
    assert masked_percent([batch, batch[:4]]) == {"text -> image": [25.0, 0.0], "image -> text": [100.0]}


def test_mean_cosines_leave_out_an_item_with_itself() -> None:
    embeddings = np.array([[1, 0], [0, 1], [1, 0]], np.float32)
    modalities = [Modality.TEXT, Modality.TEXT, Modality.IMAGE]
    assert mean_cosines(embeddings, modalities) == {"image, text": 0.5, "text, text": 0.0}


@pytest.fixture
def config(tmp_path: Path, unite_checkpoint: Path) -> Path:
    """A run on six drawn photos of two captions each, eleven captions to a photo as query."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(6):
        Image.fromarray(rng.integers(0, 255, (56, 56, 3), np.uint8)).save(tmp_path / f"{number}.png")
        rows.append({"path": f"{number}.png", "text": [f"photo {number}", f"noise {number}"], "split": "train"})
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = tmp_path / "run.toml"
    path.write_text(CONFIG.format(folder=tmp_path, checkpoint=unite_checkpoint))
    return path


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
def test_before_and_after_a_run(
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    pytest.importorskip("peft")
    run, photos = config.parent / "run", sorted(map(str, config.parent.glob("*.png")))

    def command(*words: str) -> Any:
        monkeypatch.setattr(sys, "argv", ["train", *words, str(config)])
        main()
        return json.loads(capsys.readouterr().out or "null")

    untrained = command("diagnose")
    assert list(untrained["mean_cosine"]) == ["before training"]
    assert [path.name for path in run.iterdir()] == ["plane.png"], "a look leaves nothing else behind"
    assert untrained["masked_percent"] == {"text -> image": [9.1] * 10, "image -> text": [100.0] * 10}
    assert caplog.messages[-1].startswith("image -> text: the mask hides up to 100.0 % of the candidates")
    command()
    record = (run / RECORD).read_text()
    trained = command("diagnose")
    assert list(trained["mean_cosine"]) == ["before training", "after 3 steps"]
    assert trained["mean_cosine"]["before training"] == untrained["mean_cosine"]["before training"]
    assert (run / RECORD).read_text() == record
    with Image.open(run / "plane.png") as picture:
        assert picture.width == 2 * SIDE + 3 * MARGIN

    texts = [f"{word} {number}" for number in range(6) for word in ("photo", "noise")]
    assert trained["mean_cosine"]["after 3 steps"] == pytest.approx(cosines_of_export(run, texts, photos), abs=2e-3)
    assert trained["mean_cosine"]["after 3 steps"] != pytest.approx(
        untrained["mean_cosine"]["before training"], abs=0.01
    )


def cosines_of_export(run: Path, texts: list[str], photos: list[str]) -> dict[str, float]:
    """What the encoder that a run wrote says of all texts and photos."""
    from unite_search.encoders.base import EncoderOptions
    from unite_search.encoders.unite.encoder import UniteEncoder
    from unite_search.media.load import load_image

    encoder = UniteEncoder(str(run / "encoder"), EncoderOptions(device="cpu", dtype="float32"))
    contents = [*(Content((text,)) for text in texts)]
    contents += [Content((load_image(Path(path), encoder.media)[0],)) for path in photos]
    modalities = [content.modalities for content in contents]
    return mean_cosines(encoder.encode(contents, role="candidate"), modalities)
