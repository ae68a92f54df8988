"""Videos against PyAV's decoder and against the frames that were drawn."""

from __future__ import annotations

import json
import os
import random
from itertools import islice
from pathlib import Path

import av
import numpy as np
import PIL.Image
import pytest
from drawn_media import (
    BLUE,
    GREEN,
    GREY,
    RED,
    TURNS,
    corner_colours,
    frame_numbers,
    is_close,
    numbered_frames,
    quadrants,
    turn,
    write_audio,
    write_clip,
)
from numpy.typing import NDArray

from unite_search.content import UniformFrames
from unite_search.errors import UnreadableFileError
from unite_search.media.decoder import Decoder
from unite_search.media.video import Video

MANY = 1 << 30
UPRIGHT = np.asarray(quadrants())


def opened(path: Path, max_pixels: int = MANY) -> Video:
    return Video(path, max_pixels=max_pixels)


def reference_times(path: Path) -> list[float]:
    """Presentation times as PyAV decodes them, from 0."""
    with av.open(str(path)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    return [time - times[0] for time in times]


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.m4v", "libx264"),
        ("a.mov", "libx264"),
        ("a.mkv", "libx264"),
        ("a.mp4", "libx265"),
        ("a.webm", "libvpx-vp9"),
        ("a.avi", "mpeg4"),
        ("a.mkv", "mpeg4"),
    ],
)
def test_containers_and_codecs(tmp_path: Path, name: str, codec: str) -> None:
    path = write_clip(tmp_path / name, numbered_frames(35), codec=codec)
    video = opened(path)
    assert (len(video.times_s), video.width, video.height) == (35, 64, 48)
    assert video.duration_s == pytest.approx(3.5, abs=0.11)
    wanted = np.array([0, 7, 8, 23, 34])
    clip = video.clip(wanted, side=None)
    assert frame_numbers(clip.frames, 35) == wanted.tolist()
    assert clip.times_s == pytest.approx(wanted / 10, abs=0.002)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm"])
def test_variable_frame_rates(tmp_path: Path, name: str) -> None:
    times_ms = [0, 40, 500, 520, 2000, 2040, 5000]
    codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
    path = write_clip(tmp_path / name, numbered_frames(7), times_ms=times_ms, codec=codec)
    video = opened(path)
    assert video.times_s == pytest.approx(reference_times(path), abs=0.001)
    assert video.times_s == pytest.approx(np.array(times_ms) / 1000, abs=0.002)
    shown_at_3s = video.choose(UniformFrames(1), 2.9, 3.1)
    assert frame_numbers(video.clip(shown_at_3s, side=None).frames, 7) == [5]


