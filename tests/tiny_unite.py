"""A UNITE checkpoint of 0.3 million random weights and an adapter on it, written in a second; needs torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DIM, LAYERS, RANK = 64, 3, 4
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"]
SPECIAL += ["<|image_pad|>", "<|video_pad|>"]
BYTES = 256
CONFIG: dict[str, Any] = {
    "architectures": ["UniteQwen2VL"],
    "model_type": "unite_qwen2_vl",
    "hidden_size": DIM,
    "intermediate_size": 2 * DIM,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]},
    "initializer_range": 0.1,
    "bos_token_id": BYTES,
    "eos_token_id": BYTES,
    "vocab_size": BYTES + len(SPECIAL),
    "tie_word_embeddings": False,
    "vision_config": {"depth": 2, "embed_dim": 32, "num_heads": 2, "hidden_size": DIM, "in_chans": 3},
}


def write_checkpoint(folder: Path) -> Path:
    """A model under the weight names of the official code."""
    import torch
    from safetensors.torch import save_file
    from transformers import Qwen2VLConfig, Qwen2VLModel

    folder.mkdir(parents=True)
    torch.manual_seed(0)
    model = Qwen2VLModel(Qwen2VLConfig.from_dict({**CONFIG, "model_type": "qwen2_vl"}))
    weights = {_old_name(name): weight.contiguous() for name, weight in model.state_dict().items()}
    weights["lm_head.weight"] = torch.randn(CONFIG["vocab_size"], DIM)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    _write_tokenizer(folder)
    return folder


def write_adapter(folder: Path, base: str) -> Path:
    """An adapter of all linear layers of the language model, under the names of PEFT before transformers 5.

    Args:
        folder: to write; it must not exist.
        base: the model, as the adapter's config names it.
    """
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(1)
    shapes = {"self_attn.q_proj": (DIM, DIM), "self_attn.v_proj": (DIM, DIM // 2), "mlp.up_proj": (DIM, 2 * DIM)}
    weights = {}
    for layer in range(LAYERS):
        for module, (wide, out) in shapes.items():
            name = f"base_model.model.model.layers.{layer}.{module}"
            weights[f"{name}.lora_A.weight"] = torch.randn(RANK, wide, generator=generator) / 8
            weights[f"{name}.lora_B.weight"] = torch.randn(out, RANK, generator=generator) / 8
    save_file(weights, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "base_model_name_or_path": base, "r": RANK, "lora_alpha": 2 * RANK, "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def _old_name(name: str) -> str:
    return name.replace("language_model.", "model.", 1)


def _write_tokenizer(folder: Path) -> None:
    """A token for every byte, and the special ones."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import Qwen2Tokenizer

    vocabulary = {letter: number for number, letter in enumerate(sorted(ByteLevel.alphabet()))}
    Qwen2Tokenizer(vocab=vocabulary, merges=[], extra_special_tokens=SPECIAL).save_pretrained(folder)
