"""The full-text index of the catalog: an inverted index with positions over the column `words`, ranked by BM25.

The column holds what `unite_search.analyzer` makes of a row, so the index only has to split it at spaces. Rows that
are not in the index yet are scanned by each search; `update` brings it up to date once they are too many.
"""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import lance
import numpy as np
import pyarrow as pa
from lance.query import FullTextQuery, MatchQuery, PhraseQuery
from numpy.typing import NDArray

from unite_search.storage.words import WORDS

UNINDEXED_SHARE = 0.1
"""Share of rows outside the index that is not worth writing the whole index again."""
MOST_UNINDEXED = 20_000
"""More rows are never left outside: every search of the index reads all of them."""
TOKENISER = {
    "with_position": True,
    "base_tokenizer": "whitespace",
    "lower_case": False,
    "stem": False,
    "remove_stop_words": False,
    "ascii_folding": False,
    "max_token_length": None,
}
FUZZY_FROM_CHARACTERS = 4
"""A shorter word is not taken for a misspelt one."""
MOST_EDITS = 2
"""Two letters that are swapped are two edits to the engine."""
KEPT_FREQUENCIES = 4096

_Frequencies = dict[tuple[int, tuple[str, ...], int | None], int]
_FREQUENCIES: WeakKeyDictionary[lance.LanceDataset, _Frequencies] = WeakKeyDictionary()
"""By handle, version and phrase; those of common words take long to count, and are asked for again and again.

By handle and not by path, at which another collection may have been made since."""


class FullText:
    """The full-text index of one version of the table."""

    def __init__(self, table: lance.LanceDataset) -> None:
        self._table = table

    def match(self, terms: Sequence[str], k: int, where: str | None = None) -> dict[int, str]:
        """Return the partitions, by id, of the best `k` rows that hold at least one of the terms."""
        return self._found(MatchQuery(" ".join(terms), WORDS), k, where)

    def match_phrase(self, phrase: Sequence[str], k: int, where: str | None = None) -> dict[int, str]:
        """Return the partitions, by id, of the best `k` rows that hold some terms one after the other."""
        return self._found(_phrase_query(phrase), k, where)

    def similar_rows(self, term: str, k: int) -> list[str]:
        """Return the words of `k` rows with a term that is spelt like a misspelt one.

        They differ by two letters at most, as two that are swapped do, and not by the first. Rows that are not in the
        index yet are not found by this.
        """
        query = MatchQuery(term, WORDS, fuzziness=MOST_EDITS, prefix_length=1)
        words: list[str] = self._scanned(query, k, None, [WORDS])[WORDS].to_pylist()
        return words

    def frequency(self, phrase: Sequence[str], most: int | None = None) -> int:
        """Return how many rows hold some terms one after the other, and at most `most`."""
        known = _FREQUENCIES.setdefault(self._table, {})
        key = (self._table.version, tuple(phrase), most)
        count = known.get(key)  # Another thread may empty the dictionary at any moment.
        if count is None:
            limit = self._table.count_rows() if most is None else most
            count = int(self._scanned(_phrase_query(phrase), limit, None, []).num_rows)
            if len(known) >= KEPT_FREQUENCIES:
                known.clear()
            known[key] = count
        return count

    def ids_of_phrase(self, phrase: Sequence[str]) -> NDArray[np.int64]:
        """Return the sorted ids of all rows that hold some terms one after the other."""
        found = self._scanned(_phrase_query(phrase), self._table.count_rows(), None, ["id"])
        return np.sort(found["id"].to_numpy())

    def _found(self, query: FullTextQuery, k: int, where: str | None) -> dict[int, str]:
        rows = self._scanned(query, k, where, ["id", "partition"])
        return dict(zip(rows["id"].to_pylist(), rows["partition"].to_pylist(), strict=True))

    def _scanned(self, query: FullTextQuery, k: int, where: str | None, columns: list[str]) -> pa.Table:
        scanner = self._table.scanner(
            columns=[*columns, "_score"], full_text_query=query, limit=max(1, k), filter=where, prefilter=True
        )
        return scanner.to_table()


def _phrase_query(phrase: Sequence[str]) -> FullTextQuery:
    text = " ".join(phrase)
    return PhraseQuery(text, WORDS) if len(phrase) > 1 else MatchQuery(text, WORDS)


def create(table: lance.LanceDataset) -> None:
    """Create the index, over the rows that are there."""
    table.create_scalar_index(WORDS, "INVERTED", **TOKENISER)


def update(table: lance.LanceDataset) -> None:
    """Bring the index up to date if too many rows are not in it."""
    name = index_name(table)
    most = min(MOST_UNINDEXED, UNINDEXED_SHARE * table.count_rows())
    if name is not None and table.stats.index_stats(name)["num_unindexed_rows"] > most:
        table.optimize.optimize_indices(index_names=[name])


def index_name(table: lance.LanceDataset) -> str | None:
    """Return the name of the index; None if there is none."""
    return next((index.name for index in table.describe_indices() if index.field_names == [WORDS]), None)
