"""The queries of the demo: for the drawn library, ones with known answers; for the user's own folder, general ones."""

from __future__ import annotations

from collections.abc import Collection as Container
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from unite_search.demo.library import FILM
from unite_search.media.scan import scan
from unite_search.media.types import MediaFile
from unite_search.modality import ModalityName
from unite_search.query import Query, SearchOptions

HITS = 6
GENERAL_WORDS = ("people outdoors", "an animal", "food on a table", "a street at night", "water and sky")


@dataclass(frozen=True, slots=True)
class DemoQuestion:
    """One query of the demo, its options, and the title to show it under."""

    title: str
    query: Query
    options: SearchOptions = field(default_factory=lambda: SearchOptions(top_k=HITS))


def drawn_questions(library: Path) -> list[DemoQuestion]:
    """Return the queries for the drawn library: by text, image and video, and composed ones."""
    images = SearchOptions(top_k=HITS, modalities=("image",))
    videos = SearchOptions(top_k=HITS, modalities=("video",))
    street, outdoors, clips = library / "street", library / "outdoors", library / "clips"
    return [
        DemoQuestion("Text: a red car", Query.of("a red car"), images),
        DemoQuestion("Text: a hot-air balloon", Query.of("a hot-air balloon")),
        DemoQuestion("Text in videos: the sun sets behind the sea", Query.of("the sun sets behind the sea"), videos),
        DemoQuestion("Text: how do I make a fruit salad?", Query.of("how do I make a fruit salad?")),
        DemoQuestion("Image: more like this apple", Query.of(image=library / "kitchen/apple_red.jpg"), images),
        DemoQuestion("Video: more like this clip", Query.of(video=clips / "boat_passes.mp4"), videos),
        DemoQuestion(
            "Image and text: this car, but blue", Query.of("make it blue", image=street / "car_red.jpg"), images
        ),
        DemoQuestion(
            "Image and text: this boat at night", Query.of("at night", image=outdoors / "boat_white.jpg"), images
        ),
        DemoQuestion(
            "Image and text: this fish, mirrored",
            Query.of("mirrored", image=library / "garden/goldfish.jpg"),
            images,
        ),
        DemoQuestion(
            "Video and text: this clip, but at night",
            Query.of("at night", video=clips / "car_drives_red.mp4"),
            videos,
        ),
        DemoQuestion("Image, found in videos", Query.of(image=outdoors / "lighthouse_night.jpg"), videos),
        DemoQuestion("Text, with a filter: only the film", Query.of("a fish"), _only(FILM)),
    ]


def own_questions(media: Path, unreadable: Container[Path]) -> list[DemoQuestion]:
    """Return queries for any folder: some general words, and its own first files as examples.

    Args:
        media: the folder.
        unreadable: files that cannot serve as examples.
    """
    first: dict[ModalityName, MediaFile] = {}
    for found in _files(media):
        if found.path not in unreadable:
            first.setdefault(found.modality, found)
        if {"image", "video"} <= first.keys():
            break
    questions = [DemoQuestion(f"Text: {words}", Query.of(words)) for words in GENERAL_WORDS]
    if "image" in first:
        path = first["image"].path
        questions.append(DemoQuestion(f"Image: more like {path.name}", Query.of(image=path)))
        questions.append(DemoQuestion(f"Image and text: {path.name} at night", Query.of("at night", image=path)))
        questions.append(DemoQuestion(f"Image and text: {path.name}, in blue", Query.of("make it blue", image=path)))
    if "video" in first:
        path = first["video"].path
        questions.append(DemoQuestion(f"Video: more like {path.name}", Query.of(video=path)))
    return questions


def _files(media: Path) -> Iterator[MediaFile]:
    return (found for found in scan([media], exclude=()) if isinstance(found, MediaFile))


def _only(stem: str) -> SearchOptions:
    return SearchOptions(top_k=HITS, where=f"name LIKE '{stem}%'", group_by="item")
