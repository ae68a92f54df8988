"""The backbone: transformers' Qwen2-VL, loaded strictly and run with the positions and pooling of the official code.

Positions are 0..T-1 on all three axes, padding included: the official code never uses M-RoPE. The model is wrapped and
not subclassed, because a subclass with another name silently loads random weights.

Letters: B items, T tokens, P patches, V vision tokens, D embedding.

Source: friedrichor/UNITE unite/model/modeling_unite.py; docs/guides/gpu-model.md lists what was checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import transformers
from torch.nn import functional
from transformers import Qwen2VLConfig, Qwen2VLModel

from unite_search.encoders.unite.adapter import merge_adapter
from unite_search.encoders.unite.checkpoint import Checkpoint
from unite_search.encoders.unite.collate import Batch, VisionBatch
from unite_search.encoders.unite.placement import Placement
from unite_search.errors import EncoderUnavailableError

UNUSED_WEIGHTS = {"lm_head.weight"}


class UniteModel:
    """Embeds batches with a loaded backbone."""

    def __init__(self, backbone: Any) -> None:
        self.backbone = backbone

    @classmethod
    def load(cls, checkpoint: Checkpoint, placement: Placement) -> UniteModel:
        """Load the weights, merge the adapter if there is one, and move the model to its device.

        Raises:
            EncoderUnavailableError: a weight is missing, unexpected, or of another shape; the message names it.
        """
        with _quiet():
            backbone, info = Qwen2VLModel.from_pretrained(
                checkpoint.folder,
                config=Qwen2VLConfig.from_dict(checkpoint.config()),
                dtype=getattr(torch, placement.dtype),
                attn_implementation=placement.attention,
                device_map="balanced" if placement.is_spread else None,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
        _refuse_incomplete(checkpoint, info)
        if checkpoint.adapter is not None:
            merge_adapter(backbone, checkpoint.adapter)
        if not placement.is_spread:
            backbone.to(placement.device)
        return cls(backbone.eval())

    @property
    def input_device(self) -> torch.device:
        """The device of the token embeddings, to which token ids are sent."""
        device: torch.device = self.backbone.get_input_embeddings().weight.device
        return device

    def embed(self, batch: Batch) -> torch.Tensor:
        """Embed a batch: (B, D) float32 unit rows on the CPU."""
        hidden = self.hidden_states(batch)
        last = batch.attention_mask.shape[1] - 1 - batch.attention_mask.flip(1).argmax(1)  # (B,)
        pooled = hidden[torch.arange(len(last)), last.to(hidden.device)]  # (B, D)
        return functional.normalize(pooled.float(), dim=-1).cpu()

    def hidden_states(self, batch: Batch) -> torch.Tensor:
        """Compute the hidden states of the last layer, after its norm: (B, T, D)."""
        token_ids = batch.token_ids.to(self.input_device)
        positions = torch.arange(token_ids.shape[1], device=token_ids.device).expand(3, *token_ids.shape)
        with torch.inference_mode():
            output = self.backbone.language_model(
                inputs_embeds=self._embeddings(token_ids, batch.visions),
                attention_mask=batch.attention_mask.to(token_ids.device),
                position_ids=positions,
                use_cache=False,
            )
        hidden: torch.Tensor = output.last_hidden_state
        return hidden

    def _embeddings(self, token_ids: torch.Tensor, visions: Sequence[VisionBatch]) -> torch.Tensor:
        """Embed the tokens, (B, T, D), with placeholders replaced by features of their pictures and clips."""
        embeddings: torch.Tensor = self.backbone.get_input_embeddings()(token_ids)
        for vision in visions:
            features = self._vision_features(vision)[vision.kept.to(embeddings.device)]
            embeddings = embeddings.masked_scatter((token_ids == vision.pad_id)[..., None], features.to(embeddings))
        return embeddings

    def _vision_features(self, vision: VisionBatch) -> torch.Tensor:
        """Run the vision tower on all pictures, or all clips, of a batch: (V, D) on the input device."""
        tower = self.backbone.visual
        weight = next(tower.parameters())
        output = tower(vision.patches.to(weight.device, weight.dtype), grid_thw=vision.grids.to(weight.device))
        features: torch.Tensor = getattr(output, "pooler_output", output)
        return features.to(self.input_device)


def _refuse_incomplete(checkpoint: Checkpoint, info: dict[str, Any]) -> None:
    problems = {
        "missing": set(info["missing_keys"]),
        "unexpected": set(info["unexpected_keys"]) - UNUSED_WEIGHTS,
        "of another shape": {entry[0] for entry in info["mismatched_keys"]},
    }
    for problem, names in problems.items():
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise EncoderUnavailableError(f"{checkpoint.folder}: weight {min(names)}{more} {problem}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide transformers' progress bar and loading report; `_refuse_incomplete` checks what they would report."""
    logging = transformers.utils.logging
    verbosity, has_bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if has_bar:
            logging.enable_progress_bar()
