"""The UNITE encoder: orders contents by length, prepares their pixels in threads, and embeds them in batches."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from unite_search.content import Content, MediaSpec
from unite_search.encoders.base import EncoderDefaults, EncoderOptions, Role, Workload
from unite_search.encoders.unite.batches import padded_tokens, plan_batches
from unite_search.encoders.unite.checkpoint import Checkpoint, find_checkpoint
from unite_search.encoders.unite.collate import Prepared, collate
from unite_search.encoders.unite.execution import prefetch_prepared, run_within_memory
from unite_search.encoders.unite.frames import UniteFrames
from unite_search.encoders.unite.inputs import InputBuilder, TokenizedItem
from unite_search.encoders.unite.model import UniteModel
from unite_search.encoders.unite.placement import Placement
from unite_search.encoders.unite.sizes import PixelLimits
from unite_search.modality import Modality

RECIPE = "unite-1"
TOKENS_PER_BATCH = {"cpu": 4096, "cuda": 16384}


class UniteEncoder(EncoderDefaults):
    """A UNITE model, or an adapter on one. The weights are loaded at the first call that embeds something.

    Attributes:
        name: the name given; the absolute path of a folder.
        options: all options, with the encoder's own values where none were given.
        workload: items and tokens embedded so far.
        tokens_per_batch: largest number of tokens in a batch, padding included; a batch that does not fit into memory
            is halved.
    """

    modalities = Modality.TEXT | Modality.IMAGE | Modality.VIDEO

    def __init__(self, name: str, options: EncoderOptions | None = None) -> None:
        """Find the model on this disk.

        Raises:
            EncoderUnavailableError: the model is not on this disk, or the device cannot be used.
            ValueError: an option is out of range.
        """
        self._checkpoint = find_checkpoint(name)
        self.name = name
        self._placement, self._limits, frames, self.options = _settle(options or EncoderOptions())
        self.media = MediaSpec(image_side=None, frame_side=None, sampler=frames)
        self.dim = self._checkpoint.dim()
        self.tokens_per_batch = TOKENS_PER_BATCH["cpu" if self._placement.device == "cpu" else "cuda"]
        self.workload: Workload = Workload()

    @property
    def checkpoint(self) -> Checkpoint:
        """The files of the model and of its adapter."""
        return self._checkpoint

    @cached_property
    def fingerprint(self) -> str:
        """A hash of weights, precision, pixel limits and frame sampling; independent of file locations and device."""
        chosen = sorted(self.options.stored().items())
        text = f"{RECIPE} {self._checkpoint.fingerprint()} {chosen}"
        return f"unite-{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"

    @cached_property
    def inputs(self) -> InputBuilder:
        """The builder of model inputs: the tokenizer and the preparation of pixels."""
        return InputBuilder.load(self._checkpoint.folder, self._limits)

    @cached_property
    def model(self) -> UniteModel:
        """The model; loads its weights at the first access."""
        return UniteModel.load(self._checkpoint, self._placement)

    def encode(self, contents: Sequence[Content], *, role: Role) -> NDArray[np.float32]:
        """See `Encoder`."""
        return self.embed([self.inputs.tokenize(content, role) for content in contents])

    def embed(self, items: Sequence[TokenizedItem]) -> NDArray[np.float32]:
        """Embed tokenized items; returns (N, D) unit rows in the order given."""
        embeddings = np.empty((len(items), self.dim), np.float32)
        lengths = [len(item) for item in items]
        plan = plan_batches(lengths, self.tokens_per_batch)
        batches = prefetch_prepared(self.inputs.prepare, [[items[at] for at in batch] for batch in plan])
        for batch, prepared in zip(plan, batches, strict=True):
            embeddings[batch] = run_within_memory(self._forward, prepared)
        self.workload.items += len(items)
        self.workload.tokens += sum(lengths)
        self.workload.padded_tokens += padded_tokens(plan, lengths)
        return embeddings

    def _forward(self, items: Sequence[Prepared]) -> NDArray[np.float32]:
        return np.asarray(self.model.embed(collate(items, pad_id=self.inputs.pad_id)))


def _settle(options: EncoderOptions) -> tuple[Placement, PixelLimits, UniteFrames, EncoderOptions]:
    """Resolve options into placement, pixel limits, frame sampler, and the options with every value filled in."""
    placement = Placement.choose(options.device, options.dtype, options.attention)
    limits, frames = PixelLimits(), UniteFrames()
    if options.max_pixels is not None:
        limits = replace(limits, max_pixels=options.max_pixels)
    frames = replace(
        frames,
        fps=frames.fps if options.fps is None else options.fps,
        max_frames=frames.max_frames if options.max_frames is None else options.max_frames,
    )
    settled = EncoderOptions(
        max_pixels=limits.max_pixels,
        fps=frames.fps,
        max_frames=frames.max_frames,
        dtype=placement.dtype,
        device=placement.device,
        attention=placement.attention,
    )
    return placement, limits, frames, settled
