"""Readers of published training formats and of captioned collections; each maps its `SourceConfig` to pairs.

Source: the formats are those of friedrichor/UNITE, TIGER-Lab/MMEB-train and lucas-ventura/WebVid-CoVR (Hugging Face),
Cuberick-Orion/CIRR, XiaoxiaoGuo/fashion-iq and rom1504/clip-retrieval (GitHub). The readers
are listed in docs/guides/training.md.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from train.config import SourceConfig
from train.data.mine import TRAIN_SENTENCES, mine
from train.data.pairs import Pair, Side
from train.data.photo_edits import EDIT_WORDINGS
from train.data.rewrite import rewrite
from unite_search.media.sidecars import CAPTION_KEYS
from unite_search.media.uri import uri_to_path
from unite_search.modality import Modality

Reader = Callable[[SourceConfig], Iterator[Pair]]

SPLIT = re.compile(r"(?P<name>[\w-]+)(\[(?P<start>\d*):(?P<end>\d*)\])?")
MMEB_IMAGE = "<|image_1|>"
HAS_CAPTION_KEY = " OR ".join(f"json_extract(metadata, '$.{key}') LIKE '\"_%\"'" for key in CAPTION_KEYS)
HAS_CAPTION = f"(recipe NOT LIKE '%.srt:%' OR recipe LIKE '%.txt:%' OR {HAS_CAPTION_KEY})"
CAPTIONED = f"modality != 'text' AND text IS NOT NULL AND (start_s IS NULL OR start_s = 0) AND {HAS_CAPTION}"
"""Selects the first item of each file that has a caption; `recipe` lists the sidecars, some of which are subtitles."""


def read_pairs(source: SourceConfig) -> list[Pair]:
    """Read one source.

    Raises:
        ValueError: the kind is unknown, or the source is empty or does not have the format of its kind.
    """
    if source.kind not in SOURCES:
        raise ValueError(f"unknown kind of source {source.kind!r}; known are {', '.join(sorted(SOURCES))}")
    try:
        pairs = list(SOURCES[source.kind](source))
    except json.JSONDecodeError as error:
        raise ValueError(f"{source.path} is not JSON: {error}") from error
    except KeyError as error:
        raise ValueError(f"{source.path} is no source of kind {source.kind!r}: an entry lacks {error}") from error
    if not pairs:
        raise ValueError(f"{source.path} holds no pairs of split {source.split!r}")
    return pairs


def captioned(source: SourceConfig) -> list[tuple[str, list[str]]]:
    """Read path and captions of every photo of a split of a `manifest.jsonl`; `train[:5000]` is part of a split.

    Raises:
        ValueError: the split is neither a name nor a name with a range.
    """
    match = SPLIT.fullmatch(source.split)
    if match is None:
        raise ValueError(f"split is {source.split!r}; expected a name, or name[start:end]")
    start, end = (int(number) if number else None for number in (match["start"], match["end"]))
    entries = map(json.loads, Path(source.path).read_text(encoding="utf-8").splitlines())
    chosen = [entry for entry in entries if entry["split"] == match["name"]][start:end]
    return [(_media(source, entry["path"]), entry["text"]) for entry in chosen]


def _captions(source: SourceConfig) -> Iterator[Pair]:
    """Yield caption to photo."""
    for path, captions in captioned(source):
        for caption in captions:
            yield Pair(query=Side(text=caption), candidate=Side(images=(path,)), group=path)


def _photos(source: SourceConfig) -> Iterator[Pair]:
    """Yield photo to caption."""
    for pair in _captions(source):
        yield Pair(query=pair.candidate, candidate=pair.query, group=pair.group)


def _paraphrases(source: SourceConfig) -> Iterator[Pair]:
    """Yield caption to the next caption of the same photo."""
    for path, captions in captioned(source):
        for one, other in pairwise(captions):
            yield Pair(query=Side(text=one), candidate=Side(text=other), group=path)


def _classes(source: SourceConfig) -> Iterator[Pair]:
    """Yield the name of an ImageNet class to its synthetic picture, see `train.starter.classes`; `path` is not read."""
    from train.data.class_names import class_texts

    for picture, text in class_texts():
        yield Pair(query=Side(text=text), candidate=Side(images=(picture,)), group=picture.rpartition(":")[0])


def _mined(source: SourceConfig) -> Iterator[Pair]:
    """Yield a photo and a sentence that changes one word of its caption, to a photo with the changed caption."""
    photos = captioned(source)
    for triplet in mine([captions for _, captions in photos], TRAIN_SENTENCES):
        (reference, _), (target, _) = photos[triplet.reference], photos[triplet.target]
        yield Pair(query=Side(text=triplet.edit, images=(reference,)), candidate=Side(images=(target,)), group=target)


def _rewritten(source: SourceConfig) -> Iterator[Pair]:
    """Yield a photo and a sentence that changes one word of its caption, to the changed caption."""
    photos = captioned(source)
    for found in rewrite([captions for _, captions in photos]):
        query = Side(text=found.edit, images=(photos[found.photo][0],))
        yield Pair(query=query, candidate=Side(text=found.caption), group=found.caption)


def _edits(source: SourceConfig) -> Iterator[Pair]:
    """Yield a photo and a request such as "make it red", to the edited photo; photos take the wordings in turn."""
    requests = [(edit, wording) for edit, wordings in EDIT_WORDINGS.items() for wording in wordings]
    for number, (path, _) in enumerate(captioned(source)):
        edit, wording = requests[number % len(requests)]
        yield Pair(query=Side(text=wording, images=(path,)), candidate=Side(images=(f"{path}#{edit}",)))


def _unite(source: SourceConfig) -> Iterator[Pair]:
    """Read the training JSON of friedrichor/UNITE."""
    for entry in json.loads(Path(source.path).read_text(encoding="utf-8")):
        target = entry.get("target_modal")
        yield Pair(
            query=_unite_side(source, entry["query"]),
            candidate=_unite_side(source, entry["candidate"]),
            negative=_unite_side(source, entry["negative"]) if entry.get("negative") else None,
            target=Modality.from_partition(target.replace(",", "+")) if target else None,
        )


def _unite_side(source: SourceConfig, entry: dict[str, Any]) -> Side:
    images, videos = (entry.get(kind) or [] for kind in ("image", "video"))
    return Side(
        text=entry.get("text") or "",
        images=tuple(_media(source, path) for path in ([images] if isinstance(images, str) else images)),
        videos=tuple(_media(source, path) for path in ([videos] if isinstance(videos, str) else videos)),
    )


def _mmeb(source: SourceConfig) -> Iterator[Pair]:
    """Read the parquet files of TIGER-Lab/MMEB-train."""
    for row in _parquet(source.path):
        sides = {
            kind: Side(
                text=(row.get(text) or "").replace(MMEB_IMAGE, "<|IMAGE|>").strip(),
                images=(_media(source, row[image]),) if row.get(image) else (),
            )
            for kind, text, image in (
                ("query", "qry", "qry_image_path"),
                ("candidate", "pos_text", "pos_image_path"),
                ("negative", "neg_text", "neg_image_path"),
            )
        }
        negative = sides["negative"] if sides["negative"].modalities else None
        yield Pair(query=sides["query"], candidate=sides["candidate"], negative=negative)


def _covr(source: SourceConfig) -> Iterator[Pair]:
    """Read the CSV of WebVid-CoVR: a video and an edit, to a video."""
    with Path(source.path).open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            one, other = (_media(source, f"{row[name]}.mp4") for name in ("pth1", "pth2"))
            yield Pair(query=Side(text=row["edit"], videos=(one,)), candidate=Side(videos=(other,)), group=other)


def _cirr(source: SourceConfig) -> Iterator[Pair]:
    """Read the captions JSON of CIRR; the folder `media` holds `<name>.png`."""
    for row in json.loads(Path(source.path).read_text(encoding="utf-8")):
        one, other = (_media(source, f"{row[name]}.png") for name in ("reference", "target_hard"))
        yield Pair(query=Side(text=row["caption"], images=(one,)), candidate=Side(images=(other,)), group=other)


def _fashioniq(source: SourceConfig) -> Iterator[Pair]:
    """Read the captions JSON of FashionIQ, whose `candidate` is the reference; two captions are joined by "and"."""
    for row in json.loads(Path(source.path).read_text(encoding="utf-8")):
        one, other = (_media(source, f"{row[name]}.png") for name in ("candidate", "target"))
        text = " and ".join(row["captions"])
        yield Pair(query=Side(text=text, images=(one,)), candidate=Side(images=(other,)), group=other)


def _clip_retrieval(source: SourceConfig) -> Iterator[Pair]:
    """Read the metadata parquet of clip-retrieval: `caption` and `image_path`."""
    for row in _parquet(source.path):
        path = _media(source, row["image_path"])
        yield Pair(query=Side(text=row["caption"]), candidate=Side(images=(path,)), group=path)


def _collection(source: SourceConfig) -> Iterator[Pair]:
    """Read a collection of unite-search: caption to photo, caption to clip.

    Captions come from sidecars; subtitles are not captions. A clip counts once, as a whole, however many segments the
    index made of it, because its caption describes all of it. Files with the same bytes are right answers of each
    other's captions. Files that no longer exist are noticed only when media are read.

    Raises:
        CollectionNotFoundError: there is no collection in the folder `path`.
    """
    from unite_search.collection import Collection

    with Collection.open(source.path) as collection:
        for item in collection.items(CAPTIONED):
            path = (str(uri_to_path(item.uri)),)
            candidate = Side(videos=path) if item.modality == "video" else Side(images=path)
            caption = (item.text or "").partition("\n")[0]
            yield Pair(query=Side(text=caption), candidate=candidate, group=item.content_hash)


def _parquet(path: str) -> Iterator[dict[str, Any]]:
    from pyarrow import dataset

    for batch in dataset.dataset(path, format="parquet").to_batches():
        yield from batch.to_pylist()


def _media(source: SourceConfig, path: str) -> str:
    return str(Path(source.media or Path(source.path).parent) / path)


SOURCES: dict[str, Reader] = {
    "captions": _captions,
    "photos": _photos,
    "paraphrases": _paraphrases,
    "classes": _classes,
    "mined": _mined,
    "rewritten": _rewritten,
    "edits": _edits,
    "unite": _unite,
    "mmeb": _mmeb,
    "covr": _covr,
    "cirr": _cirr,
    "fashioniq": _fashioniq,
    "clip-retrieval": _clip_retrieval,
    "collection": _collection,
}
