"""Find the files of a collection that are copies of each other: of equal bytes, or pictures and clips that look alike.

Near copies are grouped around their best file, which has the most pixels, then the most bytes, then the earliest time:
every other file of the group is a copy of that one (`copies`). So a burst of photos, each of which resembles the next,
is no single group. A long video has many items, and is a copy of another if all of them are, in their order.

Memory grows with the number of items by about 100 bytes; vectors are read only of items whose hashes are near.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from unite_search.item import ITEM_COLUMNS, Item
from unite_search.media.perceptual_hash import FLAT
from unite_search.search.copies import LEAST_COSINE, MOST_BITS, MOST_LEADERS
from unite_search.search.hamming import blocks, distances, near_pairs
from unite_search.storage.catalog import Catalog
from unite_search.storage.row_checksums import PHASH

COLUMNS = ("id", "parent", "modality", "content_hash", "size_bytes", "width", "height", "mtime_ns", PHASH)
BLOCK_ITEMS = 4096
"""Pairs of items whose vectors are in memory at a time."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyGroup:
    """Files that are copies of the first.

    Attributes:
        files: the first item of each file, best first: the most pixels, then the most bytes, then the oldest.
    """

    files: tuple[Item, ...]

    @property
    def is_exact(self) -> bool:
        """Whether all files have the same bytes."""
        return len({file.content_hash for file in self.files}) == 1

    @property
    def freed_bytes(self) -> int:
        """What deleting all files but the first would free."""
        return sum(file.size_bytes for file in self.files[1:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates:
    """The copies in a collection.

    Attributes:
        groups: groups of copies, those first that would free the most.
        without_hash: pictures and clips that could only be compared by their bytes, because they were indexed by an
            earlier version or imported; 0 where near copies were not looked for.
    """

    groups: tuple[CopyGroup, ...]
    without_hash: int = 0

    @property
    def files(self) -> int:
        """Number of files in all groups."""
        return sum(len(group.files) for group in self.groups)

    @property
    def freed_bytes(self) -> int:
        """What deleting all files but the first of each group would free."""
        return sum(group.freed_bytes for group in self.groups)


def find_duplicates(catalog: Catalog, where: str | None = None, *, near: bool = False) -> Duplicates:
    """Group the files that are copies of each other.

    Args:
        catalog: the catalog.
        where: SQL expression; only the items that match are looked at.
        near: whether to find near copies of pictures and clips, too.

    Raises:
        FilterError: the expression cannot be evaluated.
        DamagedCollectionError: a vector that is needed is damaged.
    """
    table = catalog.columns(COLUMNS, where)
    if not len(table):
        return Duplicates(groups=())
    files = _Files.of(table)
    originals = _originals(len(files.best), _near_contents(catalog, files)) if near else np.arange(len(files.best))
    groups = _groups(catalog, files, originals[files.contents])
    return Duplicates(groups=groups, without_hash=files.without_hash if near else 0)


@dataclass(frozen=True, slots=True, eq=False)
class _Files:
    """The files of a catalog, best first, and their contents, numbered by their best files.

    Attributes:
        ids: (N,) all items, those of a file together and in order.
        phashes: (N,) their hashes, `FLAT` for none.
        is_hashed: (N,) whether there is a hash.
        modalities: (N,) a number for each modality.
        sizes: (N,) sizes of their files in bytes.
        starts: (F,) place of the first item of each file.
        counts: (F,) number of its items.
        contents: (F,) number of its bytes, equal for equal bytes.
        best: (C,) the first file of each content.
        without_hash: pictures and clips that have no hash.
    """

    ids: Ints
    phashes: NDArray[np.uint64]
    is_hashed: NDArray[np.bool_]
    modalities: Ints
    sizes: Ints
    starts: Ints
    counts: Ints
    contents: Ints
    best: Ints
    without_hash: int

    @classmethod
    def of(cls, table: pa.Table) -> _Files:
        """Arrange the rows of a catalog, of which there is at least one."""
        order = np.lexsort((table["id"].to_numpy(), table["parent"].to_numpy()))
        parents = table["parent"].to_numpy()[order]
        starts = np.flatnonzero(np.append(True, parents[1:] != parents[:-1]))
        counts = np.diff(np.append(starts, len(parents)))
        ids, sizes = table["id"].to_numpy()[order], table["size_bytes"].to_numpy()[order]
        pixels = (_filled(table["width"]) * _filled(table["height"]))[order]
        times = _filled(table["mtime_ns"])[order]
        ranks = np.lexsort((ids[starts], times[starts], -sizes[starts], -pixels[starts]))
        starts, counts = starts[ranks], counts[ranks]
        contents, best = _numbered(_codes(table["content_hash"])[order][starts])
        is_hashed = table[PHASH].is_valid().to_numpy()[order]
        is_text = pc.equal(table["modality"], "text").to_numpy()[order]
        return cls(
            ids=ids,
            phashes=_filled(table[PHASH])[order].astype(np.uint64),
            is_hashed=is_hashed,
            modalities=_codes(table["modality"])[order],
            sizes=sizes,
            starts=starts,
            counts=counts,
            contents=contents,
            best=best,
            without_hash=int(np.count_nonzero(~is_hashed & ~is_text)),
        )

    def anchors(self) -> tuple[Ints, NDArray[np.uint64]]:
        """Return the contents that can be compared, best first, and their first hashes that are not flat."""
        places = np.append(np.flatnonzero(self.is_hashed & (self.phashes != FLAT)), len(self.ids))
        starts = self.starts[self.best]
        first = places[np.searchsorted(places, starts)]
        contents = np.flatnonzero(first < starts + self.counts[self.best])
        return contents, self.phashes[first[contents]]


def _filled(column: pa.ChunkedArray) -> Ints:
    """Return whole numbers, 0 for null."""
    filled: Ints = column.fill_null(0).to_numpy().astype(np.int64)
    return filled


def _codes(column: pa.ChunkedArray) -> Ints:
    """Return a number for each text."""
    codes = column.combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    return np.asarray(codes, np.int64)


def _numbered(codes: Ints) -> tuple[Ints, Ints]:
    """Number codes in the order in which they come first; return the numbers, and where each comes first."""
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first)
    numbers = np.empty_like(order)
    numbers[order] = np.arange(len(order))
    return numbers[inverse], first[order]


def _near_contents(catalog: Catalog, files: _Files) -> Ints:
    """Return the (m, 2) pairs of contents that are near copies, the better one first, sorted."""
    contents, hashes = files.anchors()
    values, codes = np.unique(hashes, return_inverse=True)
    found = near_pairs(values, MOST_BITS)
    same = np.arange(len(values))[:, None].repeat(2, axis=1)
    sharing = _Sharing(contents[np.argsort(codes, kind="stable")], np.bincount(codes, minlength=len(values)))
    near = [np.empty((0, 2), np.int64)]
    for pairs in sharing.pairs(np.concatenate([found, found[:, ::-1], same])):
        near.append(_confirmed(catalog, files, pairs))
    return np.unique(np.concatenate(near), axis=0)


class _Sharing:
    """The contents that share each hash, best first."""

    def __init__(self, contents: Ints, counts: Ints) -> None:
        self._contents = contents
        self._counts = counts
        self._starts = np.cumsum(counts) - counts

    def pairs(self, values: Ints) -> Iterator[Ints]:
        """Yield blocks of pairs of different contents: the best that have one hash with all that have the other."""
        left, right = values.T
        leaders, others = np.minimum(self._counts[left], MOST_LEADERS), self._counts[right]
        totals = leaders * others
        for low, high in blocks(np.cumsum(totals), BLOCK_ITEMS):
            total, width = totals[low:high], np.repeat(others[low:high], totals[low:high])
            place = np.arange(total.sum()) - np.repeat(np.cumsum(total) - total, total)
            first = self._contents[np.repeat(self._starts[left[low:high]], total) + place // width]
            second = self._contents[np.repeat(self._starts[right[low:high]], total) + place % width]
            found = np.stack([np.minimum(first, second), np.maximum(first, second)], axis=1)
            yield np.unique(found[first != second], axis=0)


def _confirmed(catalog: Catalog, files: _Files, pairs: Ints) -> Ints:
    """Return those of (m, 2) contents of which all items are near copies, one by one."""
    left, right = files.best[pairs.T]
    is_alike = (files.counts[left] == files.counts[right]) & (
        files.modalities[files.starts[left]] == files.modalities[files.starts[right]]
    )
    pairs, left, right = pairs[is_alike], left[is_alike], right[is_alike]
    kept = [
        pairs[low:high][_all_near(catalog, files, left[low:high], right[low:high])]
        for low, high in blocks(np.cumsum(files.counts[left]), BLOCK_ITEMS)
    ]
    return np.concatenate([pairs[:0], *kept])


def _all_near(catalog: Catalog, files: _Files, left: Ints, right: Ints) -> NDArray[np.bool_]:
    """Return for each pair of files of equal length whether all of their items are near copies."""
    counts = files.counts[left]
    firsts = np.cumsum(counts) - counts
    steps = np.arange(counts.sum()) - np.repeat(firsts, counts)
    items = np.repeat(files.starts[left], counts) + steps, np.repeat(files.starts[right], counts) + steps
    is_near = files.is_hashed[items[0]] & files.is_hashed[items[1]]
    left_hashes, right_hashes = files.phashes[items[0]], files.phashes[items[1]]
    is_near &= ((left_hashes == FLAT) == (right_hashes == FLAT)) & (distances(left_hashes, right_hashes) <= MOST_BITS)
    is_near &= np.repeat(np.logical_and.reduceat(is_near, firsts), counts)
    chosen = np.flatnonzero(is_near)
    if len(chosen):
        is_near[chosen] = _cosines(catalog, files.ids[items[0][chosen]], files.ids[items[1][chosen]]) >= LEAST_COSINE
    return np.asarray(np.logical_and.reduceat(is_near, firsts))


def _cosines(catalog: Catalog, left: Ints, right: Ints) -> NDArray[np.float32]:
    ids, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    vectors = catalog.vectors(ids)
    first, second = np.split(vectors[places], 2)
    return np.asarray(np.einsum("nd,nd->n", first, second))


def _originals(count: int, pairs: Ints) -> Ints:
    """Return for each content the one whose copy it is, or itself; a copy is the original of nothing.

    Args:
        count: C, the number of contents; the smaller number is the better one.
        pairs: (m, 2) near copies, sorted, the better one first.
    """
    originals = np.arange(count)
    lefts, starts = np.unique(pairs[:, 0], return_index=True)
    for left, rights in zip(lefts.tolist(), np.split(pairs[:, 1], starts)[1:], strict=True):
        if originals[left] == left:
            originals[rights[originals[rights] == rights]] = left
    return originals


def _groups(catalog: Catalog, files: _Files, originals: Ints) -> tuple[CopyGroup, ...]:
    """Return the groups of files that have one original, those first that free the most."""
    counts = np.bincount(originals)
    grouped = np.flatnonzero(counts[originals] > 1)
    grouped = grouped[np.argsort(originals[grouped], kind="stable")]
    starts = np.flatnonzero(np.diff(originals[grouped], prepend=-1))
    ids = files.ids[files.starts[grouped]]
    items = _items(catalog, ids)
    groups = [CopyGroup(files=tuple(items[id_] for id_ in part.tolist())) for part in np.split(ids, starts)[1:]]
    return tuple(sorted(groups, key=lambda group: -group.freed_bytes))


def _items(catalog: Catalog, ids: Ints) -> dict[int, Item]:
    rows: dict[int, dict[str, Any]] = {}
    for start in range(0, len(ids), BLOCK_ITEMS):
        rows |= catalog.rows(ids[start : start + BLOCK_ITEMS].tolist(), ITEM_COLUMNS)
    return {id_: Item.of(row) for id_, row in rows.items()}
