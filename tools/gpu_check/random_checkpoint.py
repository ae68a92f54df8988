"""Write UNITE checkpoints with random weights, so that speed and precision can be measured without the real ones.

The weights are drawn on the device that will run them. The tokenizer is byte-pair encoding trained on this project's
own pages, with the special tokens at their real ids, so texts have about as many tokens as with the real one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import Qwen2Tokenizer, Qwen2VLConfig, Qwen2VLModel

PAGES = Path(__file__).resolve().parents[2]
SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>"]
SPECIAL_TOKENS += ["<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>"]
SPECIAL_TOKENS += ["<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"]
ORDINARY_TOKENS = 151_643
"""The first special token of Qwen2-VL, `<|endoftext|>`, has this id."""
TRAINED_TOKENS = 8000

COMMON: dict[str, Any] = {
    "model_type": "qwen2_vl",
    "vocab_size": 151_936,
    "bos_token_id": ORDINARY_TOKENS,
    "eos_token_id": ORDINARY_TOKENS + 2,
    "image_token_id": ORDINARY_TOKENS + 12,
    "video_token_id": ORDINARY_TOKENS + 13,
    "vision_start_token_id": ORDINARY_TOKENS + 9,
    "vision_end_token_id": ORDINARY_TOKENS + 10,
    "rope_theta": 1_000_000.0,
    "tie_word_embeddings": True,
}
SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {
        **COMMON,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "initializer_range": 0.1,
        "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]},
        "vision_config": {"depth": 2, "embed_dim": 32, "num_heads": 2, "hidden_size": 64, "in_chans": 3},
    },
    "2b": {
        **COMMON,
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
        "initializer_range": 0.02,
        "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
        "vision_config": {"depth": 32, "embed_dim": 1280, "num_heads": 16, "hidden_size": 1536, "in_chans": 3},
    },
}
"""Parts of `config.json`; `2b` is that of Qwen2-VL-2B, which is the backbone of UNITE 2B."""


def write_checkpoint(folder: Path, shape: str, *, device: str, dtype: str) -> int:
    """Write a model with random weights and its tokenizer.

    Args:
        folder: the folder to create.
        shape: a key of `SHAPES`.
        device: the device on which the weights are drawn.
        dtype: the precision in which they are stored.

    Returns:
        The number of weights.
    """
    torch.manual_seed(0)
    with _default_dtype(getattr(torch, dtype)), torch.device(device):
        model = Qwen2VLModel(Qwen2VLConfig.from_dict(SHAPES[shape]))
    model.save_pretrained(folder)
    _write_tokenizer(folder)
    return sum(weight.numel() for weight in model.parameters())


def page_words() -> list[str]:
    """Return the distinct words of this project's pages, sorted; texts for the measurements are drawn from them."""
    return sorted({word for page in _pages() for word in page.split() if word.isalpha()})


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _pages() -> list[str]:
    return [path.read_text(encoding="utf-8") for path in sorted(PAGES.glob("*.md"))]


def _write_tokenizer(folder: Path) -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=TRAINED_TOKENS, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(_pages(), trainer)
    trained = json.loads(tokenizer.to_str())["model"]
    vocabulary = trained["vocab"]
    vocabulary |= {f"<unused {number}>": number for number in range(len(vocabulary), ORDINARY_TOKENS)}
    merges = [tuple(pair) for pair in trained["merges"]]
    Qwen2Tokenizer(vocab=vocabulary, merges=merges, extra_special_tokens=SPECIAL_TOKENS).save_pretrained(folder)
