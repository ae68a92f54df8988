"""Data sets of captioned photos and clips: Flickr30k, Flickr8k, MSCOCO 5k, MSR-VTT 1k-A, MSVD, DiDeMo, and a manifest.

- Karpathy's splits: `dataset_flickr30k.json`, `dataset_flickr8k.json`, `dataset_coco.json`; five captions per photo.
- `MSRVTT_JSFUSION_test.csv` with video_id and sentence.
- The lists {video, caption} of VindLU and Unmasked Teacher: `msvd_ret_test.json`, in which every caption is a query,
  and `didemo_ret_test.json`, in which the captions of a clip are joined into one paragraph.
- `manifest.jsonl` with path, modality, text, and split if there are several.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.datasets.annotations import find_file, read_json, read_json_lines, read_json_rows, read_table
from benchmarks.datasets.dataset import Dataset, DatasetError, Entry, Media, Question

CaptionedMedia = tuple[str, Media, Sequence[str]]
"""The id, the photo or clip, and its captions."""


def load_flickr30k(folder: Path) -> Dataset:
    """Read Karpathy's 1000 test photos of Flickr30k, in `images/`."""
    return _karpathy(folder, "flickr30k")


def load_flickr8k(folder: Path) -> Dataset:
    """Read Karpathy's 1000 test photos of Flickr8k, in `images/`."""
    return _karpathy(folder, "flickr8k")


def load_coco(folder: Path) -> Dataset:
    """Read Karpathy's 5000 test photos of MSCOCO, in `val2014/`, as the file says."""
    return _karpathy(folder, "coco")


def load_msrvtt(folder: Path) -> Dataset:
    """Read the 1k-A test split, with one sentence per clip; clips are in `videos/` or in the folder itself."""
    table = find_file(folder, "MSRVTT_JSFUSION_test.csv", "annotations/MSRVTT_JSFUSION_test.csv")
    rows = read_table(table, ("video_id", "sentence"))
    return _dataset("msrvtt", ((row["video_id"], _clip(folder, row["video_id"]), [row["sentence"]]) for row in rows))


def load_msvd(folder: Path) -> Dataset:
    """Read the test split; every caption is a query of its own."""
    return _dataset("msvd", _listed(folder, "msvd_ret_test.json"))


def load_didemo(folder: Path) -> Dataset:
    """Read the test split; the captions of a clip are joined into one query."""
    clips = _listed(folder, "didemo_ret_test.json")
    return _dataset("didemo", ((name, clip, [" ".join(captions)]) for name, clip, captions in clips))


def load_manifest(folder: Path) -> Dataset:
    """Read a folder with a `manifest.jsonl`; of splits, `dev` and `test`. The first caption of each item is a query."""
    rows = read_json_lines(find_file(folder, "manifest.jsonl"), ("path", "modality", "text"))
    chosen = [row for row in rows if row.get("split", "test") in ("dev", "test")]
    captions = [[row["text"]] if isinstance(row["text"], str) else row["text"][:1] for row in chosen]
    return _dataset(
        "manifest",
        (
            (row["path"], Media(folder / row["path"], "video" if row["modality"] == "video" else "image"), own)
            for row, own in zip(chosen, captions, strict=True)
        ),
    )


def _karpathy(folder: Path, name: str) -> Dataset:
    path = find_file(folder, f"dataset_{name}.json", f"annotations/dataset_{name}.json")
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise DatasetError(f"{path} has no list `images`")
    photos: list[CaptionedMedia] = []
    for number, row in enumerate(content["images"]):
        if missing := [column for column in ("filename", "split", "sentences") if column not in row]:
            raise DatasetError(f"{path}, image {number + 1} has no {', '.join(missing)}")
        if row["split"] == "test":
            place = folder / row.get("filepath", "images") / row["filename"]
            captions = [_raw(sentence, path, number) for sentence in row["sentences"][:5]]
            photos.append((row["filename"], Media(place, "image"), captions))
    return _dataset(name, photos)


def _raw(sentence: Any, path: Path, number: int) -> str:
    if not isinstance(sentence, dict) or "raw" not in sentence:
        raise DatasetError(f"{path}, image {number + 1}: a sentence has no raw; it is {str(sentence)[:40]!r}")
    return str(sentence["raw"])


def _listed(folder: Path, name: str) -> list[CaptionedMedia]:
    rows = read_json_rows(find_file(folder, name, f"annotations/{name}"), ("video", "caption"))
    captions = [[row["caption"]] if isinstance(row["caption"], str) else row["caption"] for row in rows]
    return [(row["video"], _clip(folder, row["video"]), own) for row, own in zip(rows, captions, strict=True)]


def _clip(folder: Path, name: str) -> Media:
    file_name = name if Path(name).suffix else f"{name}.mp4"
    inside = folder / "videos" / file_name
    return Media(inside if inside.is_file() else folder / file_name, "video")


def _dataset(name: str, things: Iterable[CaptionedMedia]) -> Dataset:
    rows = list(things)
    questions = tuple(
        Question(id=f"{key}-{number}", text=caption, relevant={key: 1.0})
        for key, _, captions in rows
        for number, caption in enumerate(captions)
    )
    return Dataset(name=name, questions=questions, gallery=tuple(Entry(id=key, media=media) for key, media, _ in rows))
