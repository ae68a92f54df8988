"""Files that were swapped, changed or imported: only what was indexed is given out, whatever lies at its path now."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawn_media import numbered_frames, write_clip
from PIL import Image
from served import PATIENCE_S, serving, toy_collection, until
from toy import ToyEncoder

from unite_search.collection import Collection
from unite_search.server.served_files import (
    FileGoneError,
    FileNotServedError,
    Folders,
    ServedFile,
    located,
    open_served,
    readable,
)
from unite_search.server.settings import Settings

SECRET = b"nobody may see this"
NUMBERS = count()
VIEWS = ("media", "thumbnail", "strip")


@pytest.fixture
def library(tmp_path: Path) -> Iterator[tuple[httpx.Client, Path]]:
    """A client of a server, and the folder that was indexed; a secret picture lies beside the folder."""
    collection = toy_collection(tmp_path)
    Image.new("RGB", (40, 30), (1, 2, 3)).save(tmp_path / "secret.png")
    with serving(collection) as (address, _), httpx.Client(base_url=address, timeout=PATIENCE_S) as client:
        yield client, tmp_path / "media"


def id_of(client: httpx.Client, name: str) -> int:
    hits = client.post("/api/v1/search", json={"texts": ["red"], "where": f"name = '{name}'"}).json()["hits"]
    return int(hits[0]["id"])


def statuses(client: httpx.Client, item_id: int) -> set[int]:
    """What is answered to every request that would read the file of an item."""
    found = {client.get(f"/api/v1/items/{item_id}/{view}").status_code for view in VIEWS}
    query = {"ids": [item_id], "texts": [f"words {next(NUMBERS)}, so that no vector is kept of them"]}
    return found | {client.post("/api/v1/search", json=query).status_code}


def same_times(path: Path, like: os.stat_result) -> None:
    os.utime(path, ns=(like.st_atime_ns, like.st_mtime_ns))


def as_link_to_another_file(path: Path, secret: Path) -> None:
    """The other file has the size and time of the indexed one, so only its place betrays it."""
    status = path.stat()
    secret.write_bytes(secret.read_bytes()[: status.st_size].ljust(status.st_size, b"\0"))
    same_times(secret, status)
    path.unlink()
    path.symlink_to(secret)


def as_relative_link(path: Path, secret: Path) -> None:
    as_link_to_another_file(path, secret)
    path.unlink()
    path.symlink_to(Path("..") / secret.name)


def as_chain_of_links(path: Path, secret: Path) -> None:
    as_link_to_another_file(path, secret)
    (path.parent / "between").symlink_to(secret)
    path.unlink()
    path.symlink_to("between")


def as_folder_link(path: Path, secret: Path) -> None:
    """The folder itself becomes a link to another one, in which a file has the name, size and time of the item's."""
    elsewhere = secret.parent / "elsewhere"
    shutil.copytree(path.parent, elsewhere)
    shutil.rmtree(path.parent)
    Path(path.parent).symlink_to(elsewhere)


@pytest.mark.parametrize("change", [as_link_to_another_file, as_relative_link, as_chain_of_links])
def test_a_link_that_leads_outside_is_not_followed(
    library: tuple[httpx.Client, Path], change: Callable[[Path, Path], None]
) -> None:
    client, media = library
    red = id_of(client, "red.png")
    assert statuses(client, red) == {200}
    change(media / "red.png", media.parent / "secret.png")
    assert statuses(client, red) == {403}
    assert client.get(f"/api/v1/items/{red}").status_code == 200, "what the catalog knows is not touched"
    assert client.get(f"/api/v1/items/{red}/similar").status_code == 200, "its vector needs no file"


def test_a_folder_that_became_a_link_is_not_entered(tmp_path: Path) -> None:
    below = tmp_path / "media" / "deep" / "er"
    below.mkdir(parents=True)
    Image.new("RGB", (9, 9)).save(below / "a.png")
    collection = toy_collection(tmp_path)
    with serving(collection) as (address, _), httpx.Client(base_url=address, timeout=PATIENCE_S) as client:
        item = id_of(client, "a.png")
        assert statuses(client, item) == {200}
        as_folder_link(below / "a.png", tmp_path / "secret.png")
        assert statuses(client, item) == {403}


def changed_in_place(path: Path) -> None:
    status = path.stat()
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


def longer_at_the_same_time(path: Path) -> None:
    status = path.stat()
    path.write_bytes(path.read_bytes() + b"x")
    same_times(path, status)


