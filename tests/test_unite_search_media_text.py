"""Texts and subtitles to passages."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unite_search.errors import UnreadableFileError
from unite_search.media.text import (
    MAX_WORDS,
    SUBTITLE_SPAN_S,
    Cue,
    Passage,
    group_cues,
    parse_cues,
    passages_of,
    read_beginning,
    read_text,
    split_passages,
)

LARGE = 1 << 20

SRT = """1
00:00:01,000 --> 00:00:02,500
<i>Hello</i> there,
general.

2
00:01:05,250 --> 01:00:00,000
{\\an8}Later.

not a cue

3
00:00:09,000 --> 00:00:08,000
ends before it begins
"""
VTT = """WEBVTT - a title

NOTE nothing

cue-1
00:01.000 --> 00:02.500 align:start
<v Bob>Hello there,</v> general.

01:05.250 --> 01:00:00.000
Later.
"""

texts = st.text(st.sampled_from("ab.!? \n#"), max_size=600)


@given(texts, st.integers(1, 20))
def test_no_word_is_lost_or_moved_and_no_passage_is_long(content: str, max_words: int) -> None:
    passages = list(split_passages(content, max_words=max_words))
    assert " ".join(passages).split() == content.split()
    assert all(1 <= len(passage.split()) <= max_words for passage in passages)


def test_paragraphs_stay_whole_where_they_fit() -> None:
    paragraphs = [" ".join([f"{name}."] * 60) for name in "abcde"]
    passages = list(split_passages("\n\n".join(paragraphs)))
    assert passages == ["\n\n".join(paragraphs[:2]), "\n\n".join(paragraphs[2:4]), paragraphs[4]]


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    sentence = " ".join(["word"] * 29) + " end."
    passages = list(split_passages(" ".join([sentence] * 12)))
    assert all(passage.endswith("end.") for passage in passages)
    assert [len(passage.split()) for passage in passages] == [150, 150, 60]


def test_a_heading_stays_with_what_it_heads() -> None:
    body = " ".join(["word"] * (MAX_WORDS - 4))
    passages = list(split_passages(f"{body}\n\n# Title\n\n## Part\n\nfirst words\n"))
    assert passages == [body, "# Title\n## Part\nfirst words"]


def test_a_word_without_end_is_cut() -> None:
    (passage,) = split_passages("x" * 1_000_000)
    assert len(passage) <= 200


@pytest.mark.parametrize(
    ("encoding", "content"),
    [("utf-8", "Grüße, 日本"), ("utf-8-sig", "Grüße"), ("utf-16", "Grüße 日本"), ("cp1252", "Grüße – „ja“")],
)
def test_encodings(tmp_path: Path, encoding: str, content: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(f"{content}\r\nline".encode(encoding))
    assert read_text(path, max_bytes=LARGE) == f"{content}\nline"


@pytest.mark.parametrize("junk", [b"text\0more", bytes(range(1, 9)) * 20, b"\xff\xfe\0\0\0"])
def test_binary_junk_is_refused(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(junk)
    with pytest.raises(UnreadableFileError, match="binary data"):
        read_beginning(path, LARGE)


def test_a_text_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"a" * (1 << 20) + b"b")
    with pytest.raises(UnreadableFileError, match="larger than 1 MB"):
        read_text(path, max_bytes=1 << 20)


@pytest.mark.parametrize("content", [SRT, SRT.replace("\n", "\r\n"), VTT])
def test_subtitles_of_both_formats(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes(content.encode())
    found = read_text(path, max_bytes=LARGE)
    assert parse_cues(found) == [Cue(1.0, 2.5, "Hello there, general."), Cue(65.25, 3600.0, "Later.")]
    assert list(passages_of(found, ".srt")) == [
        Passage("Hello there, general.", 1.0, 2.5),
        Passage("Later.", 65.25, 3600.0),
    ]


def test_subtitles_without_cues_are_read_as_text() -> None:
    assert list(passages_of("just words", ".srt")) == [Passage("just words")]


@pytest.mark.parametrize(
    ("encoding", "character"), [("utf-8", "é"), ("utf-8", "日"), ("utf-16", "日"), ("cp1252", "é")]
)
def test_the_beginning_of_a_text_ends_with_a_whole_character(tmp_path: Path, encoding: str, character: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes((100 * character).encode(encoding))
    for size in range(20, 30):
        content, rest_bytes = read_beginning(path, size)
        assert content == character * len(content)
        assert 0 <= size - len(content.encode(encoding)) < 4
        assert rest_bytes == path.stat().st_size - size


@given(st.lists(st.tuples(st.floats(0, 500), st.floats(0, 30), st.integers(1, 80))))
def test_groups_of_cues_keep_every_word_and_their_times(drawn: list[tuple[float, float, int]]) -> None:
    cues = sorted((Cue(start, start + length, "w " * words) for start, length, words in drawn), key=lambda c: c.start_s)
    groups = list(group_cues(cues))
    assert sum(len(group.text.split()) for group in groups) == sum(words for _, _, words in drawn)
    for group in groups:
        assert group.start_s is not None
        assert group.end_s is not None
        assert group.end_s - group.start_s <= SUBTITLE_SPAN_S + 1e-6
