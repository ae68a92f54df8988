"""One file to facts and drafts."""

from __future__ import annotations

import json
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from drawn_media import (
    MILLISECOND,
    corner_colours,
    found,
    frame_numbers,
    is_close,
    numbered_frames,
    quadrants,
    write_audio,
    write_clip,
    write_huge_png,
)

from unite_search.content import Clip, Image, MediaSpec, UniformFrames
from unite_search.errors import UnreadableFileError
from unite_search.media.read import read_file
from unite_search.media.types import Draft, Facts, MediaFile, ReadOptions
from unite_search.modality import ModalityName

OPTIONS = ReadOptions(media=MediaSpec(image_side=24, frame_side=24, sampler=UniformFrames(4)))
SRT = "1\n00:00:01,000 --> 00:00:02,000\nearly\n\n2\n00:00:08,500 --> 00:00:09,000\nlate\n"


def read(file: MediaFile, options: ReadOptions = OPTIONS) -> tuple[Facts, list[Draft]]:
    facts, *drafts = read_file(file, options)
    assert isinstance(facts, Facts)
    return facts, [draft for draft in drafts if isinstance(draft, Draft)]


def put(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def test_an_image_alone_and_with_its_sidecars(tmp_path: Path) -> None:
    quadrants(128, 96).save(tmp_path / "a.png")
    facts, (draft,) = read(found(tmp_path / "a.png", "image"))
    assert facts == Facts(width=128, height=96)
    (image,) = draft.content.parts
    assert isinstance(image, Image)
    assert image.pixels.shape == (24, 32, 3)
    assert (draft.text, draft.start_s, draft.end_s) == (None, None, None)
    beside = [put(tmp_path / "a.json", json.dumps({"stars": 5})), put(tmp_path / "a.txt", "four squares\n")]
    facts, (draft,) = read(found(tmp_path / "a.png", "image", *beside))
    assert facts.metadata == {"stars": 5}
    assert draft.content.parts[0] == draft.text == "four squares"
    assert draft.content.modalities.partition == "text+image"


def test_a_short_clip_is_one_item(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", numbered_frames(20))
    facts, (draft,) = read(found(path, "video"))
    assert (facts.width, facts.height) == (64, 48)
    assert facts.duration_s == pytest.approx(2.0, abs=0.01)
    (clip,) = draft.content.parts
    assert isinstance(clip, Clip)
    assert clip.frames.shape == (4, 24, 32, 3)
    assert frame_numbers(clip.frames, 20) == [2, 7, 12, 17]
    assert (draft.start_s, draft.end_s) == (0.0, facts.duration_s)


def test_a_long_clip_is_cut_and_each_part_gets_its_subtitles(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", numbered_frames(100))
    beside = [put(tmp_path / "a.srt", SRT), put(tmp_path / "a.txt", "fading")]
    options = ReadOptions(media=OPTIONS.media, segments=4.0)
    _, drafts = read(found(path, "video", *beside), options)
    assert [draft.text for draft in drafts] == ["fading\nearly", "fading", "fading\nlate"]
    spans: list[tuple[float, float]] = []
    for draft in drafts:
        clip = draft.content.parts[1]
        assert isinstance(clip, Clip)
        assert draft.start_s is not None
        assert draft.end_s is not None
        assert draft.start_s <= clip.times_s[0] <= clip.times_s[-1] < draft.end_s
        spans.append((draft.start_s, draft.end_s))
        assert np.allclose(np.array(frame_numbers(clip.frames, 100)) / 10, clip.times_s, atol=0.11)
    assert all(first[1] > second[0] for first, second in pairwise(spans))
    (whole,) = read(found(path, "video"), ReadOptions(media=OPTIONS.media, segments="none"))[1]
    assert whole.start_s == 0.0
    assert whole.end_s == pytest.approx(10.0, abs=0.01)


def test_key_frames_only(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", numbered_frames(40), gop=20)
    options = ReadOptions(media=OPTIONS.media, keyframes_only=True)
    (draft,) = read(found(path, "video"), options)[1]
    clip = draft.content.parts[0]
    assert isinstance(clip, Clip)
    assert frame_numbers(clip.frames, 40) == [0, 20]


def test_a_gif_is_a_clip_when_it_moves(tmp_path: Path) -> None:
    frames = [PIL.Image.fromarray(frame) for frame in numbered_frames(5)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:], duration=200)
    frames[0].save(tmp_path / "still.gif")
    facts, (draft,) = read(found(tmp_path / "moving.gif", "image"))
    assert draft.content.modalities.partition == "video"
    assert facts.duration_s == pytest.approx(1.0, abs=0.01)
    assert read(found(tmp_path / "still.gif", "image"))[1][0].content.modalities.partition == "image"


def test_a_text_gives_passages_and_subtitles_their_times(tmp_path: Path) -> None:
    put(tmp_path / "a.md", "# One\n\n" + "word " * 150 + "\n\n" + "other " * 150)
    facts, drafts = read(found(tmp_path / "a.md", "text"))
    assert facts == Facts()
    assert len(drafts) == 2
    assert all(draft.content.parts == (draft.text,) for draft in drafts)
    put(tmp_path / "a.srt", SRT)
    _, (subtitles,) = read(found(tmp_path / "a.srt", "text"))
    assert (subtitles.text, subtitles.start_s, subtitles.end_s) == ("early late", 1.0, 9.0)


def bad_files(folder: Path) -> dict[str, tuple[ModalityName, str]]:
    """Files that cannot be read, each with the beginning of its reason."""
    quadrants(640, 480).save(folder / "truncated.jpg", quality=95)
    os.truncate(folder / "truncated.jpg", (folder / "truncated.jpg").stat().st_size // 2)
    write_clip(folder / "truncated.mp4", numbered_frames(20))
    os.truncate(folder / "truncated.mp4", (folder / "truncated.mp4").stat().st_size // 2)
    (folder / "text.jpg").write_text("words")
    (folder / "text.mp4").write_text("words")
    (folder / "empty.mkv").touch()
    (folder / "junk.txt").write_bytes(bytes(range(256)))
    write_audio(folder / "sound.mp4")
    write_huge_png(folder / "huge.png")
    return {
        "truncated.jpg": ("image", "truncated image"),
        "truncated.mp4": ("video", "damaged or truncated video"),
        "text.jpg": ("image", "not an image"),
        "text.mp4": ("video", "text, not a video"),
        "empty.mkv": ("video", "empty file"),
        "junk.txt": ("text", "binary data"),
        "sound.mp4": ("video", "no video stream"),
        "huge.png": ("image", "too many pixels"),
    }


def test_bad_files_give_a_short_reason_without_the_path(tmp_path: Path) -> None:
    for name, (kind, reason) in bad_files(tmp_path).items():
        with pytest.raises(UnreadableFileError) as caught:
            list(read_file(found(tmp_path / name, kind), OPTIONS))
        assert str(caught.value).startswith(reason), name
        assert str(tmp_path) not in str(caught.value)
        assert len(str(caught.value)) < 120


def test_wrong_extensions_inside_one_kind_are_read(tmp_path: Path) -> None:
    quadrants().save(tmp_path / "a.jpg", format="PNG")
    (draft,) = read(found(tmp_path / "a.jpg", "image"))[1]
    image = draft.content.parts[0]
    assert isinstance(image, Image)
    assert is_close(corner_colours(image.pixels), corner_colours(np.asarray(quadrants())))
    write_clip(tmp_path / "a.mkv", numbered_frames(9)).rename(tmp_path / "a.mp4")
    assert len(read(found(tmp_path / "a.mp4", "video"))[1]) == 1


def test_a_recorded_time_far_off_does_not_multiply_items(tmp_path: Path) -> None:
    times_ms = [0, 100, 200, 10**9]
    path = write_clip(tmp_path / "a.mkv", numbered_frames(4), times_ms=times_ms)
    assert times_ms[-1] * MILLISECOND > 100 * 3600
    assert len(read(found(path, "video"))[1]) == 1
