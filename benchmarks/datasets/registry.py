"""The registry of data sets: the origin of each, and the module that reads it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from benchmarks.datasets.dataset import Dataset, DatasetError


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """A data set that can be read.

    Attributes:
        reader: `module:function`; the function takes a folder and returns a `Dataset`.
        origin: where to get it, for messages.
    """

    reader: str
    origin: str


_CAPTIONED = "benchmarks.datasets.captioned"
_VINDLU = "lists of github.com/klauscc/VindLU; clips from the authors"

DATASETS: dict[str, DatasetSource] = {
    "webvid-covr": DatasetSource(
        "benchmarks.datasets.webvid_covr:load",
        "CSV: hub lucas-ventura/WebVid-CoVR; clips: WebVid, by the addresses in its own CSV (many are gone)",
    ),
    "cirr": DatasetSource(
        "benchmarks.datasets.cirr:load", "github.com/Cuberick-Orion/CIRR; photos by the form of NLVR2"
    ),
    "fashioniq": DatasetSource(
        "benchmarks.datasets.fashioniq:load", "github.com/XiaoxiaoGuo/fashion-iq; photos by address"
    ),
    "circo": DatasetSource("benchmarks.datasets.circo:load", "github.com/miccunifi/CIRCO; photos: COCO unlabeled 2017"),
    "msrvtt": DatasetSource(
        f"{_CAPTIONED}:load_msrvtt", "CSV: github.com/ArrowLuo/CLIP4Clip, msrvtt_data; clips: MSR-VTT"
    ),
    "msvd": DatasetSource(f"{_CAPTIONED}:load_msvd", _VINDLU),
    "didemo": DatasetSource(f"{_CAPTIONED}:load_didemo", _VINDLU),
    "flickr30k": DatasetSource(
        f"{_CAPTIONED}:load_flickr30k", "Karpathy's caption_datasets.zip; photos: the Flickr30k form"
    ),
    "flickr8k": DatasetSource(
        f"{_CAPTIONED}:load_flickr8k", "Karpathy's caption_datasets.zip; photos: the Flickr8k form"
    ),
    "coco": DatasetSource(f"{_CAPTIONED}:load_coco", "Karpathy's caption_datasets.zip; photos: COCO val2014"),
    "mmeb": DatasetSource("benchmarks.datasets.mmeb:load", "hub TIGER-Lab/MMEB-eval, with its images.zip unpacked"),
    "vidore": DatasetSource(
        "benchmarks.datasets.vidore:load", "hub vidore/*_test and vidore/*_test_subsampled, or *_beir"
    ),
    "manifest": DatasetSource(
        f"{_CAPTIONED}:load_manifest", "any folder with a manifest.jsonl of path, modality, text"
    ),
    "folder": DatasetSource("benchmarks.datasets.folder:load", "any folder with queries, corpus, qrels (BEIR, mteb)"),
}


def load_dataset(name: str, folder: Path) -> Dataset:
    """Read a data set from a folder.

    Raises:
        ValueError: the name is unknown.
        DatasetError: the folder does not hold the data set; the message says what is missing.
    """
    if name not in DATASETS:
        raise ValueError(f"unknown set {name!r}; known are {', '.join(DATASETS)}")
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder; {name} is from: {DATASETS[name].origin}")
    module, _, function = DATASETS[name].reader.partition(":")
    dataset: Dataset = getattr(import_module(module), function)(folder)
    return dataset


def describe(folder: Path | None) -> list[str]:
    """Return one line per data set: its origin or, given a folder, whether the folder holds it and what is missing."""
    if folder is None:
        return [f"{name:12} {source.origin}" for name, source in DATASETS.items()]
    return [f"{name:12} {_state(name, folder)}" for name in DATASETS]


def _state(name: str, folder: Path) -> str:
    try:
        dataset = load_dataset(name, folder)
    except DatasetError as error:
        return f"no: {error}"
    files = list(dataset.files())
    there = sum(media.path.is_file() for media in files)
    sizes = f"{len(dataset.questions):,} queries, {len(dataset.gallery):,} candidates"
    return f"yes: {sizes}, {there:,} of {len(files):,} files"
