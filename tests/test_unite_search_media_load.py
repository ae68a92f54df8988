"""The files of a query, and small pictures for galleries."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from drawn_media import (
    BLUE,
    GREEN,
    GREY,
    RED,
    KillingSampler,
    corner_colours,
    frame_numbers,
    is_close,
    numbered_frames,
    quadrants,
    write_audio,
    write_clip,
)

from unite_search.content import MediaSpec, UniformFrames
from unite_search.errors import UnreadableFileError
from unite_search.media.load import load_clip, load_image
from unite_search.media.preview import contact_strip, image_thumbnail
from unite_search.media.types import content_hash

SPEC = MediaSpec(image_side=24, frame_side=24, sampler=UniformFrames(4))


def test_an_image_and_its_hash(tmp_path: Path) -> None:
    quadrants(128, 96).save(tmp_path / "q.png")
    image, digest = load_image(tmp_path / "q.png", SPEC)
    assert image.pixels.shape == (24, 32, 3)
    assert is_close(corner_colours(image.pixels), [RED, GREEN, BLUE, GREY])
    assert digest == content_hash(tmp_path / "q.png")


def test_a_clip_and_its_hash(tmp_path: Path) -> None:
    write_clip(tmp_path / "q.mp4", numbered_frames(20))
    clip, digest = load_clip(tmp_path / "q.mp4", SPEC)
    assert frame_numbers(clip.frames, 20) == [2, 7, 12, 17]
    assert digest == content_hash(tmp_path / "q.mp4")


def test_a_clip_that_crashes_the_decoder_is_only_an_error(tmp_path: Path) -> None:
    write_clip(tmp_path / "q.mp4", numbered_frames(5))
    with pytest.raises(UnreadableFileError, match=r"q.mp4: the decoder crashed \(signal 9\)"):
        load_clip(tmp_path / "q.mp4", MediaSpec(sampler=KillingSampler(5)))


def test_a_gif_may_be_either(tmp_path: Path) -> None:
    frames = [PIL.Image.fromarray(frame) for frame in numbered_frames(4)]
    frames[0].save(tmp_path / "q.gif", save_all=True, append_images=frames[1:], duration=100)
    assert frame_numbers(load_clip(tmp_path / "q.gif", SPEC)[0].frames, 4) == [0, 1, 2, 3]
    assert load_image(tmp_path / "q.gif", SPEC)[0].pixels.max() == 0


def test_errors_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    quadrants().save(tmp_path / "still.png")
    write_audio(tmp_path / "sound.mp4")
    for load, name, reason in [
        (load_image, "none.jpg", "no such file"),
        (load_image, "empty.jpg", "empty file"),
        (load_image, "sound.mp4", "not an image, or a damaged one"),
        (load_image, "", "not a regular file"),
        (load_clip, "none.mp4", "no such file"),
        (load_clip, "still.png", "a still image, not a video"),
        (load_clip, "sound.mp4", "no video stream"),
    ]:
        with pytest.raises(UnreadableFileError) as caught:
            load(tmp_path / name, SPEC)
        assert str(caught.value) == f"cannot read {tmp_path / name}: {reason}"


def test_a_broken_clip_leaves_the_terminal_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.mp4").write_bytes(b"\0" * 3000)
    with pytest.raises(UnreadableFileError, match="damaged or truncated video"):
        load_clip(tmp_path / "a.mp4", SPEC)
    os.write(2, b"still open")
    assert capfd.readouterr().err == "still open"


def test_thumbnails(tmp_path: Path) -> None:
    quadrants(320, 240).save(tmp_path / "a.jpg", quality=95)
    image = image_thumbnail(tmp_path / "a.jpg", side=80)
    assert image.size == (80, 60)
    assert is_close(corner_colours(np.asarray(image)), [RED, GREEN, BLUE, GREY])
    quadrants(20, 10).save(tmp_path / "small.png")
    assert image_thumbnail(tmp_path / "small.png", side=80).size == (20, 10)


def test_the_thumbnail_of_a_segment_is_its_middle(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", numbered_frames(30))
    for start_s, end_s, expected in [(None, None, 15), (1.0, 2.0, 15), (2.0, 3.0, 25)]:
        image = image_thumbnail(tmp_path / "a.mp4", side=32, start_s=start_s, end_s=end_s)
        assert image.size == (32, 24)
        assert frame_numbers(np.asarray(image)[None], 30) == [expected]


def test_a_strip_is_spread_over_the_segment(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", numbered_frames(30))
    strip = contact_strip(tmp_path / "a.mp4", side=32, frames=3, start_s=0.0, end_s=3.0)
    assert frame_numbers(np.stack([np.asarray(image) for image in strip]), 30) == [5, 15, 25]
    quadrants().save(tmp_path / "a.png")
    assert len(contact_strip(tmp_path / "a.png", side=32, frames=3)) == 1
    with pytest.raises(UnreadableFileError, match="vanished"):
        contact_strip(tmp_path / "none.mp4", side=32, frames=3)