def test_a_stream_that_starts_late_starts_at_zero(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", numbered_frames(5), times_ms=range(5000, 5500, 100))
    assert opened(path).times_s == pytest.approx([0, 0.1, 0.2, 0.3, 0.4], abs=0.002)


@pytest.mark.parametrize("degrees", TURNS)
@pytest.mark.parametrize("size", [(64, 48), (320, 180)])
def test_rotation(tmp_path: Path, degrees: int, size: tuple[int, int]) -> None:
    drawn = quadrants(*size)
    path = turn(write_clip(tmp_path / "a.mp4", [np.asarray(drawn)] * 12), degrees)
    upright = np.asarray(drawn.rotate(-degrees, expand=True))
    video = opened(path)
    assert (video.height, video.width) == upright.shape[:2]
    for side in (None, 24):
        clip = video.clip(np.array([0, 11]), side=side)
        assert all(is_close(corner_colours(frame), corner_colours(upright), tolerance=16) for frame in clip.frames)


@pytest.mark.parametrize("width", [16, 32, 48, 50, 64, 96, 98])
def test_widths_whose_rows_decord_pads(tmp_path: Path, width: int) -> None:
    drawn = np.asarray(quadrants(width, 48))
    video = opened(write_clip(tmp_path / "a.mp4", [drawn] * 3))
    assert video.width == width
    assert is_close(corner_colours(video.clip(np.array([1]), side=None).frames[0]), [RED, GREEN, BLUE, GREY], 20)


def test_frames_are_reduced(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", [np.asarray(quadrants(320, 180))] * 3)
    clip = opened(path).clip(np.array([0, 2]), side=45)
    assert clip.frames.shape == (2, 45, 80, 3)
    assert is_close(corner_colours(clip.frames[1]), [RED, GREEN, BLUE, GREY])


def test_the_sampler_sees_all_times_and_its_choice_is_kept(tmp_path: Path) -> None:
    video = opened(write_clip(tmp_path / "a.mp4", numbered_frames(20)))
    seen: list[tuple[int, float, float]] = []

    def sampler(times_s: NDArray[np.float64], start_s: float, end_s: float) -> NDArray[np.int64]:
        seen.append((len(times_s), start_s, end_s))
        return np.array([-4, 5, 5, 19, 20])

    assert video.choose(sampler, 0.5, 1.5).tolist() == [5, 19]
    assert seen == [(20, 0.5, 1.5)]


def test_uniform_frames_against_a_naive_reference(tmp_path: Path) -> None:
    times_ms = [0, 30, 400, 410, 420, 900, 1500, 1510, 2800, 3000]
    video = opened(write_clip(tmp_path / "a.mkv", numbered_frames(10), times_ms=times_ms))
    for start_s, end_s, count in [(0, 3, 4), (0.4, 1.6, 3), (1.0, 3.1, 8)]:
        moments = [start_s + (k + 0.5) * (end_s - start_s) / count for k in range(count)]
        shown = {max(i for i, time_ms in enumerate(times_ms) if time_ms / 1000 <= moment) for moment in moments}
        assert video.choose(UniformFrames(count), start_s, end_s).tolist() == sorted(shown)


def test_key_frames_only(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", numbered_frames(40), gop=10)
    with av.open(str(path)) as container:
        keys = [number for number, frame in enumerate(container.decode(video=0)) if frame.key_frame]
    video = opened(path)
    chosen = video.choose(UniformFrames(8), 0, video.duration_s, keyframes_only=True)
    free = video.choose(UniformFrames(8), 0, video.duration_s)
    assert chosen.tolist() == sorted({max(key for key in keys if key <= frame) for frame in free})
    assert frame_numbers(video.clip(chosen, side=None).frames, 40) == chosen.tolist()


def test_windows_that_overlap_decode_each_frame_once_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a film with one key frame, every step back would decode it from its beginning again."""
    write_clip(tmp_path / "a.mp4", numbered_frames(60), gop=60)
    windows = [np.array(chosen) for chosen in ([0, 9, 18, 27], [20, 23, 30, 41], [41], [35, 50, 59])]
    expected = [opened(tmp_path / "a.mp4").clip(indices, side=None) for indices in windows]
    video, frame = opened(tmp_path / "a.mp4"), Decoder.frame
    decoded: list[int] = []

    def noted(decoder: Decoder, index: int) -> NDArray[np.uint8]:
        decoded.append(index)
        return frame(decoder, index)

    monkeypatch.setattr(Decoder, "frame", noted)
    for clip, right in zip(video.clips(windows, side=None), expected, strict=True):
        assert np.array_equal(clip.frames, right.frames)
        assert np.array_equal(clip.times_s, right.times_s)
    assert decoded == [0, 9, 18, 20, 23, 27, 30, 41, 35, 50, 59], "only the window after the next is not looked at"


def test_files_without_time_stamps_are_read_right_in_any_order(tmp_path: Path) -> None:
    """AVI holds none for codecs that reorder frames; decord's own seek then ends at wrong frames."""
    video = opened(write_clip(tmp_path / "a.avi", numbered_frames(30), codec="libx264", gop=6))
    assert video.times_s == pytest.approx(np.arange(30) / 10, abs=0.002)
    order = np.array([20, 13, 29, 0, 25])
    assert frame_numbers(video.clip(order, side=None).frames, 30) == order.tolist()


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx265"), ("a.avi", "libx264")])
def test_a_decoder_that_fails_once_costs_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, codec: str
) -> None:
    """As decord does on a busy machine, with EAGAIN (-11) on a sound file."""
    from unite_search.media.decoder import Decoder

    video = opened(write_clip(tmp_path / name, numbered_frames(30), codec=codec))
    failures = iter([True])
    read = Decoder._read

    def failing(decoder: Decoder, index: int) -> NDArray[np.uint8]:
        if index == 13 and next(failures, False):
            raise RuntimeError("avcodec_receive_frame: -11 Resource temporarily unavailable")
        return read(decoder, index)

    monkeypatch.setattr(Decoder, "_read", failing)
    order = np.array([2, 13, 29])
    assert frame_numbers(video.clip(order, side=None).frames, 30) == order.tolist()
    assert next(failures, None) is None, "it did fail once"


def test_animated_gif_with_its_durations(tmp_path: Path) -> None:
    frames = [PIL.Image.fromarray(frame) for frame in numbered_frames(4)]
    path = tmp_path / "a.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[100, 500, 200, 300])
    video = opened(path)
    assert video.times_s == pytest.approx([0, 0.1, 0.6, 0.8], abs=0.001)
    assert video.duration_s == pytest.approx(1.1, abs=0.001)
    assert frame_numbers(video.clip(np.arange(4), side=None).frames, 4) == [0, 1, 2, 3]


def test_a_single_frame(tmp_path: Path) -> None:
    video = opened(write_clip(tmp_path / "a.mp4", [UPRIGHT]))
    chosen = video.choose(UniformFrames(8), 0.0, video.duration_s)
    assert is_close(corner_colours(video.clip(chosen, side=None).frames[0]), [RED, GREEN, BLUE, GREY], 20)


@pytest.mark.skipif(os.name == "nt", reason="file systems that take any bytes")
def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff\xfe.mp4")
    write_clip(tmp_path / "a.mp4", numbered_frames(25)).rename(path)
    before = len(list(Path("/dev/fd").iterdir()))
    video = opened(path)
    assert frame_numbers(video.clip(np.array([3, 22]), side=None).frames, 25) == [3, 22]
    del video
    assert len(list(Path("/dev/fd").iterdir())) == before


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"some words\n" * 100, "text, not a video"),
        (b"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/a.ts\n", "text, not a video"),
        (b"ffconcat version 1.0\n#\x01\nfile beside.mp4\n", "text, not a video"),
        (np.random.default_rng(0).bytes(5000), "damaged or truncated video"),
    ],
)
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(UnreadableFileError, match=reason):
        opened(tmp_path / "a.mp4")


