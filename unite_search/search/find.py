"""Find: score the candidates of a query by all evidence, group them, and return one page of hits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from indexers.calibration import HEAD
from indexers.partitioned import PartitionedIndex
from unite_search import strict_json
from unite_search.encoders.calibration import Calibration
from unite_search.query import Hit, SearchOptions
from unite_search.search.candidates import Scope, lookup_of, ranked_lists, with_items_of_words
from unite_search.search.diversity import POOL, diversified
from unite_search.search.encoding import QueryVector
from unite_search.search.explain import evidence
from unite_search.search.found import Found, Rows, by_meaning, by_words
from unite_search.search.grouping import COLUMNS_OF, Group, group_name, grouped
from unite_search.search.lexical import MOST_MATCHES, Lookup
from unite_search.search.scoring import meanings
from unite_search.search.turns import TEXT, share_of_texts, side_of, taking_turns
from unite_search.storage.catalog import Catalog
from unite_search.storage.words import WORDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIRST_FETCH = 4
WORDS_ALONE = 1000
"""Candidates of a query by words alone. They are sorted anew for each page, and pages must not repeat what is shown."""
DEEPEST = 6400
"""Items of each partition that are looked at, at most, where no more than a quarter of them are wanted as hits. Where
they are all of few files, folders or days, or copies, there may be fewer hits than are wanted."""
MOST_SEGMENTS = 200
SHOWN_COLUMNS = (
    "parent",
    "uri",
    "start_s",
    "end_s",
    "text",
    "width",
    "height",
    "duration_s",
    "taken_at",
    "metadata",
)


def find(
    catalog: Catalog,
    partitions: PartitionedIndex,
    query: QueryVector,
    options: SearchOptions,
    calibration: Calibration | None = None,
) -> tuple[tuple[Hit, ...], dict[str, int], tuple[str, ...]]:
    """Rank the items for a query vector.

    Returns:
        The page of hits, how many items competed by partition, and what there is to say about the words.

    Raises:
        FilterError: `options.where` cannot be evaluated.
        ValueError: `options.modalities` names an unknown modality.
    """
    scope = Scope.of(catalog, partitions, query, options)
    finder = _Finder(catalog, partitions, query, options, calibration, scope)
    wanted = options.offset + options.top_k
    needed = max(wanted, POOL if options.diverse else 0)
    depth = max(HEAD, FIRST_FETCH * wanted)
    groups: list[Group] = []
    everything = sum(scope.sizes.values())
    deepest = min(max(scope.sizes.values(), default=0), max(DEEPEST, FIRST_FETCH * wanted))
    while scope.sizes:
        groups = finder.groups(min(depth, everything), needed)
        if finder.is_settled(groups, needed) or depth >= deepest:
            break
        depth *= FIRST_FETCH
    if options.diverse:
        groups = diversified(groups, finder.vectors)
    if query.kind != TEXT and options.group_by in ("item", "parent"):
        groups = taking_turns(groups, share_of_texts(scope.sizes))
    page = groups[options.offset : wanted]
    rows = catalog.rows((one.id for group in page for one in _shown(group)), SHOWN_COLUMNS)
    hits = tuple(finder.hit(group, rank, rows) for rank, group in enumerate(page, options.offset + 1))
    return hits, scope.sizes, finder.lookup.notes()


def _shown(group: Group) -> Iterable[Found]:
    """Yield the items of a group that are shown, and the best of each copy."""
    yield from group.items[: 1 + MOST_SEGMENTS]
    yield from (copy.best for copy in group.copies)


@dataclass(slots=True, eq=False)
class _Finder:
    """Finds the best items of a scope by meaning and words together.

    Attributes:
        lookup: what the words of the query say.
        unseen: what the best item that has not been looked at can be sorted by, for each side that takes turns; no
            side of which no such item counts.
    """

    catalog: Catalog
    partitions: PartitionedIndex
    query: QueryVector
    options: SearchOptions
    calibration: Calibration | None
    scope: Scope
    lookup: Lookup = field(default_factory=Lookup)
    unseen: dict[str, tuple[bool, bool, float]] = field(default_factory=dict)
    _looked_up: int = 0

    def groups(self, depth: int, needed: int) -> list[Group]:
        """Return groups, best first, of the nearest `depth` items of each partition and of those with the words.

        Args:
            depth: items of each partition.
            needed: groups that are looked at.
        """
        found = self._by_words(depth) if self.query.mode == "words" else self._by_meaning(depth)
        least = self.options.min_score
        if least is not None:
            found = [one for one in found if one.score >= least]
        by, with_copies = self.options.group_by, self.options.copies
        return grouped(found, by, self.vectors, with_copies=with_copies, needed=needed)

    def is_settled(self, groups: list[Group], needed: int) -> bool:
        """Return whether nothing that is farther by its vector can be among the first `needed` groups.

        All items that were found in a partition may be segments of one clip; the next one in it may be better than all
        of another partition.
        """
        for side, bound in self.unseen.items():
            known = [group for group in groups if side_of(group.best.partition, self.query.kind) == side]
            if len(known) < needed or known[needed - 1].best.order[:3] > bound:
                return False
        return True

    def hit(self, group: Group, rank: int, rows: Rows) -> Hit:
        """Return what is shown of a group, with the rows of the catalog that it needs."""
        best, *others = (self._single_hit(one, rank, rows[one.id]) for one in group.items[: 1 + MOST_SEGMENTS])
        copies = tuple(self._single_hit(copy.best, rank, rows[copy.best.id]) for copy in group.copies)
        name = group_name(group.best.row, self.options.group_by)
        files = len({one.row["parent"] for one in group.items})
        return replace(best, segments=tuple(others), copies=copies, group=name, files=files)

    def _by_meaning(self, depth: int) -> list[Found]:
        lists = ranked_lists(self.partitions, self.query, self.scope, depth)
        farthest = {int(ranked.ids[-1]) for ranked in lists if len(ranked.ids) < ranked.size}
        known = np.concatenate([ranked.ids for ranked in lists])
        with_words = np.setdiff1d(self._look_up(depth), known).tolist()
        wanted = {id_: self.lookup.candidates[id_] for id_ in with_words} | self._nearest_exact(depth, known)
        lists = with_items_of_words(lists, self.partitions, self.query, wanted)
        rows = self._rows(id_ for ranked in lists for id_ in ranked.ids.tolist())
        found = by_meaning(
            lists,
            meanings(lists, self.query, self.calibration),
            self.lookup,
            rows,
            only_words=self.query.language is not None,
        )
        self._note_unseen(one for one in found if one.id in farthest)
        return found

    def _note_unseen(self, farthest: Iterable[Found]) -> None:
        """Note the bounds of what has not been looked at, given the farthest items of partitions that have more."""
        least = -np.inf if self.options.min_score is None else self.options.min_score
        self.unseen = {}
        for one in farthest:
            side, bound = side_of(one.partition, self.query.kind), one.order_of_farther
            if -bound[-1] >= least:
                self.unseen[side] = min(bound, self.unseen.get(side, bound))

    def _nearest_exact(self, depth: int, known: NDArray[np.int64]) -> dict[int, str]:
        """Return the partitions, by id, of the nearest exact matches where there are more than candidates by words."""
        found: dict[int, str] = {}
        for phrase in self.lookup.crowded:
            with self.catalog.guarded():
                holding = self.scope.keeps(self.catalog.full_text.ids_of_phrase(phrase))
            nearest = ranked_lists(self.partitions, self.query, replace(self.scope, allowed=holding), depth)
            found |= {int(id_): ranked.name for ranked in nearest for id_ in np.setdiff1d(ranked.ids, known)}
        return found

    def _by_words(self, depth: int) -> list[Found]:
        with_words = self._look_up(max(WORDS_ALONE, depth))
        has_more = len(self.lookup.candidates) >= self._looked_up
        self.unseen = {side_of(TEXT, TEXT): (True, True, np.inf)} if has_more else {}
        return by_words(self.lookup, self._rows(with_words.tolist()))

    def _look_up(self, depth: int) -> NDArray[np.int64]:
        """Look up the words of the query, and return the items of the scope that hold them."""
        k = max(MOST_MATCHES, depth)
        if self.query.mode != "meaning" and k > self._looked_up:
            self.lookup = lookup_of(self.catalog, self.query, self.scope, self.options, k)
            self._looked_up = k
        return self.scope.keeps(np.array(list(self.lookup.candidates), np.int64))

    def vectors(self, ids: list[int]) -> NDArray[np.float32]:
        """Return the (n, D) vectors of some items, in the order given."""
        return self.catalog.vectors(np.sort(ids))[np.argsort(np.argsort(ids))]

    def _rows(self, ids: Iterable[int]) -> Rows:
        """Read what is needed to score items and to group them."""
        words = [WORDS] if self.lookup.terms else []
        return self.catalog.rows(ids, [*COLUMNS_OF[self.options.group_by], *words])

    def _single_hit(self, found: Found, rank: int, row: dict[str, Any]) -> Hit:
        shown = {name: row[name] for name in SHOWN_COLUMNS}
        shown["metadata"] = strict_json.loads(row["metadata"] or "{}")
        return Hit(
            rank=rank,
            id=found.id,
            score=found.score,
            cosine=found.cosine,
            partition=found.partition,
            is_weak=found.is_weak,
            is_exact=found.is_exact,
            evidence=evidence(found, row, self.lookup),
            **shown,
        )
