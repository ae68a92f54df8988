"""A whole search by brute force, in plain Python: every item is scored, sorted, grouped, and one page is cut out.

Written from the documentation of `unite_search.search` and `indexers.calibration`, with nothing of their code but the
constants that were tuned. It knows English words of letters and digits only, with plurals that end in a single s, and
no near copies: nothing here has a perceptual hash.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from math import inf, log, sqrt

import numpy as np
from numpy.typing import NDArray

from unite_search.search.find import WORDS_ALONE
from unite_search.search.lexical import EXACT_BONUS, MOST_EXACT, MOST_EXACT_SHARE, MOST_MATCHES, WHOLE_QUERY
from unite_search.search.scoring import PARTITION_SHARE

Vector = NDArray[np.float64]
STOP_WORDS = {"the", "a", "of", "on", "and", "in"}
HEAD = 100
FIRST_DEPTH = 4
"""At least 100 items of each partition are looked at, and four times as many as are wanted."""


def words_of(text: str) -> list[str]:
    return re.findall("[a-z0-9]+", text.lower())


def singular(word: str) -> str:
    is_plural = len(word) >= 4 and word.endswith("s") and not word.endswith(("ss", "us", "is"))
    return word[:-1] if is_plural else word


def parts_of(text: str) -> list[str]:
    """The parts of `IMG2034` and `sunsetBeach2`, and up to four that stand side by side."""
    found = []
    for word in re.findall("[A-Za-z0-9]+", text):
        parts = [part.lower() for part in re.findall("[A-Z]*[a-z]+|[A-Z]+|[0-9]+", word)]
        most = len(parts) if len(parts) <= 4 else 1
        found += ["".join(parts[at : at + length]) for length in range(1, most + 1) for at in range(len(parts))]
    return found


def holds(words: Sequence[str], phrase: Sequence[str]) -> bool:
    return f" {' '.join(phrase)} " in f" {' '.join(words)} "


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One item, as the test made it; `digest` stands for the bytes of its file."""

    id: int
    parent: int
    partition: str
    vector: Vector
    uri: str
    digest: str
    text: str | None = None
    keywords: tuple[str, ...] = ()
    start_s: float | None = None
    day: str = ""

    @property
    def folder(self) -> str:
        return self.uri.rpartition("/")[0]

    @cached_property
    def fields(self) -> list[str]:
        """Where words are found apart from the text: the name, the keywords, the folder."""
        return [self.uri.rpartition("/")[2], *self.keywords, self.folder]

    @cached_property
    def in_text(self) -> set[str]:
        words = [*words_of(self.text or ""), *parts_of(self.text or "")]
        return {*words, *map(singular, words)}

    @cached_property
    def elsewhere(self) -> set[str]:
        words = [word for one in self.fields for word in (*words_of(one), *parts_of(one))]
        return {*words, *map(singular, words)}

    @cached_property
    def runs(self) -> list[list[str]]:
        return [words_of(one) for one in (self.text or "", *self.fields)]

    def is_named(self, words: Sequence[str]) -> bool:
        """Whether words are the name of the file, or all that it says."""
        name = self.runs[1]
        return list(words) in (self.runs[0], name, name[:-1])

    def has_phrase(self, phrase: Sequence[str]) -> bool:
        """Whether the words stand one after the other in one field; a single word may be a part or a singular, too."""
        if len(phrase) == 1:
            return phrase[0] in self.in_text or phrase[0] in self.elsewhere
        return any(holds(run, phrase) for run in self.runs)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The words of a query, by what the marks mean."""

    plain: tuple[str, ...]
    required: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    @property
    def typed(self) -> str:
        return " ".join([*self.plain, *(f'"{one}"' for one in self.required), *(f'-"{one}"' for one in self.excluded)])

    @property
    def encoded(self) -> str:
        return " ".join([*self.plain, *self.required])

    @property
    def words(self) -> list[str]:
        return words_of(self.encoded)

    @property
    def telling(self) -> list[str]:
        distinct = list(dict.fromkeys(self.words))
        return [word for word in distinct if word not in STOP_WORDS] or distinct

    @property
    def codes(self) -> list[list[str]]:
        return [words_of(word) for word in self.encoded.split() if len(word) >= 3 and re.search("[0-9]", word)]

    @property
    def quoted(self) -> list[list[str]]:
        return [words_of(one) for one in self.required]

    @property
    def is_label(self) -> bool:
        """Whether all that is asked is one word, perhaps with stop words, that is neither a code nor quoted."""
        is_one = len({word for word in self.words if word not in STOP_WORDS}) <= 1
        return is_one and self.words not in (*self.codes, *self.quoted)


@dataclass(frozen=True, kw_only=True)
class Question:
    """Everything that decides the order of the hits. Without a vector, words are looked up alone.

    `asked` is None where no words are looked up: by meaning alone, and beside a picture.
    """

    vector: Vector | None
    kind: str = "text"
    asked: Asked | None = None
    own: frozenset[str] = frozenset()
    modalities: tuple[str, ...] = ()
    is_kept: Callable[[Entry], bool] = lambda _: True
    group_by: str = "parent"
    copies: bool = False
    min_score: float = -inf


@dataclass(frozen=True, kw_only=True)
class Scored:
    """An item with the parts of its score."""

    entry: Entry
    cosine: float | None = None
    meaning: float = 0.0
    prior: float = 0.0
    words: float = 0.0
    is_exact: bool = False
    is_weak: bool = False

    @property
    def score(self) -> float:
        return self.meaning + self.prior + self.words

    @property
    def key(self) -> tuple[bool, bool, float, float]:
        return self.is_weak, not self.is_exact, -round(self.score, 6), -self.meaning


@dataclass(frozen=True)
class Gathered:
    """The items behind one hit, and those behind each of its copies."""

    items: list[Scored]
    copies: list[Gathered] = field(default_factory=list)


@dataclass(frozen=True)
class Expected:
    """All groups, best first; how many items compete; and whether so many hold a word that not all are looked at."""

    groups: list[Gathered]
    searched: dict[str, int]
    scored: dict[int, Scored]
    is_approximate: bool

    def must_be_found(self, wanted: int) -> set[int]:
        """The ids that are looked at, however early the search stops; ties with the last of them are not known."""
        ranked: dict[str, list[Scored]] = {}
        for one in self.scored.values():
            ranked.setdefault(one.entry.partition, []).append(one)
        depth, near = max(HEAD, FIRST_DEPTH * wanted), []
        for some in ranked.values():
            cosines = sorted((one.cosine or 0.0 for one in some), reverse=True)
            last = cosines[depth] if depth < len(cosines) else -inf
            near += [one.entry.id for one in some if one.cosine is None or one.cosine > last + 1e-6]
        return set(near)


@dataclass(kw_only=True)
class BruteForce:
    """All items, and what is known of the encoder.

    Attributes:
        entries: by id.
        lines: intercept and slope by kind of query and partition; None for an encoder without calibration.
        means: mean vector of unrelated items, by partition.
        floors: log-odds below which a hit is weak, and below which the best hits are, by kind of query and partition.
        sample: the rows of a partition by which scores are relative, for an encoder without calibration.
    """

    sample: Callable[[str], NDArray[np.float32]]
    entries: dict[int, Entry] = field(default_factory=dict)
    lines: Mapping[tuple[str, str], tuple[float, float]] | None = None
    means: Mapping[str, Vector] = field(default_factory=dict)
    floors: Mapping[tuple[str, str], tuple[float, float]] = field(default_factory=dict)

    def answer(self, question: Question) -> Expected:
        asked = question.asked
        within = [e for e in self.entries.values() if _is_among(e, question.modalities) and question.is_kept(e)]
        competing = [e for e in within if not (asked and _is_refused(e, asked)) and e.digest not in question.own]
        sizes = Counter(entry.partition for entry in competing)
        holders = self._holders(competing, asked)
        scored = self._meant(competing, sizes, question) if question.vector is not None else _bare(holders)
        if asked is not None:
            evidence = self._evidence(asked)
            scored = [_joined(one, *evidence(one.entry, one.meaning)) for one in scored]
        kept = [one for one in self._judged(scored, question) if one.score >= question.min_score]
        kept.sort(key=lambda one: one.key)
        most = WORDS_ALONE if question.vector is None else MOST_MATCHES
        by_id = {one.entry.id: one for one in kept}
        groups = _gathered(kept, question)
        if question.kind != "text" and question.group_by in ("item", "parent"):
            groups = _in_turns(groups, sizes)
        return Expected(groups, dict(sizes), by_id, len(holders) > most)

    def _judged(self, scored: list[Scored], question: Question) -> list[Scored]:
        """Call hits weak that are below their floor, or all of them if none reaches the floor of the best."""
        if question.vector is None:
            return scored
        floors = [self.floors.get((question.kind, one.entry.partition), (-inf, -inf)) for one in scored]
        pairs = list(zip(scored, floors, strict=True))
        is_answered = any(one.is_exact or one.meaning + one.words >= best for one, (_, best) in pairs)
        if not is_answered:
            return [replace(one, is_weak=True) for one in scored]
        return [replace(one, is_weak=not one.is_exact and one.meaning + one.words < floor) for one, (floor, _) in pairs]

    def _holders(self, entries: Iterable[Entry], asked: Asked | None) -> list[Entry]:
        telling = asked.telling if asked else []
        return [entry for entry in entries if any(_has(entry, word) for word in telling)]

    def _meant(self, entries: Sequence[Entry], sizes: Mapping[str, int], question: Question) -> list[Scored]:
        """Score by meaning: `intercept + slope * (cosine - query . mean)` with a prior, or relative to the sample."""
        assert question.vector is not None
        cosines = {entry.id: float(entry.vector @ question.vector) for entry in entries}
        if self.lines is None:
            relative = self._relative(entries, cosines, sizes, question.vector)
            return [Scored(entry=e, cosine=cosines[e.id], meaning=relative[e.id]) for e in entries]
        found = []
        for entry in entries:
            name = entry.partition
            intercept, slope = self.lines[question.kind, name]
            centred = cosines[entry.id] - float(self.means[name] @ question.vector)
            prior = log(1 - PARTITION_SHARE + PARTITION_SHARE / len(sizes) * sum(sizes.values()) / sizes[name])
            meaning = intercept + slope * centred
            found.append(Scored(entry=entry, cosine=cosines[entry.id], meaning=meaning, prior=prior))
        return found

    def _relative(
        self, entries: Sequence[Entry], cosines: Mapping[int, float], sizes: Mapping[str, int], vector: Vector
    ) -> dict[int, float]:
        """z / 0.5 - log(mean of exp(z / 0.5)), with 8 imaginary items, see `indexers.calibration`."""
        if not entries:
            return {}
        samples = {name: self.sample(name).astype(np.float64) @ vector for name in sizes}
        weights = [len(sample) for sample in samples.values()]
        common_mean = float(np.average([sample.mean() for sample in samples.values()], weights=weights))
        common_variance = float(np.average([sample.var() for sample in samples.values()], weights=weights))
        found: dict[int, float] = {}
        for name, sample in samples.items():
            count, size = len(sample), sizes[name]
            mean = (count * sample.mean() + 8 * common_mean) / (count + 8)
            spread = sqrt((count * sample.var() + 8 * common_variance) / (count + 8))
            logits = {e.id: 2 * (cosines[e.id] - mean) / max(spread, 1e-3) for e in entries if e.partition == name}
            head = sorted(logits.values(), reverse=True)[:HEAD]
            below = [one for one in 2 * (sample - mean) / max(spread, 1e-3) if one < head[-1]] or head[-1:]
            rest = [one + log((size - len(head)) / len(below)) for one in below] if size > len(head) else []
            level = np.logaddexp.reduce([*head, *rest, log(8) + 2]) - log(size + 8)
            found |= {id_: float(logit - level) for id_, logit in logits.items()}
        return found

    def _evidence(self, asked: Asked) -> Callable[[Entry, float], tuple[float, bool]]:
        """What the words say of an item: rarity by how many items of the collection hold a word."""
        everything = list(self.entries.values())
        with_text = sum("text" in entry.partition for entry in everything)
        weights = {}
        for word in asked.telling:
            holding = sum(_has(entry, word) for entry in everything)
            if holding:
                weights[word] = [_weight(holding, items) for items in (with_text, len(everything))]
        most = max(MOST_EXACT, int(MOST_EXACT_SHARE * len(everything)))

        def count(phrase: Sequence[str]) -> int:
            return sum(entry.has_phrase(phrase) for entry in everything)

        whole = asked.telling[:1] if asked.is_label else asked.words
        others = [*([] if count(whole) else asked.codes), *asked.quoted]
        phrases = [phrase for phrase in (whole, *others) if 0 < count(phrase) <= most]
        labels = [asked.words, *([word] for word in asked.telling)] if asked.is_label and phrases else []

        def of(entry: Entry, meaning: float) -> tuple[float, bool]:
            if not weights:
                return 0.0, False
            in_text = {word for word in weights if _forms(word) & entry.in_text}
            elsewhere = {word for word in weights if _forms(word) & entry.elsewhere}
            found = sum(
                max(weights[word][place] for place, words in enumerate((in_text, elsewhere)) if word in words)
                for word in in_text | elsewhere
            )
            share = sum(weights[word][1] for word in in_text | elsewhere) / sum(all_ for _, all_ in weights.values())
            is_exact = any(map(entry.is_named, labels) if labels else map(entry.has_phrase, phrases))
            log_odds = found / sqrt(len(weights)) * share
            if in_text | elsewhere == set(asked.telling):
                log_odds = max(log_odds, WHOLE_QUERY - meaning)
            return log_odds + EXACT_BONUS * is_exact, is_exact

        return of


def _weight(holding: int, items: int) -> float:
    everything = max(items, holding) + 101
    rarity = log(everything / (holding + 1.5))
    return rarity * rarity / log(everything)


def _forms(word: str) -> set[str]:
    return {word, singular(word)}


def _has(entry: Entry, word: str) -> bool:
    return bool(_forms(word) & (entry.in_text | entry.elsewhere))


def _bare(entries: Iterable[Entry]) -> list[Scored]:
    return [Scored(entry=entry) for entry in entries]


def _joined(one: Scored, words: float, is_exact: bool) -> Scored:
    return replace(one, words=words, is_exact=is_exact)


def _is_among(entry: Entry, modalities: Sequence[str]) -> bool:
    parts = entry.partition.split("+")
    return not modalities or any(
        one == entry.partition or (one in ("image", "video") and one in parts) for one in modalities
    )


def _is_refused(entry: Entry, asked: Asked) -> bool:
    return not all(entry.has_phrase(words_of(one)) for one in asked.required) or any(
        entry.has_phrase(words_of(one)) for one in asked.excluded
    )


def _gathered(ranked: Sequence[Scored], question: Question) -> list[Gathered]:
    """Group items that are sorted: by file, with copies behind the best of them, or by folder or day."""
    groups: dict[object, Gathered] = {}
    for one in ranked:
        key = one.entry.id if question.group_by == "item" else one.entry.parent
        groups.setdefault(key, Gathered([])).items.append(one)
    if not question.copies and question.group_by in ("item", "parent"):
        kept: dict[object, Gathered] = {}
        for group in groups.values():
            first = kept.setdefault(_bytes_of(group.items[0].entry), group)
            if first is not group:
                first.copies.append(group)
        groups = kept
    if question.group_by in ("folder", "day"):
        joined: dict[object, Gathered] = {}
        for group in groups.values():
            entry = group.items[0].entry
            into = joined.setdefault(entry.day if question.group_by == "day" else entry.folder, Gathered([]))
            into.items.extend(group.items)
        for into in joined.values():
            into.items.sort(key=lambda one: one.key)
        groups = joined
    return list(groups.values())


def _in_turns(groups: Sequence[Gathered], sizes: Mapping[str, int]) -> list[Gathered]:
    """Where a picture asks: other items and texts in turn, texts as often as they are many; weak ones at the end."""
    share = max(Fraction(1, 2), Fraction(sizes["text"], sum(sizes.values()))) if groups else Fraction(0)
    ordered: list[Gathered] = []
    for is_weak in (False, True):
        alike = [group for group in groups if group.items[0].is_weak == is_weak]
        texts = [group for group in alike if group.items[0].entry.partition == "text"]
        others = [group for group in alike if group.items[0].entry.partition != "text"]
        given = len(texts)
        for place in range(1, len(alike) + 1):
            is_due = given - len(texts) < int(share * place)
            ordered.append((texts if texts and (is_due or not others) else others).pop(0))
    return ordered


def _bytes_of(entry: Entry) -> tuple[object, ...]:
    """The same bytes, and the same place in them, with the same caption."""
    return entry.digest, entry.partition, entry.start_s, entry.text
