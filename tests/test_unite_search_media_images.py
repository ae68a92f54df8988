"""Images of every format, against the colours that were drawn."""

from __future__ import annotations

import os
import random
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pillow_heif
import pytest
from drawn_media import BLUE, GREEN, GREY, RED, corner_colours, is_close, quadrants, write_huge_png
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageOps

from unite_search.errors import UnreadableFileError
from unite_search.media.images import MAX_ASPECT, DecodedImage, is_animated, read_image, reduced_size

DRAWN = [RED, GREEN, BLUE, GREY]
ORIENTATION, EXIF_IFD, TAKEN, MODIFIED = 0x0112, 0x8769, 0x9003, 0x0132
MANY = 1 << 30


def read(path: Path, side: int | None = None, max_pixels: int = MANY) -> DecodedImage:
    return read_image(path, side=side, max_pixels=max_pixels)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.jpg", {"quality": 95}),
        ("a.jpg", {"quality": 95, "progressive": True}),
        ("a.png", {}),
        ("a.webp", {"quality": 95}),
        ("a.webp", {"lossless": True}),
        ("a.gif", {}),
        ("a.bmp", {}),
        ("a.tif", {}),
        ("a.tiff", {"compression": "tiff_lzw"}),
        ("a.avif", {"quality": 95}),
    ],
)
@pytest.mark.parametrize("side", [None, 24])
def test_formats(tmp_path: Path, name: str, options: dict[str, Any], side: int | None) -> None:
    quadrants(128, 96).save(tmp_path / name, **options)
    picture = read(tmp_path / name, side)
    assert picture.image.pixels.shape == ((96, 128, 3) if side is None else (24, 32, 3))
    assert picture.image.pixels.dtype == np.uint8
    assert (picture.width, picture.height) == (128, 96)
    assert is_close(corner_colours(picture.image.pixels), DRAWN)


@pytest.mark.parametrize("name", ["a.heic", "a.heif"])
def test_heif(tmp_path: Path, name: str) -> None:
    pillow_heif.from_pillow(quadrants(128, 96)).save(tmp_path / name, quality=95)
    assert is_close(corner_colours(read(tmp_path / name).image.pixels), DRAWN)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1"])
def test_modes(tmp_path: Path, mode: str) -> None:
    drawn = quadrants().convert(mode)
    name = "a.tif" if mode == "CMYK" else "a.png"
    drawn.save(tmp_path / name)
    expected = corner_colours(np.asarray(drawn.convert("RGB")))
    assert is_close(corner_colours(read(tmp_path / name).image.pixels), expected, tolerance=2)


def test_cmyk_jpeg(tmp_path: Path) -> None:
    quadrants().convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    assert is_close(corner_colours(read(tmp_path / "a.jpg", 24).image.pixels), DRAWN, tolerance=20)


def test_sixteen_bits(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 64 * 48).reshape(48, 64).astype(np.uint16)
    PIL.Image.fromarray(ramp).save(tmp_path / "a.png")
    pixels = read(tmp_path / "a.png").image.pixels
    assert np.abs(pixels[..., 0].astype(float) - ramp / 257).max() <= 1


def test_floats_are_stretched(tmp_path: Path) -> None:
    ramp = np.linspace(-3, 5, 64 * 48, dtype=np.float32).reshape(48, 64)
    PIL.Image.fromarray(ramp).save(tmp_path / "a.tif")
    pixels = read(tmp_path / "a.tif").image.pixels
    assert np.abs(pixels[..., 1] - (ramp + 3) / 8 * 255).max() <= 1


