"""The bookkeeping of one run of `index`: what the catalog knows, what the scan found, and what will be committed.

The ledger decides for each file whether it is unchanged, touched, renamed, a duplicate, changed or new, and collects
the rows of the next commit. It does not decode or encode.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from unite_search.display import counted
from unite_search.media.reasons import LEADS_OUTSIDE
from unite_search.media.scan import SIDECAR_SUFFIXES
from unite_search.media.sidecars import UNREAD
from unite_search.media.types import Facts, Hashes, MediaFile, ReadOptions, Skipped, VacantFolder
from unite_search.media.uri import is_gone, path_to_uri, prefixes_below, uri_to_path
from unite_search.report import IndexReport
from unite_search.storage.catalog import Catalog
from unite_search.storage.change import Change, FileState
from unite_search.storage.metadata import IdCounter
from unite_search.storage.rows import EmbeddedItem, Row, modified_at, new_row, placed
from unite_search.storage.vectors import first_problem

SIDECARS = ";sidecars="
"""Stands in a recipe before the hash of what the sidecars hold; recipes of older collections end before it."""
NO_TIME = "`modified_at` is empty: the modification time is not between the years 1678 and 2262"
FAULT = "!"
"""Stands in a recipe before what of the sidecars was not used, so that each run can name it without reading them."""
SEPARATORS = tuple({"/", os.sep})
TAKES_OUT = "stays until `index --prune` or `remove` takes it out"


@dataclass(frozen=True, slots=True)
class _Identity:
    """Files with the same identity have the same items: equal bytes, equal sidecars, equal segment options."""

    content_hash: str
    recipe: str

    @classmethod
    def of(cls, content_hash: str, recipe: str) -> _Identity:
        """Leave out the sizes and times of sidecars, unless nothing else is known of them, and what was not used."""
        seen, _, rest = recipe.partition(SIDECARS)
        sidecars, options = rest.partition(FAULT)[0], seen.split(";")[1:]
        return cls(content_hash, ";".join([*options, sidecars]) if sidecars else recipe)


@dataclass(frozen=True, slots=True)
class _HashedFile:
    """A file, the hash of its bytes, and the recipe to store with its rows."""

    file: MediaFile
    content_hash: str
    recipe: str

    @property
    def identity(self) -> _Identity:
        return _Identity.of(self.content_hash, self.recipe)

    def recipe_like(self, recipe: str) -> str:
        """Return the recipe with the faults of another one, of a file with the same items."""
        return _with_fault(self.recipe, _fault(recipe))

    def state_like(self, state: FileState) -> FileState:
        """Return the state of this file when it has taken over the items of another."""
        recipe = self.recipe_like(state.recipe)
        return FileState(self.file.size_bytes, self.file.mtime_ns, self.content_hash, recipe, state.parent)

    def placed(self, row: Row) -> Row:
        """Return the row of an item for this file, which has the same items."""
        return {**placed(row, self.file), "recipe": self.recipe_like(row["recipe"])}


class Ledger:
    """The bookkeeping of one run, and the only writer of the catalog during that run."""

    def __init__(self, catalog: Catalog, ids: IdCounter, report: IndexReport, options: ReadOptions) -> None:
        self._catalog = catalog
        self._ids = ids
        self._report = report
        self._recipe_of = options.recipe
        self._known = catalog.states()
        self._holder = {_identity(state): uri for uri, state in self._known.items()}
        self._seen: set[str] = set()
        self._blocked: list[Path] = []
        self._vacant: dict[Path, str] = {}
        self._links: list[Path] = []
        self._missing_roots: list[Path] = []
        self._reading: dict[_Identity, Path] = {}
        self._copies: defaultdict[_Identity, list[_HashedFile]] = defaultdict(list)
        self._complete: dict[_Identity, list[Row]] = {}
        self._moves: list[tuple[FileState, _HashedFile]] = []
        self._known_copies: list[tuple[FileState, _HashedFile]] = []
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
        state = self._known.get(path_to_uri(file.path))
        if state is None or (state.size_bytes, state.mtime_ns) != (file.size_bytes, file.mtime_ns):
            return False
        seen, _, sidecars = state.recipe.partition(SIDECARS)
        expected = self._recipe_of(file) if sidecars else self._old_recipe(file)
        same = seen == expected and not sidecars.startswith(UNREAD)
        if same:
            self._report.unchanged += 1
            self._name_fault(file, state.recipe)
        return same

    def known_sizes(self) -> set[int]:
        """Return the sizes of all known files."""
        return {state.size_bytes for state in self._known.values()}

    def may_be_settled(self, files: Sequence[MediaFile]) -> set[Path]:
        """Return which files may have the bytes of a known one, judging by sizes; call it when the scan has finished.

        The known one is the file itself, which may only have been touched, or one that is gone, so renamed.
        """
        sizes = {file.size_bytes for file in files}
        unseen = (uri for uri, state in self._known.items() if state.size_bytes in sizes and uri not in self._seen)
        gone = {self._known[uri].size_bytes for uri in unseen if is_gone(uri_to_path(uri), follow_links=False)}
        return {file.path for file in files if file.size_bytes in gone or self._has_known_size(file)}

    def _has_known_size(self, file: MediaFile) -> bool:
        state = self._known.get(path_to_uri(file.path))
        return state is not None and state.size_bytes == file.size_bytes

    def foresee(self, file: MediaFile, hashes: Hashes | None = None) -> None:
        """Count what a run would make of a file; without hashes, it would be read."""
        if hashes is not None and self._is_settled(self._hashed(file, hashes)):
            return
        if path_to_uri(file.path) in self._known:
            self._report.changed += 1
        else:
            self._report.added += 1

    def must_read(self, file: MediaFile, hashes: Hashes) -> bool:
        """Return whether a file must be decoded, given its hashes; if not, record it as a move, copy or duplicate."""
        hashed = self._hashed(file, hashes)
        if self._is_settled(hashed):
            return False
        if first := self._reading.get(hashed.identity):
            self._report.duplicates.append((file.path, first))
            self._copies[hashed.identity].append(hashed)
            return False
        self._reading[hashed.identity] = file.path
        return True

    def _is_settled(self, hashed: _HashedFile) -> bool:
        """Return whether the items of a file are known; if so, record it as touched, as a move or as a copy."""
        uri = path_to_uri(hashed.file.path)
        own = self._known.get(uri)
        if own is not None and _identity(own) in (hashed.identity, self._old_identity(hashed)):
            self._report.unchanged += 1
            self._name_fault(hashed.file, own.recipe)
            if own != hashed.state_like(own):
                self._move(own, hashed, from_uri=uri)
        elif holder := self._holder_of(hashed):
            self._name_fault(hashed.file, self._known[holder].recipe)
            self._settle_by_holder(holder, hashed)
        else:
            return False
        return True

    def add(self, file: MediaFile, hashes: Hashes, facts: Facts, items: Sequence[EmbeddedItem]) -> None:
        """Add a file that was decoded and embedded, or skip it if its items cannot be stored."""
        hashed = self._hashed(file, hashes)
        faulty = first_problem(np.stack([item.embedding for item in items]))
        if faulty is not None:
            self.skip(Skipped(path=file.path, reason=f"its vector cannot be stored: {faulty[1]}"))
            return
        self._count_written(file)
        problems = [*facts.problems, *([NO_TIME] if modified_at(file.mtime_ns) is None else [])]
        self._report.warnings += [f"{file.path}: {problem}" for problem in problems]
        recipe = _with_fault(hashed.recipe, "; ".join(filter(_is_of_sidecar, facts.problems)))
        rows = [new_row(file, hashes.content, recipe, facts, item) for item in items]
        self._complete[hashed.identity] = self._with_ids(rows)

    def skip(self, skipped: Skipped) -> None:
        """Report a path that cannot be indexed, together with the files of equal bytes that waited for it."""
        self._report.skipped.append(skipped)
        if skipped.reason == LEADS_OUTSIDE:
            self._links.append(skipped.path)
            return
        self._seen.add(path_to_uri(skipped.path))
        if skipped.path not in self._vacant:
            self._blocked.append(skipped.path)
        for identity in [key for key, path in self._reading.items() if path == skipped.path]:
            del self._reading[identity]
            self._report.skipped += [
                Skipped(path=copy.file.path, reason=f"{skipped.reason} (same bytes as {skipped.path.name})")
                for copy in self._copies.pop(identity, [])
            ]

    def keep_root(self, root: Path) -> None:
        """Keep the files below an indexed root that is missing, such as a disk that is not mounted."""
        self._missing_roots.append(root)
        self._vacant[root] = "is missing"

    def keep_vacant(self, folder: VacantFolder) -> None:
        """Keep the files below a folder in which nothing is left, such as one on which no disk is mounted."""
        self._vacant[folder.path] = folder.state

    def drop_missing(self, roots: Sequence[Path], *, prune: bool = False) -> None:
        """Plan the removal of known files that a finished scan of the roots did not find.

        What may be on a disk that is not mounted stays, with a warning, unless `prune` is set: the files below roots
        that are missing or in which nothing was found, below folders that are empty, and behind links that are not
        followed any more.
        """
        missing = set(_below([*roots, *self._missing_roots], self._known.keys() - self._seen))
        missing -= set(_below(self._blocked, missing))
        if not prune:
            empty = [root for root in roots if not _is_any_below(root, self._seen)]
            missing -= self._withheld(missing, dict.fromkeys(empty, "holds nothing to index") | self._vacant)
        self._report.removed += len(missing)
        self._dropped += [self._known.pop(uri).parent for uri in sorted(missing)]

    def _withheld(self, missing: set[str], vacant: Mapping[Path, str]) -> set[str]:
        """Return the missing files that are kept, and warn of each folder that held some, and of each missing root."""
        by_folder, by_link = _below(vacant, missing), _below(self._links, missing)
        counts = Counter(by_folder.values())
        for folder, reason in vacant.items():
            if counts[folder] or folder in self._missing_roots:
                files = counted(counts[folder], "file")
                self._report.warnings.append(f"{folder} {reason}: what was indexed there ({files}) {TAKES_OUT}")
        if by_link:
            files = counted(len(by_link), "file")
            self._report.warnings.append(f"what was indexed behind links that lead outside ({files}) {TAKES_OUT}")
        return {*by_folder, *by_link}

    def commit(self) -> None:
        """Write everything that is pending in one commit.

        The pending state is cleared before the write begins, so that an interrupt cannot cause a second write.
        """
        rows = [row for group in self._complete.values() for row in group]
        for identity, group in self._complete.items():
            for copy in self._copies.pop(identity, []):
                self._count_written(copy.file)
                self._name_fault(copy.file, group[0]["recipe"])
                rows += self._with_ids([copy.placed(row) for row in group])
        rows += self._copied_rows()
        change = Change(new=rows, updated=self._moved_rows(), dropped_parents=self._dropped)
        self._complete, self._moves, self._known_copies, self._dropped = {}, [], [], []
        if change:
            self._catalog.commit(change)
        self._report.items += len(rows)
        self._remember(rows)

    def _hashed(self, file: MediaFile, hashes: Hashes) -> _HashedFile:
        seen = self._recipe_of(file)
        return _HashedFile(file, hashes.content, f"{seen}{SIDECARS}{hashes.sidecars}" if hashes.sidecars else seen)

    def _old_identity(self, hashed: _HashedFile) -> _Identity:
        """Return the identity of a file in collections that knew sidecars by their sizes and times only."""
        return _Identity(hashed.content_hash, self._old_recipe(hashed.file))

    def _old_recipe(self, file: MediaFile) -> str:
        """Return the recipe of a file without the times at which its sidecars were changed or replaced."""
        states = [":".join(state.split(":")[:3]) for state in file.sidecar_state.split(",")]
        return self._recipe_of(replace(file, sidecar_state=",".join(states)))

    def _holder_of(self, hashed: _HashedFile) -> str | None:
        """Return the uri of a known file with the same items.

        A file of an older collection counts only if it is gone, and so was renamed: sizes and times of sidecars do not
        tell copies apart.
        """
        holder = self._holder.get(hashed.identity)
        if holder is None and (older := self._holder.get(self._old_identity(hashed))):
            holder = older if is_gone(uri_to_path(older), follow_links=False) else None
        return holder

    def _settle_by_holder(self, holder: str, hashed: _HashedFile) -> None:
        """Handle a new path with known items: a move if the old path no longer exists, otherwise a copy."""
        state, path = self._known[holder], hashed.file.path
        if is_gone(uri_to_path(holder), follow_links=False):
            self._report.renamed += 1
            self._drop_previous(hashed.file)
            self._move(state, hashed, from_uri=holder)
        else:
            self._report.duplicates.append((path, uri_to_path(holder)))
            self._count_written(hashed.file)
            self._known_copies.append((state, hashed))

    def _move(self, state: FileState, hashed: _HashedFile, *, from_uri: str) -> None:
        self._moves.append((state, hashed))
        del self._known[from_uri]
        self._holder.pop(_identity(state), None)
        self._know(path_to_uri(hashed.file.path), hashed.state_like(state))

    def _name_fault(self, file: MediaFile, recipe: str) -> None:
        """Warn of what was not used of the sidecars of a file whose items stay as they are."""
        if fault := _fault(recipe):
            self._report.warnings.append(f"{file.path}: {fault}")

    def _count_written(self, file: MediaFile) -> None:
        if self._drop_previous(file):
            self._report.changed += 1
        else:
            self._report.added += 1

    def _drop_previous(self, file: MediaFile) -> bool:
        previous = self._known.pop(path_to_uri(file.path), None)
        if previous is None:
            return False
        self._holder.pop(_identity(previous), None)
        self._dropped.append(previous.parent)
        return True

    def _moved_rows(self) -> list[Row]:
        moved = {state.parent: hashed for state, hashed in self._moves}
        return [moved[row["parent"]].placed(row) for row in self._catalog.rows_of(moved)]

    def _copied_rows(self) -> list[Row]:
        groups: defaultdict[int, list[Row]] = defaultdict(list)
        for row in self._catalog.rows_of({state.parent for state, _ in self._known_copies}):
            groups[row["parent"]].append(row)
        return [
            row
            for state, copy in self._known_copies
            for row in self._with_ids([copy.placed(original) for original in groups[state.parent]])
        ]

    def _with_ids(self, rows: list[Row]) -> list[Row]:
        ids = self._ids.take(len(rows))
        return [{**row, "id": id_, "parent": ids.start} for row, id_ in zip(rows, ids, strict=True)]

    def _remember(self, rows: list[Row]) -> None:
        for row in rows:
            state = FileState(*(row[name] for name in ("size_bytes", "mtime_ns", "content_hash", "recipe", "parent")))
            self._know(row["uri"], state)
            self._reading.pop(_identity(state), None)

    def _know(self, uri: str, state: FileState) -> None:
        self._known[uri] = state
        self._holder[_identity(state)] = uri


def _identity(state: FileState) -> _Identity:
    return _Identity.of(state.content_hash, state.recipe)


def _fault(recipe: str) -> str:
    """Return what of the sidecars was not used, empty if nothing is known of it."""
    return recipe.partition(SIDECARS)[2].partition(FAULT)[2]


def _with_fault(recipe: str, fault: str) -> str:
    return f"{recipe}{FAULT}{fault}" if fault and SIDECARS in recipe else recipe


def _is_of_sidecar(problem: str) -> bool:
    return problem.startswith(tuple(SIDECAR_SUFFIXES))


def _is_any_below(folder: Path, uris: Iterable[str]) -> bool:
    exact, prefixes = path_to_uri(folder), prefixes_below(folder)
    return any(uri == exact or uri.startswith(prefixes) for uri in uris)


def _below(folders: Iterable[Path], uris: Iterable[str]) -> dict[str, Path]:
    """Return the uris that are one of the paths, or below one, each with the topmost path that it is below."""
    exact = {path_to_uri(folder): folder for folder in folders}
    prefixes = {prefix: folder for folder in exact.values() for prefix in prefixes_below(folder)}
    owners: dict[str, Path | None] = {}
    found = {}
    for uri in uris if exact else ():
        folder = uri[: max(map(uri.rfind, SEPARATORS)) + 1]
        if folder not in owners:
            ends = (end for end, character in enumerate(folder, start=1) if character in SEPARATORS)
            owners[folder] = next((prefixes[folder[:end]] for end in ends if folder[:end] in prefixes), None)
        if owner := owners[folder] or exact.get(uri):
            found[uri] = owner
    return found
