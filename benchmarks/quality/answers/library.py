"""Libraries on disk for the benchmark of answers: write photos, captions and notes as files, index them, ask."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.common.photos import Captioned, read_photos
from benchmarks.quality.log_odds import MEASURED_PHOTOS
from unite_search.collection import Collection
from unite_search.encoders.base import Encoder
from unite_search.query import Query, SearchOptions, SearchResult

DATABASE = "db"
_SYNTAX = str.maketrans("", "", '"“”„«»')


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is measured.

    Attributes:
        plain_photos: plain photos of the train split.
        dev_photos: photos of the dev split, at most.
        tiny_sizes: sizes of the small partition.
        tiny_asked: items to ask for at each size, at least.
        plain_asked: plain photos to ask for beside each small partition.
        notes: notes with a code.
        rare_words: rare words to ask for.
        true_captions: captions that are there.
        mix_captions: captions that ask for each item of a mix.
        timed_items: items of the collection whose search time is measured.
        timed_queries: queries to time.
        ingested: files of the timed index runs.
        commands: times that each whole command is run.
    """

    plain_photos: int = 5000
    dev_photos: int = 1000
    tiny_sizes: tuple[int, ...] = (1, 3, 5, 10, 30, 100)
    tiny_asked: int = 100
    plain_asked: int = 200
    notes: int = 300
    rare_words: int = 150
    true_captions: int = 150
    mix_captions: int = 4
    timed_items: int = 100_000
    timed_queries: int = 200
    ingested: int = 2000
    commands: int = 15


SMALL = Scale(
    plain_photos=30,
    dev_photos=60,
    tiny_sizes=(1, 3),
    tiny_asked=3,
    plain_asked=5,
    notes=5,
    rare_words=8,
    true_captions=10,
    mix_captions=1,
    timed_items=300,
    timed_queries=5,
    ingested=30,
    commands=1,
)


@dataclass(frozen=True, slots=True)
class Setting:
    """What every part is given.

    Attributes:
        data: the folder that holds `captioned/`.
        encoder: the encoder to measure.
        folder: folder for libraries and collections.
        scale: how much to measure.
        against: another checkout, with a virtual environment in `.venv`, whose command is timed as well.
    """

    data: Path
    encoder: Encoder
    folder: Path
    scale: Scale
    against: Path | None = None

    def photos(self, split: str) -> list[Captioned]:
        """Return the photos of a split, as many as the scale says."""
        count = self.scale.plain_photos if split == "train" else self.scale.dev_photos
        return read_photos(self.data, split)[:count]

    def unseen(self) -> list[Captioned]:
        """Return the dev photos on which the encoder was not calibrated."""
        return read_photos(self.data, "dev")[MEASURED_PHOTOS:][: self.scale.dev_photos]

    def plain(self, name: str, photos: Sequence[Captioned]) -> Path:
        """Index photos without captions, unless an earlier part has; return the folder with files and collection."""
        folder = self.folder / name
        if not (folder / DATABASE).exists():
            write_photos(folder / "photos", photos)
            with Collection.open(folder / "new", encoder=self.encoder, create=True) as collection:
                collection.index([folder / "photos"])
            (folder / "new").rename(folder / DATABASE)
        return folder

    @contextmanager
    def with_files(self, base: Path | None, files: Path) -> Iterator[Collection]:
        """Copy a collection or make an empty one, index files into it, and remove it at the end."""
        database = self.folder / "copy"
        if base is not None:
            shutil.copytree(base, database)
        try:
            with Collection.open(database, encoder=self.encoder, create=base is None) as collection:
                report = collection.index([files])
                if report.skipped:
                    raise ValueError(f"{report.skipped[0]}: expected that every file of the benchmark can be read")
                collection.refresh()
                yield collection
        finally:
            shutil.rmtree(database, ignore_errors=True)


def write_photos(
    folder: Path, photos: Sequence[Captioned], *, captioned: bool = False, names: Mapping[Path, str] | None = None
) -> list[Path]:
    """Copy photos into a new folder, with their first caption as a sidecar or without; return their paths there.

    Args:
        folder: the folder.
        photos: the photos.
        captioned: write sidecars.
        names: names without suffix, by photo; None to keep those they have.
    """
    folder.mkdir(parents=True)
    written = []
    for photo in photos:
        name = names[photo.path] if names else photo.path.stem
        written.append(Path(shutil.copy(photo.path, folder / f"{name}{photo.path.suffix}")))
        if captioned:
            (folder / f"{name}.txt").write_text(photo.captions[0] + "\n", encoding="utf-8")
    return written


def write_notes(folder: Path, texts: Sequence[str]) -> list[Path]:
    """Write texts as files of their own into a new folder; return their paths."""
    folder.mkdir(parents=True)
    paths = [folder / f"note-{number:04}.txt" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text + "\n", encoding="utf-8")
    return paths


def spoken(caption: str) -> str:
    """Return a caption as a query without syntax: no quotation marks, and no dash before a word."""
    return " ".join(word.lstrip("-") for word in caption.translate(_SYNTAX).split() if word.strip("-"))


def ask(collection: Collection, text: str, k: int = 10, modalities: tuple[str, ...] = ()) -> SearchResult:
    """Search for a text as a user does."""
    return collection.search(Query.of(text), SearchOptions(top_k=k, modalities=modalities))


def finds(collection: Collection, text: str, path: Path, k: int = 10, modalities: tuple[str, ...] = ()) -> bool:
    """Return whether a file is among the first `k` hits for a text."""
    return any(Path(hit.uri) == path for hit in ask(collection, text, k, modalities).hits)


def share(flags: Sequence[float]) -> float:
    """Return the share of true ones, or the mean of shares, rounded for a report."""
    return round(float(np.mean(flags)), 4)
