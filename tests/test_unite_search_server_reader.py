"""When a server is ready: once its collections can be searched, those without a known encoder by id."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from served import PATIENCE_S, get, post, serving, toy_collection, until
from toy import ToyEncoder

from unite_search.collection import Collection
from unite_search.content import Content
from unite_search.encoders.base import Role
from unite_search.errors import UniteSearchError
from unite_search.server import reader as module


def imported(folder: Path) -> Collection:
    """A collection that was imported from vectors of which nobody says what made them."""
    (folder / "vectors" / "img_emb").mkdir(parents=True)
    np.save(folder / "vectors" / "img_emb" / "img_emb_0.npy", np.eye(5, 8, dtype=np.float32))
    return Collection.from_export(folder / "vectors", folder / "imported")


def test_an_imported_collection_is_ready_to_be_searched_by_id(tmp_path: Path) -> None:
    with serving(imported(tmp_path)) as (address, _):
        assert get(f"{address}/ready").status_code == 200
        assert len(get(f"{address}/api/v1/items/0/similar").json()["hits"]) == 4
        assert len(post(f"{address}/api/v1/search", json={"ids": [1]}).json()["hits"]) == 4
        status = get(f"{address}/api/v1/status").json()
        assert (status["is_ready"], "by id only" in status["problem"]) == (True, True)
        for body in ({"texts": ["red"]}, {"ids": [0], "texts": ["red"]}):
            response = post(f"{address}/api/v1/search", json=body)
            assert response.status_code == 422
            assert "by id only" in response.json()["detail"]
        assert post(f"{address}/api/v1/uploads", content=b"x").status_code == 422


def test_an_empty_collection_is_ready(tmp_path: Path) -> None:
    with (
        Collection.open(tmp_path / "db", encoder=ToyEncoder(), create=True) as collection,
        serving(collection) as (address, _),
    ):
        assert get(f"{address}/ready").status_code == 200


class LateEncoder(ToyEncoder):
    """Is not warm before it is let go on."""

    def __init__(self) -> None:
        self.may_go_on = threading.Event()

    def encode(self, contents: Sequence[Content], *, role: Role) -> NDArray[np.float32]:
        assert self.may_go_on.wait(PATIENCE_S)
        return super().encode(contents, role=role)


def test_a_server_is_not_ready_while_an_encoder_is_loaded(tmp_path: Path) -> None:
    toy_collection(tmp_path)
    encoder = LateEncoder()
    encoders = module.LoadedEncoders(max_waiting=9)
    reader = module.Reader(Collection.open(tmp_path / "db", encoder=encoder), encoders, media_roots=())
    reader.start()
    assert reader.failure() == "the encoder is being loaded"
    encoder.may_go_on.set()
    until(lambda: reader.failure() is None)
    reader.stop()
    encoders.close()


def test_a_server_is_not_ready_when_a_search_by_id_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBE_REST_S", 0.0)
    with serving(toy_collection(tmp_path)) as (address, _):
        assert get(f"{address}/ready").status_code == 200

        def fail(*_: object) -> None:
            raise UniteSearchError("the disk is gone")

        with monkeypatch.context() as broken:
            broken.setattr(Collection, "similar", fail)
            response = get(f"{address}/ready")
            assert (response.status_code, response.headers["retry-after"]) == (503, "2")
            assert response.json()["detail"] == "collection db: it cannot be searched; the log of the server says why"
        assert get(f"{address}/ready").status_code == 200
        with Collection.open(tmp_path / "db", encoder=ToyEncoder()) as writer:
            writer.remove(ids=[0])
        until(lambda: get(f"{address}/api/v1/items/0").status_code == 404)
        assert [get(f"{address}/ready").status_code for _ in range(2)] == [200, 200], "another item is tried"


def test_a_server_whose_collection_was_deleted_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBE_REST_S", 0.0)
    with serving(toy_collection(tmp_path)) as (address, _):
        assert get(f"{address}/ready").status_code == 200
        shutil.rmtree(tmp_path / "db" / "catalog")
        until(lambda: get(f"{address}/ready").status_code == 503)
        assert get(f"{address}/health").status_code == 200
