"""Split text files into passages, and subtitles into timed passages.

A passage is about as long as what a sentence encoder reads (256 tokens), cut at paragraphs, else at sentences, else at
words. A Markdown heading stays with the paragraph below it. Markup inside a line is left as it is.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from unite_search.errors import UnreadableFileError
from unite_search.media.reasons import reason_of

SUBTITLE_SUFFIXES = (".srt", ".vtt")
MAX_WORDS = 160
MAX_WORD_CHARACTERS = 200
SUBTITLE_WORDS = 60
SUBTITLE_SPAN_S = 60.0
MAX_CONTROL_SHARE = 0.05

_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])\s+")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_TIME = r"(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_CUE_TIMES = re.compile(rf"^\s*{_TIME}\s*-->\s*{_TIME}")
_CUE_MARKUP = re.compile(r"<[^>\n]{0,100}>|\{\\[^}\n]{0,100}\}")


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle: its text, and the seconds in which it is shown."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of text; one from subtitles has times."""

    text: str
    start_s: float | None = None
    end_s: float | None = None


def passages_of(content: str, suffix: str) -> Iterator[Passage]:
    """Split the content of a text or subtitle file into passages, in order."""
    if suffix in SUBTITLE_SUFFIXES and (cues := parse_cues(content)):
        return group_cues(cues)
    return map(Passage, split_passages(content))


def read_text(path: Path, *, max_bytes: int) -> str:
    """Read a text file, see `read_beginning`.

    Raises:
        UnreadableFileError: the file cannot be read, is larger than `max_bytes`, or is not text.
    """
    content, rest_bytes = read_beginning(path, max_bytes)
    if rest_bytes:
        raise UnreadableFileError(f"larger than {max_bytes >> 20} MB of text")
    return content


def read_beginning(path: Path, max_bytes: int) -> tuple[str, int]:
    """Read a text file up to a size, decoded by its byte order mark, else as UTF-8, else as Windows-1252.

    Returns:
        The text, and how many bytes follow it.

    Raises:
        UnreadableFileError: the file cannot be read, or is not text.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(max_bytes)
            rest_bytes = max(0, os.fstat(stream.fileno()).st_size - len(raw))
    except OSError as error:
        raise UnreadableFileError(reason_of(error)) from error
    content = _decode(raw, is_whole=not rest_bytes)
    if "\0" in content or len(_CONTROL.findall(content)) > MAX_CONTROL_SHARE * len(content):
        raise UnreadableFileError("binary data, not text")
    return content.replace("\r\n", "\n").replace("\r", "\n"), rest_bytes


def split_passages(content: str, *, max_words: int = MAX_WORDS) -> Iterator[str]:
    """Split text into passages of at most `max_words` words, keeping paragraphs together where they fit."""
    passage: list[str] = []
    words = 0
    for block in _blocks(content):
        for piece, length in _pieces(block, max_words):
            if passage and words + length > max_words:
                yield "\n\n".join(passage)
                passage, words = [], 0
            passage.append(piece)
            words += length
    if passage:
        yield "\n\n".join(passage)


def parse_cues(content: str) -> list[Cue]:
    """Read SubRip or WebVTT cues, sorted by start; malformed cues are skipped."""
    cues = []
    for block in re.split(r"\n[ \t]*\n", content):
        lines = block.strip("\n").split("\n")
        for number, line in enumerate(lines):
            if times := _CUE_TIMES.match(line):
                start_s, end_s = _seconds(times.groups()[:4]), _seconds(times.groups()[4:])
                text = " ".join(_CUE_MARKUP.sub("", " ".join(lines[number + 1 :])).split())
                if text and end_s >= start_s:
                    cues.append(Cue(start_s, end_s, text))
                break
    return sorted(cues, key=lambda cue: cue.start_s)


def group_cues(cues: Iterable[Cue]) -> Iterator[Passage]:
    """Join neighbouring cues into passages of at most `SUBTITLE_SPAN_S` seconds and about `SUBTITLE_WORDS` words."""
    group: list[Cue] = []
    words = 0
    for cue in cues:
        length = len(cue.text.split())
        if group and (words + length > SUBTITLE_WORDS or cue.end_s - group[0].start_s > SUBTITLE_SPAN_S):
            yield _joined(group)
            group, words = [], 0
        group.append(cue)
        words += length
    if group:
        yield _joined(group)


def _decode(raw: bytes, *, is_whole: bool) -> str:
    """Decode bytes; of a beginning, the last character may be incomplete and is left out."""
    encoding = next((name for bom, name in _BOMS.items() if raw.startswith(bom)), "utf-8")
    try:
        return codecs.getincrementaldecoder(encoding)().decode(raw, final=is_whole)
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def _blocks(content: str) -> Iterator[str]:
    """Yield the paragraphs, each with the headings above it."""
    headings: list[str] = []
    for block in re.split(r"\n[ \t]*\n", content):
        paragraph = "\n".join(line.strip() for line in block.strip().split("\n"))
        if not paragraph:
            continue
        headings.append(paragraph)
        if not (paragraph.startswith("#") and "\n" not in paragraph):
            yield "\n".join(headings)
            headings = []
    if headings:
        yield "\n".join(headings)


def _pieces(block: str, max_words: int) -> Iterator[tuple[str, int]]:
    """Yield a block and its word count; a block that is too long is split at sentences, then at words."""
    length = len(block.split())
    if length <= max_words and len(block) <= max_words * MAX_WORD_CHARACTERS:
        yield block, length
        return
    piece: list[str] = []
    for sentence in _SENTENCE_END.split(block):
        words = [word[:MAX_WORD_CHARACTERS] for word in sentence.split()]
        if piece and len(piece) + len(words) > max_words:
            yield " ".join(piece), len(piece)
            piece = []
        piece += words
        for start in range(0, len(piece) - max_words, max_words):
            yield " ".join(piece[start : start + max_words]), max_words
        piece = piece[(len(piece) - 1) // max_words * max_words :]
    if piece:
        yield " ".join(piece), len(piece)


def _joined(group: Sequence[Cue]) -> Passage:
    text = " ".join(cue.text for cue in group)
    return Passage(text, group[0].start_s, max(cue.end_s for cue in group))


def _seconds(fields: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = (field or "0" for field in fields)
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}")
