"""Loading: whatever does not fit is an error that names it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch: Any = pytest.importorskip("torch")
pytest.importorskip("transformers")

from safetensors.torch import load_file, save_file  # noqa: E402
from tiny_unite import CONFIG, DIM, write_adapter  # noqa: E402

from unite_search.content import Content  # noqa: E402
from unite_search.encoders.base import EncoderOptions  # noqa: E402
from unite_search.encoders.unite.encoder import UniteEncoder  # noqa: E402
from unite_search.errors import EncoderUnavailableError  # noqa: E402

CONTENTS = [Content((text,)) for text in ("a dog on the beach", "red")]
Weights = dict[str, Any]


@pytest.fixture
def checkpoints(unite_checkpoint: Path, tmp_path: Path) -> Path:
    """A model and an adapter that a test may change."""
    shutil.copytree(unite_checkpoint, tmp_path / "model")
    write_adapter(tmp_path / "adapter", base="../model")
    return tmp_path


def rewrite(folder: Path, change: Callable[[Weights], None]) -> None:
    (path,) = folder.glob("*.safetensors")
    weights = load_file(path)
    change(weights)
    save_file(weights, path, metadata={"format": "pt"})


def embed(folder: Path) -> np.ndarray:
    return UniteEncoder(str(folder), EncoderOptions(device="cpu")).encode(CONTENTS, role="candidate")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("model.layers.1.mlp.up_proj.weight"), r"layers\.1\.mlp\.up_proj\.weight missing"),
        (lambda w: w.pop("visual.merger.ln_q.bias"), r"visual\.merger\.ln_q\.bias missing"),
        (lambda w: w.update(stray=torch.ones(2)), "weight stray unexpected"),
        (lambda w: w.update({"model.norm.weight": torch.ones(DIM + 1)}), r"norm\.weight of another shape"),
    ],
)
def test_a_weight_that_does_not_fit_is_named(checkpoints: Path, change: Callable[..., Any], message: str) -> None:
    rewrite(checkpoints / "model", change)
    with pytest.raises(EncoderUnavailableError, match=message):
        embed(checkpoints / "model")


@pytest.mark.parametrize("kind", ["Qwen2VLModel", "Qwen2VLForConditionalGeneration"])
def test_what_todays_transformers_saves_is_the_same_model(checkpoints: Path, kind: str) -> None:
    import transformers

    before = checkpoints / "model"
    config = transformers.Qwen2VLConfig.from_dict({**CONFIG, "model_type": "qwen2_vl"})
    getattr(transformers, kind).from_pretrained(before, config=config).save_pretrained(checkpoints / "saved")
    for path in before.glob("tokenizer*"):
        shutil.copyfile(path, checkpoints / "saved" / path.name)
    np.testing.assert_array_equal(embed(checkpoints / "saved"), embed(before))


def test_an_adapter_is_applied_under_old_and_new_names(checkpoints: Path) -> None:
    plain, adapted = embed(checkpoints / "model"), embed(checkpoints / "adapter")
    assert np.abs(plain - adapted).max() > 0.01

    def rename(weights: Weights) -> None:
        for key in list(weights):
            weights[key.replace("base_model.model.model.layers", "base_model.model.model.language_model.layers")] = (
                weights.pop(key)
            )

    rewrite(checkpoints / "adapter", rename)
    np.testing.assert_array_equal(embed(checkpoints / "adapter"), adapted)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop(next(k for k in w if "lora_A" in k)), "lacks lora_A"),
        (
            lambda w: w.update({"base_model.model.model.layers.9.mlp.up_proj.lora_A.weight": torch.ones(4, DIM)}),
            "lacks",
        ),
        (lambda w: w.update({k.replace("layers.0", "layers.9"): w.pop(k) for k in list(w) if "layers.0" in k}), "9"),
        (lambda w: w.update(stray=torch.ones(2)), "unexpected weight stray"),
    ],
)
def test_an_adapter_that_does_not_fit_is_an_error(checkpoints: Path, change: Callable[..., Any], message: str) -> None:
    rewrite(checkpoints / "adapter", change)
    with pytest.raises(EncoderUnavailableError, match=message):
        embed(checkpoints / "adapter")


def test_an_adapter_beyond_plain_lora_is_refused(checkpoints: Path) -> None:
    path = checkpoints / "adapter" / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "use_dora": True}))
    with pytest.raises(EncoderUnavailableError, match="adapters with use_dora are not supported"):
        embed(checkpoints / "adapter")


def test_merging_is_what_peft_computes(checkpoints: Path) -> None:
    """The same adapter through PEFT's own arithmetic, on one linear layer."""
    peft = pytest.importorskip("peft")
    from unite_search.encoders.unite.adapter import merge_adapter

    layer = torch.nn.Linear(64, 128, bias=False)
    tower = torch.nn.ModuleDict({"language_model": torch.nn.ModuleDict({"up_proj": layer})})
    before = layer.weight.detach().clone()
    config = peft.LoraConfig(r=4, lora_alpha=12, target_modules=["up_proj"], use_rslora=True, init_lora_weights=False)
    adapted = peft.get_peft_model(
        torch.nn.ModuleDict({"language_model": torch.nn.ModuleDict({"up_proj": layer})}), config
    )
    folder = checkpoints / "made-by-peft"
    adapted.save_pretrained(folder)
    expected = adapted.merge_and_unload()["language_model"]["up_proj"].weight
    tower["language_model"]["up_proj"] = torch.nn.Linear(64, 128, bias=False)
    tower["language_model"]["up_proj"].weight.data.copy_(before)
    merge_adapter(tower, folder)
    torch.testing.assert_close(tower["language_model"]["up_proj"].weight, expected, atol=1e-6, rtol=1e-6)
