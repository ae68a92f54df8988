"""The bookkeeping of one run of `index`: what the catalog knows, what the scan found, and what will be committed.

The ledger decides for each file whether it is unchanged, touched, renamed, a duplicate, changed or new, and collects
the rows of the next commit. It does not decode or encode.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from unite_search.display import counted
from unite_search.media.types import Facts, MediaFile, ReadOptions, Skipped
from unite_search.media.uri import path_to_uri, prefixes_below, uri_to_path
from unite_search.report import IndexReport
from unite_search.storage.catalog import Catalog, Change, FileState
from unite_search.storage.metadata import IdCounter
from unite_search.storage.rows import EmbeddedItem, Row, new_row, placed


@dataclass(frozen=True, slots=True)
class _Identity:
    """Files with the same identity have the same items: equal bytes, equal sidecars, equal segment options."""

    content_hash: str
    recipe: str


class Ledger:
    """The bookkeeping of one run, and the only writer of the catalog during that run."""

    def __init__(self, catalog: Catalog, ids: IdCounter, report: IndexReport, options: ReadOptions) -> None:
        self._catalog = catalog
        self._ids = ids
        self._report = report
        self._recipe_of = options.recipe
        self._known = catalog.states()
        self._holder = {_Identity(state.content_hash, state.recipe): uri for uri, state in self._known.items()}
        self._seen: set[str] = set()
        self._blocked: list[Path] = []
        self._reading: dict[_Identity, Path] = {}
        self._copies: defaultdict[_Identity, list[MediaFile]] = defaultdict(list)
        self._complete: dict[_Identity, list[Row]] = {}
        self._moves: list[tuple[FileState, MediaFile]] = []
        self._known_copies: list[tuple[FileState, MediaFile]] = []
        self._dropped: list[int] = []

    @property
    def pending(self) -> int:
        """The number of items and files that the next commit will write or delete."""
        written = sum(map(len, self._complete.values())) + len(self._moves) + len(self._known_copies)
        return written + len(self._dropped)

    def found(self, file: MediaFile) -> bool:
        """Record that the scan found a file; return False if it was found before, under an overlapping root."""
        before = len(self._seen)
        self._seen.add(path_to_uri(file.path))
        return len(self._seen) > before

    def is_unchanged(self, file: MediaFile) -> bool:
        """Return whether size, time and recipe equal those in the catalog, so that the file need not be read."""
        uri = path_to_uri(file.path)
        state = self._known.get(uri)
        same = state is not None and (state.size_bytes, state.mtime_ns, state.recipe) == (
            file.size_bytes,
            file.mtime_ns,
            self._recipe_of(file),
        )
        self._report.unchanged += same
        return same

    def count_pending(self, file: MediaFile) -> None:
        """Count a file that a real run would read."""
        if path_to_uri(file.path) in self._known:
            self._report.changed += 1
        else:
            self._report.added += 1

    def must_read(self, file: MediaFile, content_hash: str) -> bool:
        """Return whether a file must be decoded, given its hash; if not, record it as a move, copy or duplicate."""
        uri = path_to_uri(file.path)
        identity = _Identity(content_hash, self._recipe_of(file))
        own = self._known.get(uri)
        if own is not None and (own.content_hash, own.recipe) == (identity.content_hash, identity.recipe):
            self._report.unchanged += 1
            self._move(own, file, from_uri=uri)
        elif identity in self._holder:
            self._settle_by_holder(identity, file)
        elif identity in self._reading:
            self._report.duplicates.append((file.path, self._reading[identity]))
            self._copies[identity].append(file)
        else:
            self._reading[identity] = file.path
            return True
        return False

    def add(self, file: MediaFile, content_hash: str, facts: Facts, items: Sequence[EmbeddedItem]) -> None:
        """Add a file that was decoded and embedded."""
        self._count_written(file)
        rows = [new_row(file, content_hash, self._recipe_of(file), facts, item) for item in items]
        self._complete[_Identity(content_hash, self._recipe_of(file))] = self._with_ids(rows)

    def skip(self, skipped: Skipped) -> None:
        """Report a path that cannot be indexed, together with the files of equal bytes that waited for it."""
        self._report.skipped.append(skipped)
        self._seen.add(path_to_uri(skipped.path))
        self._blocked.append(skipped.path)
        for identity in [key for key, path in self._reading.items() if path == skipped.path]:
            del self._reading[identity]
            self._report.skipped += [
                Skipped(path=copy.path, reason=f"{skipped.reason} (same bytes as {skipped.path.name})")
                for copy in self._copies.pop(identity, [])
            ]

    def keep(self, root: Path) -> None:
        """Keep the files below an indexed root that is missing, such as a disk that is not mounted, and warn."""
        self._blocked.append(root)
        files = counted(len(_below([root], self._known.keys())), "file")
        self._report.warnings.append(
            f"{root} is missing: what was indexed there ({files}) stays until `remove` takes it out"
        )

    def drop_missing(self, roots: Sequence[Path]) -> None:
        """Plan the removal of known files that a finished scan of the roots did not find."""
        unknown = _below(self._blocked, self._known.keys() - self._seen)
        for root in roots:
            missing = _below([root], self._known.keys() - self._seen - unknown)
            if missing and not _below([root], self._seen):
                self._report.warnings.append(
                    f"nothing found in {root}: its {len(missing)} files stay in the index; `remove` takes them out"
                )
                continue
            self._report.removed += len(missing)
            self._dropped += [self._known.pop(uri).parent for uri in sorted(missing)]

    def commit(self) -> None:
        """Write everything that is pending in one commit.

        The pending state is cleared before the write begins, so that an interrupt cannot cause a second write.
        """
        rows = [row for group in self._complete.values() for row in group]
        for identity, group in self._complete.items():
            for file in self._copies.pop(identity, []):
                self._count_written(file)
                rows += self._with_ids([placed(row, file) for row in group])
        rows += self._copied_rows()
        change = Change(new=rows, updated=self._moved_rows(), dropped_parents=self._dropped)
        self._complete, self._moves, self._known_copies, self._dropped = {}, [], [], []
        if change:
            self._catalog.commit(change)
        self._report.items += len(rows)
        self._remember(rows)

    def _settle_by_holder(self, identity: _Identity, file: MediaFile) -> None:
        """Handle a new path with known bytes: a move if the old path no longer exists, otherwise a copy."""
        holder = self._holder[identity]
        state = self._known[holder]
        if os.path.lexists(uri_to_path(holder)):
            self._report.duplicates.append((file.path, uri_to_path(holder)))
            self._count_written(file)
            self._known_copies.append((state, file))
        else:
            self._report.renamed += 1
            self._drop_previous(file)
            self._move(state, file, from_uri=holder)

    def _move(self, state: FileState, file: MediaFile, *, from_uri: str) -> None:
        self._moves.append((state, file))
        del self._known[from_uri]
        self._know(path_to_uri(file.path), _state_at(state, file))

    def _count_written(self, file: MediaFile) -> None:
        if self._drop_previous(file):
            self._report.changed += 1
        else:
            self._report.added += 1

    def _drop_previous(self, file: MediaFile) -> bool:
        previous = self._known.pop(path_to_uri(file.path), None)
        if previous is None:
            return False
        self._holder.pop(_Identity(previous.content_hash, previous.recipe), None)
        self._dropped.append(previous.parent)
        return True

    def _moved_rows(self) -> list[Row]:
        files = {state.parent: file for state, file in self._moves}
        return [placed(row, files[row["parent"]]) for row in self._catalog.rows_of(files)]

    def _copied_rows(self) -> list[Row]:
        groups: defaultdict[int, list[Row]] = defaultdict(list)
        for row in self._catalog.rows_of({state.parent for state, _ in self._known_copies}):
            groups[row["parent"]].append(row)
        return [
            row
            for state, file in self._known_copies
            for row in self._with_ids([placed(original, file) for original in groups[state.parent]])
        ]

    def _with_ids(self, rows: list[Row]) -> list[Row]:
        ids = self._ids.take(len(rows))
        return [{**row, "id": id_, "parent": ids.start} for row, id_ in zip(rows, ids, strict=True)]

    def _remember(self, rows: list[Row]) -> None:
        for row in rows:
            state = FileState(*(row[name] for name in ("size_bytes", "mtime_ns", "content_hash", "recipe", "parent")))
            self._know(row["uri"], state)
            self._reading.pop(_Identity(state.content_hash, state.recipe), None)

    def _know(self, uri: str, state: FileState) -> None:
        self._known[uri] = state
        self._holder[_Identity(state.content_hash, state.recipe)] = uri


def _below(folders: Sequence[Path], uris: Set[str]) -> set[str]:
    """Return the uris that are one of the paths, or below one."""
    exact = {path_to_uri(folder) for folder in folders}
    prefixes = tuple(prefix for folder in folders for prefix in prefixes_below(folder))
    return {uri for uri in uris if uri in exact or uri.startswith(prefixes)}


def _state_at(state: FileState, file: MediaFile) -> FileState:
    return FileState(file.size_bytes, file.mtime_ns, state.content_hash, state.recipe, state.parent)
