"""Read sidecars, the files beside an image or video that describe it: caption, metadata, subtitles.

A sidecar that cannot be read never costs its media file: the reason goes into the report of each run, and into the
metadata as `sidecar_problem`. So does what is not used of a sidecar: a caption that is no text, the end of a long one.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from unite_search import strict_json
from unite_search.errors import UnreadableFileError
from unite_search.media.text import Cue, parse_cues, read_text
from unite_search.media.types import DIGEST_BYTES, Hashes, MediaFile, content_hash

MAX_BYTES = 1 << 20
MAX_CAPTION_WORDS = 200
MAX_CAPTION_CHARACTERS = 20_000
MAX_DEPTH = 32
MAX_INTEGER = 1 << 63
MAX_SUBTITLE_BYTES = 8 << 20
CAPTION_KEYS = ("caption", "text", "title", "description")
PROBLEM_KEY = "sidecar_problem"
UNREAD = "?"
"""The hash of sidecars begins with this while one of them cannot be read, so that later runs try again."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What the sidecars of a file say.

    Attributes:
        caption: the text of the .txt file, else the value of the first caption key in the .json file.
        metadata: the object in the .json file.
        cues: the subtitles in the .srt file.
        problems: what of the sidecars is not used, and why, one line each; it begins with the suffix.
    """

    caption: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    cues: Sequence[Cue] = ()
    problems: tuple[str, ...] = ()

    def text_between(self, start_s: float, end_s: float) -> str | None:
        """Return the caption and the subtitles shown in a window of the video, a line each; None without any."""
        shown = [cue.text for cue in self.cues if cue.start_s < end_s and cue.end_s > start_s]
        lines = [self.caption, " ".join(shown)]
        return "\n".join(line for line in lines if line) or None


def read_sidecars(paths: Sequence[Path]) -> Description:
    """Read the sidecars of one file."""
    found = {path.suffix.lower(): path for path in paths}
    problems: list[str] = []
    caption = _cut(_try(_text, found.get(".txt"), problems) or "", ".txt", problems)
    metadata = _try(_metadata, found.get(".json"), problems) or {}
    cues = _try(_cues, found.get(".srt"), problems) or ()
    caption = caption or _spoken(metadata, problems)
    if problems:
        metadata = {**metadata, PROBLEM_KEY: "; ".join(problems)}
    return Description(caption=caption, metadata=metadata, cues=cues, problems=tuple(problems))


def hash_file(file: MediaFile) -> Hashes:
    """Hash what the items of a file are made of.

    Raises:
        UnreadableFileError: the file is gone, empty, not a regular file, or may not be read.
    """
    return Hashes(content_hash(file.path), hash_sidecars(file.sidecars))


def hash_sidecars(paths: Sequence[Path]) -> str:
    """Hash what sidecars hold, whatever their names and times; empty without any.

    A file that is larger than what is read of it counts by its beginning and its size.
    """
    if not paths:
        return ""
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    mark = ""
    for path in sorted(paths, key=lambda path: (path.suffix.lower(), path.name)):
        digest.update(path.suffix.lower().encode())
        try:
            digest.update(_hash(path))
        except OSError:
            mark = UNREAD
    return mark + digest.hexdigest()


def _hash(path: Path) -> bytes:
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError("not a regular file")
    with path.open("rb") as stream:
        digest.update(stream.read(MAX_SUBTITLE_BYTES))
        if stream.read(1):
            digest.update(str(status.st_size).encode())
    return digest.digest()


def _try(read: Callable[[Path], T], path: Path | None, problems: list[str]) -> T | None:
    if path is None:
        return None
    try:
        return read(path)
    except UnreadableFileError as error:
        problems.append(f"{path.suffix}: {error}")
        return None


def _text(path: Path) -> str:
    return read_text(path, max_bytes=MAX_BYTES)


def _spoken(metadata: dict[str, Any], problems: list[str]) -> str | None:
    """Return the value of the first caption key that holds one."""
    for key in CAPTION_KEYS:
        value = metadata.get(key)
        if isinstance(value, str):
            if caption := _cut(value, ".json", problems):
                return caption
        elif value is not None:
            problems.append(f".json: `{key}` is not a text")
    return None


def _cut(text: str, suffix: str, problems: list[str]) -> str | None:
    """Return the caption that a text holds, cut if it is too long; None for one without words."""
    words = text.split()
    caption = " ".join(words[:MAX_CAPTION_WORDS])
    if len(words) > MAX_CAPTION_WORDS:
        problems.append(f"{suffix}: a caption of {len(words):,} words; only the first {MAX_CAPTION_WORDS} are used")
    elif len(caption) > MAX_CAPTION_CHARACTERS:
        length = f"{suffix}: a caption of {len(caption):,} characters"
        problems.append(f"{length}; only the first {MAX_CAPTION_CHARACTERS:,} are used")
    return caption[:MAX_CAPTION_CHARACTERS] or None


def _metadata(path: Path) -> dict[str, Any]:
    try:
        content = strict_json.loads(read_text(path, max_bytes=MAX_BYTES))
        is_deep = _is_deeper(content, MAX_DEPTH)
        valid_unicode = json.dumps(content, ensure_ascii=False).encode(errors="replace")
    except (ValueError, RecursionError) as error:
        raise UnreadableFileError("not valid JSON") from error
    if not isinstance(content, dict) or is_deep:
        raise UnreadableFileError("not a JSON object" if not is_deep else "nested too deeply")
    return dict(json.loads(valid_unicode, parse_int=_integer))


def _integer(digits: str) -> int | float | None:
    """Read a whole number; one beyond 64 bits as a float, as every store and reader of JSON does."""
    number = int(digits)
    return number if -MAX_INTEGER <= number < MAX_INTEGER else strict_json.finite(digits)


def _is_deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return bool(inner) and (levels == 0 or any(_is_deeper(one, levels - 1) for one in inner))


def _cues(path: Path) -> list[Cue]:
    content = read_text(path, max_bytes=MAX_SUBTITLE_BYTES)
    cues = parse_cues(content)
    if content.strip() and not cues:
        raise UnreadableFileError("no subtitles in it")
    return cues
