"""What a search says over HTTP: modes, steering, groups, copies, least score, variety, and the evidence of a hit."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from served import PATIENCE_S, serving, toy_collection
from toy import COLOURS, ToyEncoder

from unite_search.content import Content
from unite_search.media.load import load_image
from unite_search.query import Query
from unite_search.search.steering import LIKED_WEIGHT, UNLIKED_WEIGHT
from unite_search.server.service import Service

OLD = datetime(2019, 6, 1, 12, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Service, Path]]:
    """Colours and a note in `media`; an older copy of red, a dull red with a caption and a purple one in `more`."""
    folder = tmp_path_factory.mktemp("answers")
    more = folder / "media" / "more"
    more.mkdir(parents=True)
    Image.new("RGB", (40, 30), COLOURS["red"]).save(more / "again.png")
    Image.new("RGB", (40, 30), (200, 30, 20)).save(more / "dull.png")
    (more / "dull.txt").write_text("🟥🟥 A dull red wall, red all over\n")
    Image.new("RGB", (40, 30), (120, 0, 120)).save(more / "purple.png")
    for path in more.iterdir():
        os.utime(path, (OLD.timestamp(), OLD.timestamp()))
    collection = toy_collection(folder)
    shutil.copy2(folder / "media" / "red.png", more / "again.png")
    os.utime(more / "again.png", (OLD.timestamp(), OLD.timestamp()))
    collection.index()
    with serving(collection) as (address, service), httpx.Client(base_url=address, timeout=PATIENCE_S) as client:
        yield client, service, folder


@pytest.fixture(scope="module")
def client(served: tuple[httpx.Client, Service, Path]) -> httpx.Client:
    return served[0]


def search(client: httpx.Client, **asked: object) -> dict[str, Any]:
    response = client.post("/api/v1/search", json={"top_k": 50, **asked})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def similar(client: httpx.Client, item_id: int, **scope: str | float) -> dict[str, Any]:
    response = client.get(f"/api/v1/items/{item_id}/similar", params={"top_k": 50, **scope})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def names(found: dict[str, Any]) -> list[str]:
    return [Path(hit["uri"]).name for hit in found["hits"]]


def id_of(client: httpx.Client, name: str) -> int:
    found = search(client, texts=["red"], copies=True)
    return next(int(hit["id"]) for hit in found["hits"] if Path(hit["uri"]).name == name)


def refused(client: httpx.Client, status: int, **asked: object) -> str:
    response = client.post("/api/v1/search", json=asked)
    assert response.status_code == status, response.text
    return str(response.json()["detail"])


def test_words_alone_find_what_holds_them_without_the_encoder(
    served: tuple[httpx.Client, Service, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, service, _ = served
    monkeypatch.setattr(service.reader(None).queue, "encode", None)
    found = search(client, texts=["note about nothing"], mode="words")
    assert names(found) == ["note.txt"]
    (hit,) = found["hits"]
    assert (hit["cosine"], hit["evidence"]["meaning"]) == (None, None)
    assert hit["score"] == pytest.approx(hit["evidence"]["words"])
    assert hit["is_exact"]


def test_with_meaning_alone_quotation_marks_say_nothing(client: httpx.Client) -> None:
    assert search(client, texts=['"zebra" red'])["hits"] == []
    found = search(client, texts=['"zebra" red'], mode="meaning")
    assert names(found)[0] in {"red.png", "again.png"}
    assert {hit["evidence"]["words"] for hit in found["hits"]} == {0.0}


def test_liked_and_unliked_items_move_the_query_as_rocchio_says(served: tuple[httpx.Client, Service, Path]) -> None:
    client, _, folder = served
    paths = {name: folder / "media" / f"{name}.png" for name in COLOURS}
    encoder = ToyEncoder()
    pictures = {
        name: encoder.encode([Content((load_image(path, encoder.media)[0],))], role="candidate")[0]
        for name, path in paths.items()
    }
    asked = encoder.encode([Content(("red",))], role="query")[0]
    moved = asked + LIKED_WEIGHT * (pictures["green"] + pictures["white"]) / 2 - UNLIKED_WEIGHT * pictures["red"]
    ids = {name: id_of(client, f"{name}.png") for name in ("green", "white", "red")}
    found = search(client, texts=["red"], like=[ids["green"], ids["white"]], unlike=[ids["red"]])
    cosines = {Path(hit["uri"]).name: hit["cosine"] for hit in found["hits"]}
    expected = float(pictures["blue"] @ moved / np.linalg.norm(moved))
    assert cosines["blue.png"] == pytest.approx(expected, abs=2e-3)
    assert not {"green.png", "white.png", "red.png", "again.png"} & set(cosines), "they are known already"


def test_a_liked_item_alone_is_the_query(client: httpx.Client) -> None:
    red = id_of(client, "red.png")
    found = search(client, like=[red])
    assert [hit["id"] for hit in found["hits"]] == [hit["id"] for hit in similar(client, red)["hits"]]
    assert "red.png" not in names(found)


def test_what_is_kept_of_a_query_is_moved_anew(client: httpx.Client) -> None:
    before = search(client, texts=["white"])["hits"]
    moved = search(client, texts=["white"], like=[id_of(client, "blue.png")])["hits"]
    assert [hit["cosine"] for hit in moved] != [hit["cosine"] for hit in before]
    assert search(client, texts=["white"])["hits"] == before
    assert search(client, texts=["white"], mode="words")["hits"] != before


@pytest.mark.parametrize("scope", [{"group_by": "folder"}, {"group_by": "day"}])
def test_a_group_is_one_hit_and_names_itself(client: httpx.Client, scope: dict[str, str]) -> None:
    red = id_of(client, "red.png")
    for found in (search(client, texts=["red"], **scope), similar(client, red, include_self="true", **scope)):
        groups = {hit["group"]: [hit, *hit["segments"]] for hit in found["hits"]}
        assert len(groups) == len(found["hits"]) == 2
        for group, items in groups.items():
            assert {_group(Path(item["uri"]), scope["group_by"]) for item in items} == {group}
        assert sum(map(len, groups.values())) == 8, "a copy is a file like the others"
    assert {hit["group"] for hit in search(client, texts=["red"])["hits"]} == {None}


def _group(path: Path, by: str) -> str:
    day = datetime.fromtimestamp(path.stat().st_mtime).astimezone().date().isoformat()
    return str(path.parent) if by == "folder" else day


def test_copies_stand_behind_one_hit_unless_asked_for(client: httpx.Client) -> None:
    blue = id_of(client, "blue.png")
    for apart, behind in (
        (search(client, texts=["red"], copies=True), search(client, texts=["red"])),
        (similar(client, blue, copies="true"), similar(client, blue)),
    ):
        assert {"red.png", "again.png"} <= set(names(apart))
        assert not any(hit["copies"] for hit in apart["hits"])
        (one,) = (hit for hit in behind["hits"] if hit["copies"])
        pair = {Path(hit["uri"]).name for hit in (one, *one["copies"])}
        assert pair == {"red.png", "again.png"}
        assert len(behind["hits"]) == len(apart["hits"]) - 1


def test_the_least_score_leaves_out_the_rest(client: httpx.Client) -> None:
    red = id_of(client, "red.png")
    whole, near = search(client, texts=["red"])["hits"], similar(client, red)["hits"]
    least, other = whole[2]["score"], near[1]["score"]
    assert search(client, texts=["red"], min_score=least)["hits"] == [hit for hit in whole if hit["score"] >= least]
    assert similar(client, red, min_score=other)["hits"] == [hit for hit in near if hit["score"] >= other]
    assert search(client, texts=["red"], min_score=1000)["hits"] == []


def test_variety_changes_the_order_alone(client: httpx.Client) -> None:
    red = id_of(client, "red.png")
    for plain, varied in (
        (search(client, texts=["red"]), search(client, texts=["red"], diverse=True)),
        (similar(client, red), similar(client, red, diverse="true")),
    ):
        assert names(varied)[0] == names(plain)[0]
        assert sorted(names(varied)) == sorted(names(plain))
        assert names(varied) != names(plain)


def test_spans_are_characters_of_the_text(client: httpx.Client) -> None:
    hit = next(hit for hit in search(client, texts=["dull red"])["hits"] if hit["uri"].endswith("dull.png"))
    words = [hit["text"][start:end] for start, end in hit["evidence"]["spans"]]
    assert words == ["dull", "red", "red"]
    assert set(hit["evidence"]["matched"]) >= {"caption", "name"}
    evidence = hit["evidence"]
    assert hit["score"] == pytest.approx(evidence["meaning"] + evidence["prior"] + evidence["words"])


def test_what_cannot_be_a_query_is_refused_in_words(client: httpx.Client) -> None:
    with pytest.raises(ValueError, match="mode words") as known:
        Query(texts=("a",), like=(1,), mode="words")
    assert refused(client, 422, texts=["a"], like=[0], mode="words") == str(known.value)
    assert refused(client, 422, like=[0], mode="words") == str(known.value)
    assert refused(client, 422, unlike=[0]) == "give at least one of texts, uploads, ids and like"
    assert "nothing to look for" in refused(client, 422, texts=["-dog"])
    assert "no words" in refused(client, 422, texts=["-dog"], mode="words")
    assert "no words" in refused(client, 422, texts=["!?"], mode="words")
    assert refused(client, 404, like=[10**6]) == refused(client, 404, ids=[10**6])
    assert "1000000" in refused(client, 404, texts=["red"], unlike=[10**6])


@pytest.mark.parametrize(
    "asked",
    [
        {"like": [0] * 33},
        {"unlike": [0] * 33},
        {"like": [-1]},
        {"weights": {"text": 10.5}},
        {"weights": {"text": -1}},
        {"weights": {"image": 1}},
        {"weights": {"sound": 1}},
        {"mode": "both"},
        {"group_by": "year"},
        {"min_score": "nan"},
    ],
)
def test_bounds_are_kept(client: httpx.Client, asked: dict[str, object]) -> None:
    assert refused(client, 422, texts=["red"], **asked)


def test_the_query_string_has_the_same_bounds(client: httpx.Client) -> None:
    for scope in ("group_by=year", "min_score=nan", "min_score=inf", "copies=maybe", "mode=words"):
        assert client.get(f"/api/v1/items/0/similar?{scope}").status_code == 422, scope
