"""Captions, metadata and subtitles beside a media file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from unite_search.media.sidecars import PROBLEM_KEY, read_sidecars

SRT = "1\n00:00:01,000 --> 00:00:03,000\nfirst\n\n2\n00:00:03,000 --> 00:00:05,000\nsecond\n"


def put(folder: Path, **contents: str | bytes) -> list[Path]:
    paths = []
    for suffix, content in contents.items():
        path = folder / f"a.{suffix}"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        paths.append(path)
    return paths


def test_the_text_is_the_caption_and_the_json_the_metadata(tmp_path: Path) -> None:
    said = read_sidecars(put(tmp_path, txt="a red\n car ", json='{"caption": "other", "n": 1}'))
    assert said.caption == "a red car"
    assert said.metadata == {"caption": "other", "n": 1}


@pytest.mark.parametrize(
    ("content", "caption"),
    [
        ({"title": "t", "description": "d"}, "t"),
        ({"caption": 3, "text": " ", "description": "d"}, "d"),
        ({"tags": ["x"]}, None),
    ],
)
def test_without_a_text_the_json_may_hold_the_caption(tmp_path: Path, content: object, caption: str | None) -> None:
    assert read_sidecars(put(tmp_path, json=json.dumps(content))).caption == caption


def test_subtitles_go_to_the_windows_they_overlap(tmp_path: Path) -> None:
    said = read_sidecars(put(tmp_path, txt="caption", srt=SRT))
    assert said.text_between(0, 1) == "caption"
    assert said.text_between(0, 3) == "caption\nfirst"
    assert said.text_between(2, 4) == "caption\nfirst second"
    assert read_sidecars(put(tmp_path, srt=SRT)).text_between(5, 9) is None


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{broken", ".json: not valid JSON"),
        ("[1, 2]", ".json: not a JSON object"),
        (b"\0\1\2", ".json: binary data, not text"),
        ("[" * 100_000, ".json: not valid JSON"),
        ('{"a":' * 40 + "{}" + "}" * 40, ".json: nested too deeply"),
        ("9" * 10_000, ".json: not valid JSON"),
    ],
)
def test_a_bad_sidecar_is_visible_and_costs_nothing_else(tmp_path: Path, content: str | bytes, problem: str) -> None:
    said = read_sidecars(put(tmp_path, txt="caption", json=content))
    assert said.caption == "caption"
    assert said.metadata == {PROBLEM_KEY: problem}


@pytest.mark.parametrize(
    ("content", "caption", "problem"),
    [
        ({"caption": 5}, None, ".json: `caption` is not a text"),
        ({"text": ["a"], "title": "t", "description": 3}, "t", ".json: `text` is not a text"),
        ({"caption": None, "title": "t"}, "t", None),
        ({"caption": "w " * 200}, "w " * 199 + "w", None),
        ({"caption": "w " * 1201}, "w " * 199 + "w", ".json: a caption of 1,201 words; only the first 200 are used"),
        (
            {"caption": "w" * 30_000},
            "w" * 20_000,
            ".json: a caption of 30,000 characters; only the first 20,000 are used",
        ),
    ],
)
def test_what_of_a_caption_is_not_used_is_named(
    tmp_path: Path, content: dict[str, object], caption: str | None, problem: str | None
) -> None:
    said = read_sidecars(put(tmp_path, json=json.dumps(content)))
    assert (said.caption, said.problems) == (caption, (problem,) if problem else ())
    assert said.metadata == {**content, **({PROBLEM_KEY: problem} if problem else {})}
    if isinstance(text := content.get("caption"), str):
        (tmp_path / "a.json").unlink()
        said = read_sidecars(put(tmp_path, txt=text))
        assert (said.caption, said.problems) == (caption, (problem.replace(".json", ".txt"),) if problem else ())


def test_a_caption_key_that_is_not_needed_may_be_anything(tmp_path: Path) -> None:
    assert read_sidecars(put(tmp_path, txt="caption", json='{"caption": 5}')).problems == ()


def test_what_json_allows_and_stores_do_not_is_mended(tmp_path: Path) -> None:
    said = read_sidecars(put(tmp_path, json='{"caption": "a \\ud800 b", "x": NaN, "y": [Infinity]}'))
    assert said.caption == "a ? b"
    assert said.metadata == {"caption": "a ? b", "x": None, "y": [None]}


def test_a_sidecar_that_vanished_is_named(tmp_path: Path) -> None:
    said = read_sidecars([tmp_path / "gone.txt"])
    assert said.caption is None
    assert said.metadata == {PROBLEM_KEY: ".txt: vanished while indexing"}
