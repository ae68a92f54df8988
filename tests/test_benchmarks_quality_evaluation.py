"""From annotation files and stand-in pictures to files: chance, oracle, missing clips, resuming, re-scoring."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Picture
from test_benchmarks_quality_metrics import NONE
from toy import ToyEncoder

from benchmarks.datasets.dataset import Dataset, Entry, Question
from benchmarks.datasets.registry import load_dataset
from benchmarks.quality import compare, covr_miniature, pages
from benchmarks.quality.captions import AGAIN, rescore
from benchmarks.quality.embedding import Embedder
from benchmarks.quality.embedding_cache import EmbeddingCache
from benchmarks.quality.evaluation import EvaluationRun, run, table
from benchmarks.quality.jobs import jobs_of
from benchmarks.quality.metrics import Judged, rank
from benchmarks.quality.protocol import PLAIN, Protocol, presets
from benchmarks.quality.ranking import evaluate, rank_all
from benchmarks.quality.scoring import score, summarise
from unite_search.content import Content, Image, MediaSpec
from unite_search.encoders.base import EncoderDefaults, Role
from unite_search.modality import Modality

COVR_DEPTHS = (1, 5, 10, 50)


def metrics_of(dataset: Dataset, protocol: Protocol, vectors: dict[str, NDArray[np.float32]]) -> dict[str, Any]:
    found: dict[str, Any] = summarise(score(rank_all(dataset, protocol, vectors), protocol), protocol)["available"]
    return found


def random_vectors(dataset: Dataset, dim: int = 32) -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    return {job.id: rng.normal(size=dim).astype(np.float32) for job in jobs_of(dataset, PLAIN)}


@pytest.mark.parametrize("name", ["cirr", "fashioniq", "circo"])
def test_random_vectors_score_at_chance(shared_data: Path, name: str) -> None:
    dataset = load_dataset(name, shared_data / "composed" / name)
    protocol = next(iter(presets(name).values()))
    found = metrics_of(dataset, protocol, random_vectors(dataset))
    chance = 50 / len(dataset.gallery) if name != "circo" else None
    if chance is not None:
        assert found["R@50"]["low"] - 0.3 <= 100 * chance <= found["R@50"]["high"] + 0.3
    else:
        assert found["mAP@50"]["value"] < 3
    if name == "cirr":
        assert found["Rsubset@1"]["low"] <= 20 <= found["Rsubset@1"]["high"], "five candidates without the reference"


class StandInEncoder(EncoderDefaults):
    """Pictures of one colour are numbers; an oracle gives a query the sum of what answers it, otherwise noise."""

    name = "stand-in"
    fingerprint = "stand-in-1"
    dim = 512
    modalities = Modality.TEXT | Modality.IMAGE
    media = MediaSpec()

    def __init__(self, answers: dict[tuple[int, str], set[int]]) -> None:
        self._answers = answers

    def encode(self, contents: Sequence[Content], *, role: Role) -> NDArray[np.float32]:
        rows = np.stack([self._row(content) for content in contents])
        return np.asarray((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32))

    def _row(self, content: Content) -> NDArray[np.float64]:
        numbers = {number_of(part) for part in content.parts if isinstance(part, Image)}
        if content.text:
            numbers = self._answers[next(iter(numbers)), content.text]
        return np.asarray(np.sum([np.random.default_rng(number).normal(size=self.dim) for number in numbers], axis=0))


def number_of(picture: Image) -> int:
    red, green, blue = (int(channel) for channel in picture.pixels[0, 0])
    return red << 16 | green << 8 | blue


def draw_stand_ins(dataset: Dataset) -> dict[Path, int]:
    """Write a picture for each file; its colour is its number."""
    numbers = {media.path: number for number, media in enumerate(dataset.files())}
    for path, number in numbers.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        Picture.new("RGB", (4, 4), (number >> 16, number >> 8 & 255, number & 255)).save(path, format="PNG")
    return numbers


@pytest.mark.slow
@pytest.mark.parametrize(("name", "metric"), [("cirr", "R@1"), ("fashioniq", "R@1"), ("circo", "mAP@50")])
def test_an_oracle_scores_100_on_real_annotations(shared_data: Path, tmp_path: Path, name: str, metric: str) -> None:
    for path in (shared_data / "composed" / name).glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    whole = load_dataset(name, tmp_path)
    dataset = replace(whole, questions=whole.questions[:200])
    numbers = draw_stand_ins(dataset)
    number = {entry.id: numbers[entry.media.path] for entry in dataset.gallery if entry.media}
    answers: dict[tuple[int, str], set[int]] = {}
    for question in dataset.questions:
        assert question.media
        right = answers.setdefault((numbers[question.media.path], question.text or ""), set())
        right |= {number[one] for one in question.relevant}
    protocol = replace(next(iter(presets(name).values())), depths=(1, 3, 50), means=())
    with EmbeddingCache(tmp_path / "cache.sqlite") as cache:
        embedder = Embedder(StandInEncoder(answers), cache, workers=2)
        evaluation = evaluate(dataset, protocol, embedder)
    found = summarise(score(evaluation.outcomes, protocol), protocol)["available"]
    assert found["queries"] == evaluation.coverage["queries_answerable"] == 200
    assert found[metric]["value"] == 100
    assert name != "cirr" or found["Rsubset@1"]["value"] == 100


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Twelve pictures with a caption each, as a manifest."""
    folder = tmp_path / "set"
    folder.mkdir()
    rng = np.random.default_rng(7)
    rows = []
    for number in range(12):
        pixels = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
        Picture.fromarray(pixels).save(folder / f"{number}.png")
        word = ("red", "green", "blue")[number % 3]
        rows.append({"path": f"{number}.png", "modality": "image", "text": f"{word} thing"})
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def toy_run(pictures: Path, out: Path, **changes: Any) -> EvaluationRun:
    settings: dict[str, Any] = {"dataset": "manifest", "data": pictures, "protocol": PLAIN, "out": out}
    return EvaluationRun(**{**settings, "cache": out.parent, **changes})


