"""List the embeddings that a data set needs under a protocol: media and how to decode them, text, and role."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets.dataset import Dataset, Media
from benchmarks.quality.protocol import Protocol
from unite_search.content import Clip, Content, Image, MediaSpec, Part, UniformFrames
from unite_search.encoders.base import Encoder, Role

FRAME_TEMPERATURE = 0.1
"""Temperature of the softmax over published frame scores. Source: lucas-ventura/CoVR src/data/webvid_covr.py."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One embedding to compute.

    Attributes:
        id: name of the job, under which the embedding is returned.
        role: query or candidate; also decides the order of media and text.
        media: picture or clip.
        text: text, alone or with the media.
        instruction: instruction of a query.
        frames: number of frames of a clip; None for the encoder's own sampling.
        view: how a clip is embedded: as a `clip`, by one frame as an `image`, or as its frames, `weighted` and pooled.
    """

    id: str
    role: Role
    media: Media | None = None
    text: str | None = None
    instruction: str | None = None
    frames: int | None = None
    view: str = "clip"

    def key(self, encoder: Encoder, content_hash: str | None) -> str:
        """Return a hash of everything that the embedding depends on."""
        facts: list[object] = [encoder.fingerprint, self.role, self.instruction, self.text, content_hash]
        if self.media is not None and self.media.modality == "video":
            facts += [self.frames, self.view, self.media.frame_scores if self.view == "weighted" else ()]
        return hashlib.blake2b(json.dumps(facts).encode(), digest_size=16).hexdigest()

    def spec(self, encoder: Encoder) -> MediaSpec:
        """Return how to decode the media."""
        spec = encoder.media
        if self.media is None or self.media.modality == "image" or self.frames is None:
            return spec
        side = spec.frame_side if self.view == "clip" else spec.image_side
        return replace(spec, sampler=UniformFrames(self.frames), frame_side=side)

    def contents(self, shown: Image | Clip | None) -> tuple[list[Content], NDArray[np.float64]]:
        """Return the contents to encode, and the weights with which to pool their embeddings into one."""
        if shown is None or self.view == "clip" or isinstance(shown, Image):
            return [self._content(shown)], np.ones(1)
        pictures = [Image(frame) for frame in shown.frames]
        return [self._content(picture) for picture in pictures], self._weights(len(pictures))

    def _content(self, shown: Image | Clip | None) -> Content:
        text: tuple[Part, ...] = (self.text,) if self.text else ()
        media: tuple[Part, ...] = (shown,) if shown is not None else ()
        return Content(media + text if self.role == "query" else text + media, self.instruction)

    def _weights(self, frames: int) -> NDArray[np.float64]:
        """Return the weights of the frames; equal ones if the published scores are for another number of frames."""
        scores = np.array(self.media.frame_scores if self.media is not None else ())
        if len(scores) != frames:
            return np.full(frames, 1 / frames)
        weights = np.exp((scores - scores.max()) / FRAME_TEMPERATURE)
        return np.asarray(weights / weights.sum())


def jobs_of(dataset: Dataset, protocol: Protocol) -> list[Job]:
    """List the jobs of all candidates and queries."""
    pooled = "weighted" if protocol.frame_pooling == "weighted" else "clip"
    candidates = [
        Job(
            id=f"candidate {entry.id}",
            role="candidate",
            media=entry.media,
            text=entry.text,
            frames=protocol.candidate_frames,
            view=pooled,
        )
        for entry in dataset.gallery
    ]
    queries = [
        Job(
            id=f"query {question.id}",
            role="query",
            media=question.media,
            text=None if question.text is None else protocol.query_text(question.text),
            instruction=protocol.instruction,
            frames=protocol.reference_frames,
            view="image" if protocol.reference_frames == 1 else "clip",
        )
        for question in dataset.questions
    ]
    return candidates + queries
