"""The starter encoder as a trainee: a trained head on features of frozen towers, which are computed once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from train.config import ModelConfig
from train.data.class_names import CLASS_NAME
from train.data.pairs import Pair, Side
from train.starter.features import StarterFeatures
from train.starter.torch_head import StarterHead
from unite_search.encoders.base import Role
from unite_search.encoders.starter.head import FEATURE_DIM
from unite_search.media.scan import MODALITY_OF

CACHE = Path("build") / "starter-features"
HEAD = "head.npz"


class StarterTrainee:
    """Implements `train.trainee.Trainee`.

    Args:
        config: `dropout`, `views` and `checkpoint` are used; `checkpoint` is an earlier stage's export, or empty.
        cache: folder of the feature cache.
    """

    def __init__(self, config: ModelConfig, cache: Path = CACHE) -> None:
        self.module = StarterHead(config.dropout)
        self._features = StarterFeatures(cache)
        self._views = config.views
        self._is_untrained = not config.checkpoint
        if config.checkpoint:
            load_head(self.module, Path(config.checkpoint) / HEAD)

    def prepare(self, pairs: Sequence[Pair]) -> set[str]:
        """See `Trainee`. An untrained head is also given the mean and spread of the features of the pairs' photos."""
        sides = [side for pair in pairs for side in (pair.query, pair.candidate, pair.negative) if side]
        names = sorted({name for side in sides for name in (*side.images, *side.videos)})
        classes = [name for name in names if CLASS_NAME.fullmatch(name)]
        media = [name for name in names if not CLASS_NAME.fullmatch(name)]
        views = [_view(name, edit) for name in media for edit in self._views if _is_photo(name)]
        self._features.prepare((*media, *views), {side.text for side in sides if side.text})
        readable = [name for name in media if self._features.is_readable(name)]
        photos = [name for name in readable if _is_photo(name)]
        if classes:
            self._features.add_classes(classes, photos)
        if self._is_untrained and photos:
            features = self._features.pictures(photos)[:, :FEATURE_DIM]
            self.module.fit_scale(torch.from_numpy(features))
        return set(media) - set(readable)

    def embed(self, sides: Sequence[Side], role: Role) -> torch.Tensor:
        """See `Trainee`. Both roles are embedded alike; in training, each photo is replaced by a random view of it."""
        pictures = torch.from_numpy(np.stack([self._picture(side) for side in sides]))
        texts = torch.from_numpy(self._features.texts([side.text or None for side in sides]))
        rows: torch.Tensor = self.module(pictures, texts)
        return rows

    def export(self, folder: Path) -> None:
        """Write `head.npz` in float16."""
        folder.mkdir(parents=True, exist_ok=True)
        state = self.module.state_dict()
        np.savez(folder / HEAD, **{name: value.numpy().astype(np.float16) for name, value in state.items()})

    def _picture(self, side: Side) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        names = (*side.images, *side.videos)
        rows = self._features.pictures([self._random_view(name) for name in names] or [None])
        return np.asarray(rows.mean(axis=0), np.float32)

    def _random_view(self, name: str) -> str:
        """Return the name of a photo or, in training, of a random view of it."""
        if not (self.module.training and self._views and _is_photo(name)):
            return name
        chosen = int(torch.randint(len(self._views) + 1, ()))
        return _view(name, self._views[chosen - 1]) if chosen else name


def _is_photo(name: str) -> bool:
    """Return whether a name is that of an unedited photo."""
    is_class = CLASS_NAME.fullmatch(name) is not None
    return not is_class and "#" not in name and MODALITY_OF.get(Path(name).suffix.lower()) == "image"


def _view(name: str, edit: str) -> str:
    return f"{name}#{edit}"


def load_head(head: StarterHead, path: Path) -> None:
    """Load an export into a head; no weight may be missing or left over."""
    with np.load(path, allow_pickle=False) as stored:
        head.load_state_dict({name: torch.from_numpy(stored[name].astype(np.float32)) for name in stored.files})
