"""Read sidecars, the files beside an image or video that describe it: caption, metadata, subtitles.

A sidecar that cannot be read never costs its media file: the reason goes into the metadata as `sidecar_problem`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from unite_search.errors import UnreadableFileError
from unite_search.media.text import Cue, parse_cues, read_text

MAX_BYTES = 1 << 20
MAX_CAPTION_WORDS = 200
MAX_DEPTH = 32
MAX_SUBTITLE_BYTES = 8 << 20
CAPTION_KEYS = ("caption", "text", "title", "description")
PROBLEM_KEY = "sidecar_problem"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What the sidecars of a file say.

    Attributes:
        caption: the text of the .txt file, else the value of the first caption key in the .json file.
        metadata: the object in the .json file.
        cues: the subtitles in the .srt file.
    """

    caption: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    cues: Sequence[Cue] = ()

    def text_between(self, start_s: float, end_s: float) -> str | None:
        """Return the caption and the subtitles shown in a window of the video, a line each; None without any."""
        shown = [cue.text for cue in self.cues if cue.start_s < end_s and cue.end_s > start_s]
        lines = [self.caption, " ".join(shown)]
        return "\n".join(line for line in lines if line) or None


def read_sidecars(paths: Sequence[Path]) -> Description:
    """Read the sidecars of one file."""
    found = {path.suffix.lower(): path for path in paths}
    problems: list[str] = []
    caption = _try(_caption, found.get(".txt"), problems)
    metadata = _try(_metadata, found.get(".json"), problems) or {}
    cues = _try(_cues, found.get(".srt"), problems) or ()
    if caption is None:
        spoken = (metadata.get(key) for key in CAPTION_KEYS)
        caption = next((_cut(value) for value in spoken if isinstance(value, str) and value.strip()), None)
    if problems:
        metadata = {**metadata, PROBLEM_KEY: "; ".join(problems)}
    return Description(caption=caption, metadata=metadata, cues=cues)


def _try(read: Callable[[Path], T], path: Path | None, problems: list[str]) -> T | None:
    if path is None:
        return None
    try:
        return read(path)
    except UnreadableFileError as error:
        problems.append(f"{path.suffix}: {error}")
        return None


def _caption(path: Path) -> str | None:
    return _cut(read_text(path, max_bytes=MAX_BYTES))


def _cut(caption: str) -> str | None:
    return " ".join(caption.split()[:MAX_CAPTION_WORDS]) or None


def _metadata(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_text(path, max_bytes=MAX_BYTES), parse_constant=lambda _: None)
        is_deep = _is_deeper(content, MAX_DEPTH)
        valid_unicode = json.dumps(content, ensure_ascii=False).encode(errors="replace")
    except (ValueError, RecursionError) as error:
        raise UnreadableFileError("not valid JSON") from error
    if not isinstance(content, dict) or is_deep:
        raise UnreadableFileError("not a JSON object" if not is_deep else "nested too deeply")
    return dict(json.loads(valid_unicode))


def _is_deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return bool(inner) and (levels == 0 or any(_is_deeper(one, levels - 1) for one in inner))


def _cues(path: Path) -> list[Cue]:
    return parse_cues(read_text(path, max_bytes=MAX_SUBTITLE_BYTES))
