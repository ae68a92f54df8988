"""Write the demo library: pictures, some with captions, clips, a longer film with subtitles, and a few notes."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from unite_search.demo.clips import CLIP_RATE, FILM_RATE, FILM_SCENES, all_clips, film, load_av, write_clip
from unite_search.demo.pictures import DrawnPicture, all_pictures

JPEG_QUALITY = 90
FILM = "a_day_by_the_sea"

NOTES = {
    "packing_list.md": "# Packing list for the sea\n\nSun hat, towels, sun cream, a book, the blue umbrella.\n",
    "fruit_salad.txt": "Fruit salad: cut two oranges, an apple and a banana, add strawberries and lemon juice.\n",
    "knots.txt": "How to tie a bowline on a sailing boat: the rabbit comes out of the hole and goes round the tree.\n",
    "stars.md": "# Watching the stars\n\nWait for a moonless night, far from street lamps, and let your eyes adapt.\n",
    "garden.txt": "Sow sunflowers in May, two centimetres deep, where they get sun all day.\n",
}

Write = Callable[[Path], object]
Report = Callable[[int, int], None]


def write_library(folder: Path, report: Report | None = None) -> int:
    """Draw all files of the library into a folder; files that exist are kept. The bytes are the same every time.

    Args:
        folder: where to write; created if it does not exist.
        report: called with (files done, files in all).

    Returns:
        The number of files.

    Raises:
        ImportError: PyAV is not installed.
    """
    load_av()
    jobs = _jobs()
    for number, (name, write) in enumerate(jobs, 1):
        path = folder / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_name(f".unfinished{path.suffix}")
            write(unfinished)
            unfinished.replace(path)
        if report:
            report(number, len(jobs))
    return len(jobs)


def _jobs() -> list[tuple[str, Write]]:
    jobs: list[tuple[str, Write]] = []
    for picture in all_pictures():
        stem = f"{picture.folder}/{picture.name}"
        jobs.append((f"{stem}.jpg", partial(_write_picture, picture)))
        if picture.caption:
            jobs.append((f"{stem}.txt", _text(picture.caption + "\n")))
    for clip in all_clips():
        jobs.append((f"clips/{clip.name}.mp4", partial(write_clip, [clip], CLIP_RATE)))
    about = {"title": "A day by the sea, in six scenes", "season": "summer", "rating": 5}
    jobs += [
        (f"films/{FILM}.mp4", partial(write_clip, film(), FILM_RATE)),
        (f"films/{FILM}.json", _text(json.dumps(about) + "\n")),
        (f"films/{FILM}.srt", _text(_subtitles())),
    ]
    return jobs + [(f"notes/{name}", _text(text)) for name, text in NOTES.items()]


def _write_picture(picture: DrawnPicture, path: Path) -> None:
    picture.draw().save(path, quality=JPEG_QUALITY)


def _text(text: str) -> Write:
    return lambda path: path.write_text(text, encoding="utf-8")


def _subtitles() -> str:
    """Return the subtitles of the film, one cue per scene."""
    cues, start = [], 0.0
    for number, (shot, line) in enumerate(zip(film(), FILM_SCENES, strict=True), 1):
        cues.append(f"{number}\n{_timestamp(start)} --> {_timestamp(start + shot.seconds)}\n{line}\n")
        start += shot.seconds
    return "\n".join(cues)


def _timestamp(seconds: float) -> str:
    return f"00:{int(seconds) // 60:02}:{int(seconds) % 60:02},000"
