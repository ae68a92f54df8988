"""The command `duplicates`, on files on disk: copies of pictures and clips, what only resembles them, and no copies."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pytest
from drawn_media import write_clip
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from toy import ToyEncoder

from unite_search.cli.app import app
from unite_search.cli.errors import run
from unite_search.collection import Collection
from unite_search.encoders.base import ENCODERS
from unite_search.report import IndexOptions
from unite_search.storage.metadata import FILE_NAME
from unite_search.storage.row_checksums import row_checksums

Cli = Callable[..., tuple[int, str, str]]
Groups = list[set[str]]


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENCODERS, "toy", "toy:ToyEncoder")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    """Run `duplicates` in this process; returns exit code, stdout, stderr."""

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = run(app, ["duplicates", "--db", "db", *(str(argument) for argument in arguments)])
        return code, *capfd.readouterr()

    return call


def scene(seed: int, side: int = 192) -> Image.Image:
    """A random picture that has, as photos have, less of finer structure."""
    generator = np.random.default_rng(seed)
    total = np.zeros((side, side, 3))
    for cells in (2, 4, 8, 16, 32):
        grid = Image.fromarray(generator.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        total += np.asarray(grid.resize((side, side), Image.Resampling.BICUBIC), float) / cells
    return Image.fromarray(np.asarray(total / total.max() * 230, np.uint8))


def film(seed: int, side: int = 96) -> list[NDArray[np.uint8]]:
    """Twelve frames of a scene over which the camera moves."""
    pixels = np.asarray(scene(seed, 2 * side))
    return [np.ascontiguousarray(pixels[4 * n : 4 * n + side, 4 * n : 4 * n + side]) for n in range(12)]


def index(folder: Path, encoder: Any = None) -> None:
    with Collection.open("db", encoder=encoder or ToyEncoder(), create=True) as collection:
        assert not collection.index([folder], IndexOptions(workers=1)).skipped


def groups(output: str) -> Groups:
    return [{Path(file["uri"]).name for file in group["files"]} for group in json.loads(output)["groups"]]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two pictures with copies of equal bytes and of other bytes, one without, and pictures of one colour."""
    folder = tmp_path / "photos"
    (folder / "below").mkdir(parents=True)
    for number in range(3):
        scene(number).save(folder / f"{number}.jpg", quality=95)
    shutil.copy(folder / "0.jpg", folder / "below" / "0 copy.jpg")
    scene(0).save(folder / "0.png")
    scene(1).save(folder / "1 again.jpg", quality=40)
    scene(1).resize((96, 96)).save(folder / "1 small.webp")
    scene(1).crop((3, 3, 190, 190)).save(folder / "1 cropped.jpg")
    ImageEnhance.Brightness(scene(1)).enhance(1.1).save(folder / "1 bright.jpg")
    Image.new("RGB", (200, 150)).save(folder / "black.png")
    Image.new("RGB", (300, 300), (2, 2, 2)).save(folder / "dark.png")
    Image.new("RGB", (64, 64), (1, 1, 2)).save(folder / "night.jpg")
    (folder / "note.txt").write_text("a note")
    return folder


NEAR = [{"0.jpg", "0 copy.jpg", "0.png"}, {"1.jpg", "1 again.jpg", "1 small.webp", "1 cropped.jpg", "1 bright.jpg"}]


def test_exact_copies_are_those_of_equal_bytes(photos: Path, cli: Cli) -> None:
    index(photos)
    code, output, messages = cli("--json")
    assert (code, groups(output), messages) == (0, [{"0.jpg", "0 copy.jpg"}], "")
    found = json.loads(output)
    size = (photos / "0.jpg").stat().st_size
    assert (found["files"], found["freed_bytes"], found["without_hash"]) == (2, size, 0)
    assert found["groups"][0]["is_exact"] is True
    assert {(file["width"], file["height"], file["size_bytes"]) for file in found["groups"][0]["files"]} == {
        (192, 192, size)
    }


def test_near_copies_are_found_and_flat_pictures_are_none(photos: Path, cli: Cli) -> None:
    index(photos)
    code, output, _ = cli("--near", "--json")
    assert code == 0
    assert sorted(groups(output), key=len) == NEAR
    found = json.loads(output)
    assert {group["is_exact"] for group in found["groups"]} == {False}
    largest = [Path(group["files"][0]["uri"]).name for group in found["groups"]]
    assert set(largest) == {"0.png", "1.jpg"}
    spare = [file["size_bytes"] for group in found["groups"] for file in group["files"][1:]]
    assert found["freed_bytes"] == sum(spare)
    assert [group["freed_bytes"] for group in found["groups"]] == sorted(
        (group["freed_bytes"] for group in found["groups"]), reverse=True
    )


def test_the_files_stay_and_table_csv_and_page_name_them(photos: Path, cli: Cli) -> None:
    index(photos)
    before = sorted(photos.rglob("*"))
    code, output, _ = cli("--near", "--html", "copies.html")
    assert (code, sorted(photos.rglob("*"))) == (0, before)
    for name in NEAR[0] | NEAR[1]:
        assert name in output
    assert "2 groups of 8 files; without 6 copies, " in output
    assert output.count("looks the same") == 6
    page = Path("copies.html").read_text()
    assert page.count("<article>") == page.count("data:image/jpeg") == 8
    assert "https:" not in page
    assert "2 groups of 8 files" in page
    code, output, _ = cli("--csv")
    rows = list(csv.DictReader(io.StringIO(output)))
    assert {(row["group"], Path(row["uri"]).name) for row in rows} == {("1", "0 copy.jpg"), ("1", "0.jpg")}
    assert all(row["modified_at"] for row in rows)


