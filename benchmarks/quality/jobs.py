"""What must be embedded for a set under a protocol: each thing's media, how it is decoded, its text and its role."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets.base import Dataset, Media
from benchmarks.quality.protocol import Protocol
from unite_search.content import Clip, Content, Image, MediaSpec, Part, UniformFrames
from unite_search.encoders.base import Encoder, Role

FRAME_TEMPERATURE = 0.1
"""Of the softmax over published frame scores. Source: lucas-ventura/CoVR src/data/webvid_covr.py."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One embedding that is wanted.

    Attributes:
        id: given back with the embedding.
        role: query or candidate; decides the order of media and text, too.
        media: picture or clip.
        text: what goes with it.
        instruction: of a query.
        frames: of a clip; None is the encoder's own sampling.
        view: a clip as a `clip`, its frame as an `image`, or its frames `weighted` and pooled.
    """

    id: str
    role: Role
    media: Media | None = None
    text: str | None = None
    instruction: str | None = None
    frames: int | None = None
    view: str = "clip"

    def key(self, encoder: Encoder, content_hash: str | None) -> str:
        """Everything that the embedding depends on, as one hash."""
        facts: list[object] = [encoder.fingerprint, self.role, self.instruction, self.text, content_hash]
        if self.media is not None and self.media.modality == "video":
            facts += [self.frames, self.view, self.media.frame_scores if self.view == "weighted" else ()]
        return hashlib.blake2b(json.dumps(facts).encode(), digest_size=16).hexdigest()

    def spec(self, encoder: Encoder) -> MediaSpec:
        """How the media must be decoded."""
        spec = encoder.media
        if self.media is None or self.media.modality == "image" or self.frames is None:
            return spec
        side = spec.frame_side if self.view == "clip" else spec.image_side
        return replace(spec, sampler=UniformFrames(self.frames), frame_side=side)

    def contents(self, shown: Image | Clip | None) -> tuple[list[Content], NDArray[np.float64]]:
        """What to encode, and the weights with which the embeddings are pooled to one."""
        if shown is None or self.view == "clip" or isinstance(shown, Image):
            return [self._content(shown)], np.ones(1)
        pictures = [Image(frame) for frame in shown.frames]
        return [self._content(picture) for picture in pictures], self._weights(len(pictures))

    def _content(self, shown: Image | Clip | None) -> Content:
        text: tuple[Part, ...] = (self.text,) if self.text else ()
        media: tuple[Part, ...] = (shown,) if shown is not None else ()
        return Content(media + text if self.role == "query" else text + media, self.instruction)

    def _weights(self, frames: int) -> NDArray[np.float64]:
        """Equal ones where the published scores are of another number of frames."""
        scores = np.array(self.media.frame_scores if self.media is not None else ())
        if len(scores) != frames:
            return np.full(frames, 1 / frames)
        weights = np.exp((scores - scores.max()) / FRAME_TEMPERATURE)
        return np.asarray(weights / weights.sum())


def jobs_of(dataset: Dataset, protocol: Protocol) -> list[Job]:
    """Everything that must be embedded."""
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
