"""Items named by path, id or condition: what the SQL selects from rows that could be mistaken for one another."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from unite_search.storage.selection import any_of

URIS = [
    "/photos",
    "/photos/a.jpg",
    "/photos/trip/b.jpg",
    "/photos/trip 2/c.jpg",
    "/photos/tripod.jpg",
    "/o'hara/d.jpg",
    "file:///photos/trip/odd%FF.jpg",
    "file:///photos/tripod%FF.jpg",
]


def selected(paths: list[str | Path] | None = None, ids: list[int] | None = None, where: str | None = None) -> set[int]:
    """The positions in `URIS` of the rows that the SQL accepts, evaluated by SQLite."""
    database = sqlite3.connect(":memory:")
    database.create_function("starts_with", 2, lambda text, prefix: text.startswith(prefix))
    database.execute("CREATE TABLE items (id INTEGER, uri TEXT)")
    database.executemany("INSERT INTO items VALUES (?, ?)", enumerate(URIS))
    condition = any_of(paths or [], ids or [], where)
    found = {id_ for (id_,) in database.execute(f"SELECT id FROM items WHERE {condition}")}
    database.close()
    return found


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/photos", {0, 1, 2, 3, 4, 6, 7}),
        ("/photos/trip", {2, 6}),
        ("/photos/trip/", {2, 6}),
        ("/photos/x/../trip", {2, 6}),
        ("/photos/trip/b.jpg", {2}),
        ("/photos/tripod.jpg", {4}),
        ("/o'hara", {5}),
        ("/o'hara/d.jpg", {5}),
        ("/nothing", set()),
    ],
)
def test_a_path_is_itself_and_what_lies_below_it(path: str, expected: set[int]) -> None:
    assert selected([path]) == selected([Path(path)]) == expected


def test_a_relative_path_and_the_home_folder_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/photos")
    assert selected(["~/trip"]) == {2, 6}
    monkeypatch.chdir(tmp_path)
    assert any_of(["trip"], [], None) == any_of([tmp_path / "trip"], [], None)


def test_ids_paths_and_a_condition_add_up() -> None:
    assert selected(ids=[0, 4]) == {0, 4}
    assert selected(where="id > 5") == {6, 7}
    assert selected(["/o'hara"], [0, 1], "id = 6 OR id = 7") == {0, 1, 5, 6, 7}
    assert selected(["/photos/trip", "/o'hara"]) == {2, 5, 6}


def test_a_condition_stands_in_brackets_of_its_own() -> None:
    """So that an AND of the caller's does not reach into what stands beside it."""
    assert selected(ids=[1], where="id = 2 AND id = 3") == {1}


def test_ids_are_numbers_whatever_they_were() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        any_of([], ["1) OR (1 = 1"], None)  # type: ignore[list-item]


@pytest.mark.parametrize("where", [None, ""])
def test_nothing_named_is_refused(where: str | None) -> None:
    with pytest.raises(ValueError, match="no items named: give paths, ids or a filter"):
        any_of([], [], where)
