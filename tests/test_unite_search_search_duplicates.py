"""Groups of copies: those of a naive search, for any hashes and vectors; and copies on a page of hits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unite_search.search import duplicates, hamming
from unite_search.search.copies import LEAST_COSINE, MOST_BITS, copies_among
from unite_search.search.duplicates import find_duplicates
from unite_search.storage.catalog import Catalog
from unite_search.storage.change import Change

SEEDS = (0x0123456789ABCDEF, 0x7EDCBA9876543210 ^ 0xFFFF, 0)
VECTORS = np.array([[1, 0, 0, 0], [0.9, np.sqrt(1 - 0.81), 0, 0], [0, 0, 1, 0]], np.float32)

Item = tuple[int | None, int]
"""A perceptual hash, and the place of a vector."""
ITEMS = st.tuples(
    st.none() | st.builds(lambda seed, bits: seed ^ bits, st.sampled_from(SEEDS), st.sampled_from([0, 1, 255, 511])),
    st.integers(0, len(VECTORS) - 1),
)
FILES = st.fixed_dictionaries(
    {
        "bytes": st.integers(0, 5),
        "size": st.integers(1, 3),
        "width": st.integers(1, 2),
        "items": st.lists(ITEMS, min_size=1, max_size=3),
        "modality": st.sampled_from(["image", "video"]),
    }
)


def rows_of(files: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of some files; a file of the same bytes as an earlier one has its items."""
    first: dict[int, dict[str, Any]] = {}
    rows: list[dict[str, Any]] = []
    for number, file in enumerate(files):
        shown = first.setdefault(file["bytes"], file)
        for phash, vector in shown["items"]:
            rows.append(
                {
                    "id": len(rows),
                    "parent": number,
                    "modality": shown["modality"],
                    "partition": shown["modality"],
                    "uri": f"/{number}",
                    "name": str(number),
                    "folder": "/",
                    "size_bytes": shown["size"],
                    "mtime_ns": 0,
                    "content_hash": f"bytes {file['bytes']}",
                    "recipe": "",
                    "embedding": VECTORS[vector],
                    "width": shown["width"],
                    "height": 1,
                    "phash": phash,
                    "metadata": "{}",
                }
            )
    return rows


def are_near(left: list[dict[str, Any]], right: list[dict[str, Any]]) -> bool:
    """Whether two files are near copies, item by item."""
    if len(left) != len(right) or left[0]["modality"] != right[0]["modality"]:
        return False
    pairs = [(a, b) for a, b in zip(left, right, strict=True)]
    if any(a["phash"] is None or b["phash"] is None for a, b in pairs) or not any(
        a["phash"] and b["phash"] for a, b in pairs
    ):
        return False
    return all(
        (a["phash"] == 0) == (b["phash"] == 0)
        and (a["phash"] ^ b["phash"]).bit_count() <= MOST_BITS
        and float(a["embedding"] @ b["embedding"]) >= LEAST_COSINE
        for a, b in pairs
    )


def naive(rows: list[dict[str, Any]], *, near: bool) -> set[tuple[str, ...]]:
    """Give each file to the first better file that is an original and whose copy it is."""
    files: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        files.setdefault(row["parent"], []).append(row)
    ranked = sorted(files.values(), key=lambda file: (-file[0]["width"], -file[0]["size_bytes"], file[0]["id"]))
    groups: list[list[list[dict[str, Any]]]] = []
    for file in ranked:
        for group in groups:
            if any(file[0]["content_hash"] == other[0]["content_hash"] for other in group) or (
                near and are_near(group[0], file)
            ):
                group.append(file)
                break
        else:
            groups.append([file])
    return {tuple(file[0]["uri"] for file in group) for group in groups if len(group) > 1}


@settings(max_examples=60)
@given(
    files=st.lists(FILES, max_size=9), near=st.booleans(), has_few=st.booleans(), block=st.sampled_from([1, 5, 4096])
)
def test_groups_are_those_of_a_naive_search(
    files: list[dict[str, Any]], near: bool, has_few: bool, block: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows = rows_of(files)
    catalog = Catalog.create(tmp_path_factory.mktemp("catalog"), dim=VECTORS.shape[1])
    if rows:
        catalog.commit(Change(new=rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hamming, "FEW", 100 if has_few else 0)
        patch.setattr(duplicates, "BLOCK_ITEMS", block)
        found = find_duplicates(catalog, near=near)
    assert {tuple(file.uri for file in group.files) for group in found.groups} == naive(rows, near=near)
    spare = [sum(file.size_bytes for file in group.files[1:]) for group in found.groups]
    assert spare == sorted(spare, reverse=True)
    assert found.freed_bytes == sum(spare)
    assert found.without_hash == (sum(row["phash"] is None for row in rows) if near else 0)


def test_a_burst_is_no_single_group(tmp_path: Path) -> None:
    """Each of ten pictures is near the next, and the first is not near the last."""
    hashes = [(1 << 6 * step) - 1 for step in range(1, 11)]
    files = [
        {"bytes": place, "size": 1, "width": 1, "items": [(phash, 0)], "modality": "image"}
        for place, phash in enumerate(hashes)
    ]
    catalog = Catalog.create(tmp_path, dim=VECTORS.shape[1])
    catalog.commit(Change(new=rows_of(files)))
    groups = find_duplicates(catalog, near=True).groups
    assert [len(group.files) for group in groups] == [2] * 5


def test_thousands_of_pictures_with_one_hash_are_compared_with_the_best_of_them(tmp_path: Path) -> None:
    files = [
        {"bytes": place, "size": 1, "width": 1, "items": [(77, 2 * (place % 2))], "modality": "image"}
        for place in range(3000)
    ]
    catalog = Catalog.create(tmp_path, dim=VECTORS.shape[1])
    catalog.commit(Change(new=rows_of(files)))
    groups = find_duplicates(catalog, near=True).groups
    assert [len(group.files) for group in groups] == [1500, 1500]


HITS = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from([None, "", "a dog", "a cat"]), ITEMS), max_size=12)


@given(HITS)
def test_copies_among_hits_are_those_of_the_definition(hits: list[tuple[str, str | None, Item]]) -> None:
    hashes: dict[str, int | None] = {}
    hits = [(digest, text, (hashes.setdefault(digest, phash), vector)) for digest, text, (phash, vector) in hits]
    vectors = VECTORS[[vector for *_, (_, vector) in hits]]
    expected: list[int] = []
    for place, (digest, text, (phash, _)) in enumerate(hits):
        originals = [
            earlier
            for earlier, (other, said, (known, _)) in enumerate(hits[:place])
            if expected[earlier] < 0
            and (not text or not said or text == said)
            and (
                other == digest
                or (
                    phash
                    and known
                    and (phash ^ known).bit_count() <= MOST_BITS
                    and float(vectors[place] @ vectors[earlier]) >= LEAST_COSINE
                )
            )
        ]
        expected.append(originals[0] if originals else -1)
    digests, texts = [digest for digest, *_ in hits], [text for _, text, _ in hits]
    found = copies_among(digests, [phash for *_, (phash, _) in hits], texts, vectors)
    assert found.tolist() == expected
