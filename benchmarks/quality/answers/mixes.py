"""Measure the mixes of `benchmarks.quality.mixed` by the whole search, which looks words up as well.

The corpora, the queries and the measure are those of `mixed`, which compares ways of merging the same ranked lists; its
numbers for these mixes are the limits here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.common.photos import Captioned
from benchmarks.quality.answers.library import Setting, finds, share, spoken, write_notes, write_photos
from benchmarks.quality.mixed import TOP, mixes
from unite_search.collection import Collection
from unite_search.query import Query, SearchOptions


def run(setting: Setting) -> dict[str, Any]:
    """Measure the share of queries whose right item is among the first ten, for each mix."""
    results = {}
    for number, (name, (pictures, captions)) in enumerate(mixes(setting.photos("dev")).items()):
        folder = setting.folder / "mixes" / str(number)
        photos = write_photos(folder / "photos", pictures)
        notes = write_notes(folder / "notes", [item.captions[0] for item in captions])
        with setting.with_files(None, folder) as collection:
            of_photos = _by_captions(collection, pictures, photos, setting.scale.mix_captions)
            of_notes = _by_captions(collection, captions, notes, setting.scale.mix_captions)
            results[name] = {
                "caption_asks": share(of_photos + of_notes),
                "caption_asks_for_a_photo": share(of_photos),
                "caption_asks_for_a_caption": share(of_notes),
                "photo_asks_for_its_caption": share(_by_photos(collection, captions, notes)),
            }
    return {"captions_of_an_item": setting.scale.mix_captions, "depth": TOP, **results}


def _by_captions(
    collection: Collection, items: Sequence[Captioned], paths: Sequence[Path], captions: int
) -> list[bool]:
    """Ask for each item by the captions behind its first one."""
    return [
        finds(collection, spoken(caption), path, TOP)
        for item, path in zip(items, paths, strict=True)
        for caption in item.captions[1 : 1 + captions]
    ]


def _by_photos(collection: Collection, items: Sequence[Captioned], paths: Sequence[Path]) -> list[bool]:
    """Ask for each caption by its photo, which is not in the collection."""
    options = SearchOptions(top_k=TOP)
    answers = [collection.search(Query.of(image=item.path), options) for item in items]
    return [any(Path(hit.uri) == path for hit in answer.hits) for answer, path in zip(answers, paths, strict=True)]
