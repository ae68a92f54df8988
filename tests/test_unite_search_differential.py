"""Whole searches against brute force, on collections that change between them.

What is approximate by design is kept out of the state machine, and shown by tests of its own: of the items that hold a
word, the search looks at the nearest by meaning and the best 100 by BM25; and a misspelt word is looked up in what the
full-text index covers.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from itertools import pairwise, product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from brute_force import Asked, BruteForce, Entry, Expected, Gathered, Question, Vector
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from numpy.typing import NDArray
from PIL import Image as Picture

from unite_search import collection as collection_module
from unite_search.collection import Collection
from unite_search.content import Content, Image, MediaSpec
from unite_search.encoders.base import EncoderDefaults, Role
from unite_search.encoders.calibration import Calibration, Line
from unite_search.modality import Modality
from unite_search.query import Hit, Mode, Query, SearchOptions, SearchResult
from unite_search.report import IndexOptions
from unite_search.search import candidates
from unite_search.search.encoding import NEGATIVE_WEIGHT
from unite_search.search.find import MOST_SEGMENTS
from unite_search.search.steering import LIKED_WEIGHT, UNLIKED_WEIGHT
from unite_search.storage.change import Change

DIM = 24
PARTITIONS = ("text", "image", "text+image", "video", "text+video")
KINDS = ("text", "image", "text+image", "video", "text+video", "image+video", "text+image+video")
COMMON = ("dog", "dogs", "beach", "night", "red")
RARE = (
    *("lantern", "otter", "harbour", "violin", "glacier", "walnut", "tram", "kite", "fern", "pepper", "anchor", "moth"),
    *("saddle", "marble", "cedar", "quilt", "ladder", "comet", "tiles", "drums", "boots", "ropes", "candle", "meadow"),
)
NAMES = ("IMG{}", "DSC_{}", "sunsetBeach{}", "scan-{}", "RX-{}-B", "otter {}")
FOLDERS = ("/lib/trips", "/lib/trips/harbour", "/lib/work", "/lib/old kites")
PHASES = (Phase.generate,)
"""To shrink a failing history takes minutes; add `Phase.shrink` to do it."""
MODES: tuple[Mode, ...] = ("auto", "auto", "auto", "meaning", "words")
QUESTIONS = 4
SEEDS = st.integers(0, 2**16)
TOLERANCE = 1e-4
RELATIVE_TOLERANCE = 2e-2
"""Without a calibration, rounding decides whether the last of the hundred best is one of the others, too."""
FILTERS: dict[str | None, Callable[[Entry], bool]] = {
    None: lambda _: True,
    "id % 3 = 1": lambda entry: entry.id % 3 == 1,
    "id > 60 OR id < 20": lambda entry: entry.id > 60 or entry.id < 20,
    "start_s >= 60": lambda entry: entry.start_s is not None and entry.start_s >= 60,
    "folder = '/lib/work'": lambda entry: entry.folder == "/lib/work",
    "text LIKE '%otter%'": lambda entry: "otter" in (entry.text or ""),
    "id < 0": lambda _: False,
    "id >= 9 -- a comment": lambda entry: entry.id >= 9,
}


def unit(vector: Vector) -> Vector:
    return np.asarray(vector / np.linalg.norm(vector))


def vector_of_seed(*seed: int) -> Vector:
    return unit(np.random.default_rng(seed).normal(size=DIM))


def vector_of_text(text: str) -> Vector:
    """Texts with the same words are near to each other, and every text is a little near to every other."""
    numbers = [int.from_bytes(sha256(word.encode()).digest()[:4], "little") for word in text.lower().split()]
    return unit(np.sum([vector_of_seed(number) for number in numbers], axis=0) + vector_of_seed(1))


def vector_of_parts(parts: Sequence[Vector]) -> Vector:
    return unit(np.sum(parts, axis=0))


class KnownEncoder(EncoderDefaults):
    """Vectors that the tests can compute: of a text by its words, of a picture by the colour of its corner."""

    name = "known"
    fingerprint = "known-1"
    dim = DIM
    modalities = Modality.TEXT | Modality.IMAGE | Modality.VIDEO
    media = MediaSpec()

    def encode(self, contents: Sequence[Content], *, role: Role) -> NDArray[np.float32]:
        return np.array([vector_of_parts([self._part(part) for part in one.parts]) for one in contents], np.float32)

    def _part(self, part: object) -> Vector:
        if isinstance(part, str):
            return vector_of_text(part)
        assert isinstance(part, Image)
        return vector_of_seed(*part.pixels[0, 0].tolist())


Floors = Mapping[tuple[str, str], tuple[float, float]]
LINES = {
    (kind, partition): (-4.0 + 0.3 * row - 0.5 * column, 9.0 + row + 2 * column)
    for row, kind in enumerate(KINDS)
    for column, partition in enumerate(PARTITIONS)
}
FLOORS = {pair: (-1.0 - 0.1 * place, 0.4 - 0.02 * place) for place, pair in enumerate(LINES)}
MEANS = {name: 0.3 * vector_of_seed(1) + 0.2 * vector_of_seed(9, place) for place, name in enumerate(PARTITIONS)}
CALIBRATION = Calibration(
    fingerprint="known-1",
    means={name: mean.astype(np.float32) for name, mean in MEANS.items()},
    lines={
        pair: Line(*line, floor=FLOORS[pair][0], best_floor=FLOORS[pair][1], auc=0.9, pairs=100)
        for pair, line in LINES.items()
    },
)


def rounded(vector: Vector) -> Vector:
    """What the catalog keeps of a vector."""
    return np.asarray(vector.astype(np.float32).astype(np.float16).astype(np.float64))


@dataclass
class Maker:
    """Makes rows of files of every kind, with words, copies and segments, the same for the same seed."""

    rng: random.Random
    rare: Sequence[str] = RARE
    made: int = 0

    def file(self, longest: int) -> list[dict[str, Any]]:
        kind = self.rng.choice(["image", "image", "captioned", "captioned", "text", "video"])
        self.made += 1
        common = {
            "uri": f"{self.rng.choice(FOLDERS)}/{self.rng.choice(NAMES).format(1000 + self.made)}.dat",
            "content_hash": f"{self.rng.getrandbits(64):032x}",
            "taken_at": self.rng.choice([None, datetime(2024, 5, 1 + self.made % 3, 12)]),
            "modified_at": self.rng.choice([None, datetime(2023, 1, 1 + self.made % 2)]),
            "metadata": json.dumps({"keywords": [self.words(2)]} if self.rng.random() < 0.2 else {}),
        }
        if kind == "text":
            return [common | self.item("text", self.words(8), None) for _ in range(self.rng.choice([1, 1, 6]))]
        if kind == "video":
            count = self.rng.choice([1, 3, 12, longest])
            partition = self.rng.choice(["video", "text+video"])
            return [common | self.item(partition, self.words(4), 30.0 * place) for place in range(count)]
        return [common | self.item("text+image" if kind == "captioned" else "image", self.words(5), None)]

    def item(self, partition: str, text: str, start_s: float | None) -> dict[str, Any]:
        about = vector_of_text(text)
        noise = vector_of_seed(self.rng.getrandbits(32))
        share = {"text": 0.8, "text+image": 0.6}.get(partition, 0.35)
        return {
            "partition": partition,
            "modality": partition.rpartition("+")[2],
            "text": text if "text" in partition else None,
            "start_s": start_s,
            "end_s": None if start_s is None else start_s + 30,
            "embedding": unit(share * about + (1 - share) * noise).astype(np.float32),
        }

    def words(self, most: int) -> str:
        count = self.rng.randint(1, most)
        return " ".join(self.rng.choice(COMMON if self.rng.random() < 0.2 else self.rare) for _ in range(count))

    def copied(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows of another file with the same bytes."""
        self.made += 1
        uri = f"{self.rng.choice(FOLDERS)}/copy {self.made}.dat"
        return [{**row, "uri": uri} for row in rows]

    def asked(self, kind: Literal["plain", "marked", "code"], known: Sequence[Entry]) -> Asked:
        plain = [
            self.rng.choice(self.rare if self.rng.random() < 0.8 else COMMON) for _ in range(self.rng.randint(1, 3))
        ]
        if kind == "code" and known:
            name = self.rng.choice(known).uri.rpartition("/")[2]
            return Asked(plain=(*plain[: self.rng.randint(0, 1)], name.removesuffix(".dat").replace(" ", "-")))
        texts = [entry.text for entry in known if entry.text and len(entry.text.split()) > 2]
        if self.rng.random() < 0.4 and texts:
            words = self.rng.choice(texts).split()
            plain = words[: self.rng.randint(2, 3)]
        if self.rng.random() < 0.3:
            plain.insert(1, "the")
        if kind == "plain":
            return Asked(plain=tuple(plain))
        required = (self.rng.choice(self.rare),) if self.rng.random() < 0.5 else (" ".join(plain[:2]),)
        excluded = (self.rng.choice([*self.rare, *COMMON]),)
        return Asked(plain=tuple(plain), required=required, excluded=excluded[: self.rng.randint(0, 1)])


