"""Merge LoRA adapters into the weights they adapt: W + scale * B A, in float32, rounded once to the model's type.

PEFT is not used for this: its loader skips every key with an unexpected name, with only a warning, and the keys of the
official adapters have such names. Here each pair must match a weight, under old names or new, or loading fails.

Source: Hu et al. 2021, arXiv 2106.09685, section 4.1; file format of huggingface/peft.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from unite_search.encoders.unite.checkpoint import ADAPTER_CONFIG, read_json, weight_files
from unite_search.errors import EncoderUnavailableError

PREFIXES = re.compile(r"^(base_model\.)?(model\.)*")
LORA_KEY = re.compile(r"^(?P<module>.+)\.lora_(?P<half>[AB])(\.default)?\.weight$")
UNSUPPORTED = ("use_dora", "fan_in_fan_out", "lora_bias", "modules_to_save", "trainable_token_indices")


def merge_adapter(backbone: Any, folder: Path) -> None:
    """Add an adapter to the weights of a Qwen2-VL backbone, in place.

    Raises:
        EncoderUnavailableError: it uses more than plain LoRA, or a weight has no counterpart; the message names it.
    """
    config = read_json(folder / ADAPTER_CONFIG)
    _refuse_unsupported(config, folder)
    modules = dict(backbone.named_modules())
    for name, halves in _read_pairs(folder).items():
        if set(halves) != {"A", "B"}:
            raise EncoderUnavailableError(f"{folder}: {name} lacks lora_{'B' if 'A' in halves else 'A'}")
        module = modules.get(_current_name(name))
        if module is None or not hasattr(module, "weight"):
            raise EncoderUnavailableError(f"{folder}: {name} adapts a layer that this model does not have")
        _add(module.weight, halves["A"], halves["B"], _scale(config, name, rank=len(halves["A"])))


def _read_pairs(folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    pairs: dict[str, dict[str, torch.Tensor]] = {}
    for path in weight_files(folder):
        for key, tensor in load_file(path).items():
            match = LORA_KEY.match(key)
            if match is None:
                raise EncoderUnavailableError(f"{folder}: unexpected weight {key}")
            pairs.setdefault(match["module"], {})[match["half"]] = tensor
    return pairs


def _current_name(name: str) -> str:
    """Return the module's name in transformers' `Qwen2VLModel`; older names lack `language_model`."""
    bare = PREFIXES.sub("", name)
    return bare if bare.startswith(("language_model.", "visual.")) else f"language_model.{bare}"


def _scale(config: dict[str, Any], name: str, *, rank: int) -> float:
    alpha = config["lora_alpha"]
    for pattern, special in (config.get("alpha_pattern") or {}).items():
        if re.search(rf"(^|\.){pattern}$", name):
            alpha = special
    return float(alpha / rank**0.5 if config.get("use_rslora") else alpha / rank)


def _add(weight: torch.Tensor, down: torch.Tensor, up: torch.Tensor, scale: float) -> None:
    if weight.shape != (up.shape[0], down.shape[1]):
        raise EncoderUnavailableError(
            f"an adapter of shape {up.shape[0]} x {down.shape[1]} does not fit a weight of {tuple(weight.shape)}"
        )
    change = scale * (up.float() @ down.float())
    weight.data.copy_((weight.data.float() + change.to(weight.device)).to(weight.dtype))


def _refuse_unsupported(config: dict[str, Any], folder: Path) -> None:
    used = [name for name in UNSUPPORTED if config.get(name)]
    if config.get("peft_type") != "LORA" or config.get("bias", "none") != "none" or used:
        what = f"with {', '.join(used)}" if used else f"of type {config.get('peft_type')}"
        raise EncoderUnavailableError(f"{folder}: adapters {what} are not supported; expected plain LoRA")
