"""The UNITE encoder: contents are ordered by length, prepared in threads, and embedded batch after batch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from unite_search.content import Content, MediaSpec
from unite_search.encoders.base import EncoderOptions, Role, Workload
from unite_search.encoders.unite.batches import padded_tokens, plan_batches
from unite_search.encoders.unite.checkpoint import Checkpoint, find_checkpoint
from unite_search.encoders.unite.collate import Prepared, collate
from unite_search.encoders.unite.execution import prepared_ahead, run_within_memory
from unite_search.encoders.unite.frames import UniteFrames
from unite_search.encoders.unite.inputs import Draft, InputBuilder
from unite_search.encoders.unite.model import UniteModel
from unite_search.encoders.unite.placement import Placement
from unite_search.encoders.unite.sizes import PixelLimits
from unite_search.modality import Modality

RECIPE = "unite-1"
TOKENS_PER_BATCH = {"cpu": 4096, "cuda": 16384}


class UniteEncoder:
    """A UNITE model, or an adapter on one. Weights are loaded when something is embedded first.

    Attributes:
        name: as given; for a folder its absolute path.
        options: all choices, the encoder's own included.
        workload: tokens computed so far.
        tokens_per_batch: padding included; a batch that does not fit into memory is halved.
    """

    modalities = Modality.TEXT | Modality.IMAGE | Modality.VIDEO
    concurrency = 1

    def __init__(self, name: str, options: EncoderOptions | None = None) -> None:
        """Find the model on this disk.

        Raises:
            EncoderUnavailableError: it is not here, or the device cannot be used.
            ValueError: an option is out of range.
        """
        self._checkpoint = find_checkpoint(name)
        self.name = name
        self._placement, self._limits, frames, self.options = _settle(options or EncoderOptions())
        self.media = MediaSpec(image_side=None, frame_side=None, sampler=frames)
        self.dim = self._checkpoint.dim()
        self.tokens_per_batch = TOKENS_PER_BATCH["cpu" if self._placement.device == "cpu" else "cuda"]
        self.workload = Workload()

    @property
    def checkpoint(self) -> Checkpoint:
        """The files behind it."""
        return self._checkpoint

    @cached_property
    def fingerprint(self) -> str:
        """Of weights, precision, pixels and frames; where the files are and which device computes does not matter."""
        chosen = sorted(self.options.stored().items())
        text = f"{RECIPE} {self._checkpoint.fingerprint()} {chosen}"
        return f"unite-{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"

    @cached_property
    def inputs(self) -> InputBuilder:
        """The tokenizer and the preparation of pixels."""
        return InputBuilder.load(self._checkpoint.folder, self._limits)

    @cached_property
    def model(self) -> UniteModel:
        """The loaded model."""
        return UniteModel.load(self._checkpoint, self._placement)

    def encode(self, contents: Sequence[Content], *, role: Role) -> NDArray[np.float32]:
        """See `Encoder`."""
        return self.embed([self.inputs.draft(content, role) for content in contents])

    def embed(self, drafts: Sequence[Draft]) -> NDArray[np.float32]:
        """Embed tokenized items, (N, D), in the order given."""
        embeddings = np.empty((len(drafts), self.dim), np.float32)
        lengths = [len(draft) for draft in drafts]
        plan = plan_batches(lengths, self.tokens_per_batch)
        batches = prepared_ahead(self.inputs.prepare, [[drafts[at] for at in batch] for batch in plan])
        for batch, items in zip(plan, batches, strict=True):
            embeddings[batch] = run_within_memory(self._forward, items)
        self.workload.items += len(drafts)
        self.workload.tokens += sum(lengths)
        self.workload.padded_tokens += padded_tokens(plan, lengths)
        return embeddings

    def _forward(self, items: Sequence[Prepared]) -> NDArray[np.float32]:
        return np.asarray(self.model.embed(collate(items, pad_id=self.inputs.pad_id)))


def _settle(options: EncoderOptions) -> tuple[Placement, PixelLimits, UniteFrames, EncoderOptions]:
    """What the options mean, and the options with every choice filled in."""
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
