from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from unite_search.encoders.base import canonical_name, load_encoder
from unite_search.encoders.unite.checkpoint import find_checkpoint
from unite_search.errors import EncoderUnavailableError, UniteSearchError


def write_weights(path: Path, tensors: dict[str, np.ndarray]) -> None:
    """A safetensors file, by its specification: length, JSON header, bytes."""
    header, start = {}, 0
    for name, tensor in tensors.items():
        header[name] = {
            "dtype": "F32",
            "shape": list(tensor.shape),
            "data_offsets": [start, start := start + tensor.nbytes],
        }
    text = json.dumps(header).encode()
    body = b"".join(tensor.tobytes() for tensor in tensors.values())
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "unite_qwen2_vl", "hidden_size": 8}))
    (folder / "tokenizer.json").write_text("{}")
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=(40, 60)).astype(np.float32) for name in ("a.weight", "b.weight")}
    write_weights(folder / "model.safetensors", weights)
    return folder


def test_the_fingerprint_is_of_the_weights_not_of_the_folder(model: Path, tmp_path: Path) -> None:
    before = find_checkpoint(str(model)).fingerprint()
    copied = shutil.copytree(model, tmp_path / "elsewhere")
    assert find_checkpoint(str(copied)).fingerprint() == before
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=(40, 60)).astype(np.float32) for name in ("a.weight", "b.weight")}
    weights["b.weight"] = weights["b.weight"] + np.float32(1e-6)
    write_weights(copied / "model.safetensors", weights)
    assert find_checkpoint(str(copied)).fingerprint() != before


def test_an_adapter_leads_to_the_model_beside_it(model: Path) -> None:
    adapter = model.parent / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "../model"}))
    write_weights(adapter / "adapter_model.safetensors", {"x": np.ones((2, 2), np.float32)})
    found = find_checkpoint(str(adapter))
    assert (found.folder, found.adapter) == (model.resolve(), adapter.resolve())
    assert found.fingerprint() != find_checkpoint(str(model)).fingerprint()


def test_what_is_no_checkpoint_is_refused_in_one_line(model: Path, tmp_path: Path) -> None:
    with pytest.raises(EncoderUnavailableError, match="there is no folder /nowhere/model"):
        load_encoder("/nowhere/model")
    with pytest.raises(EncoderUnavailableError, match=r"has no config.json; expected a UNITE model"):
        load_encoder(str(tmp_path))
    index = {"weight_map": {"a.weight": "model.safetensors", "c.weight": "model-2.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(EncoderUnavailableError, match=r"lacks model-2.safetensors"):
        load_encoder(str(model))
    (model / "model.safetensors.index.json").unlink()
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    with pytest.raises(EncoderUnavailableError, match=r"lacks its weights \(\*.safetensors\)"):
        load_encoder(str(model))
    (model / "pytorch_model.bin").rename(model / "model.safetensors")
    (model / "tokenizer.json").unlink()
    with pytest.raises(EncoderUnavailableError, match=r"lacks its tokenizer \(tokenizer.json\)"):
        load_encoder(str(model))


def test_damaged_files_are_named(model: Path) -> None:
    weights, config = model / "model.safetensors", model / "config.json"
    whole = weights.read_bytes()
    for content, message in (
        (
            whole[:-1],
            rf"model\.safetensors is damaged: {len(whole) - 1:,} bytes, expected {len(whole):,}; fetch it again",
        ),
        (whole[:20], r"model\.safetensors holds no weights; fetch it again"),
        (b"version https://git-lfs.github.com/spec/v1\n", r"holds no weights; .* `git lfs pull`"),
        (b"", "holds no weights"),
    ):
        weights.write_bytes(content)
        with pytest.raises(EncoderUnavailableError, match=message):
            load_encoder(str(model))
    weights.write_bytes(whole)
    for text in ("{", "[]", ""):
        config.write_text(text)
        with pytest.raises(EncoderUnavailableError, match=r"config\.json is damaged"):
            find_checkpoint(str(model)).config()


def test_an_adapter_says_what_it_adapts_where_that_is_missing(tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    config = adapter / "adapter_config.json"
    config.write_text(json.dumps({"base_model_name_or_path": "../gone"}))
    with pytest.raises(EncoderUnavailableError, match=r"adapter adapts \.\./gone: there is no folder \.\./gone"):
        find_checkpoint(str(adapter))
    config.write_text("{}")
    with pytest.raises(EncoderUnavailableError, match="does not name the model that it adapts"):
        find_checkpoint(str(adapter))


def test_another_kind_of_model_is_named(model: Path) -> None:
    (model / "config.json").write_text(json.dumps({"model_type": "llava"}))
    with pytest.raises(EncoderUnavailableError, match="holds a 'llava' model; expected one of qwen2_vl"):
        find_checkpoint(str(model)).config()


def test_a_name_is_remembered_so_that_it_leads_back(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(model.parent)
    assert canonical_name("model") == canonical_name("./model") == str(model.resolve())
    assert canonical_name("starter") == "starter"
    assert canonical_name("owner/some-model") == "owner/some-model"
    with pytest.raises(ValueError, match="unknown encoder 'clip'"):
        canonical_name("clip")


def test_a_model_that_is_not_here_says_how_to_get_it_and_asks_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("socket.getaddrinfo", lambda *_args, **_named: pytest.fail("asked the network"))
    with pytest.raises(EncoderUnavailableError, match=r"not on this disk .* `unite-search encoders pull unite-2b`"):
        load_encoder("unite-2b")


def test_options_are_refused_where_there_are_none() -> None:
    from unite_search.encoders.base import EncoderOptions

    with pytest.raises(UniteSearchError, match="encoder starter has no options; given were max_pixels"):
        load_encoder("starter", EncoderOptions(max_pixels=100_000))
