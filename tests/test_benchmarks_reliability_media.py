"""The benchmark of damaged media, at toy size."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.reliability import media

SCALE = replace(media.SMALL, mutants=len(media.KINDS), good=3)


def test_damaged_files_are_of_all_kinds_and_damaged(tmp_path: Path) -> None:
    names = media.damage(tmp_path / "originals", tmp_path / "damaged", 2 * len(media.KINDS))
    kinds = Counter(path.suffix for path in (tmp_path / "damaged").iterdir())
    assert {".jpg", ".png", ".gif", ".webp", ".heic", ".mp4", ".mkv", ".avi", ".txt", ".srt", ".json"} <= set(kinds)
    assert len(names) == len(set(names)) == 2 * len(media.KINDS)
    content = bytes(range(256)) * 4
    mutants = {media.mutate(content, random.Random(seed), b"other" * 300) for seed in range(40)}
    assert content not in mutants
    assert len(mutants) == 40


@pytest.mark.slow
def test_damaged_files_cost_nothing_but_themselves() -> None:
    found = media.run(SCALE)
    assert found["files"] == found["indexed"] + found["skipped_with_a_reason"] == len(media.KINDS)
    assert (found["good_files_lost"], found["unaccounted"]) == ([], [])
    assert (found["exit_code"], found["exit_code_again"], found["verify_exit_code"]) == (0, 0, 0)
    assert (found["raw_errors"], found["left_running"]) == (0, 0)
    assert found["peak_mib"] > 0


@pytest.mark.slow
def test_a_good_file_that_is_missing_or_changed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    true_vectors = media._vectors

    def some_vectors(database: Path, root: Path) -> dict[str, Any]:
        vectors = true_vectors(database, root)
        if database.name == "db":
            del vectors["good/000.jpg"]
            vectors["good/001.jpg"] = -vectors["good/001.jpg"]
        return vectors

    monkeypatch.setattr(media, "_vectors", some_vectors)
    assert media.run(SCALE)["good_files_lost"] == ["good/000.jpg", "good/001.jpg"]
