"""Features of the starter's frozen towers for all training media and texts, computed once and cached on disk."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexers.atomic import atomic_write
from train.data.photo_edits import apply_edit
from train.starter.classes import ClassPictures
from unite_search.encoders.starter.conse import Conse
from unite_search.encoders.starter.encoder import WEIGHTS, StarterEncoder, squashed
from unite_search.encoders.starter.head import FEATURE_DIM, TEXT_DIM
from unite_search.encoders.starter.towers import TextTower, VisionTower
from unite_search.errors import UnreadableFileError
from unite_search.media.load import load_clip, load_image
from unite_search.media.scan import MODALITY_OF

Floats = NDArray[np.float32]
SAVE_EVERY = 2000

log = logging.getLogger(__name__)


class FeatureTable:
    """Feature rows by key, stored in one file that grows.

    Rows are rounded to float16 when computed, so that a run gets the same numbers whether it computes or reads them.

    Args:
        path: `.npz` file; need not exist yet.
        dim: length of a row.
    """

    def __init__(self, path: Path, dim: int) -> None:
        self._path = path
        self._rows: dict[str, NDArray[np.float16 | np.float32]] = {}
        self._dim = dim
        if path.exists():
            with np.load(path, allow_pickle=False) as stored:
                self._rows = dict(zip(stored["keys"].tolist(), stored["rows"], strict=True))

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def fill(self, keys: Iterable[str], compute: Callable[[Sequence[str]], Sequence[Floats]]) -> None:
        """Compute the missing rows, `SAVE_EVERY` at a time, and save after each part."""
        missing = sorted(set(keys) - self._rows.keys())
        for start in range(0, len(missing), SAVE_EVERY):
            part = missing[start : start + SAVE_EVERY]
            self._rows.update((key, row.astype(np.float16)) for key, row in zip(part, compute(part), strict=True))
            self._save()
            log.info("%s: %d of %d new rows", self._path.name, start + len(part), len(missing))

    def add(self, keys: Sequence[str], rows: Floats) -> None:
        """Add rows in memory only."""
        self._rows.update(zip(keys, rows, strict=True))

    def rows(self, keys: Sequence[str | None]) -> Floats:
        """Return the rows of N keys, (N, dim) float32; None gives a row of zeros."""
        out = np.zeros((len(keys), self._dim), np.float32)
        for row, key in zip(out, keys, strict=True):
            if key is not None:
                row[:] = self._rows[key]
        return out

    def _save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(self._path) as stream:
            np.savez(stream, keys=np.array(list(self._rows)), rows=np.stack(list(self._rows.values())))


class StarterFeatures:
    """Features of photos, clips and texts by name.

    Args:
        folder: folder of the cache, which is valid for one export of the towers only.
    """

    def __init__(self, folder: Path) -> None:
        self._vision = VisionTower(WEIGHTS / "vision.onnx")
        self._text = TextTower(WEIGHTS / "text.onnx", WEIGHTS / "tokenizer.json")
        self._conse = Conse(np.load(WEIGHTS / "classes.npy"))
        self._pictures = FeatureTable(folder / "pictures.npz", FEATURE_DIM + TEXT_DIM)
        self._texts = FeatureTable(folder / "texts.npz", TEXT_DIM)

    def prepare(self, pictures: Iterable[str], texts: Iterable[str]) -> None:
        """Compute the features of all pictures and texts that are not in the cache yet.

        A picture is `path`, or `path#edit` for a photo after an edit. Unreadable pictures are logged.
        """
        self._pictures.fill(pictures, self._picture_rows)
        self._texts.fill(texts, lambda missing: list(self._text(missing)))

    def add_classes(self, names: Sequence[str], photos: Sequence[str]) -> None:
        """Synthesise pictures of classes from prepared photos, see `train.starter.classes`; not saved to disk."""
        synthesise = ClassPictures(WEIGHTS / "vision.onnx", self.pictures(photos)[:, :FEATURE_DIM])
        features, logits = synthesise(names)
        self._pictures.add(names, np.concatenate([features, self._conse.pictures(logits)], axis=1))

    def is_readable(self, picture: str) -> bool:
        """Return whether a prepared picture could be read."""
        return bool(self._pictures.rows([picture]).any())

    def pictures(self, names: Sequence[str | None]) -> Floats:
        """Return features and class mix of N pictures, (N, 1280 + 384); zeros for None."""
        return self._pictures.rows(names)

    def texts(self, texts: Sequence[str | None]) -> Floats:
        """Return the embeddings of N texts, (N, 384); zeros for None."""
        return self._texts.rows(texts)

    def _picture_rows(self, names: Sequence[str]) -> list[Floats]:
        """Compute the mean over frames of each picture or clip; zeros where it cannot be read."""
        rows = []
        for name in names:
            try:
                seen = self._vision(self._frames(name))
            except UnreadableFileError as error:
                log.warning("skipped: %s", error)
                rows.append(np.zeros(FEATURE_DIM + TEXT_DIM, np.float32))
                continue
            mixes = self._conse.pictures(seen.logits)
            rows.append(np.concatenate([seen.features, mixes], axis=1).mean(axis=0))
        return rows

    def _frames(self, name: str) -> NDArray[np.uint8]:
        path, _, edit = name.partition("#")
        if MODALITY_OF.get(Path(path).suffix.lower()) == "video":
            return squashed(load_clip(Path(path), StarterEncoder.media)[0].frames)
        pixels = load_image(Path(path), StarterEncoder.media)[0].pixels
        return squashed((apply_edit(edit, pixels) if edit else pixels)[None])
