"""Use any encoder as a model of mteb: `mteb.evaluate(MtebEncoder(load_encoder("unite-2b")), tasks)`.

The instruction of a query is its own, else the task's prompt, else the encoder's default; candidates have none. Inputs
are texts, images, clips and mixes of them; clips are decoders of torchcodec, or frames (F, 3, H, W).

Needs mteb 2: `pip install mteb`. sentence-transformers models have the same interface there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from mteb.models import ModelMeta
from mteb.types import PromptType
from numpy.typing import NDArray

from unite_search.content import Clip, Content, FrameSampler, Image, Part
from unite_search.encoders.base import Encoder

QUERY_TEXT, TEXT = "query", "text"
Batch = Mapping[str, Sequence[Any]]


class MtebEncoder:
    """An encoder with the methods that mteb calls (`mteb.models.EncoderProtocol`)."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    @property
    def mteb_model_meta(self) -> ModelMeta:
        """The description that mteb writes with its results; the revision is the encoder's fingerprint."""
        return ModelMeta.create_empty(
            {
                "name": f"unite-search/{self._encoder.name.strip('/').replace('/', '--')}",
                "revision": self._encoder.fingerprint,
                "embed_dim": self._encoder.dim,
                "modalities": self._encoder.modalities.partition.split("+"),
                "similarity_fn_name": "cosine",
                "use_instructions": True,
            }
        )

    def encode(
        self,
        inputs: Iterable[Batch],
        *,
        task_metadata: Any,
        prompt_type: PromptType | None = None,
        **_: Any,
    ) -> NDArray[np.float32]:
        """Embed the batches of a data loader: (N, D) unit rows.

        Inputs without a prompt type, as in clustering, are embedded as candidates.
        """
        is_query = prompt_type == PromptType.query
        prompt = _task_prompt(task_metadata) if is_query else None
        sampler = self._encoder.media.sampler
        rows = [
            self._encoder.encode(contents, role="query" if is_query else "candidate")
            for batch in inputs
            if (contents := contents_of(batch, sampler, prompt))
        ]
        return np.concatenate(rows) if rows else np.empty((0, self._encoder.dim), np.float32)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> NDArray[np.float32]:
        """Compute the cosine of every pair, (N, M)."""
        scores: NDArray[np.float32] = np.atleast_2d(embeddings1) @ np.atleast_2d(embeddings2).T
        return scores

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> NDArray[np.float32]:
        """Compute the cosine of corresponding rows, (N,)."""
        scores: NDArray[np.float32] = (np.asarray(embeddings1) * np.asarray(embeddings2)).sum(axis=-1)
        return scores


def contents_of(batch: Batch, sampler: FrameSampler, prompt: str | None) -> list[Content]:
    """Convert one batch of mteb to contents, with pictures and clips before the text.

    Args:
        batch: columns of equal length; unknown columns are ignored.
        sampler: chooses the frames of a clip.
        prompt: instruction of queries that have none of their own.
    """
    texts = batch.get(QUERY_TEXT, batch.get(TEXT, ()))
    known = [column for column in (batch.get("image", ()), batch.get("video", ()), texts) if len(column)]
    instructions = batch.get("instruction", ()) or [None] * len(known[0])
    return [
        Content(tuple(_part(value, sampler) for value in row if value is not None), instruction=instruction or prompt)
        for row, instruction in zip(zip(*known, strict=True), instructions, strict=True)
    ]


def _part(value: Any, sampler: FrameSampler) -> Part:
    if isinstance(value, str):
        return value
    if hasattr(value, "convert"):
        return Image(np.asarray(value.convert("RGB")))
    return _clip(value, sampler)


def _clip(video: Any, sampler: FrameSampler) -> Clip:
    """Sample frames from a torchcodec decoder, or take a tensor of frames that mteb has chosen already."""
    if not hasattr(video, "get_frames_at"):
        return Clip(_channels_last(video), np.arange(len(video), dtype=np.float64))
    fps = video.metadata.average_fps
    times_s = np.arange(len(video)) / fps
    indices = sampler(times_s, 0.0, len(video) / fps)
    return Clip(_channels_last(video.get_frames_at(indices.tolist()).data), times_s[indices])


def _channels_last(frames: Any) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.moveaxis(np.asarray(frames, np.uint8), 1, -1))


def _task_prompt(task_metadata: Any) -> str | None:
    prompt = getattr(task_metadata, "prompt", None)
    return prompt.get("query") if isinstance(prompt, Mapping) else prompt
