"""A Qwen2-VL model as a trainee: LoRA on every linear layer of the language model, everything else frozen.

Inputs are prepared by the same code as in `UniteEncoder`, and weights are loaded as strictly. The forward pass is that
of `unite_search.encoders.unite.model`, with a graph; a test checks that the two agree.

Source: Hu et al. 2021, arXiv 2106.09685; rank, scale and layers as in arXiv 2505.19650, section 4.1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from torch.nn import functional

from train.config import ModelConfig
from train.data.pairs import Pair, Side
from train.distributed import process_rank
from train.sharding import full_tensors, require_several_processes, shard
from train.unite.vision_cache import Key, LanguageInput, VisionCache, run_vision_tower
from unite_search.content import Clip, Content, Image, Part
from unite_search.encoders.base import EncoderOptions, Role
from unite_search.encoders.unite.checkpoint import Checkpoint, find_checkpoint
from unite_search.encoders.unite.collate import Prepared, collate
from unite_search.encoders.unite.encoder import UniteEncoder
from unite_search.encoders.unite.inputs import TokenizedItem
from unite_search.encoders.unite.model import UniteModel
from unite_search.encoders.unite.placement import Placement
from unite_search.errors import UnreadableFileError
from unite_search.media.load import load_clip, load_image

LANGUAGE_LINEARS = r"language_model\.layers\.\d+\.(self_attn|mlp)\.(q|k|v|o|gate|up|down)_proj"
PLACEHOLDERS = re.compile(r"(<\|IMAGE\|>|<\|VIDEO\|>)")
ADAPTER_NAME = "default"
MEDIA_CACHED = 256
MEGABYTE = 1_000_000


class UniteTrainee:
    """Implements `train.trainee.Trainee`.

    Args:
        config: `checkpoint` is a model, or an adapter to continue from.
    """

    def __init__(self, config: ModelConfig) -> None:
        if config.sharded:
            require_several_processes()
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self._encoder = UniteEncoder(config.checkpoint, EncoderOptions(device=device, dtype=config.dtype))  # type: ignore[arg-type]
        start = find_checkpoint(config.checkpoint)
        placement = Placement.choose("cpu" if config.sharded else device, config.dtype)  # type: ignore[arg-type]
        model = UniteModel.load(Checkpoint(start.folder), placement)
        self.module = get_peft_model(model.backbone, _lora(config, start.folder))
        _to_float32(self.module)
        if start.adapter is not None:
            load_adapter(self.module, start.adapter)
        if config.gradient_checkpointing:
            self.module.enable_input_require_grads()
            self.module.gradient_checkpointing_enable({"use_reentrant": False})
        self._embedder = UniteEmbedder(self.module.get_base_model(), self._encoder.inputs.pad_id)
        self._vision_cache = VisionCache(config.vision_cache_mb * MEGABYTE)
        if config.sharded:
            shard(self._embedder, model.backbone.language_model.layers, unsharded=model.backbone.visual)

    def prepare(self, pairs: Sequence[Pair]) -> set[str]:
        """See `Trainee`. Media are decoded during training; here a byte of each is read, to find unreadable ones."""
        sides = [side for pair in pairs for side in (pair.query, pair.candidate, pair.negative) if side]
        return {name for side in sides for name in (*side.images, *side.videos) if not _is_readable(name)}

    def embed(self, sides: Sequence[Side], role: Role) -> torch.Tensor:
        """See `Trainee`."""
        items = self._vision_cache.get([(role, side) for side in sides], self._language_inputs)
        rows: torch.Tensor = self._embedder(items)
        return rows

    def _language_inputs(self, keys: Sequence[Key]) -> list[LanguageInput]:
        return self._see([self._encoder.inputs.tokenize(self._content(side), role) for role, side in keys])

    def _see(self, items: Sequence[TokenizedItem]) -> list[LanguageInput]:
        inputs = self._encoder.inputs
        tower = self._embedder.backbone.visual
        return run_vision_tower([inputs.prepare(item) for item in items], tower, pad_id=inputs.pad_id)

    def export(self, folder: Path) -> None:
        """Write a PEFT adapter in safetensors, which `unite-search --encoder DIR` loads."""
        trained = {name: value for name, value in self.module.named_parameters() if value.requires_grad}
        state = full_tensors({name: value.detach() for name, value in trained.items()})
        if process_rank() == 0:
            self.module.save_pretrained(str(folder), state_dict=state)

    def _content(self, side: Side) -> Content:
        """Put media in the place of their placeholders, and those without a placeholder first."""
        media: dict[str, list[Part]] = {
            "<|IMAGE|>": [_image(path, self._encoder) for path in side.images],
            "<|VIDEO|>": [_clip(path, self._encoder) for path in side.videos],
        }
        parts: list[Part] = []
        for piece in PLACEHOLDERS.split(side.text):
            if piece.strip():
                parts.append(media[piece].pop(0) if piece in media else piece.strip())
        return Content((*media["<|IMAGE|>"], *media["<|VIDEO|>"], *parts))


class UniteEmbedder(torch.nn.Module):
    """Runs the language model of a backbone on items and pools unit rows, with a graph.

    Args:
        backbone: a Qwen2-VL model.
        pad_id: token that shorter items are padded with.
    """

    def __init__(self, backbone: Any, pad_id: int) -> None:
        super().__init__()
        self.backbone = backbone
        self._pad_id = pad_id

    def forward(self, items: Sequence[LanguageInput]) -> torch.Tensor:
        """Return the last layer at the last token, (B, D) unit rows.

        Positions are 0..T-1 on all three axes, as in the official code.
        """
        batch = collate([Prepared(item.token_ids) for item in items], pad_id=self._pad_id)
        embedding = self.backbone.get_input_embeddings()
        token_ids = batch.token_ids.to(embedding.weight.device)
        embeddings = embedding(token_ids)  # (B, T, D)
        for pad_id in {pad_id for item in items for pad_id in item.features}:
            features = torch.cat([item.features[pad_id] for item in items if pad_id in item.features])
            embeddings = embeddings.masked_scatter((token_ids == pad_id)[..., None], features.to(embeddings))
        mask = batch.attention_mask.to(token_ids.device)
        positions = torch.arange(token_ids.shape[1], device=token_ids.device).expand(3, *token_ids.shape)
        hidden = self.backbone.language_model(
            inputs_embeds=embeddings, attention_mask=mask, position_ids=positions, use_cache=False
        ).last_hidden_state
        return functional.normalize(hidden[:, -1].float(), dim=-1)


def load_adapter(module: Any, folder: Path) -> None:
    """Load the weights of an adapter into a model that has LoRA layers; names of older transformers are accepted.

    Raises:
        ValueError: a weight has no layer, or a layer gets no weight; PEFT would only warn.
    """
    state = {
        _current_name(key): value for path in folder.glob("*.safetensors") for key, value in load_file(path).items()
    }
    places = {name: value for name, value in module.named_parameters() if "lora_" in name}
    if state.keys() != places.keys():
        raise ValueError(f"{folder} does not fit the model: {min(state.keys() ^ places.keys())}")
    for name, value in state.items():
        places[name].data.copy_(value)


def _current_name(key: str) -> str:
    bare = re.sub(r"^(base_model\.)?(model\.)*(language_model\.)?", "", key)
    return "base_model.model.language_model." + bare.replace(".weight", f".{ADAPTER_NAME}.weight")


def _lora(config: ModelConfig, base: Path) -> LoraConfig:
    return LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.dropout,
        target_modules=LANGUAGE_LINEARS,
        base_model_name_or_path=str(base.resolve()),
    )


def _to_float32(module: Any) -> None:
    """Convert the adapter's weights to float32, in which they are trained whatever the type of the frozen weights."""
    for name, parameter in module.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.float()


@lru_cache(MEDIA_CACHED)
def _image(path: str, encoder: UniteEncoder) -> Image:
    return load_image(Path(path), encoder.media)[0]


@lru_cache(MEDIA_CACHED)
def _clip(path: str, encoder: UniteEncoder) -> Clip:
    return load_clip(Path(path), encoder.media)[0]


def _is_readable(path: str) -> bool:
    try:
        with Path(path).open("rb") as stream:
            return bool(stream.read(1))
    except (OSError, UnreadableFileError):
        return False
