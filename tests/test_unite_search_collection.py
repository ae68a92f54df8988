"""The life of a collection: new, unchanged, renamed, changed, copied and deleted files, against the folder itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import lancedb
import numpy as np
import pytest
from PIL import Image
from toy import COLOURS, ToyEncoder

from unite_search.collection import Collection
from unite_search.errors import (
    CollectionLockedError,
    CollectionNotFoundError,
    EncoderMismatchError,
    FilterError,
    UniteSearchError,
    UnknownItemError,
)
from unite_search.ingest.pipeline import NOT_DECODED
from unite_search.query import Query, SearchOptions
from unite_search.report import IndexOptions, IndexReport
from unite_search.storage.locks import write_lock


def names(result: object) -> list[str]:
    return [Path(hit.uri).name for hit in result.hits]  # type: ignore[attr-defined]


def counts(report: IndexReport) -> dict[str, int]:
    fields = ("added", "changed", "renamed", "unchanged", "removed")
    return {name: getattr(report, name) for name in fields if getattr(report, name)}


def test_counting_and_removing_nothing_says_what_to_give(collection: Collection) -> None:
    for call in (collection.count, collection.remove):
        with pytest.raises(ValueError, match=r'give paths, ids or a filter; the filter "true" selects all'):
            call()


def test_a_second_run_reads_nothing_again(collection: Collection, media: Path) -> None:
    first = collection.index([media])
    second = collection.index([media])
    assert counts(first) == {"added": 5}
    assert first.embedded == 5
    assert counts(second) == {"unchanged": 5}
    assert second.embedded == 0
    assert collection.verify() == []


@pytest.mark.parametrize("colour", COLOURS)
def test_text_finds_the_picture_of_its_colour(collection: Collection, media: Path, colour: str) -> None:
    collection.index([media])
    assert names(collection.search(Query.of(colour), SearchOptions(modalities=("image",))))[0] == f"{colour}.png"


def test_the_query_file_itself_is_left_out_unless_asked_for(collection: Collection, media: Path) -> None:
    collection.index([media])
    query = Query.of(image=media / "red.png")
    assert "red.png" not in names(collection.search(query))
    assert names(collection.search(query, SearchOptions(include_self=True)))[0] == "red.png"


def test_a_renamed_file_keeps_id_and_vector(collection: Collection, media: Path) -> None:
    collection.index([media])
    before = collection.search(Query.of("red"), SearchOptions(modalities=("image",))).hits[0]
    (media / "red.png").rename(media / "crimson.png")
    report = collection.index([media])
    after = collection.search(Query.of("red"), SearchOptions(modalities=("image",))).hits[0]
    assert counts(report) == {"renamed": 1, "unchanged": 4}
    assert report.embedded == 0
    assert (after.id, after.cosine) == (before.id, before.cosine)
    assert Path(after.uri).name == "crimson.png"
    assert collection.verify() == []


def test_two_files_that_swap_names_keep_their_own_vectors(collection: Collection, media: Path) -> None:
    collection.index([media])
    (media / "red.png").rename(media / "x.png")
    (media / "blue.png").rename(media / "red.png")
    (media / "x.png").rename(media / "blue.png")
    collection.index([media])
    top = {colour: names(collection.search(Query.of(colour, mode="meaning")))[0] for colour in ("red", "blue")}
    assert top == {"red": "blue.png", "blue": "red.png"}
    assert collection.status().files == 5
    assert collection.verify() == []


def test_a_touched_file_is_not_embedded_again(collection: Collection, media: Path) -> None:
    collection.index([media])
    os.utime(media / "red.png", (1, 1))
    report = collection.index([media])
    assert counts(report) == {"unchanged": 5}
    assert report.embedded == 0
    assert counts(collection.index([media])) == {"unchanged": 5}


def test_other_options_for_videos_leave_pictures_and_texts_alone(collection: Collection, media: Path) -> None:
    frames = [Image.new("RGB", (40, 30), colour) for colour in COLOURS.values()]
    frames[0].save(media / "moving.gif", save_all=True, append_images=frames[1:], duration=500)
    collection.index([media])
    report = collection.index([media], IndexOptions(segments=1.0))
    assert counts(report) == {"changed": 1, "unchanged": 5}
    assert collection.status().items["video"] > 1
    assert counts(collection.index()) == {"unchanged": 6}, "the options of before hold"


def test_a_changed_file_is_replaced(collection: Collection, media: Path) -> None:
    collection.index([media])
    Image.new("RGB", (40, 30), COLOURS["blue"]).save(media / "red.png", compress_level=0)
    report = collection.index([media])
    assert counts(report) == {"changed": 1, "unchanged": 4}
    assert set(names(collection.search(Query.of("blue"), SearchOptions(top_k=2)))) == {"red.png", "blue.png"}
    assert collection.verify() == []


def test_a_deleted_file_leaves_and_its_id_is_never_given_again(collection: Collection, media: Path) -> None:
    collection.index([media])
    ids = {hit.id for hit in collection.search(Query.of("red")).hits}
    for picture in media.glob("*.png"):
        picture.unlink()
    assert counts(collection.index([media])) == {"removed": 4, "unchanged": 1}
    Image.new("RGB", (40, 30), (9, 9, 9)).save(media / "new.png")
    collection.index([media])
    new = collection.search(Query.of("red"), SearchOptions(modalities=("image",))).hits
    assert len(new) == 1
    assert new[0].id not in ids
    assert collection.verify() == []


def test_copies_are_embedded_once_and_listed(collection: Collection, media: Path) -> None:
    shutil.copy(media / "red.png", media / "copy of red.png")
    report = collection.index([media])
    assert report.embedded == 5
    assert [sorted(path.name for path in pair) for pair in report.duplicates] == [["copy of red.png", "red.png"]]
    shutil.copy(media / "red.png", media / "later copy.png")
    later = collection.index([media])
    assert later.embedded == 0
    assert len(later.duplicates) == 1
    top = names(collection.search(Query.of("red"), SearchOptions(top_k=3, copies=True)))
    assert set(top) == {"red.png", "copy of red.png", "later copy.png"}
    first, *others = collection.search(Query.of("red"), SearchOptions(top_k=5)).hits
    behind = {Path(hit.uri).name for hit in (first, *first.copies)}
    assert behind == {"red.png", "copy of red.png", "later copy.png"}
    assert not behind & {Path(hit.uri).name for hit in others}
    assert collection.status().duplicates == 2
    assert collection.verify() == []


def test_a_folder_inside_another_is_met_once(collection: Collection, media: Path) -> None:
    (media / "inner").mkdir()
    shutil.move(media / "red.png", media / "inner" / "red.png")
    report = collection.index([media, media / "inner", media / "inner" / "red.png"])
    assert counts(report) == {"added": 5}
    assert report.duplicates == []


def test_an_emptied_folder_keeps_its_items_and_says_so(collection: Collection, media: Path) -> None:
    collection.index([media])
    for file in media.iterdir():
        file.unlink()
    report = collection.index([media])
    assert report.removed == 0
    assert "is empty: what was indexed there (5 files) stays" in report.warnings[0]


def test_without_paths_the_known_folders_are_indexed(collection: Collection, media: Path) -> None:
    collection.index([media])
    (media / "red.png").unlink()
    assert collection.index().removed == 1


def test_a_dry_run_writes_nothing(collection: Collection, media: Path) -> None:
    report = collection.index([media], IndexOptions(dry_run=True))
    assert report.dry_run
    assert report.added == 5
    assert collection.status().files == 0


def test_a_caption_beside_a_picture_is_searchable_and_a_new_caption_replaces_it(
    collection: Collection, media: Path
) -> None:
    (media / "red.txt").write_text("grandmother")
    (media / "red.json").write_text('{"camera": "box", "year": 1960}')
    collection.index([media])
    hit = collection.search(Query.of("grandmother"), SearchOptions(modalities=("text+image",))).hits[0]
    assert (Path(hit.uri).name, hit.text, hit.modality) == ("red.png", "grandmother", "image")
    assert hit.metadata["year"] == 1960
    by_year = SearchOptions(where="json_get_int(metadata, 'year') = 1960")
    assert names(collection.search(Query.of("anything"), by_year)) == ["red.png"]
    (media / "red.txt").write_text("my grandfather")
    assert collection.index([media]).changed == 1
    assert collection.search(Query.of("x"), by_year).hits[0].text == "my grandfather"


def test_items_are_streamed_as_they_are_known(collection: Collection, media: Path) -> None:
    (media / "red.txt").write_text("grandmother")
    collection.index([media])
    items = list(collection.items())
    assert items == [collection.item(item.id) for item in items]
    assert {Path(item.uri).stem for item in items} == {*COLOURS, "note"}
    assert [item.text for item in collection.items("modality = 'image' AND text IS NOT NULL")] == ["grandmother"]
    with pytest.raises(FilterError, match="nonsense"):
        list(collection.items("nonsense = 1"))


def test_a_filter_returns_as_many_as_match(collection: Collection, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for shade in range(60):
        Image.new("RGB", (30 + shade, 30), (shade * 4, 10, 200 - shade)).save(folder / f"{shade:02}.png")
    collection.index([folder])
    options = SearchOptions(top_k=10, where="width >= 80")
    result = collection.search(Query.of("red"), options)
    assert sorted(names(result)) == [f"{shade}.png" for shade in range(50, 60)]
    assert result.searched == {"image": 10}
    with pytest.raises(FilterError, match=r"columns: .*width"):
        collection.search(Query.of("red"), SearchOptions(where="wdth > 3"))


def test_pages_join_to_one_list(collection: Collection, media: Path) -> None:
    collection.index([media])
    whole = collection.search(Query.of("red"), SearchOptions(top_k=5)).hits
    pages = [collection.search(Query.of("red"), SearchOptions(top_k=2, offset=start)).hits for start in (0, 2, 4)]
    assert [hit.id for page in pages for hit in page] == [hit.id for hit in whole]
    assert [hit.rank for page in pages for hit in page] == [1, 2, 3, 4, 5]


def test_excluded_text_moves_its_picture_down(collection: Collection, media: Path) -> None:
    collection.index([media])
    options = SearchOptions(modalities=("image",))
    plain = names(collection.search(Query.of("red green"), options))
    without = names(collection.search(Query.of("red green", exclude="green"), options))
    assert without.index("green.png") > plain.index("green.png") or without[0] == "red.png"
    assert without[0] == "red.png"


def test_similar_finds_neighbours_of_an_item(collection: Collection, media: Path) -> None:
    Image.new("RGB", (40, 30), (250, 10, 5)).save(media / "nearly red.png")
    collection.index([media])
    hit = collection.search(Query.of(image=media / "red.png"), SearchOptions(include_self=True)).hits[0]
    assert names(collection.similar(hit.id))[0] == "nearly red.png"
    with pytest.raises(UnknownItemError, match="no item 999999"):
        collection.similar(999_999)


def test_remove_by_path_id_and_filter(collection: Collection, media: Path) -> None:
    collection.index([media])
    assert collection.remove(paths=[media / "red.png"]) == 1
    hit = collection.search(Query.of("blue"), SearchOptions(modalities=("image",))).hits[0]
    assert collection.remove(ids=[hit.id]) == 1
    assert collection.remove(where="modality = 'text'") == 1
    assert sorted(names(collection.search(Query.of("x")))) == ["green.png", "white.png"]
    assert collection.remove(paths=[media]) == 2
    assert collection.verify() == []


def test_another_version_of_an_encoder_is_refused_and_said_to_be_one(collection: Collection, media: Path) -> None:
    class Later(ToyEncoder):
        fingerprint = "toy-2"

    collection.index([media])
    with pytest.raises(EncoderMismatchError, match=r"toy \(toy-1\), this is toy \(toy-2\); that is another version"):
        Collection.open(collection.directory, encoder=Later()).search(Query.of("red"))


def test_another_encoder_is_refused_and_named(collection: Collection, media: Path) -> None:
    class Other(ToyEncoder):
        name = "other"

    collection.index([media])
    with pytest.raises(EncoderMismatchError, match=r"toy \(toy-1\), this is other; use the encoder"):
        Collection.open(collection.directory, encoder=Other()).search(Query.of("red"))


def test_opening_nothing_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(CollectionNotFoundError, match="unite-search index"):
        Collection.open(tmp_path / "nowhere")


def test_a_missing_folder_is_an_error_and_removes_nothing(collection: Collection, media: Path, tmp_path: Path) -> None:
    collection.index([media])
    with pytest.raises(UniteSearchError, match="nowhere"):
        collection.index([tmp_path / "nowhere"])
    assert collection.status().files == 5


def test_the_catalog_alone_is_enough_to_restore_the_partitions(collection: Collection, media: Path) -> None:
    collection.index([media])
    before = collection.search(Query.of("red")).hits
    shutil.rmtree(collection.directory / "partitions")
    with Collection.open(collection.directory, encoder=ToyEncoder()) as opened:
        assert opened.search(Query.of("red")).hits == before
        opened.rebuild()
        assert opened.verify() == []


def test_a_damaged_partition_is_said_and_rebuilt(collection: Collection, media: Path) -> None:
    collection.index([media])
    stored = max((collection.directory / "partitions").glob("*image*"), key=lambda path: path.stat().st_size)
    stored.write_bytes(stored.read_bytes()[: stored.stat().st_size // 2])
    with Collection.open(collection.directory, encoder=ToyEncoder()) as opened:
        assert any("image" in message for message in opened.messages)
        assert names(opened.search(Query.of("red"), SearchOptions(modalities=("image",))))[0] == "red.png"
        assert opened.verify() != []
        opened.rebuild()
        assert opened.verify() == []


def test_a_reader_keeps_its_state_until_it_refreshes(collection: Collection, media: Path) -> None:
    collection.index([media])
    with Collection.open(collection.directory, encoder=ToyEncoder()) as reader:
        (media / "red.png").unlink()
        collection.index([media])
        assert "red.png" in names(reader.search(Query.of("red")))
        reader.refresh()
        assert "red.png" not in names(reader.search(Query.of("red")))


def test_a_second_writer_is_told_who_writes(collection: Collection, media: Path) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, pathlib; from unite_search.storage.locks import write_lock\n"
            "with write_lock(pathlib.Path(sys.argv[1])): print('held', flush=True); input()",
            str(collection.directory),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin and holder.stdout
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(CollectionLockedError, match=str(holder.pid)):
        collection.index([media])
    holder.kill()
    holder.wait()
    holder.stdin.close()
    holder.stdout.close()
    assert collection.index([media]).added == 5


def test_the_lock_is_free_again_after_an_error(collection: Collection) -> None:
    with pytest.raises(RuntimeError), write_lock(collection.directory):
        raise RuntimeError
    with write_lock(collection.directory):
        assert (collection.directory / "write.pid").exists()


def test_lancedb_reads_the_catalog(collection: Collection, media: Path) -> None:
    collection.index([media])
    table = lancedb.connect(collection.directory / "catalog").open_table("items")
    rows = table.search().where("modality = 'image' AND width = 40").limit(10).to_list()
    assert {Path(row["uri"]).name for row in rows} == {f"{colour}.png" for colour in COLOURS}
    assert np.allclose(np.linalg.norm(np.asarray(rows[0]["embedding"], np.float32)), 1, atol=1e-3)


def test_an_export_comes_back_as_the_same_collection(collection: Collection, media: Path, tmp_path: Path) -> None:
    (media / "red.txt").write_text("a caption")
    collection.index([media])
    report = collection.export(tmp_path / "out")
    assert report.items == 5
    vectors = np.load(tmp_path / "out" / "image" / "img_emb" / "img_emb_0.npy")
    assert vectors.shape == (3, ToyEncoder.dim)
    Collection.from_export(tmp_path / "out", tmp_path / "again").close()
    with Collection.open(tmp_path / "again", encoder=ToyEncoder()) as again:
        for text in ("red", "blue", "a caption"):
            expected = collection.search(Query.of(text)).hits
            found = again.search(Query.of(text)).hits
            assert [(hit.uri, hit.text, round(hit.score, 5)) for hit in found] == [
                (hit.uri, hit.text, round(hit.score, 5)) for hit in expected
            ]
        assert again.verify() == []
        assert counts(again.index([media])) == {"unchanged": 5}


def test_a_remembered_root_that_is_missing_keeps_its_items_and_stops_nobody(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "db", encoder=ToyEncoder(), create=True) as collection:
        for name in ("disk", "home"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "note.txt").write_text(f"a note on the {name}")
        collection.index([tmp_path / "disk", tmp_path / "home"])
        (tmp_path / "disk").rename(tmp_path / "unplugged")
        (tmp_path / "home" / "new.txt").write_text("something new")
        for dry_run in (True, False):
            report = collection.index(options=IndexOptions(dry_run=dry_run))
            assert (report.added, report.removed, report.unchanged) == (1, 0, 1)
            warning, *others = report.warnings
            assert others == ([NOT_DECODED] if dry_run else [])
            assert f"{tmp_path / 'disk'} is missing: what was indexed there (1 file) stays" in warning
        assert collection.status().files == 3
        (tmp_path / "unplugged").rename(tmp_path / "disk")
        assert (collection.index().unchanged, collection.index().warnings) == (3, [])


def test_removing_a_folder_forgets_the_roots_in_it(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "db", encoder=ToyEncoder(), create=True) as collection:
        for name in ("old", "old/inner", "kept"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "note.txt").write_text(f"a note in {name}")
        collection.index([tmp_path / "old", tmp_path / "old" / "inner", tmp_path / "kept"])
        assert collection.remove(paths=[tmp_path / "old"]) == 2
        assert collection.status().roots == (tmp_path / "kept",)
        assert (collection.index().added, collection.status().files) == (0, 1)


def test_a_named_path_that_is_missing_is_an_error(tmp_path: Path, media: Path) -> None:
    with Collection.open(tmp_path / "db", encoder=ToyEncoder(), create=True) as collection:
        with pytest.raises(UniteSearchError, match="does not exist"):
            collection.index([media, tmp_path / "missing"])
        assert collection.status().files == 0
