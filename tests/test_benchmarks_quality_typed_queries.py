"""The thirty typed queries: the library that is written, the answers that are stored, and the page that is made."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.common.photos import read_clips, read_photos
from benchmarks.quality import typed_queries
from benchmarks.quality.typed_library import PHOTOS_PER_DAY, write_library
from tools import typed_queries_page

PLAN: dict[str, Any] = json.loads(typed_queries.PLAN.read_text(encoding="utf-8"))
SMALL = {
    "folders": [
        {"name": "One", "camera": "IMG_", "first_day": "2020-01-01"},
        {"name": "Two", "camera": "DSC", "first_day": "2021-01-01"},
    ],
    "named": [{"photo": 1, "path": "Trips/Elbe.jpg", "caption": "at the river", "keywords": ["Clara"]}],
    "burst": {"photo": 2, "path": "Trips/DSC0990{number}.jpg", "frames": 3},
    "copies": [
        {"of": "Trips/Elbe.jpg", "path": "Backup/Elbe.jpg"},
        {"of": "Trips/Elbe.jpg", "path": "Sent/small.jpg", "pixels": 32},
    ],
    "outside": [{"photo": 1, "path": "question.jpg", "pixels": 48}],
    "notes": {"Notes/order.txt": "Order QX-4471, a kettle."},
    "queries": [
        {"typed": "QX-4471", "arguments": ["QX-4471"]},
        {"typed": "(question.jpg)", "arguments": ["--image", "question.jpg"]},
        {"typed": "elbe --like (third hit)", "arguments": ["elbe", "--like", "{third}"]},
        {"typed": "elbe --shiny", "arguments": ["elbe", "--shiny"]},
    ],
}
PHOTOS = 50


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of smooth noise, each another one, and no clips."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("captioned", "videos"):
        (folder / name).mkdir()
    rng = np.random.default_rng(0)
    entries = []
    for number in range(PHOTOS):
        coarse = Image.fromarray(rng.integers(0, 255, (6, 6, 3), dtype=np.uint8))
        coarse.resize((64, 64), Image.Resampling.BICUBIC).save(folder / "captioned" / f"{number}.jpg")
        entries.append({"path": f"{number}.jpg", "split": "dev", "text": ["a picture"] * 5})
    lines = "".join(json.dumps(entry) + "\n" for entry in entries)
    (folder / "captioned" / "manifest.jsonl").write_text(lines, encoding="utf-8")
    (folder / "videos" / "manifest.jsonl").write_text("", encoding="utf-8")
    return folder


def test_each_photo_is_in_the_library_once_with_a_name_of_its_camera(data: Path, tmp_path: Path) -> None:
    write_library(tmp_path, data, SMALL)
    written = {path.read_bytes() for folder in ("One", "Two") for path in (tmp_path / "library" / folder).iterdir()}
    rest = {photo.path.read_bytes() for number, photo in enumerate(read_photos(data, "dev")) if number not in (1, 2)}
    assert written == rest
    assert all(path.name.startswith("IMG_0") for path in (tmp_path / "library" / "One").iterdir())
    days = Counter(int(path.stat().st_mtime) // 86400 for path in (tmp_path / "library" / "One").iterdir())
    assert sorted(days.values()) == [4, PHOTOS_PER_DAY]


def test_sidecars_copies_and_frames_of_a_burst_lie_where_the_plan_says(data: Path, tmp_path: Path) -> None:
    write_library(tmp_path, data, SMALL)
    library = tmp_path / "library"
    assert (library / "Trips" / "Elbe.txt").read_text(encoding="utf-8") == "at the river\n"
    assert json.loads((library / "Trips" / "Elbe.json").read_text(encoding="utf-8")) == {"keywords": ["Clara"]}
    assert (library / "Backup" / "Elbe.jpg").read_bytes() == (library / "Trips" / "Elbe.jpg").read_bytes()
    with Image.open(library / "Sent" / "small.jpg") as small:
        assert small.size == (32, 32)
    frames = [(library / "Trips" / f"DSC0990{number}.jpg").read_bytes() for number in range(3)]
    assert len(set(frames)) == 3


@pytest.mark.slow
def test_the_command_is_asked_every_query(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typed_queries, "PLAN", tmp_path / "plan.json")
    (tmp_path / "plan.json").write_text(json.dumps(SMALL), encoding="utf-8")
    folder = tmp_path / "asked"
    folder.mkdir()
    results = typed_queries.run(data, folder, None)
    code, picture, liked, unknown = (query["after"] for query in results["queries"])
    assert code["hits"][0]["file"] == "Notes/order.txt"
    assert code["hits"][0]["is_exact"]
    found = picture["hits"][0]
    assert {found["file"], *found["copies"]} >= {"Trips/Elbe.jpg", "Backup/Elbe.jpg"}
    assert len(liked["hits"]) == typed_queries.SHOWN
    assert unknown is None


def test_there_are_thirty_queries_with_a_verdict_each() -> None:
    assert len({query["typed"] for query in PLAN["queries"]}) == 30
    assert len(PLAN["notes"]) == 30
    for query in PLAN["queries"]:
        assert query["verdict"]["after"] in ("right", "partly", "wrong")
        assert query["verdict"]["before"] in typed_queries_page.VERDICTS


def test_a_verdict_speaks_of_files_that_are_among_the_stored_hits() -> None:
    results = json.loads(typed_queries_page.RESULTS.read_text(encoding="utf-8"))["results"]
    for query, answers in zip(PLAN["queries"], results["queries"], strict=True):
        assert query["typed"] == answers["typed"]
        assert (query["verdict"]["before"] == "not possible") == (answers["before"] is None)
        shown = {hit["file"] for name in ("before", "after") for hit in (answers[name] or {"hits": []})["hits"]}
        assert set(re.findall(r"`([^`]+)`", query["verdict"]["seen"])) <= shown, query["typed"]


def test_the_page_is_made_from_the_stored_answers() -> None:
    assert typed_queries_page.page() == typed_queries_page.PAGE.read_text(encoding="utf-8"), "run `make docs`"


def test_nothing_of_the_data_is_in_the_project(shared_data: Path) -> None:
    """No caption of the data set is among the words of the plan, and its photos go by their numbers."""
    plan = typed_queries.PLAN.read_text(encoding="utf-8").casefold()
    for item in [*read_photos(shared_data, "dev"), *read_clips(shared_data)]:
        assert item.path.stem.casefold() not in plan or len(item.path.stem) < 8
        assert not any(caption.casefold().strip(" .") in plan for caption in item.captions)