def test_the_files_of_a_run_say_the_same(pictures: Path, tmp_path: Path) -> None:
    results = run(toy_run(pictures, tmp_path / "out"), ToyEncoder())
    assert results
    numbers = results["metrics"]["available"]
    assert numbers["queries"] == 12
    again = rescore(tmp_path / "out")
    assert {name: numbers[name]["value"] for name in AGAIN} == pytest.approx(again, abs=1e-3)
    stored = json.loads((tmp_path / "out" / "result.json").read_text())
    assert stored["results"]["protocol"]["self_match"] == "last"
    assert stored["results"]["encoder"]["fingerprint"] == "toy-1"
    assert {"command", "machine", "packages"} <= set(stored)
    page = (tmp_path / "out" / "best-and-worst.html").read_text()
    assert page.count("<blockquote>") == 12
    assert page.count("data:image/jpeg") >= 12
    lines = (tmp_path / "out" / "queries.jsonl").read_text().splitlines()
    ranks = [json.loads(line)["median rank"] for line in lines]
    assert page.count('<article class="right">') == len(ranks) == 12, "the right one is always shown"
    assert all(f"first right answer at rank {rank:.0f} of 12" in page for rank in ranks)
    assert f"<h1>manifest · plain · toy · R@1 {numbers['R@1']['value']:.1f} · 12 of 12 queries</h1>" in page
    assert "files 12 of 12" in table(results)


