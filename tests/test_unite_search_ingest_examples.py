"""Captioned photos and clips on disk: which are found, in which words, and what is said of those that are not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from drawn_media import numbered_frames, write_clip
from PIL import Image
from toy import ToyEncoder

from unite_search.errors import UniteSearchError
from unite_search.ingest.examples import (
    CaptionedFile,
    captioned_files,
    measure_files,
    read_examples,
    read_manifest,
    with_two_captions,
)
from unite_search.media.types import Skipped
from unite_search.modality import Modality

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}


def add(folder: Path, name: str, text: str | None = None, about: object = None) -> Path:
    """Draw a photo whose colour its name begins with, and write its sidecars."""
    path = folder / name
    Image.new("RGB", (20, 20), COLOURS.get(name.partition("-")[0], (9, 9, 9))).save(path)
    if text is not None:
        path.with_suffix(".txt").write_text(text)
    if about is not None:
        path.with_suffix(".json").write_text(json.dumps(about))
    return path


def found(data: Path, limit: int = 100) -> tuple[dict[str, tuple[str, ...]], list[Skipped]]:
    skipped: list[Skipped] = []
    files = captioned_files(data, limit, skipped.append)
    return {file.path.name: file.captions for file in files}, skipped


def manifest(folder: Path, rows: Iterable[object]) -> Path:
    path = folder / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_captions_stand_in_the_sidecars_of_an_index(tmp_path: Path) -> None:
    add(tmp_path, "a.png", "one  caption\nin lines")
    add(tmp_path, "b.png", about={"title": "A title", "description": "Words", "author": "nobody", "text": "A title"})
    add(tmp_path, "c.png", "first", {"caption": "second"})
    add(tmp_path, "d.png")
    add(tmp_path, "e.png", " \n")
    add(tmp_path, "f.png", about={"author": "nobody"})
    (tmp_path / "note.txt").write_text("a text, not a caption")
    files, skipped = found(tmp_path)
    assert files == {"a.png": ("one caption in lines",), "b.png": ("A title", "Words"), "c.png": ("first", "second")}
    assert skipped == []


def test_sidecars_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    add(tmp_path, "a.png", "a caption")
    add(tmp_path, "b.png").with_suffix(".json").write_text("{")
    files, skipped = found(tmp_path)
    assert (list(files), [skip.path.name for skip in skipped]) == (["a.png"], ["b.png"])
    assert "not valid JSON" in skipped[0].reason


def test_a_limit_draws_the_same_files_again_and_not_the_first_ones(tmp_path: Path) -> None:
    for number in range(40):
        add(tmp_path, f"{number:02}.png", f"caption {number}")
    first, again = list(found(tmp_path, 10)[0]), list(found(tmp_path, 10)[0])
    assert first == again
    assert len(set(first)) == 10
    assert sorted(first) != [f"{number:02}.png" for number in range(10)]


def test_a_manifest_lists_files_with_one_caption_or_several(tmp_path: Path) -> None:
    rows = [
        {"path": "a.png", "text": ["one", "two", "one", 3, ""]},
        {"path": "b.mp4", "text": "three", "split": "dev"},
        {"path": "c.png", "text": "seen", "split": "train"},
        {"path": "d.txt", "text": "a text"},
        {"path": "e.png", "text": []},
        {"path": "f.bin", "modality": "image", "text": "as it says"},
    ]
    path = manifest(tmp_path, rows)
    expected = {"a.png": ("one", "two"), "b.mp4": ("three",), "f.bin": ("as it says",)}
    assert found(path)[0] == found(tmp_path)[0] == expected
    assert [file.path for file in read_manifest(path)] == [tmp_path / name for name in expected]
    assert [file.modality for file in read_manifest(path)] == ["image", "video", "image"]


@pytest.mark.parametrize("line", ["{", "[1]", '{"path": "a.png"}', '{"path": 3, "text": ""}', "\xff", "x" * (2 << 20)])
def test_a_line_that_is_none_of_a_manifest_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"
    path.write_bytes(b'\n{"path": "a.png", "text": "a"}\n' + line.encode("latin-1"))
    with pytest.raises(UniteSearchError, match=re.escape(f"{path}, line 3: expected")):
        list(read_manifest(path))


def test_a_folder_without_captions_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    add(tmp_path, "a.png")
    with pytest.raises(UniteSearchError, match=r"holds no photo or clip with a caption; write captions into NAME\.txt"):
        found(tmp_path)


def test_single_captions_get_their_beginning_as_another_one() -> None:
    files = [CaptionedFile(Path(f"{number}.png"), "image", ("one two three four",)) for number in range(3)]
    short = CaptionedFile(Path("short.png"), "image", ("two words",))
    both = CaptionedFile(Path("both.png"), "image", ("one", "another"))
    *longer, second, third = with_two_captions([*files, short, both])
    assert [file.captions for file in longer] == [("one two three four", "one two three")] * 3
    assert (second, third) == (short, both)
    enough = [both] * 20 + files
    assert with_two_captions(enough) == enough


def test_photos_and_clips_are_decoded_and_what_cannot_be_is_named(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", numbered_frames(8))
    (tmp_path / "bad.png").write_bytes(b"no picture")
    paths = [add(tmp_path, "red-1.png"), tmp_path / "bad.png", tmp_path / "gone.png"]
    files = [CaptionedFile(path, "image", ("a caption",)) for path in paths]
    files.append(CaptionedFile(tmp_path / "clip.mp4", "video", ("a clip",)))
    skipped: list[Skipped] = []
    seen: list[tuple[int, int]] = []
    examples = list(
        read_examples(files, ToyEncoder.media, skipped.append, lambda done, total: seen.append((done, total)))
    )
    assert [type(example.media).__name__ for example in examples] == ["Image", "Clip"]
    assert [skip.path.name for skip in skipped] == ["bad.png", "gone.png"]
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_clips_are_not_read_for_an_encoder_of_photos(tmp_path: Path) -> None:
    class Photos(ToyEncoder):
        modalities = Modality.TEXT | Modality.IMAGE

    names = [f"{colour}-{number}.png" for colour in COLOURS for number in range(5)]
    files = [CaptionedFile(add(tmp_path, name), "image", (f"{name.partition('-')[0]} picture",)) for name in names]
    files.append(CaptionedFile(tmp_path / "no.mp4", "video", ("a clip that does not exist",)))
    measured = measure_files(Photos(), files, "drawn")
    assert (measured.examples, measured.skipped) == (20, [])
    assert ("text", "image") in measured.calibration.lines


def test_too_few_readable_files_are_an_error_that_names_one(tmp_path: Path) -> None:
    files = [CaptionedFile(tmp_path / f"{number}.png", "image", ("a caption",)) for number in range(30)]
    with pytest.raises(UniteSearchError, match=r"^0 photos .* expected at least 20; 30 could not be read, .*0\.png: "):
        measure_files(ToyEncoder(), files, "drawn")
