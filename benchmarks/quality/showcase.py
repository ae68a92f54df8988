"""Ask ten example queries of a collection of all clips and dev photos; writes a table and a page of hits.

All steps use the public API, from `index` to the gallery. The page contains photos that may not be published, so it is
written to `build/`, which is not part of the repository.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common.photos import Captioned, read_clips, read_photos
from unite_search.collection import Collection
from unite_search.encoders.base import Encoder
from unite_search.gallery import write_gallery
from unite_search.query import Query, SearchOptions, SearchResult

PAGE = Path("build") / "showcase.html"
TOP = 5

Question = tuple[str, Query, SearchOptions]


def run(data: Path, encoder: Encoder) -> dict[str, Any]:
    """Index the photos and clips, ask all queries, and report the hits."""
    media = {entry.path: entry for entry in [*read_photos(data, "dev"), *read_clips(data)]}
    with tempfile.TemporaryDirectory() as temporary:
        with Collection.open(Path(temporary) / "db", encoder=encoder, create=True) as collection:
            report = collection.index(list(media))
            answers = [(title, query, collection.search(query, how)) for title, query, how in _questions(data)]
        PAGE.parent.mkdir(exist_ok=True)
        write_gallery(PAGE, answers)
    return {
        "indexed": {"files": report.added, "items": report.items, "skipped": len(report.skipped)},
        "gallery": str(PAGE),
        "queries": {title: _hits(result, media) for title, _, result in answers},
    }


def _questions(data: Path) -> list[Question]:
    clips = data / "videos"
    photo = read_photos(data, "dev")[7].path
    anywhere = SearchOptions(top_k=TOP)
    photos = SearchOptions(top_k=TOP, modalities=("image",))
    videos = SearchOptions(top_k=TOP, modalities=("video",))
    return [
        ("a dog running through snow", Query.of("a dog running through snow"), photos),
        ("bicycle", Query.of("bicycle"), photos),
        ("a football player in a red jersey", Query.of("a football player in a red jersey"), photos),
        ("sunset by the sea", Query.of("sunset by the sea"), photos),
        ("someone playing baseball, clips only", Query.of("someone playing baseball"), videos),
        ("a person dancing, clips only", Query.of("a person dancing"), videos),
        ("children on a swing, anything", Query.of("children on a swing"), anywhere),
        ("more like this photo", Query.of(image=photo), photos),
        ("more like this clip", Query.of(video=clips / "yoga.mp4"), anywhere),
        ("this photo, but black and white", Query.of("make it black and white", image=photo), photos),
    ]


def _hits(result: SearchResult, media: dict[Path, Captioned]) -> list[dict[str, Any]]:
    return [
        {
            "rank": hit.rank,
            "score": round(hit.score, 2),
            "file": Path(hit.uri).name,
            "caption_by_people": media[Path(hit.uri)].captions[0],
        }
        for hit in result.hits
    ]
