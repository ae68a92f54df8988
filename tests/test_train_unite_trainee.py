"""LoRA training of the tiny Qwen2-VL against the official code: gradients at the first step, losses of three."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch: Any = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
safetensors: Any = pytest.importorskip("safetensors.torch")

from train.config import ModelConfig  # noqa: E402
from train.data.pairs import Side  # noqa: E402
from train.grad_cache import GradCache  # noqa: E402
from train.losses import LossOptions, info_nce, mamcl  # noqa: E402
from train.unite.merge_adapter import write_merged  # noqa: E402
from train.unite.trainee import UniteTrainee  # noqa: E402
from unite_search.content import Content, Image  # noqa: E402
from unite_search.encoders.base import EncoderOptions  # noqa: E402
from unite_search.encoders.unite.checkpoint import find_checkpoint  # noqa: E402
from unite_search.encoders.unite.encoder import UniteEncoder  # noqa: E402
from unite_search.media.load import load_image  # noqa: E402

# PEFT asks a model for an attribute whose name transformers has just changed.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

STAGES = ("stage1", "stage2")


@pytest.fixture
def trainee(shared_parity: Path) -> UniteTrainee:
    """The tiny model with the golden adapter, no dropout."""
    return UniteTrainee(ModelConfig(checkpoint=str(shared_parity / "checkpoints" / "tiny-lora-adapter"), dropout=0.0))


def drafts(trainee: UniteTrainee, parity: Path, names: list[str]) -> list[Any]:
    cases = json.loads((parity / "golden" / "cases_dataset_style.json").read_text())
    inputs = trainee._encoder.inputs
    return [
        inputs.tokenize_prompt(cases[name]["prompt"], shown(cases[name]["input"], trainee, parity)) for name in names
    ]


def shown(given: dict[str, Any], trainee: UniteTrainee, parity: Path) -> list[Image]:
    images = given.get("image", [])
    paths = [images] if isinstance(images, str) else images
    return [load_image(parity / "inputs" / path, trainee._encoder.media)[0] for path in paths]


def loss_of(stage: str, case: dict[str, Any]) -> Any:
    if stage == "stage1":
        return partial(info_nce, options=LossOptions(symmetric=True))
    return partial(mamcl, modalities=torch.tensor(case["target_modal_codes"]), options=LossOptions())


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [4, 1])
@pytest.mark.parametrize("stage", STAGES)
def test_gradients_and_three_steps_of_the_official_code(
    stage: str, chunk: int, trainee: UniteTrainee, shared_parity: Path
) -> None:
    case = json.loads((shared_parity / "golden" / "lora_and_training.json").read_text())[stage]
    golden = safetensors.load_file(shared_parity / "golden" / "lora_and_training.safetensors")
    sides = [drafts(trainee, shared_parity, case[kind]) for kind in ("queries", "candidates")]
    chunks = [[side[start : start + chunk] for start in range(0, 4, chunk)] for side in sides]
    trained = {name: value for name, value in trainee.module.named_parameters() if value.requires_grad}
    optimiser = torch.optim.AdamW(trained.values(), lr=1e-3, weight_decay=0)
    grad_cache: GradCache[list[Any]] = GradCache(lambda items: trainee._embedder(trainee._see(items)))
    losses = []
    for step in range(3):
        optimiser.zero_grad()
        losses.append(grad_cache.backward(chunks, loss_of(stage, case)).item())
        if step == 0:
            assert len(trained) == case["n_trainable"]
            for name, parameter in trained.items():
                old = name.replace("base_model.model.language_model.", "base_model.model.model.")
                expected = golden[f"train/{stage}/grad/{old}"]
                torch.testing.assert_close(parameter.grad, expected, rtol=0, atol=1e-3)
        optimiser.step()
    assert losses == pytest.approx(case["losses_first_three_steps"], rel=1e-3, abs=1e-5)
    assert losses[0] == pytest.approx(case["losses_first_three_steps"][0], rel=1e-5)


@pytest.mark.slow
def test_what_is_trained_is_what_is_served(trainee: UniteTrainee, shared_parity: Path, tmp_path: Path) -> None:
    path = shared_parity / "inputs" / "images" / "116466.jpg"
    for parameter in trainee.module.parameters():
        if parameter.requires_grad:
            parameter.data += 0.01 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0))
    trainee.module.eval()
    with torch.no_grad():
        trained = trainee.embed([Side(text="a dog"), Side(text="at night", images=(str(path),))], "query").numpy()
    trainee.export(tmp_path / "adapter")
    served = UniteEncoder(str(tmp_path / "adapter"), EncoderOptions(device="cpu", dtype="float32"))
    picture = load_image(path, served.media)[0]
    found = served.encode([Content(("a dog",)), Content((picture, "at night"))], role="query")
    np.testing.assert_allclose(found, trained, atol=5e-6)


def test_an_adapter_of_another_model_is_refused(shared_parity: Path, tmp_path: Path) -> None:
    source = shared_parity / "checkpoints" / "tiny-lora-adapter"
    weights = safetensors.load_file(source / "adapter_model.safetensors")
    weights.pop(min(weights))
    config = json.loads((source / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = str(shared_parity / "checkpoints" / "tiny-qwen2vl")
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    safetensors.save_file(weights, tmp_path / "adapter_model.safetensors")
    with pytest.raises(ValueError, match="does not fit the model"):
        UniteTrainee(ModelConfig(checkpoint=str(tmp_path)))


@pytest.mark.slow
def test_a_merged_checkpoint_says_what_adapter_and_base_say(shared_parity: Path, tmp_path: Path) -> None:
    adapter = shared_parity / "checkpoints" / "tiny-lora-adapter"
    write_merged(find_checkpoint(str(adapter)), tmp_path / "merged", "float32")
    options = EncoderOptions(device="cpu", dtype="float32")
    expected, found = (
        UniteEncoder(str(folder), options).encode([Content(("a dog",)), Content(("snow",))], role="candidate")
        for folder in (adapter, tmp_path / "merged")
    )
    np.testing.assert_allclose(found, expected, atol=5e-6)
    with pytest.raises(ValueError, match="holds a model already"):
        write_merged(find_checkpoint(str(adapter)), tmp_path / "merged", "float32")
    with pytest.raises(ValueError, match="is no adapter"):
        write_merged(find_checkpoint(str(tmp_path / "merged")), tmp_path / "again", "float32")
