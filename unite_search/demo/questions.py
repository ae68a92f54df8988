"""What the demo asks: of the drawn library, things with known right answers; of a person's own folder, what fits it."""

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
class Question:
    """One query of the demo, under a title."""

    title: str
    query: Query
    options: SearchOptions = field(default_factory=lambda: SearchOptions(top_k=HITS))


def drawn_questions(library: Path) -> list[Question]:
    """Questions to the drawn library: text, image, video, and composed ones."""
    images = SearchOptions(top_k=HITS, modalities=("image",))
    videos = SearchOptions(top_k=HITS, modalities=("video",))
    street, outdoors, clips = library / "street", library / "outdoors", library / "clips"
    return [
        Question("Text: a red car", Query.of("a red car"), images),
        Question("Text: a hot-air balloon", Query.of("a hot-air balloon")),
        Question("Text in videos: the sun sets behind the sea", Query.of("the sun sets behind the sea"), videos),
        Question("Text: how do I make a fruit salad?", Query.of("how do I make a fruit salad?")),
        Question("Image: more like this apple", Query.of(image=library / "kitchen/apple_red.jpg"), images),
        Question("Video: more like this clip", Query.of(video=clips / "boat_passes.mp4"), videos),
        Question("Image and text: this car, but blue", Query.of("make it blue", image=street / "car_red.jpg"), images),
        Question("Image and text: this boat at night", Query.of("at night", image=outdoors / "boat_white.jpg"), images),
        Question(
            "Image and text: this fish, mirrored",
            Query.of("mirrored", image=library / "garden/goldfish.jpg"),
            images,
        ),
        Question(
            "Video and text: this clip, but at night",
            Query.of("at night", video=clips / "car_drives_red.mp4"),
            videos,
        ),
        Question("Image, found in videos", Query.of(image=outdoors / "lighthouse_night.jpg"), videos),
        Question("Text, with a filter: only the film", Query.of("a fish"), _only(FILM)),
    ]


def own_questions(media: Path, unreadable: Container[Path]) -> list[Question]:
    """Questions to any folder: some general words, and its own first files as examples.

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
    questions = [Question(f"Text: {words}", Query.of(words)) for words in GENERAL_WORDS]
    if "image" in first:
        path = first["image"].path
        questions.append(Question(f"Image: more like {path.name}", Query.of(image=path)))
        questions.append(Question(f"Image and text: {path.name} at night", Query.of("at night", image=path)))
        questions.append(Question(f"Image and text: {path.name}, in blue", Query.of("make it blue", image=path)))
    if "video" in first:
        path = first["video"].path
        questions.append(Question(f"Video: more like {path.name}", Query.of(video=path)))
    return questions


def _files(media: Path) -> Iterator[MediaFile]:
    return (found for found in scan([media], exclude=()) if isinstance(found, MediaFile))


def _only(stem: str) -> SearchOptions:
    return SearchOptions(top_k=HITS, where=f"name LIKE '{stem}%'", group=False)
