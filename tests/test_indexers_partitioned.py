"""Partitions on disk: what is saved comes back, what is damaged is said, what a crash leaves can be opened."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexers import faiss_index, partition
from indexers.partitioned import PartitionedIndex
from indexers.spec import IndexConfig
from indexers.stored_file import StoredFile

DIM = 6


def unit(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def opened(folder: Path, fingerprint: str = "toy-1") -> PartitionedIndex:
    return PartitionedIndex.open(folder, dim=DIM, fingerprint=fingerprint)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    index = PartitionedIndex.create(tmp_path / "parts", dim=DIM, fingerprint="toy-1")
    index.add("image", np.arange(20), unit(20))
    index.add("text+image", np.arange(100, 105), unit(5, seed=1))
    index.save(version=3)
    return tmp_path / "parts"


def test_a_saved_index_comes_back(saved: Path) -> None:
    index = opened(saved)
    assert (index.problems, index.version, index.names()) == ([], 3, ["image", "text+image"])
    assert index.ids("image").tolist() == list(range(20))
    assert np.array_equal(index.reconstruct("text+image", np.array([104, 100])), unit(5, seed=1)[[4, 0]])
    assert index.verify() == []


def test_search_answers_each_partition_by_itself(saved: Path) -> None:
    query = unit(1, seed=9)
    found = opened(saved).search(["image", "text+image"], query, 7, allowed=np.array([3, 4, 101]))
    assert set(found["image"][1][0].tolist()) == {3, 4, -1}
    assert found["text+image"][1][0].tolist() == [101, -1, -1, -1, -1, -1, -1]


def test_a_sample_is_stored_with_the_partition_and_follows_its_changes(saved: Path) -> None:
    index = opened(saved)
    assert np.array_equal(index.sample("image"), unit(20))
    index.add("image", np.arange(20, 2000), unit(1980, seed=2))
    sample = index.sample("image")
    assert len(sample) == 512
    assert np.array_equal(sample[[0, -1]], [unit(20)[0], unit(1980, seed=2)[-1]])
    index.save(version=4)
    assert np.array_equal(opened(saved).sample("image"), sample)


def test_only_changed_partitions_are_written_again(saved: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in saved.glob("image*")}
    index = opened(saved)
    index.remove(np.array([102]))
    index.save(version=4)
    assert {path.name: path.stat().st_mtime_ns for path in saved.glob("image*")} == before
    assert opened(saved).ids("text+image").tolist() == [100, 101, 103, 104]


def test_no_more_stays_open_than_the_budget_allows(tmp_path: Path) -> None:
    index = PartitionedIndex.create(tmp_path, dim=DIM, fingerprint="toy-1")
    names = ["a", "b", "c", "d"]
    for number, name in enumerate(names):
        index.add(name, np.arange(20) + 100 * number, unit(20, seed=number))
    index.save(version=1)
    size = sum(path.stat().st_size for path in tmp_path.glob("a.*"))
    tight = PartitionedIndex.open(
        tmp_path, dim=DIM, fingerprint="toy-1", config=IndexConfig(cache_bytes=int(2.5 * size))
    )
    assert (tight.problems, tight.names(), tight.count("a")) == ([], names, 20)
    assert list(tight._partitions._open) == ["c", "d"]
    for number in (0, 3, 1, 0):
        found = tight.search([names[number]], unit(20, seed=number)[:1], 1)[names[number]][1]
        assert found.tolist() == [[100 * number]]
    assert list(tight._partitions._open) == ["b", "a"]
    tight.add("c", np.array([999]), unit(1))
    tight.search(["a", "b", "d"], unit(1), 1)
    assert tight.ids("c").tolist() == [*range(200, 220), 999]
    tight.save(version=2)
    assert opened(tmp_path).count("c") == 21
    assert opened(tmp_path).verify() == []


@pytest.mark.parametrize("cache_bytes", [None, 1])
def test_threads_may_search_at_a_time(saved: Path, cache_bytes: int | None) -> None:
    config = IndexConfig(cache_bytes=cache_bytes)
    index = PartitionedIndex.open(saved, dim=DIM, fingerprint="toy-1", config=config)

    def ask(turn: int) -> bool:
        name, rows, first = (("image", unit(20), 0), ("text+image", unit(5, seed=1), 100))[turn % 2]
        return bool(index.search([name], rows, 1)[name][1][:, 0].tolist() == [first + n for n in range(len(rows))])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(400)))


def test_an_emptied_partition_leaves_no_file(saved: Path) -> None:
    index = opened(saved)
    assert index.remove(np.arange(100, 105)) == 5
    index.save(version=4)
    assert opened(saved).names() == ["image"]
    assert not list(saved.glob("text+image*"))


def test_a_reader_keeps_its_rows_while_a_writer_replaces_them(saved: Path) -> None:
    reader = opened(saved)
    writer = opened(saved)
    writer.remove(np.arange(0, 10))
    writer.save(version=4)
    assert np.array_equal(reader.reconstruct("image", np.arange(20)), unit(20))
    assert reader.search(["image"], unit(20)[:1], 1)["image"][1].tolist() == [[0]]


def test_another_encoder_is_a_problem_and_nothing_is_opened(saved: Path) -> None:
    index = opened(saved, fingerprint="other")
    assert index.version is None
    assert "toy-1" in index.problems[0]
    assert index.names() == []


@pytest.mark.parametrize("pattern", ["image*.rows.faiss", "image*.ids.npy", "image*.sample.npy"])
def test_a_missing_file_is_a_problem_of_its_partition_only(saved: Path, pattern: str) -> None:
    for path in saved.glob(pattern):
        path.unlink()
    index = opened(saved)
    assert index.names() == ["text+image"]
    assert index.version is None
    assert len(index.problems) == 1
    assert "image" in index.problems[0]


def flip_a_bit(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("kind", ["rows", "ids", "sample"])
def test_a_file_that_a_writer_removes_after_its_check_is_a_problem(
    saved: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    check = StoredFile.problem

    def check_then_remove(file: StoredFile, directory: Path, *, is_thorough: bool) -> str | None:
        found = check(file, directory, is_thorough=is_thorough)
        if file.name.startswith("image.") and f".{kind}." in file.name:
            (directory / file.name).unlink()
        return found

    monkeypatch.setattr(StoredFile, "problem", check_then_remove)
    index = opened(saved)
    assert [problem.partition(":")[0] for problem in index.problems] == ["partition image"]
    assert index.version is None


def test_one_flipped_bit_of_a_small_file_is_found_on_opening(saved: Path) -> None:
    path = next(saved.glob("image*.rows.faiss"))
    flip_a_bit(path, -5)
    index = opened(saved)
    assert index.problems == [f"partition image: {path.name}: checksum differs"]
    assert index.names() == ["text+image"]


def test_one_flipped_bit_between_the_probes_of_a_large_file_is_found_by_verify(tmp_path: Path) -> None:
    index = PartitionedIndex.create(tmp_path, dim=DIM, fingerprint="toy-1")
    index.add("image", np.arange(10_000), unit(10_000))
    index.save(version=1)
    path = next(tmp_path.glob("image*.rows.faiss"))
    flip_a_bit(path, 6000)
    assert opened(tmp_path).problems == []
    assert opened(tmp_path).verify() == [f"partition file {path.name}: checksum differs"]


def test_files_of_a_crashed_save_are_ignored_and_later_removed(saved: Path) -> None:
    (saved / "image.2.faiss").write_bytes(b"half")
    (saved / "manifest.json.tmp").write_text("{")
    index = opened(saved)
    assert index.problems == []
    index.add("image", np.array([50]), unit(1))
    index.save(version=5)
    assert opened(saved).count("image") == 21
    assert len(list(saved.iterdir())) == 7


def test_a_small_change_of_a_large_partition_writes_the_change_only(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faiss_index, "SMALL_ROWS", 0)
    before = {path.name: path.stat().st_mtime_ns for path in saved.glob("image.1.*")}
    index = opened(saved)
    index.add("image", np.array([50]), unit(1, seed=3))
    index.remove(np.array([4]))
    index.save(version=4)
    assert {path.name: path.stat().st_mtime_ns for path in saved.glob("image.1.*")} == before
    again = opened(saved)
    assert again.ids("image").tolist() == [id_ for id_ in range(20) if id_ != 4] + [50]
    again.add("image", np.arange(60, 70), unit(10, seed=4))
    again.save(version=5)
    assert not list(saved.glob("image.1.*"))
    assert opened(saved).verify() == []


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_manifest_with_any_byte_changed_never_crashes_the_opening(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    index = PartitionedIndex.create(folder, dim=DIM, fingerprint="toy-1")
    index.add("image", np.arange(4), unit(4))
    index.save(version=1)
    content = bytearray((folder / "manifest.json").read_bytes())
    content[place % len(content)] = value
    (folder / "manifest.json").write_bytes(content)
    again = opened(folder)
    assert again.problems or again.names()


def test_generations_go_on_after_create(saved: Path) -> None:
    before = json.loads((saved / "manifest.json").read_text())["generation"]
    index = PartitionedIndex.create(saved, dim=DIM, fingerprint="toy-1")
    index.save(version=9)
    assert json.loads((saved / "manifest.json").read_text())["generation"] == before + 1
    assert [path.name for path in saved.iterdir()] == ["manifest.json"]


OLD_KEYS = {"delta": "fresh", "deleted": "dead", "search_parameters": "efforts"}


def as_format_2(folder: Path) -> None:
    """Write the manifest of a folder as version 0.1 wrote it, and give the files the names that they had."""
    content = json.loads((folder / "manifest.json").read_text())
    del content["checksum"], content["partitions"]["image"]["tail"]

    def old(value: object) -> object:
        if isinstance(value, dict):
            return {OLD_KEYS.get(key, key): old(inner) for key, inner in value.items()}
        return value.replace(".delta.", ".fresh.").replace(".deleted.", ".dead.") if isinstance(value, str) else value

    (folder / "manifest.json").write_text(json.dumps({**content, **old(content), "format_version": 2}))  # type: ignore[dict-item]
    for path in folder.glob("image*"):
        path.rename(folder / str(old(path.name)))


def test_a_folder_of_the_old_format_is_opened_without_building_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faiss_index, "SMALL_ROWS", 0)
    monkeypatch.setattr(partition, "MOST_TAIL_ROWS", 0)
    config = IndexConfig(spec="IVF8,int8")
    index = PartitionedIndex.create(tmp_path, dim=DIM, fingerprint="toy-1", config=config)
    index.add("image", np.arange(600), unit(600))
    index.save(version=1)
    index.add("image", np.arange(600, 640), unit(40, seed=1))
    index.remove(np.array([3, 610]))
    index.save(version=2)
    expected = index.search(["image"], unit(20, seed=9), 10)["image"]
    as_format_2(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())["partitions"]["image"]
    assert sorted(manifest) == ["base", "count", "fresh", "sample", "spec", "tuning"]
    assert {"dead", "rows", "ids"} <= manifest["base"].keys() & manifest["fresh"].keys()
    assert manifest["fresh"]["dead"]["name"] == "image.2.fresh.dead.npy"
    names = {path.name for path in tmp_path.iterdir()}

    monkeypatch.setattr(faiss_index, "train", None)
    again = PartitionedIndex.open(tmp_path, dim=DIM, fingerprint="toy-1", config=config)
    assert (again.problems, again.version, again.verify()) == ([], 2, [])
    found = again.search(["image"], unit(20, seed=9), 10)["image"]
    assert np.array_equal(found[1], expected[1])
    assert np.array_equal(found[0], expected[0])
    assert again.partition("image")._state.tuning == index.partition("image")._state.tuning
    again.save(version=2)
    assert {path.name for path in tmp_path.iterdir()} == names
    assert json.loads((tmp_path / "manifest.json").read_text())["format_version"] == 4
    assert PartitionedIndex.open(tmp_path, dim=DIM, fingerprint="toy-1", config=config).problems == []


def test_two_handles_never_write_one_name_twice(saved: Path) -> None:
    """What a reader has mapped of the first writer's files must not change below it."""
    first, second = opened(saved), opened(saved)
    first.add("image", np.arange(20, 25), unit(5, seed=2))
    first.save(version=4)
    inodes = {path.name: path.stat().st_ino for path in saved.iterdir() if path.name != "manifest.json"}
    kept = opened(saved)
    second.add("image", np.arange(30, 35), unit(5, seed=3))
    second.save(version=5)
    now = {path.name: path.stat().st_ino for path in saved.iterdir() if path.name != "manifest.json"}
    assert not [name for name, inode in now.items() if inodes.get(name, inode) != inode]
    assert set(now) - set(inodes), "the second writer wrote files of its own"
    assert np.array_equal(kept.reconstruct("image", np.arange(20, 25)), unit(5, seed=2))