def test_transparent_is_white(tmp_path: Path) -> None:
    clear = PIL.Image.new("RGBA", (40, 30), (255, 0, 0, 0))
    clear.paste((0, 0, 255, 255), (0, 0, 20, 30))
    clear.save(tmp_path / "a.png")
    clear.save(tmp_path / "a.webp", lossless=True)
    clear.quantize(4).save(tmp_path / "p.png")
    clear.save(tmp_path / "a.gif")
    for path in tmp_path.iterdir():
        for side in (None, 10):
            colours = corner_colours(read(path, side).image.pixels)
            assert is_close(colours, [(0, 0, 255), (255, 255, 255)] * 2, tolerance=3), path


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
def test_exif_orientation(tmp_path: Path, orientation: int, name: str) -> None:
    exif = PIL.Image.Exif()
    exif[ORIENTATION] = orientation
    quadrants(128, 96).save(tmp_path / name, exif=exif)
    with PIL.Image.open(tmp_path / name) as reference:
        upright = ImageOps.exif_transpose(reference).convert("RGB")
    picture = read(tmp_path / name, 48)
    assert (picture.width, picture.height) == upright.size
    assert picture.image.pixels.shape[:2] == ((48, 64) if orientation < 5 else (64, 48))
    assert is_close(corner_colours(picture.image.pixels), corner_colours(np.asarray(upright)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heif_and_avif_are_upright(tmp_path: Path, orientation: int) -> None:
    pillow_heif.register_heif_opener()
    for name in ("a.jpg", "a.avif", "a.heic"):
        exif = PIL.Image.Exif()
        exif[ORIENTATION] = orientation
        quadrants(128, 96).save(tmp_path / name, exif=exif.tobytes(), quality=95)
    expected = corner_colours(read(tmp_path / "a.jpg").image.pixels)
    for name in ("a.avif", "a.heic"):
        assert is_close(corner_colours(read(tmp_path / name).image.pixels), expected), name


def test_the_date_is_that_of_the_shot(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[MODIFIED] = "2024:05:06 07:08:09"
    quadrants().save(tmp_path / "edited.jpg", exif=exif)
    exif.get_ifd(EXIF_IFD)[TAKEN] = "2023:01:02 03:04:05"
    quadrants().save(tmp_path / "shot.jpg", exif=exif)
    exif.get_ifd(EXIF_IFD)[TAKEN] = "0000:00:00 00:00:00"
    del exif[MODIFIED]
    quadrants().save(tmp_path / "unset.jpg", exif=exif)
    assert read(tmp_path / "edited.jpg").taken_at == datetime(2024, 5, 6, 7, 8, 9)
    assert read(tmp_path / "shot.jpg").taken_at == datetime(2023, 1, 2, 3, 4, 5)
    assert read(tmp_path / "unset.jpg").taken_at is None


def test_damaged_exif_does_not_cost_the_picture(tmp_path: Path) -> None:
    quadrants().save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + bytes(40), quality=95)
    assert is_close(corner_colours(read(tmp_path / "a.jpg").image.pixels), DRAWN)


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.integers(1, 1000))
def test_reduced_sizes(width: int, height: int, side: int) -> None:
    new = reduced_size((width, height), side)
    assert 1 <= min(new) <= side
    assert max(new) <= MAX_ASPECT * side
    assert new[0] <= width and new[1] <= height
    if min(width, height) >= side:
        assert min(new) == side
    if max(width, height) / min(width, height) < MAX_ASPECT and min(new) > 20:
        assert new[0] / new[1] == pytest.approx(width / height, rel=0.06)


def test_draft_decoding_stays_close_to_the_full_one(tmp_path: Path) -> None:
    noise = np.random.default_rng(3).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    large = PIL.Image.fromarray(noise).resize((1600, 1200), PIL.Image.Resampling.BICUBIC)
    large.save(tmp_path / "a.jpg", quality=95)
    full = np.asarray(large.resize((299, 224), PIL.Image.Resampling.BICUBIC), float)
    found = read(tmp_path / "a.jpg", 224).image.pixels
    assert found.shape == full.shape
    assert np.abs(found - full).mean() < 2


def test_animations(tmp_path: Path) -> None:
    frames = [quadrants(), quadrants().rotate(180)]
    for name in ("a.gif", "a.webp", "a.png"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=100)
        assert is_close(corner_colours(read(tmp_path / name).image.pixels), DRAWN), name
    quadrants().save(tmp_path / "still.gif")
    assert is_animated(tmp_path / "a.gif")
    assert not is_animated(tmp_path / "still.gif")
    assert not is_animated(tmp_path / "a.webp")


def test_a_wrong_extension_does_not_matter(tmp_path: Path) -> None:
    quadrants().save(tmp_path / "a.jpg", format="PNG")
    pillow_heif.from_pillow(quadrants()).save(tmp_path / "b.heic", quality=95)
    (tmp_path / "b.heic").rename(tmp_path / "b.jpg")
    for name in ("a.jpg", "b.jpg"):
        assert is_close(corner_colours(read(tmp_path / name).image.pixels), DRAWN), name


@pytest.mark.skipif(os.name == "nt", reason="file systems that take any bytes")
def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.png")
    quadrants().save(path)
    assert is_close(corner_colours(read(path).image.pixels), DRAWN)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.gif", "a.bmp", "a.tif", "a.avif"])
def test_truncated_files_are_refused(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    PIL.Image.fromarray(noise).save(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(UnreadableFileError, match=r"truncated|damaged"):
        read(tmp_path / name)


@pytest.mark.parametrize(
    "content", [b"only some text", b"", b"\xff\xd8\xff", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"]
)
def test_what_is_no_image_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(UnreadableFileError, match="not an image, or a damaged one"):
        read(tmp_path / "a.jpg")


def test_a_huge_png_is_refused_by_its_header(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="too many pixels"):
        read(write_huge_png(tmp_path / "a.png"))


def test_a_huge_gif_is_refused_by_its_header(tmp_path: Path) -> None:
    quadrants().save(tmp_path / "a.gif")
    content = bytearray((tmp_path / "a.gif").read_bytes())
    content[6:10] = b"\xff\xff\xff\xff"
    (tmp_path / "a.gif").write_bytes(content)
    with pytest.raises(UnreadableFileError, match="too many pixels"):
        read(tmp_path / "a.gif")


def test_the_limit_is_in_pixels_of_the_file(tmp_path: Path) -> None:
    quadrants(64, 48).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png", max_pixels=64 * 48).width == 64
    with pytest.raises(UnreadableFileError, match=r"too many pixels \(64 x 48\)"):
        read(tmp_path / "a.png", max_pixels=64 * 48 - 1)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.gif", "a.bmp", "a.tif", "a.avif", "a.heic"])
def test_flipped_bits_give_a_picture_or_a_reason(tmp_path: Path, name: str) -> None:
    exif = PIL.Image.Exif()
    exif[ORIENTATION] = 6
    pillow_heif.register_heif_opener()
    quadrants(48, 36).save(tmp_path / name, exif=exif)
    content = (tmp_path / name).read_bytes()
    chance = random.Random(name)
    outcomes = set()
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(chance.randint(1, 8)):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        (tmp_path / name).write_bytes(damaged)
        try:
            outcomes.add(read(tmp_path / name, 24, max_pixels=10_000_000).image.pixels.dtype.name)
        except UnreadableFileError as error:
            assert str(tmp_path) not in str(error)
            outcomes.add("refused")
    assert outcomes == {"uint8", "refused"}