def entry_of(row: dict[str, Any]) -> Entry:
    time = row.get("taken_at") or row.get("modified_at")
    return Entry(
        id=row["id"],
        parent=row["parent"],
        partition=row["partition"],
        vector=rounded(np.asarray(row["embedding"], np.float64)),
        uri=row["uri"],
        digest=row["content_hash"],
        text=row["text"],
        keywords=tuple(json.loads(row["metadata"]).get("keywords", ())),
        start_s=row["start_s"],
        day=time.date().isoformat() if time else "",
    )


class Searches(RuleBasedStateMachine):
    """A collection, and all that it holds in a dictionary."""

    sizes: tuple[int, ...] = (0, 150, 500)
    longest = 200
    is_calibrated = True
    rare: Sequence[str] = RARE
    done: Counter[str]
    """How often each rule was tried, over all histories."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="differential"))
        self.rows: dict[int, dict[str, Any]] = {}
        self.steps = 0
        self.maker = Maker(random.Random(0))
        self.collection = self.opened()
        self.world = BruteForce(sample=self.sample)

    def sample(self, partition: str) -> NDArray[np.float32]:
        return self.collection._store.partitions.sample(partition)

    def opened(self) -> Collection:
        return Collection.open(self.folder / "db", encoder=KnownEncoder(), create=True)

    def teardown(self) -> None:
        self.collection.close()
        shutil.rmtree(self.folder)

    @initialize(seed=SEEDS, size=st.integers(0, 2))
    def begin(self, seed: int, size: int) -> None:
        self.maker = Maker(random.Random(seed), self.rare)
        if self.is_calibrated:
            self.world.lines, self.world.means, self.world.floors = LINES, MEANS, FLOORS
        if self.sizes[size]:
            self.commit(self.files(self.sizes[size]))

    def files(self, count: int) -> list[list[dict[str, Any]]]:
        """At least so many new rows, by file; every tenth file is a copy of one of them."""
        files: list[list[dict[str, Any]]] = []
        while sum(map(len, files)) < count:
            if files and self.maker.rng.random() < 0.1:
                files.append(self.maker.copied(self.maker.rng.choice(files)))
            else:
                files.append(self.maker.file(min(self.longest, count // 3 + 1)))
        return files

    def commit(
        self, new: Sequence[list[dict[str, Any]]], updated: Sequence[dict[str, Any]] = (), dropped: Sequence[int] = ()
    ) -> None:
        """Write rows as an index run does."""
        with self.collection._store.writing() as ids:
            given = []
            for rows in new:
                taken = list(ids.take(len(rows)))
                given += [{**row, "id": id_, "parent": taken[0]} for id_, row in zip(taken, rows, strict=True)]
            given, updated = [[_whole(row) for row in rows] for rows in (given, updated)]
            self.collection._store.catalog.commit(Change(new=given, updated=updated, dropped_parents=list(dropped)))
        for row in (*given, *updated):
            self.rows[row["id"]] = row
        self.forget(id_ for id_, row in self.rows.items() if row["parent"] in dropped)
        self.world.entries |= {row["id"]: entry_of(row) for row in (*given, *updated)}

    def forget(self, ids: Iterable[int]) -> None:
        for id_ in list(ids):
            self.rows.pop(id_, None)
            self.world.entries.pop(id_, None)

    def seeded(self, seed: int) -> random.Random:
        """A new generator, another one in each step, because Hypothesis likes to repeat itself."""
        self.steps += 1
        self.maker.rng = random.Random(f"{seed} {self.steps}")
        return self.maker.rng

    @rule(seed=SEEDS)
    def step(self, seed: int) -> None:
        """Add, move, replace or remove items, or open the collection anew; then ask some questions."""
        rng = self.seeded(seed)
        what = rng.choice(self.alterations)
        self.done[what.__name__] += 1
        what()
        for _ in range(QUESTIONS):
            rng.choice(self.questions)()

    @property
    def alterations(self) -> list[Callable[[], None]]:
        return [self.add, self.change, self.remove, self.reopen]

    @property
    def bulk(self) -> list[dict[str, Any]]:
        """The rows that were written to the catalog, not indexed from files."""
        return [row for row in self.rows.values() if row["uri"].startswith("/lib/")]

    def add(self) -> None:
        self.commit(self.files(self.maker.rng.choice([1, 5, 40])))

    def change(self) -> None:
        """Move some files, which keep their ids and vectors; replace others, in the same commit."""
        rng = self.maker.rng
        share, drops = rng.choice([0.02, 0.3]), rng.randint(0, 3)
        parents = sorted({row["parent"] for row in self.bulk})
        dropped = rng.sample(parents, min(drops, len(parents)))
        moved = {
            parent: f"{rng.choice(FOLDERS)}/{self.maker.words(2)} {parent}.dat"
            for parent in parents
            if parent not in dropped and rng.random() < share
        }
        updated = [{**row, "uri": moved[row["parent"]]} for row in self.bulk if row["parent"] in moved]
        self.commit(self.files(drops) if drops else [], updated, dropped)

    def remove(self) -> None:
        rng = self.maker.rng
        share = rng.choice([0.05, 0.3])
        ids = [row["id"] for row in self.bulk if rng.random() < share]
        if ids:
            assert self.collection.remove(ids=ids) == len(ids)
        self.forget(ids)

    def reopen(self) -> None:
        self.collection.close()
        self.collection = self.opened()
        assert self.collection.messages == []

    @property
    def tolerance(self) -> float:
        return TOLERANCE if self.world.lines else RELATIVE_TOLERANCE

    @invariant()
    def holds_the_same(self) -> None:
        assert self.collection._store.catalog.count() == len(self.rows)

    @property
    def questions(self) -> list[Callable[[], None]]:
        return [self.by_text, self.by_text, self.by_example, self.similar]

    def by_text(self) -> None:
        rng = self.maker.rng
        mode = rng.choice(MODES)
        asked = self.maker.asked(rng.choice(["plain", "plain", "marked", "code"]), list(self.world.entries.values()))
        query = Query.of(asked.typed, mode=mode)
        text = asked.typed if mode == "meaning" else asked.encoded
        vector = None if mode == "words" else vector_of_text(text)
        self.compare(f"text, {mode}", query, Question(vector=vector, asked=None if mode == "meaning" else asked))

    def by_example(self) -> None:
        """Like some items and unlike others, with a text or without one, and move away from texts."""
        rng, entries = self.maker.rng, self.world.entries
        good, bad = ([rng.choice(list(entries)) for _ in range(rng.randint(0, 2) if entries else 0)] for _ in range(2))
        asked = self.maker.asked("plain", []) if not good or rng.random() < 0.5 else None
        away = [self.maker.words(2) for _ in range(rng.randint(0, 2) if asked else 0)]
        query = Query(texts=(asked.typed,) if asked else (), like=tuple(good), unlike=tuple(bad), exclude=tuple(away))
        likes = [entries[id_] for id_ in good]
        parts = {part for one in likes for part in one.partition.split("+")} | ({"text"} if asked else set())
        question = Question(
            vector=steered(asked, away, likes, [entries[id_] for id_ in bad]),
            kind="+".join(name for name in ("text", "image", "video") if name in parts),
            asked=asked,
            own=frozenset(entries[id_].digest for id_ in (*good, *bad)),
        )
        self.compare("example", query, question)

    def similar(self) -> None:
        if self.rows:
            entry = self.world.entries[self.maker.rng.choice(list(self.rows))]
            question = Question(vector=unit(entry.vector), kind=entry.partition, own=frozenset([entry.digest]))
            self.compare("similar", entry.id, question)

    def compare(self, name: str, query: Query | int, question: Question) -> None:
        """Ask for one page, or for all of them, and compare with brute force."""
        rng = self.maker.rng
        options = self.options()
        question = replace(
            question,
            own=frozenset() if options.include_self else question.own,
            modalities=options.modalities,
            is_kept=FILTERS[options.where],
            group_by=options.group_by,
            copies=options.copies,
        )
        expected = self.world.answer(question)
        if expected.is_approximate:
            self.done["approximate"] += 1
            return
        if rng.random() < 0.3 and expected.groups:
            least = least_between(expected, rng.random())
            options, question = replace(options, min_score=least), replace(question, min_score=least)
            expected = self.world.answer(question)
        if is_too_near(expected, question, self.world.floors, self.tolerance):
            self.done["too near"] += 1
            return
        self.done[name] += 1
        for page in self.all_pages(options, len(expected.groups)) if rng.random() < 0.2 else [options]:
            check(self.answer(query, page), expected, page, self.tolerance)

    def options(self) -> SearchOptions:
        rng = self.maker.rng
        return SearchOptions(
            top_k=rng.choice([1, 3, 10, 60]),
            offset=rng.choice([0, 0, 0, 2, 25, 10**6]),
            modalities=rng.choice([(), (), ("image",), ("text",), ("text+image", "video"), ("video",)]),
            where=rng.choice([None, None, None, *FILTERS]),
            group_by=rng.choice(["parent", "parent", "item", "folder", "day"]),
            include_self=rng.random() < 0.3,
            copies=rng.random() < 0.4,
        )

    def all_pages(self, options: SearchOptions, groups: int) -> Iterator[SearchOptions]:
        self.done["all pages"] += 1
        step = max(options.top_k, groups // 6 + 1)
        return (replace(options, offset=offset, top_k=step) for offset in range(0, groups + step, step))

    def answer(self, query: Query | int, options: SearchOptions) -> SearchResult:
        if isinstance(query, int):
            return self.collection.similar(query, options)
        return self.collection.search(query, options)


def _whole(row: dict[str, Any]) -> dict[str, Any]:
    """Add the columns that say nothing here."""
    folder, _, name = row["uri"].rpartition("/")
    return {**row, "folder": folder, "name": name, "size_bytes": 1, "mtime_ns": 1, "recipe": ""}


def steered(asked: Asked | None, away: Sequence[str], liked: Sequence[Entry], unliked: Sequence[Entry]) -> Vector:
    """The vector of a query, moved by the formulas of `search.encoding` and `search.steering`."""
    if asked is None:
        vector, liked = np.mean([one.vector for one in liked], axis=0), []
    else:
        vector = vector_of_text(asked.encoded)
    if away:
        vector = unit(vector - NEGATIVE_WEIGHT * np.mean([vector_of_text(text) for text in away], axis=0))
    if liked:
        vector = vector + LIKED_WEIGHT * np.mean([one.vector for one in liked], axis=0)
    if unliked:
        vector = vector - UNLIKED_WEIGHT * np.mean([one.vector for one in unliked], axis=0)
    return unit(vector)


def least_between(expected: Expected, place: float) -> float:
    """A score that lies between two of the items, far from both, so that rounding does not decide."""
    scores = sorted({one.score for one in expected.scored.values()})
    first = int(place * (len(scores) - 1))
    near = [*scores, scores[-1] + 1][first : first + 10]
    low, high = max(pairwise(near), key=lambda pair: pair[1] - pair[0])
    return (low + high) / 2


def is_too_near(expected: Expected, question: Question, floors: Floors, tolerance: float) -> bool:
    """Whether rounding could decide who is weak or scores enough."""
    return any(
        abs(one.score - question.min_score) < tolerance
        or any(abs(one.meaning + one.words - floor) < 1e-5 for floor in floors.get((question.kind, partition), ()))
        for one in expected.scored.values()
        for partition in [one.entry.partition]
    )


def check(result: SearchResult, expected: Expected, options: SearchOptions, tolerance: float) -> None:
    """Compare a page; hits whose scores are the same may come in any order."""
    wanted = options.offset + options.top_k
    page = expected.groups[options.offset : wanted]
    assert result.searched == expected.searched
    assert [hit.rank for hit in result.hits] == list(range(options.offset + 1, options.offset + 1 + len(page)))
    place = {one.entry.id: n for n, group in enumerate(expected.groups) for one in everything(group)}
    assert len({place[hit.id] for hit in result.hits}) == len(page)
    must = expected.must_be_found(wanted)
    for hit, group in zip(result.hits, page, strict=True):
        best = group.items[0]
        assert hit.is_weak == best.is_weak
        assert hit.score == pytest.approx(best.score, abs=tolerance)
        check_group(hit, expected, must, tolerance)


def check_group(hit: Hit, expected: Expected, must: set[int], tolerance: float) -> None:
    check_parts(hit, expected, tolerance)
    shown = [hit, *hit.segments]
    group = next(one for one in all_groups(expected.groups) if any(item.entry.id == hit.id for item in one.items))
    ids = {item.entry.id for item in group.items}
    keys = [(one.is_weak, not one.is_exact, -round(one.score, 6)) for one in shown]
    assert keys == sorted(keys)
    assert len({one.id for one in shown} & ids) == len(shown) <= 1 + MOST_SEGMENTS
    left_out = [item for item in group.items if item.entry.id in must - {one.id for one in shown}]
    assert not left_out or len(shown) == 1 + MOST_SEGMENTS
    *marks, last = keys[-1]
    assert all((*marks, last - tolerance) <= item.key[:3] for item in left_out)
    for segment in hit.segments:
        check_parts(segment, expected, tolerance)
    for copy in hit.copies:
        assert not copy.copies
        check_parts(copy, expected, tolerance)


def check_parts(hit: Hit, expected: Expected, tolerance: float) -> None:
    """Compare the score of an item and its parts."""
    one, evidence = expected.scored[hit.id], hit.evidence
    assert hit.score == pytest.approx(one.score, abs=tolerance)
    assert hit.score == pytest.approx((evidence.meaning or 0) + evidence.prior + evidence.words)
    assert (evidence.prior, evidence.words) == pytest.approx((one.prior, one.words), abs=tolerance)
    assert (hit.is_exact, hit.is_weak, hit.partition) == (one.is_exact, one.is_weak, one.entry.partition)
    assert (hit.cosine is None) == (one.cosine is None)
    if hit.cosine is not None:
        assert hit.cosine == pytest.approx(one.cosine, abs=1e-5)


def everything(group: Gathered) -> Iterator[Any]:
    yield from group.items
    for copy in group.copies:
        yield from everything(copy)


def all_groups(groups: Iterable[Gathered]) -> Iterator[Gathered]:
    for group in groups:
        yield group
        yield from all_groups(group.copies)


@dataclass(frozen=True)
class OnDisk:
    """A small file: a text, or a picture of one colour with or without a caption beside it."""

    text: str | None
    colour: tuple[int, int, int] | None

    def write(self, path: Path) -> None:
        if self.colour is None:
            path.write_text(self.text or "")
        else:
            Picture.new("RGB", (8, 6), self.colour).save(path)
        if self.colour is not None and self.text is not None:
            path.with_suffix(".txt").write_text(self.text)
        os.utime(path, (self.time, self.time))

    @property
    def time(self) -> int:
        return 1_700_000_000 + 86_400 * (len(self.text or "") % 3)

    @property
    def partition(self) -> str:
        return "text" if self.colour is None else "image" if self.text is None else "text+image"

    @property
    def parts(self) -> list[Vector]:
        given = [vector_of_seed(*self.colour)] if self.colour else []
        return [*given, vector_of_text(self.text)] if self.text else given


class Files(Searches):
    """Beside written rows there are files that are indexed, and that are asked with."""

    sizes = (0, 100, 100)

    def __init__(self) -> None:
        super().__init__()
        self.media = self.folder / "media"
        self.media.mkdir()
        self.on_disk: dict[Path, OnDisk] = {}

    @property
    def alterations(self) -> list[Callable[[], None]]:
        return [*super().alterations, self.index, self.index]

    @property
    def questions(self) -> list[Callable[[], None]]:
        return [*super().questions, self.by_picture, self.by_picture]

    def index(self) -> None:
        """Write, replace, copy, move and delete files, and index the folder."""
        rng, old = self.maker.rng, sorted(self.on_disk)
        for path in rng.sample(old, min(len(old), 4)):
            made = self.on_disk.pop(path)
            path.unlink()
            path.with_suffix(".txt").unlink(missing_ok=True)
            kept = rng.choice(["deleted", "moved", "copied", "replaced"])
            for other in {"moved": 1, "copied": 2}.get(kept, 0) * [made] or [self.new_file()] * (kept == "replaced"):
                self.put(other)
        for _ in range(6):
            self.put(self.new_file())
        report = self.collection.index([self.media], IndexOptions(workers=1))
        assert report.skipped == []
        self.learn()

    def new_file(self) -> OnDisk:
        rng = self.maker.rng
        text = self.maker.words(5) if rng.random() < 0.7 else None
        red, green, blue = (rng.randrange(256) for _ in range(3))
        return OnDisk(text, None if text and rng.random() < 0.4 else (red, green, blue))

    def put(self, file: OnDisk) -> None:
        self.maker.made += 1
        stem = f"{self.maker.rng.choice(NAMES).format(5000 + self.maker.made)} {self.maker.made}"
        path = self.media / f"{stem}{'.png' if file.colour else '.md'}"
        file.write(path)
        self.on_disk[path] = file

    def learn(self) -> None:
        """Take the ids that the files were given; everything else is known."""
        self.forget([id_ for id_, row in self.rows.items() if not row["uri"].startswith("/lib/")])
        items = list(self.collection.items("uri NOT LIKE '/lib/%'"))
        assert sorted(item.uri for item in items) == sorted(map(str, self.on_disk))
        for item in items:
            made = self.on_disk[Path(item.uri)]
            self.rows[item.id] = {"id": item.id, "parent": item.parent, "uri": item.uri}
            self.world.entries[item.id] = Entry(
                id=item.id,
                parent=item.parent,
                partition=made.partition,
                vector=rounded(vector_of_parts(made.parts)),
                uri=item.uri,
                digest=sha256(Path(item.uri).read_bytes()).hexdigest(),
                text=made.text,
                day=datetime.fromtimestamp(made.time).astimezone().date().isoformat(),
            )

    def by_picture(self) -> None:
        """Ask with a picture that is indexed, alone or with a text."""
        rng = self.maker.rng
        pictures = [path for path in sorted(self.on_disk) if path.suffix == ".png"]
        if not pictures:
            return
        path = rng.choice(pictures)
        asked = self.maker.asked("plain", []) if rng.random() < 0.5 else None
        parts = [
            vector_of_seed(*(self.on_disk[path].colour or ())),
            *([vector_of_text(asked.encoded)] if asked else []),
        ]
        question = Question(
            vector=vector_of_parts(parts),
            kind="text+image" if asked else "image",
            own=frozenset([sha256(path.read_bytes()).hexdigest()]),
        )
        self.compare("picture", Query.of(*([asked.typed] if asked else []), image=path), question)


def run(machine: type[Searches], examples: int, steps: int, *, is_calibrated: bool) -> Counter[str]:
    given = {"done": Counter(), "is_calibrated": is_calibrated}
    made: type[Searches] = type("Histories", (machine,), given)
    histories = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        phases=PHASES,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(made, settings=histories)
    return made.done


@pytest.fixture(autouse=True)
def _known_calibration(monkeypatch: pytest.MonkeyPatch) -> None:
    """The calibration that is known here; and no waiting for the disk."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(collection_module, "find_calibration", lambda *_: CALIBRATION)