def test_a_second_run_embeds_nothing(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(toy_run(pictures, tmp_path / "out"), ToyEncoder())
    monkeypatch.setattr(ToyEncoder, "encode", None)
    assert run(toy_run(pictures, tmp_path / "again"), ToyEncoder()) == first


def test_a_run_that_was_cut_off_goes_on_where_it_was(pictures: Path, tmp_path: Path) -> None:
    made: list[int] = []
    told: list[tuple[int, int]] = []

    class Counting(ToyEncoder):
        def encode(self, contents: Sequence[Content], *, role: Role) -> NDArray[np.float32]:
            if sum(made) >= 12:
                raise KeyboardInterrupt
            made.append(len(contents))
            return super().encode(contents, role=role)

    with pytest.raises(KeyboardInterrupt):
        run(toy_run(pictures, tmp_path / "out"), Counting())
    done = sum(made)
    made.clear()
    run(toy_run(pictures, tmp_path / "out"), Counting(), lambda done, wanted: told.append((done, wanted)))
    assert done == 12
    assert told[-1] == (12, 12), "the other half, and nothing twice"
    assert sum(made) <= 12


def test_what_is_missing_is_counted_and_named(pictures: Path, tmp_path: Path) -> None:
    (pictures / "0.png").unlink()
    (pictures / "1.png").write_bytes(b"no picture")
    results = run(toy_run(pictures, tmp_path / "out"), ToyEncoder())
    assert results
    coverage = results["coverage"]
    assert (coverage["queries"], coverage["queries_answerable"], coverage["candidates_there"]) == (12, 10, 10)
    assert {Path(path).name for path in coverage["missing"]} == {"0.png", "1.png"}
    assert coverage["missing"][str(pictures / "0.png")] == "no such file"
    available, everything = results["metrics"]["available"], results["metrics"]["all"]
    assert (available["queries"], everything["queries"]) == (10, 12)
    assert everything["R@10"]["value"] == pytest.approx(available["R@10"]["value"] * 10 / 12, abs=1e-3)


def test_limit_asks_fewer_of_the_whole_gallery(pictures: Path, tmp_path: Path) -> None:
    results = run(toy_run(pictures, tmp_path / "out", limit=3), ToyEncoder())
    assert results
    assert (results["coverage"]["queries"], results["coverage"]["candidates_there"]) == (3, 12)


def test_torchrun_shares_the_work(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = run(toy_run(pictures, tmp_path / "alone" / "out"), ToyEncoder())
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert run(toy_run(pictures, tmp_path / "out"), ToyEncoder()) is None
    monkeypatch.setenv("RANK", "0")
    assert run(toy_run(pictures, tmp_path / "out"), ToyEncoder()) == alone


def test_compare_is_paired_and_names_other_rules(pictures: Path, tmp_path: Path) -> None:
    run(toy_run(pictures, tmp_path / "a"), ToyEncoder())
    run(toy_run(pictures, tmp_path / "b", protocol=replace(PLAIN, max_words=1)), ToyEncoder())
    same, _ = compare.compare(tmp_path / "a", tmp_path / "a")
    assert all(one.p_value == 1 and one.first == one.second and one.low == one.high == 0 for one in same)
    differences, remarks = compare.compare(tmp_path / "a", tmp_path / "b")
    assert any("max_words is None and 1" in remark for remark in remarks)
    assert "R@1" in compare.table(differences, remarks)
    with pytest.raises(compare.IncomparableError, match=r"has no queries\.jsonl"):
        compare.compare(tmp_path / "a", tmp_path)


def test_groups_weigh_the_same_in_their_mean() -> None:
    """One query of group a is right, none of three of group b: 25 % of the queries, 50 % of the groups."""
    gallery = tuple(Entry(id=f"{group}{number}", text="x", group=group) for group in "ab" for number in range(2))
    questions = tuple(
        Question(id=f"{group} {number}", text="x", relevant={f"{group}0": 1.0}, group=group)
        for group, count in (("a", 1), ("b", 3))
        for number in range(count)
    )
    near, far = np.eye(2, dtype=np.float32)
    vectors = {f"query {one.id}": near for one in questions}
    vectors |= {"candidate a0": near, "candidate a1": far, "candidate b0": far, "candidate b1": near}
    dataset = Dataset(name="two groups", questions=questions, gallery=gallery)
    found = summarise(score(rank_all(dataset, PLAIN, vectors), PLAIN), PLAIN)
    assert found["available"]["R@1"]["value"] == 25
    assert found["mean of groups"]["R@1"] == {"value": 50}
    assert found["mean of groups"]["queries"] == 4


def test_self_match_rule_moves_only_the_reference() -> None:
    rows = np.eye(3, dtype=np.float32)
    free = Judged(relevant=np.array([1]), excluded=NONE)
    query = np.array([[0.9, 0.4, 0.1]])
    assert next(rank(query, rows, [free], depth=3)).ranks[0] == 2
    assert next(rank(query, rows, [replace(free, excluded=np.array([0]))], depth=3)).ranks[0] == 1


def test_covr_cleans_text_as_blip_does() -> None:
    protocol = presets("webvid-covr")["covr"]
    assert protocol.query_text('Make it "Red"!  (now), don\'t: #stop') == "make it red now , don't stop"
    assert len(protocol.query_text("word " * 40).split()) == 30
    assert replace(PLAIN, prompt="Edit: {text}").query_text("A.") == "Edit: A."


@pytest.fixture(scope="module")
def clips_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Embeddings of the real clips, which both presets decode alike."""
    return tmp_path_factory.mktemp("clips")


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["covr", "unite"])
def test_miniature_covr_equals_a_straight_line_computation(
    shared_data: Path, tmp_path: Path, clips_cache: Path, monkeypatch: pytest.MonkeyPatch, preset: str
) -> None:
    monkeypatch.setattr(
        pages, "SHOWN", 1
    )  # drawing strips of clips is most of the time, and is not what is tested here
    covr_miniature.lay_out(shared_data / "videos", tmp_path / "set")
    protocol = presets("webvid-covr")[preset]
    given = EvaluationRun(
        dataset="webvid-covr", data=tmp_path / "set", protocol=protocol, out=tmp_path / "out", cache=clips_cache
    )
    encoder = ToyEncoder()
    results = run(given, encoder)
    assert results
    with (tmp_path / "set" / "webvid8m-covr_test.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) >= 60
    dataset = load_dataset("webvid-covr", tmp_path / "set")
    with EmbeddingCache(clips_cache / "embeddings.sqlite") as cache:
        embedder = Embedder(encoder, cache)
        vectors = embedder.run(jobs_of(dataset, protocol)).vectors
        included = replace(protocol, self_match="included")
        with_self = summarise(score(evaluate(dataset, included, embedder).outcomes, included), included)
    targets = sorted({row["pth2"] for row in rows})
    for include, numbers in ((False, results["metrics"]), (True, with_self)):
        hits = dict.fromkeys(COVR_DEPTHS, 0)
        for number, row in enumerate(rows):
            query = vectors[f"query {number}"].astype(float)
            cosines = {name: round(float(query @ vectors[f"candidate {name}"].astype(float)), 9) for name in targets}
            if not include and row["pth1"] in cosines:
                cosines[row["pth1"]] = -10
            place = sum(cosine >= cosines[row["pth2"]] for cosine in cosines.values())
            for depth in COVR_DEPTHS:
                hits[depth] += place <= depth
        found = numbers["available"]
        assert {depth: found[f"R@{depth}"]["value"] for depth in COVR_DEPTHS} == pytest.approx(
            {depth: 100 * count / len(rows) for depth, count in hits.items()}, abs=1e-3
        )
    for clip in sorted((tmp_path / "set" / "videos").iterdir())[:10]:
        clip.unlink()
    fewer = run(given, encoder)
    assert fewer
    assert fewer["coverage"]["files_there"] == results["coverage"]["files"] - 10
    assert 0 < fewer["coverage"]["queries_answerable"] < len(rows)
    assert fewer["metrics"]["all"]["queries"] == len(rows)
