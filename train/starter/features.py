"""What the frozen towers of the starter say of all training media and texts, computed once and kept on disk."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

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


class Table:
    """Rows of numbers by key, as one file that grows; float16 from the start, so that a run may find them or make them.

    Args:
        path: `.npz` file; it need not exist yet.
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
        """Compute the rows that are not there, a few thousand at a time, and save after each."""
        missing = sorted(set(keys) - self._rows.keys())
        for start in range(0, len(missing), SAVE_EVERY):
            part = missing[start : start + SAVE_EVERY]
            self._rows.update((key, row.astype(np.float16)) for key, row in zip(part, compute(part), strict=True))
            self._save()
            log.info("%s: %d of %d new rows", self._path.name, start + len(part), len(missing))

    def add(self, keys: Sequence[str], rows: Floats) -> None:
        """Put rows in without saving them."""
        self._rows.update(zip(keys, rows, strict=True))

    def rows(self, keys: Sequence[str | None]) -> Floats:
        """(N, dim) float32 of N keys; None is a row of zeros."""
        out = np.zeros((len(keys), self._dim), np.float32)
        for row, key in zip(out, keys, strict=True):
            if key is not None:
                row[:] = self._rows[key]
        return out

    def _save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_name(f".{self._path.name}.{uuid4().hex}.tmp")
        with temporary.open("wb") as stream:
            np.savez(stream, keys=np.array(list(self._rows)), rows=np.stack(list(self._rows.values())))
        temporary.replace(self._path)


class StarterFeatures:
    """Features of photos, clips and texts by name.

    Args:
        folder: of the cache; belongs to one export of the towers.
    """

    def __init__(self, folder: Path) -> None:
        self._look_at = VisionTower(WEIGHTS / "vision.onnx")
        self._read = TextTower(WEIGHTS / "text.onnx", WEIGHTS / "tokenizer.json")
        self._conse = Conse(np.load(WEIGHTS / "classes.npy"))
        self._pictures = Table(folder / "pictures.npz", FEATURE_DIM + TEXT_DIM)
        self._texts = Table(folder / "texts.npz", TEXT_DIM)

    def prepare(self, pictures: Iterable[str], texts: Iterable[str]) -> None:
        """Look at all pictures and read all texts that are not in the cache yet.

        A picture is `path`, or `path#edit` for a photo after an edit. One that cannot be read is logged.
        """
        self._pictures.fill(pictures, self._look)
        self._texts.fill(texts, lambda missing: list(self._read(missing)))

    def add_classes(self, names: Sequence[str], photos: Sequence[str]) -> None:
        """Synthesise pictures of classes, see `train.starter.classes`, from prepared photos; kept in memory only."""
        synthesise = ClassPictures(WEIGHTS / "vision.onnx", self.pictures(photos)[:, :FEATURE_DIM])
        features, logits = synthesise(names)
        self._pictures.add(names, np.concatenate([features, self._conse.pictures(logits)], axis=1))

    def is_readable(self, picture: str) -> bool:
        """Whether a prepared picture could be read."""
        return bool(self._pictures.rows([picture]).any())

    def pictures(self, names: Sequence[str | None]) -> Floats:
        """(N, 1280 + 384): features and class mix; zeros for None."""
        return self._pictures.rows(names)

    def texts(self, texts: Sequence[str | None]) -> Floats:
        """(N, 384); zeros for None."""
        return self._texts.rows(texts)

    def _look(self, names: Sequence[str]) -> list[Floats]:
        rows = []
        for name in names:
            try:
                seen = self._look_at(self._frames(name))
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