@pytest.fixture(params=[True, False], ids=["calibrated", "relative"])
def is_calibrated(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """With and without a calibration; without, what is done where many items are left out is done for three."""
    if not request.param:
        monkeypatch.setattr(candidates, "MANY_LEFT_OUT", 2)
        monkeypatch.setattr(collection_module, "find_calibration", lambda *_: None)
    return bool(request.param)


def test_any_history_answers_like_brute_force(is_calibrated: bool) -> None:
    done = run(Searches, examples=7, steps=14, is_calibrated=is_calibrated)
    modes = {f"text, {mode}" for mode in MODES}
    assert done.keys() >= {"add", "change", "remove", "reopen", "example", "similar", "all pages", *modes}
    assert sum(done[name] for name in ("example", "similar", *modes)) > 200


def test_any_history_of_files_answers_like_brute_force(is_calibrated: bool) -> None:
    done = run(Files, examples=2, steps=12, is_calibrated=is_calibrated)
    assert done.keys() >= {"index", "add", "picture"}


class ManyItems(Searches):
    """Three thousand items with a vocabulary so large that few of them share a word."""

    sizes = (3000, 3000, 2000)
    rare = tuple(
        "".join(syllables)
        for syllables in product(("ba", "ko", "mi", "lu", "ter", "van"), ("ra", "fo", "du"), repeat=2)
    )


@pytest.mark.slow
def test_a_history_of_many_items_answers_like_brute_force(is_calibrated: bool) -> None:
    done = run(ManyItems, examples=2, steps=15, is_calibrated=is_calibrated)
    assert done["approximate"] < done["text, auto"]


class Fixed(Searches):
    """A collection of given rows, without a history."""

    def __init__(self) -> None:
        super().__init__()
        self.world.lines, self.world.means, self.world.floors = LINES, MEANS, FLOORS

    def write(self, partition: str, vectors: Iterable[Vector], text: str = "", name: str = "one {}") -> None:
        """One file for each vector; all with the same text."""
        self.commit([[self.row(partition, vector, text, name)] for vector in vectors])

    def row(self, partition: str, vector: Vector, text: str = "", name: str = "one {}") -> dict[str, Any]:
        self.maker.made += 1
        return {
            "partition": partition,
            "modality": partition.rpartition("+")[2],
            "uri": f"/lib/{name.format(self.maker.made)}",
            "content_hash": f"{self.maker.made:032x}",
            "metadata": "{}",
            "text": text or None,
            "start_s": None,
            "embedding": vector.astype(np.float32),
        }

    def asked(self, asked: Asked, mode: Mode = "auto", **given: Any) -> Expected:
        """Compare one page with brute force, and return what was expected of it."""
        options = SearchOptions(**given)
        vector = None if mode == "words" else vector_of_text(asked.encoded)
        expected = self.world.answer(
            Question(vector=vector, asked=None if mode == "meaning" else asked, modalities=options.modalities)
        )
        check(self.collection.search(Query.of(asked.typed, mode=mode), options), expected, options, TOLERANCE)
        return expected

    def shown(self, asked: Asked, mode: Mode, **given: Any) -> list[Hit]:
        return list(self.collection.search(Query.of(asked.typed, mode=mode), SearchOptions(**given)).hits)


@pytest.fixture
def fixed() -> Iterator[Fixed]:
    made = Fixed()
    yield made
    made.teardown()


def near(vector: Vector, cosines: Iterable[float], seed: int) -> list[Vector]:
    """Unit vectors with these cosines."""
    found = []
    for number, cosine in enumerate(cosines):
        other = vector_of_seed(seed, number)
        other = unit(other - (other @ vector) * vector)
        found.append(cosine * vector + np.sqrt(1 - cosine**2) * other)
    return found


def test_a_long_film_does_not_hide_others(fixed: Fixed) -> None:
    """The hundred nearest clips are of one film. The next twenty films are better than all photos."""
    kite = vector_of_text("kite")
    film = [fixed.row("video", vector, name="film") for vector in near(kite, np.linspace(0.9, 0.88, 150), 1)]
    fixed.commit([[{**row, "uri": "/lib/film", "start_s": 30.0 * place} for place, row in enumerate(film)]])
    fixed.write("video", near(kite, np.linspace(0.8, 0.7, 20), 2), name="film {}")
    fixed.write("image", near(kite, np.linspace(0.5, 0.4, 80), 3))
    expected = fixed.asked(Asked(plain=("kite",)), "meaning", top_k=10)
    assert {group.items[0].entry.partition for group in expected.groups[:10]} == {"video"}
    assert len(fixed.asked(Asked(plain=("kite",)), "meaning", top_k=30).groups) == 101


def test_a_word_is_as_rare_as_in_the_whole_collection(fixed: Fixed) -> None:
    """More photos hold the word than there are notes; among the notes it still says something."""
    dog = vector_of_text("dog")
    fixed.write("text+image", near(dog, np.linspace(0.6, 0.5, 150), 1), "a dog")
    fixed.write("text", near(dog, [0.3, 0.2], 2), "dog food")
    fixed.write("text", near(dog, [0.4, 0.3], 3), "a list")
    expected = fixed.asked(Asked(plain=("dog",)), modalities=("text",))
    assert [one.words > 0 for one in expected.scored.values()].count(True) == 2
    fixed.asked(Asked(plain=("dog",)), top_k=60)


def test_names_and_captions_are_weighed_apart(fixed: Fixed) -> None:
    """Plurals too; and words that stand side by side only in what the index adds are no phrase."""
    lone = vector_of_seed(99)
    fixed.write("image", near(lone, np.linspace(0.5, 0.1, 200), 1))
    fixed.write("image", near(lone, [0.3], 2), name="otter {}")
    for seed, text in enumerate(("an otter", "two otters", "moths and otters", "moth otter")):
        fixed.write("text+image", near(lone, [0.3], 3 + seed), text)
    fixed.write("text", near(lone, [0.3], 9), "kelp")
    expected = fixed.asked(Asked(plain=("otter", "kelp")), top_k=60)  # No item holds both, which would count as whole.
    words = {one.entry.text: one.words for one in expected.scored.values() if one.words}
    assert words["an otter"] == words["two otters"] < words[None]
    expected = fixed.asked(Asked(plain=("moth", "otter")), top_k=60)
    assert [one.entry.text for one in expected.scored.values() if one.is_exact] == ["moth otter"]


@pytest.mark.parametrize("copies", [50, 51])
def test_what_more_than_fifty_hold_is_not_exact(fixed: Fixed, copies: int) -> None:
    kite = vector_of_text("kite")
    fixed.write("text", near(kite, np.linspace(0.6, 0.1, copies), 1), "marble kite")
    fixed.write("text", near(kite, np.linspace(0.6, 0.1, 30), 2), "kite of marble")
    expected = fixed.asked(Asked(plain=("marble", "kite")), top_k=60)
    assert sum(one.is_exact for one in expected.scored.values()) == (50 if copies == 50 else 0)


def test_where_many_hold_a_word_the_nearest_and_the_shortest_are_looked_at(fixed: Fixed) -> None:
    """By design: of 900 captions with the word, the hundred nearest and the best hundred by BM25, which are the
    shortest.

    What is shown has its true score, and no caption that is left out would have come before the nearest.
    """
    kite = vector_of_text("kite")
    fixed.write("text+image", near(kite, np.linspace(-0.1, -0.5, 300), 1), "kite")
    fixed.write("text+image", near(kite, np.linspace(0.6, 0.0, 600), 2), "kite and quite some other words")
    expected = fixed.world.answer(Question(vector=kite, asked=Asked(plain=("kite",))))
    assert expected.is_approximate
    hits = fixed.shown(Asked(plain=("kite",)), "auto", top_k=100)
    assert [hit.id for hit in hits] == [group.items[0].entry.id for group in expected.groups[:100]]
    for hit in hits:
        check_parts(hit, expected, TOLERANCE)


def test_an_exact_phrase_is_first_however_many_shorter_texts_hold_its_words(fixed: Fixed) -> None:
    """BM25 ranks the text with the phrase behind three hundred shorter ones, and it is the farthest by its vector."""
    marble = vector_of_text("marble kite")
    fixed.write("text", near(marble, np.linspace(0.6, 0.1, 300), 1), "kite marble")
    fixed.write("text", near(marble, [-0.5], 2), f"a marble kite {'and other words ' * 40}")
    first, second = fixed.shown(Asked(plain=("marble", "kite")), "auto", top_k=2)
    assert (first.is_exact, second.is_exact) == (True, False)


def test_pages_of_words_alone_show_one_list_up_to_a_thousand_candidates(fixed: Fixed) -> None:
    """BM25 prefers short captions, which come last here; what their words say is the same for all."""
    vectors = near(vector_of_text("kite"), np.linspace(0.5, 0.1, 400), 1)
    texts = [f"kite {'on ' * (40 - place // 10)}" for place in range(400)]
    fixed.commit([[fixed.row("text+image", *one)] for one in zip(vectors, texts, strict=True)])
    pages = [fixed.shown(Asked(plain=("kite",)), "words", top_k=50, offset=offset) for offset in range(0, 400, 50)]
    assert len({hit.id for page in pages for hit in page}) == 400
