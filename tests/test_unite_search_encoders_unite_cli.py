"""`index`, `query` and `encoders check` with the folder of a tiny checkpoint."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from drawn_media import numbered_frames, quadrants, write_clip
from PIL import Image
from typer.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("transformers")

from unite_search.cli.app import app
from unite_search.cli.errors import run
from unite_search.collection import Collection
from unite_search.storage.metadata import CollectionMetadata

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    def invoke(*arguments: str) -> tuple[int, str, str]:
        code = run(app, arguments)
        shown = capfd.readouterr()
        return code, shown.out, shown.err

    return invoke


@pytest.fixture
def checkpoint(unite_checkpoint: Path) -> str:
    return str(unite_checkpoint)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    folder.mkdir()
    quadrants().save(folder / "quadrants.png")
    Image.new("RGB", (90, 60), "navy").save(folder / "navy.png")
    write_clip(folder / "clip.mp4", numbered_frames(9, 160, 120))
    (folder / "note.txt").write_text("a note about nothing in particular\n")
    return folder


def test_a_library_is_indexed_and_queried_and_remembers_its_encoder(
    cli: Cli, library: Path, checkpoint: str, tmp_path: Path
) -> None:
    db = str(tmp_path / "db")
    cost = ("--max-pixels", "100352", "--max-frames", "4")
    code, out, err = cli("index", str(library), "--db", db, "--encoder", checkpoint, *cost, "--device", "cpu", "--json")
    assert (code, json.loads(out)["items"]) == (0, 4), err
    made_by = CollectionMetadata.read(tmp_path / "db")
    assert made_by.encoder == checkpoint
    assert made_by.encoder_options == {"max_pixels": 100352, "fps": 1.0, "max_frames": 4, "dtype": "float32"}

    code, out, err = cli("query", "--image", str(library / "navy.png"), "--include-self", "--db", db, "--json")
    assert code == 0, err
    assert len(json.loads(out)["hits"]) == 4

    moved = shutil.copytree(checkpoint, tmp_path / "moved")
    assert cli("query", "a note", "--db", db, "--encoder", str(moved), "--json")[0] == 0

    code, _, err = cli("index", "--db", db, "--fps", "3")
    assert code == 1
    assert "fps 1.0" in err
    assert "fps 3.0" in err
    assert err.count(checkpoint) == 2


def test_another_encoder_is_refused_with_both_names(cli: Cli, library: Path, checkpoint: str, tmp_path: Path) -> None:
    db = str(tmp_path / "db")
    Image.new("RGB", (64, 64), "red").save(library / "red.png")
    assert cli("index", str(library / "red.png"), "--db", db)[0] == 0
    code, _, err = cli("index", str(library), "--db", db, "--encoder", checkpoint, "--device", "cpu")
    assert code == 1
    assert "starter" in err
    assert checkpoint in err
    code, _, err = cli("query", "red", "--db", db, "--encoder", "unite-2b")
    assert code == 1
    assert "built by encoder starter" in err
    assert "this is unite-2b" in err


def test_vectors_of_a_collection_are_those_of_the_official_code(tmp_path: Path, shared_parity: Path) -> None:
    """Through scan, decode workers and catalog; float16 is what the catalog keeps."""
    import numpy as np
    from safetensors.numpy import load_file

    golden = load_file(shared_parity / "golden" / "embeddings_base.safetensors")
    names = {"116466.jpg": "i_116466_c", "square_448x448.png": "i_square_448x448_c"}
    names["odd9_3fps_160x120.mp4"] = "v_odd9_3fps_160x120_c"
    library = tmp_path / "library"
    library.mkdir()
    for name in names:
        (found,) = (shared_parity / "inputs").glob(f"*/{name}")
        shutil.copy(found, library)
    checkpoint = str(shared_parity / "checkpoints" / "tiny-unite-modeltype")
    with Collection.open(tmp_path / "db", encoder=checkpoint, create=True) as collection:
        collection.index([library])
        report = collection.export(tmp_path / "out")
        assert report
    for partition in ("image", "video"):
        rows = np.load(next((tmp_path / "out").glob(f"{partition}/*_emb/*_emb_0.npy")))
        import pyarrow.parquet as pq

        (table,) = (tmp_path / "out" / partition / "metadata").glob("*.parquet")
        for path, row in zip(pq.read_table(table)["image_path"].to_pylist(), rows, strict=True):
            np.testing.assert_allclose(row, golden[f"single/{names[Path(path).name]}"], atol=2e-4)


def test_check_prints_a_table_and_fails_when_a_check_fails(
    cli: Cli, checkpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = cli("encoders", "check", checkpoint, "--device", "cpu")
    assert code == 0, err
    assert out.count(" ok") == 4
    assert "batched equals single" in out
    monkeypatch.setattr("unite_search.encoders.unite.selfcheck.TOLERANCES", {"float32": -1.0})
    code, out, _ = cli("encoders", "check", checkpoint, "--device", "cpu", "--json")
    assert code == 1
    failed = [check for check in json.loads(out)["checks"] if not check["is_ok"]]
    assert {check["check"] for check in failed} == {"batched equals single", "left padding has no effect"}


def test_check_refuses_a_folder_without_golden_data_before_it_computes(
    cli: Cli, checkpoint: str, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unite_search.encoders.unite.selfcheck.check_model", lambda _: pytest.fail("computed"))
    code, _, err = cli("encoders", "check", checkpoint, "--device", "cpu", "--parity", str(library))
    assert code == 1
    assert "library holds no golden data; expected the folders golden, inputs and checkpoints" in err


def test_options_are_checked_before_anything_is_loaded(library: Path, checkpoint: str) -> None:
    for wrong in (("--dtype", "int8"), ("--fps", "0"), ("--max-frames", "1"), ("--max-pixels", "10")):
        result = CliRunner().invoke(app, ["index", str(library), "--encoder", checkpoint, *wrong])
        assert result.exit_code == 2
        assert wrong[0] in result.output


def test_an_encoder_without_options_says_so(cli: Cli, library: Path, tmp_path: Path) -> None:
    code, _, err = cli("index", str(library), "--db", str(tmp_path / "db"), "--fps", "2")
    assert code == 1
    assert "encoder starter has no options; given were fps" in err