def test_paths_limit_what_is_compared(photos: Path, cli: Cli) -> None:
    index(photos)
    one = photos / "1.jpg"
    assert groups(cli("--near", "--json", one, photos / "1 again.jpg", photos / "below")[1]) == [
        {"1.jpg", "1 again.jpg"}
    ]
    assert cli(photos / "below")[:2] == (0, "no copies found\n")
    code, _, messages = cli(one, "elsewhere")
    assert code == 1
    assert messages.startswith("Error: nothing at or below elsewhere is indexed")


def test_a_collection_without_copies_or_without_anything(tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "few"
    folder.mkdir()
    index(folder)
    assert cli("--near") == (0, "no copies found\n", "")
    scene(1).save(folder / "one.png")
    index(folder)
    assert cli("--near") == (0, "no copies found\n", "")
    code, output, _ = cli("--near", "--json")
    assert (code, json.loads(output)["groups"]) == (0, [])


def test_one_kind_of_output_at_a_time(cli: Cli) -> None:
    assert cli("--json", "--csv")[0] == 2


def test_clips_and_gifs_that_show_the_same_are_copies(tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    write_clip(folder / "one.mp4", film(1))
    shutil.copy(folder / "one.mp4", folder / "one copy.mp4")
    write_clip(folder / "one.gif", film(1), codec="gif")
    write_clip(folder / "other.mp4", film(2))
    write_clip(folder / "back.mp4", film(1)[::-1])
    scene(1, 192).crop((24, 24, 120, 120)).save(folder / "still.png")
    index(folder)
    assert groups(cli("--json")[1]) == [{"one.mp4", "one copy.mp4"}]
    (found,) = groups(cli("--near", "--json")[1])
    assert {"one.mp4", "one copy.mp4", "one.gif"} <= found
    assert not {"other.mp4", "still.png"} & found


def downgrade(folder: Path) -> None:
    """Make a collection one of format 3, which had neither words nor perceptual hashes."""
    table = lance.dataset(str(folder / "catalog" / "items.lance"))
    rows = table.to_table(columns=[name for name in table.schema.names if name not in ("words", "phash")])
    place = rows.schema.get_field_index("row_crc")
    rows = rows.set_column(place, "row_crc", pa.array(row_checksums(rows), pa.uint32()))
    lance.write_dataset(rows, table, mode="overwrite")
    (folder / "catalog" / "checksums.b2").unlink()
    path = folder / FILE_NAME
    about = {**json.loads(path.read_text()), "format_version": 3}
    path.write_text(json.dumps({name: value for name, value in about.items() if name != "checksum"}))


def test_a_collection_of_format_3_has_exact_copies_and_says_what_it_lacks(photos: Path, cli: Cli) -> None:
    index(photos)
    downgrade(Path("db"))
    code, output, messages = cli("--near", "--json")
    assert (code, groups(output)) == (0, [{"0.jpg", "0 copy.jpg"}])
    assert json.loads(output)["without_hash"] == 12
    assert "12 pictures and clips have no perceptual hash" in messages
    scene(1).save(photos / "1 new.png")
    scene(1).save(photos / "1 new.jpg")
    index(photos)
    assert sorted(groups(cli("--near", "--json")[1]), key=str) == sorted(
        [{"0.jpg", "0 copy.jpg"}, {"1 new.png", "1 new.jpg"}], key=str
    )
    with Collection.open("db", encoder=ToyEncoder()) as collection:
        assert collection.verify() == []


def test_hashes_survive_an_export(photos: Path, cli: Cli) -> None:
    index(photos)
    with Collection.open("db", encoder=ToyEncoder()) as collection:
        before = collection.duplicates(near=True)
        collection.export("out")
    with Collection.from_export("out", "copy") as again:
        after = again.duplicates(near=True)
    assert [[file.uri for file in group.files] for group in after.groups] == [
        [file.uri for file in group.files] for group in before.groups
    ]


def test_real_photos_and_their_copies(shared_data: Path, tmp_path: Path, cli: Cli) -> None:
    """With the starter encoder: each of ten photos has three near copies, and fifty others have none."""
    found = sorted((shared_data / "captioned" / "images").glob("*.jpg"))[:60]
    folder = tmp_path / "real"
    folder.mkdir()
    for path in found:
        shutil.copy(path, folder / path.name)
    for path in found[:10]:
        with Image.open(path) as photo:
            photo.save(folder / f"{path.stem} q40.jpg", quality=40)
            photo.save(folder / f"{path.stem}.png")
            photo.resize((photo.width * 3, photo.height * 3)).save(folder / f"{path.stem} large.webp")
    index(folder, "starter")
    sizes = sorted(map(len, groups(cli("--near", "--json")[1])))
    assert sizes == [4] * 10
