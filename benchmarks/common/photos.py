"""Read the list of captioned photos and clips in `../shared/data`, and embed contents in batches."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unite_search.content import Content, Part
from unite_search.encoders.base import Encoder, Role

BATCH = 64


@dataclass(frozen=True, slots=True)
class Captioned:
    """One photo or clip and the captions that people wrote for it."""

    path: Path
    captions: tuple[str, ...]


def read_photos(data: Path, split: str) -> list[Captioned]:
    """List the photos of one split, `train` or `dev`, with five captions each."""
    folder = data / "captioned"
    return [
        Captioned(folder / entry["path"], tuple(entry["text"]))
        for entry in _manifest(folder)
        if entry["split"] == split
    ]


def read_clips(data: Path) -> list[Captioned]:
    """List the clips, with one caption each."""
    folder = data / "videos"
    return [Captioned(folder / entry["path"], (entry["text"],)) for entry in _manifest(folder)]


def embed(encoder: Encoder, parts: Sequence[Part], role: Role = "candidate") -> NDArray[np.float32]:
    """Embed N parts, each as a content of its own; return (N, D)."""
    return embed_contents(encoder, [Content((part,)) for part in parts], role)


def embed_contents(encoder: Encoder, contents: Sequence[Content], role: Role) -> NDArray[np.float32]:
    """Embed N contents in batches of `BATCH`; return (N, D)."""
    starts = range(0, len(contents), BATCH)
    return np.concatenate([encoder.encode(contents[start : start + BATCH], role=role) for start in starts])


def _manifest(folder: Path) -> list[dict[str, str]]:
    lines = (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]
