"""The head's trainee: which pictures it is shown, in training and otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from train.config import ModelConfig  # noqa: E402
from train.data.pairs import Pair, Side  # noqa: E402
from train.starter import make, studies  # noqa: E402
from train.starter.trainee import StarterTrainee  # noqa: E402


@pytest.fixture
def photo(tmp_path: Path) -> str:
    """Red on the left, blue on the right."""
    pixels = np.zeros((60, 60, 3), np.uint8)
    pixels[:, :30, 0] = pixels[:, 30:, 2] = 255
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


def test_a_photo_is_seen_in_every_view_in_training_and_as_it_is_otherwise(photo: str, tmp_path: Path) -> None:
    trainee = StarterTrainee(ModelConfig(dropout=0.0, views=("flip",)), tmp_path / "features")
    mirrored = str(tmp_path / "mirrored.png")
    Image.open(photo).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(mirrored)
    sides = [Side(images=(photo,)), Side(images=(mirrored,))]
    assert trainee.prepare([Pair(query=sides[0], candidate=sides[1])]) == set()
    trainee.module.eval()
    plain, flipped = trainee.embed(sides, "query").detach()
    assert not torch.allclose(plain, flipped, atol=1e-3)
    torch.testing.assert_close(trainee.embed(sides, "query").detach(), torch.stack([plain, flipped]))
    trainee.module.train()
    torch.manual_seed(0)
    seen = trainee.embed(sides[:1] * 40, "query").detach()
    is_plain, is_flipped = ((seen - row).abs().amax(dim=1) < 1e-3 for row in (plain, flipped))
    assert (is_plain ^ is_flipped).all()
    assert 5 < is_plain.sum() < 35


def test_a_photo_after_an_edit_has_no_other_view(photo: str, tmp_path: Path) -> None:
    trainee = StarterTrainee(ModelConfig(dropout=0.0, views=("flip",)), tmp_path / "features")
    edited = Side(images=(f"{photo}#red",))
    trainee.prepare([Pair(query=edited, candidate=edited)])
    trainee.module.train()
    seen = trainee.embed([edited] * 20, "query").detach()
    torch.testing.assert_close(seen, seen[:1].expand_as(seen))


def test_the_commands_find_the_configs_that_they_run() -> None:
    used = {make.CONFIGS / f"starter-{stage}.toml" for stage in make.STAGES}
    used |= {studies.CONFIGS / stage.config for stage in studies.STAGES.values()}
    assert len(used) == 2
    assert all(path.is_file() for path in used)