@pytest.mark.parametrize("spec", ["float32", "float16", "int8", "IVF8,int8"])
def test_many_small_saves_keep_few_small_files_and_lose_nothing(
    tmp_path: Path, spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every save writes about its own rows, and what is opened equals a partition that was saved once."""
    monkeypatch.setattr(partition, "MOST_TAIL_ROWS", 40)
    monkeypatch.setattr(faiss_index, "COMPACT_SHARE", 9)
    config = IndexConfig(spec=spec)
    first, rows = unit(600), unit(150, seed=5)
    index = PartitionedIndex.create(tmp_path, dim=DIM, fingerprint="toy-1", config=config)
    index.add("image", np.arange(600), first)
    index.save(version=1)
    most = 0
    for number in range(150):
        index = PartitionedIndex.open(tmp_path, dim=DIM, fingerprint="toy-1", config=config)
        assert index.problems == []
        before = {path.name for path in tmp_path.iterdir()}
        index.add("image", np.array([1000 + number]), rows[number : number + 1])
        if number % 10 == 3:
            assert index.remove(np.array([number, 1000 + number // 2])) == 2
        index.save(version=2 + number)
        new = [path for path in tmp_path.iterdir() if path.name not in before]
        most = max(most, len(list(tmp_path.iterdir())))
        if spec in ("float32", "float16"):
            assert sum(path.stat().st_size for path in new) < 64 * (8 + 4 * DIM) + 3 * 128 + 600 // 8 + 1
    again = PartitionedIndex.open(tmp_path, dim=DIM, fingerprint="toy-1", config=config)
    assert again.verify() == []
    assert most <= 8 * 3 + 12
    gone = {number for number in range(150) if number % 10 == 3} | {1000 + n // 2 for n in range(150) if n % 10 == 3}
    expected = [id_ for id_ in [*range(600), *range(1000, 1150)] if id_ not in gone]
    assert again.ids("image").tolist() == expected
    assert np.array_equal(again.sample("image"), index.sample("image"))
    rounded = np.vstack([first, rows]).astype("float32" if spec == "float32" else "float16").astype("float32")
    places = [id_ if id_ < 1000 else id_ - 400 for id_ in expected]
    assert np.array_equal(again.reconstruct("image", np.array(expected)), rounded[places])
    found, held = (one.search(["image"], unit(9, seed=8), 5)["image"] for one in (again, index))
    assert np.array_equal(found[1], held[1])


def test_a_flipped_character_in_the_manifest_makes_it_unreadable(saved: Path) -> None:
    text = (saved / "manifest.json").read_text()
    for place in range(0, len(text), 7):
        (saved / "manifest.json").write_text(text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :])
        assert opened(saved).problems == ["no readable partitions"]