def test_sound_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="no video stream"):
        opened(write_audio(tmp_path / "a.mp4"))


def test_a_truncated_clip_is_refused(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", [UPRIGHT] * 30)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UnreadableFileError, match="damaged or truncated video"):
        opened(path)


def test_large_frames_are_refused(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", [UPRIGHT])
    with pytest.raises(UnreadableFileError, match=r"too many pixels \(64 x 48\)"):
        opened(path, max_pixels=64 * 48 - 1)


@pytest.mark.slow
def test_all_real_clips_against_their_manifest_and_pyav(shared_data: Path) -> None:
    lines = (shared_data / "videos" / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    chance = random.Random(0)
    for entry in entries:
        path = shared_data / "videos" / entry["path"]
        video = opened(path)
        assert len(video.times_s) == entry["frames"], path
        assert [video.width, video.height] == entry["size"], path
        assert 0 < video.duration_s < 60
        assert (np.diff(video.times_s) >= 0).all()
        assert len(video.choose(UniformFrames(8), 0, video.duration_s)) == min(8, entry["frames"]), path
        wanted = np.unique([chance.randrange(entry["frames"]) for _ in range(4)])
        assert_same_frames(path, video, wanted)
    assert len(entries) >= 79


def assert_same_frames(path: Path, video: Video, wanted: NDArray[np.int64]) -> None:
    """decord's random access gives what PyAV decodes from the beginning."""
    frames = video.clip(wanted, side=None).frames.astype(float)
    compared = 0
    with av.open(str(path)) as container:
        for number, frame in enumerate(islice(container.decode(video=0), int(wanted[-1]) + 1)):
            for position in np.flatnonzero(wanted == number):
                expected = frame.to_ndarray(format="rgb24")
                assert np.abs(frames[position] - expected).mean() < 3, f"{path} frame {number}"
                compared += 1
    assert compared == len(wanted)
