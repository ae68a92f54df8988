"""A collection of unite-search as a training source: what its sidecars say of a photo or a clip, and the file itself.

A clip counts once and whole, however many windows the index cut it into: its caption was written for all of it. What
is said in it, its subtitles, is no caption. Files that are gone since are found out when media are first read.
"""

from __future__ import annotations

from collections.abc import Iterator

from train.config import SourceConfig
from train.data.pairs import Pair, Side
from unite_search.media.sidecars import CAPTION_KEYS
from unite_search.media.uri import uri_to_path

HAS_CAPTION_KEY = " OR ".join(f"json_extract(metadata, '$.{key}') LIKE '\"_%\"'" for key in CAPTION_KEYS)
HAS_CAPTION = f"(recipe NOT LIKE '%.srt:%' OR recipe LIKE '%.txt:%' OR {HAS_CAPTION_KEY})"
CAPTIONED = f"modality != 'text' AND text IS NOT NULL AND (start_s IS NULL OR start_s = 0) AND {HAS_CAPTION}"
"""First items of files with a caption: `recipe` tells which sidecars a file had, and a clip's text may be subtitles."""


def read_collection(source: SourceConfig) -> Iterator[Pair]:
    """Caption to photo, caption to clip; files of the same bytes are right answers of each other's captions.

    Raises:
        CollectionNotFoundError: there is no collection in the folder `path`.
    """
    from unite_search.collection import Collection

    with Collection.open(source.path) as collection:
        for item in collection.items(CAPTIONED):
            path = (str(uri_to_path(item.uri)),)
            shown = Side(videos=path) if item.modality == "video" else Side(images=path)
            caption = (item.text or "").partition("\n")[0]
            yield Pair(query=Side(text=caption), candidate=shown, group=item.content_hash)