def replaced_by_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replaced_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link_to_a_file_of_another_size(path: Path) -> None:
    path.unlink()
    path.symlink_to("note.txt")


def link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


CHANGES = [
    Path.unlink,
    changed_in_place,
    longer_at_the_same_time,
    replaced_by_a_pipe,
    replaced_by_a_folder,
    link_to_a_file_of_another_size,
    link_to_itself,
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_is_no_longer_the_indexed_one_is_gone(
    library: tuple[httpx.Client, Path], change: Callable[[Path], None]
) -> None:
    client, media = library
    red = id_of(client, "red.png")
    assert client.get(f"/api/v1/items/{red}/thumbnail").status_code == 200, "a preview that is kept is not given out"
    change(media / "red.png")
    assert statuses(client, red) == {410}
    problem = client.get(f"/api/v1/items/{red}/media").json()
    assert problem["title"] == "Gone"
    assert str(media) not in problem["detail"]


@pytest.mark.parametrize("target", ["/dev/zero", "/dev/tty", "/proc/self/environ", "/proc/self/mem", "/etc/passwd"])
def test_what_the_system_shows_as_files_is_not_read(library: tuple[httpx.Client, Path], target: str) -> None:
    client, media = library
    red = id_of(client, "red.png")
    (media / "red.png").unlink()
    (media / "red.png").symlink_to(target)
    assert statuses(client, red) == {403}


def test_a_link_within_the_folder_goes_on_working(tmp_path: Path) -> None:
    """git-annex keeps every file behind a link within the repository."""
    annex = tmp_path / "media" / ".annex"
    annex.mkdir(parents=True)
    Image.new("RGB", (9, 9)).save(annex / "object.png")
    (tmp_path / "media" / "linked.png").symlink_to(".annex/object.png")
    collection = toy_collection(tmp_path)
    with serving(collection) as (address, _), httpx.Client(base_url=address, timeout=PATIENCE_S) as client:
        assert statuses(client, id_of(client, "linked.png")) == {200}


def test_a_root_that_is_a_link_or_a_file_is_served(tmp_path: Path) -> None:
    real = tmp_path / "disk"
    real.mkdir()
    Image.new("RGB", (9, 9)).save(real / "a.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "single.png")
    (tmp_path / "photos").symlink_to(real)
    collection = Collection.open(tmp_path / "db", encoder=ToyEncoder(), create=True)
    collection.index([tmp_path / "photos", tmp_path / "single.png"])
    with serving(collection) as (address, _), httpx.Client(base_url=address, timeout=PATIENCE_S) as client:
        for name in ("a.png", "single.png"):
            assert statuses(client, id_of(client, name)) == {200}


def test_a_clip_is_read_through_its_descriptor(tmp_path: Path) -> None:
    """Under every extension of videos: the path that the decoder is given has none."""
    media = tmp_path / "media"
    media.mkdir()
    write_clip(media / "a.mp4", numbered_frames(20, 64, 48))
    for suffix in ("m4v", "mov"):
        shutil.copy2(media / "a.mp4", media / f"{suffix}.{suffix}")
    collection = toy_collection(tmp_path)
    with serving(collection) as (address, _), httpx.Client(base_url=address, timeout=PATIENCE_S) as client:
        for name in ("a.mp4", "m4v.m4v", "mov.mov"):
            assert statuses(client, id_of(client, name)) == {200}


def test_nothing_leaks_while_a_file_is_swapped_again_and_again(tmp_path: Path) -> None:
    """A race: the item's path is now the file, now a link to a secret of its size and time."""
    media, secret = tmp_path / "media", tmp_path / "secret"
    media.mkdir()
    (media / "sub").mkdir()
    (media / "sub" / "a.txt").write_bytes(b"p" * len(SECRET))
    secret.mkdir()
    (secret / "a.txt").write_bytes(SECRET)
    status = (media / "sub" / "a.txt").stat()
    same_times(secret / "a.txt", status)
    file = located(media / "sub" / "a.txt", Folders([media]), size_bytes=status.st_size, mtime_ns=status.st_mtime_ns)
    is_over = threading.Event()

    def swap() -> None:
        while not is_over.is_set():
            (media / "sub").rename(media / "kept")
            (media / "sub").symlink_to(secret)
            (media / "sub").unlink()
            (media / "kept").rename(media / "sub")

    swapping = threading.Thread(target=swap)
    swapping.start()
    read: list[bytes] = []
    try:
        until(lambda: _reads_often(file, read))
    finally:
        is_over.set()
        swapping.join(PATIENCE_S)
    assert SECRET not in read


def _reads_often(file: ServedFile, read: list[bytes]) -> bool:
    for _ in range(500):
        with suppress(FileGoneError), readable(file) as path:
            read.append(path.read_bytes())
    return len(read) > 1000


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("asks Linux what is open")
    path = tmp_path / "a.txt"
    path.write_text("words")
    file = located(path, Folders([tmp_path]), size_bytes=5, mtime_ns=path.stat().st_mtime_ns)
    before = len(list(Path("/proc/self/fd").iterdir()))
    os.close(open_served(file))
    with readable(file) as known:
        assert known.read_text() == "words"
    for bad in (file._replace(size_bytes=6), file._replace(path=tmp_path), file._replace(path=tmp_path / "none")):
        with pytest.raises(FileGoneError):
            open_served(bad)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize(
    "name", ["relative.png", "../a.png", "http://evil.example/a.png", "", "a\0b", "/" + "x" * 9000]
)
def test_a_uri_that_is_no_path_of_this_machine_is_not_opened(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileNotServedError):
        located(Path(name), Folders([tmp_path], [tmp_path]), size_bytes=1, mtime_ns=1)


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """A clip-retrieval folder whose paths name a picture, things nobody indexes, and nothing."""
    pictures = tmp_path / "pictures"
    (pictures / ".hidden").mkdir(parents=True)
    for path in (pictures / "a.png", pictures / ".hidden" / "a.png", tmp_path / "outside.png"):
        Image.new("RGB", (9, 9)).save(path)
    (pictures / "id_rsa").write_bytes(SECRET)
    paths = ["pictures/a.png", "pictures/.hidden/a.png", "pictures/id_rsa", "outside.png", "pictures/late.png"]
    folder = tmp_path / "export"
    (folder / "img_emb").mkdir(parents=True)
    (folder / "metadata").mkdir()
    np.save(folder / "img_emb" / "img_emb_0.npy", np.eye(len(paths), 8, dtype=np.float32))
    known = pa.table({"image_path": [str(tmp_path / path) for path in paths]})
    pq.write_table(known, folder / "metadata" / "metadata_0.parquet")
    return folder


def media_of_imported(tmp_path: Path, exported: Path, roots: tuple[Path, ...]) -> dict[str, int]:
    collection = Collection.from_export(exported, tmp_path / "imported")
    Image.new("RGB", (7, 7)).save(tmp_path / "pictures" / "late.png")
    with (
        serving(collection, settings=Settings(rate_per_s=0, media_roots=roots)) as (address, _),
        httpx.Client(base_url=address, timeout=PATIENCE_S) as client,
    ):
        items = [client.get(f"/api/v1/items/{id_}").json() for id_ in range(5)]
        return {
            str(Path(item["uri"]).relative_to(tmp_path)): client.get(f"/api/v1/items/{item['id']}/media").status_code
            for item in items
        }


def test_files_of_an_imported_collection_are_not_served(tmp_path: Path, exported: Path) -> None:
    assert set(media_of_imported(tmp_path, exported, ()).values()) == {403}


def test_files_of_an_imported_collection_are_served_where_that_is_said(tmp_path: Path, exported: Path) -> None:
    assert media_of_imported(tmp_path, exported, (tmp_path / "pictures",)) == {
        "pictures/a.png": 200,
        "pictures/.hidden/a.png": 403,
        "pictures/id_rsa": 403,
        "outside.png": 403,
        "pictures/late.png": 200,
    }


def test_an_export_of_ours_cannot_name_files_either(tmp_path: Path) -> None:
    toy_collection(tmp_path).export(tmp_path / "export")
    collection = Collection.from_export(tmp_path / "export", tmp_path / "imported")
    with serving(collection_with_toy(collection), settings=Settings(rate_per_s=0)) as (address, _):
        assert httpx.get(f"{address}/api/v1/items/0/media", timeout=PATIENCE_S).status_code == 403
        assert httpx.get(f"{address}/ready", timeout=PATIENCE_S).status_code == 200


def collection_with_toy(collection: Collection) -> Collection:
    return Collection.open(collection.directory, encoder=ToyEncoder())


def test_the_messages_say_what_to_do(library: tuple[httpx.Client, Path]) -> None:
    client, media = library
    red = id_of(client, "red.png")
    changed_in_place(media / "red.png")
    answers: list[Any] = [json.loads(client.get(f"/api/v1/items/{red}/{view}").text)["detail"] for view in VIEWS]
    assert set(answers) == {"the file has changed since it was indexed; run `index` again"}
