from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image as Picture

from benchmarks.datasets.cirr import submission
from benchmarks.datasets.dataset import DatasetError, Entry
from benchmarks.datasets.registry import DATASETS, describe, load_dataset

COVR = {
    "txt1": "a dog",
    "txt2": "a cat",
    "pth1": "001/11",
    "pth2": "002/22",
    "edit": "turn it into a cat",
    "scores": "[0.1, 0.9]",
    "sim_txt": "0.7",
}


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def write_covr(folder: Path, *rows: dict[str, str]) -> None:
    folder.mkdir(exist_ok=True)
    with (folder / "webvid8m-covr_test.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize(
    ("name", "queries", "candidates"), [("cirr", 4181, 2297), ("fashioniq", 2017, 3817), ("circo", 220, None)]
)
def test_real_annotations_parse_completely(shared_data: Path, name: str, queries: int, candidates: int | None) -> None:
    dataset = load_dataset(name, shared_data / "composed" / name)
    known = {entry.id for entry in dataset.gallery}
    assert len(dataset.questions) == queries
    assert candidates in (None, len(dataset.gallery))
    assert all(question.text and question.media and question.relevant for question in dataset.questions)
    assert all(known.issuperset(question.relevant) for question in dataset.questions)


def test_cirr_subset_is_the_image_set_without_the_reference(shared_data: Path) -> None:
    question = load_dataset("cirr", shared_data / "composed" / "cirr").questions[0]
    assert question.id == "12060"
    assert question.reference == "dev-244-0-img0"
    assert set(question.subset) == {
        "dev-430-3-img0", "dev-63-0-img1", "dev-1028-1-img1", "dev-1028-2-img1", "dev-1028-2-img0",
    }  # fmt: skip
    assert question.relevant == {"dev-1028-1-img1": 1.0}


def test_circo_has_several_answers(shared_data: Path) -> None:
    question = load_dataset("circo", shared_data / "composed" / "circo").questions[0]
    assert set(question.relevant) == {"355099", "528417", "534704"}
    assert question.media
    assert question.media.path.name == "000000271520.jpg"


def test_fashioniq_joins_its_captions_as_covr_does(shared_data: Path) -> None:
    question = load_dataset("fashioniq", shared_data / "composed" / "fashioniq").questions[0]
    assert question.text == "is shiny and silver with shorter sleeves and fit and flare"
    assert question.group == "dress"


def test_covr_has_a_query_a_row_and_a_candidate_a_target(tmp_path: Path) -> None:
    back = COVR | {"pth1": "002/22", "pth2": "003/33", "scores": ""}
    write_covr(tmp_path, COVR, back, COVR | {"pth1": "003/33"})
    clip = tmp_path / "WebVid" / "8M" / "train" / "002" / "22.mp4"
    clip.parent.mkdir(parents=True)
    clip.touch()
    dataset = load_dataset("webvid-covr", tmp_path)
    assert [entry.id for entry in dataset.gallery] == ["002/22", "003/33"]
    assert [question.reference for question in dataset.questions] == [None, "002/22", "003/33"]
    first = dataset.gallery[0].media
    assert first
    assert first.path == clip
    assert first.frame_scores == (0.1, 0.9)
    assert sum(media.path.is_file() for media in dataset.files()) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: {name: cell for name, cell in row.items() if name != "edit"}, "no column edit; its columns are"),
        (lambda row: row | {"scores": "many"}, "row 1: scores is 'many'; expected a list of numbers"),
    ],
)
def test_covr_names_what_is_wrong(tmp_path: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    write_covr(tmp_path, change(COVR))
    with pytest.raises(DatasetError, match=message):
        load_dataset("webvid-covr", tmp_path)


def test_missing_fields_of_json_are_named_with_their_row(tmp_path: Path) -> None:
    write_json(tmp_path / "val.json", [{"id": 0, "reference_img_id": 1, "relative_caption": "x"}, {"id": 1}])
    with pytest.raises(DatasetError, match=r"val\.json, row 2 has no reference_img_id, relative_caption; it has id"):
        load_dataset("circo", tmp_path)
    write_json(tmp_path / "val.json", {"id": 0})
    with pytest.raises(DatasetError, match="holds a dict; expected a list of objects"):
        load_dataset("circo", tmp_path)
    (tmp_path / "val.json").write_text("[{")
    with pytest.raises(DatasetError, match="is not JSON"):
        load_dataset("circo", tmp_path)


@pytest.mark.parametrize("name", DATASETS)
def test_an_empty_folder_is_told_what_it_lacks(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError, match=r"has no .*\.(json|jsonl|csv|tsv|parquet)"):
        load_dataset(name, tmp_path)
    with pytest.raises(DatasetError, match="is not a folder"):
        load_dataset(name, tmp_path / "nowhere")


def test_cirr_submission_has_the_published_keys() -> None:
    names = [f"test1-{number}" for number in range(60)]
    content = json.loads(submission({"12": names}, "recall"))
    assert content == {"version": "rc2", "metric": "recall", "12": names[:50]}
    assert json.loads(submission({"12": names}, "recall_subset"))["12"] == names[:3]


def test_folder_reads_beir_with_pictures(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text(
        '{"_id": "a", "title": "T", "text": "words"}\n\n{"_id": "b", "text": "", "image": "b.png"}\n'
    )
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "find"}\n{"_id": "unjudged", "text": "x"}\n')
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\ta\t2\nq\tb\t0\n")
    dataset = load_dataset("folder", tmp_path)
    assert [(question.id, question.relevant) for question in dataset.questions] == [("q", {"a": 2.0})]
    assert dataset.gallery[0].text == "T words"
    assert dataset.gallery[1].media
    assert dataset.gallery[1].media.path == tmp_path / "b.png"
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\tz\t1\n")
    with pytest.raises(DatasetError, match=r"test\.tsv, row 1 names z, which the corpus does not have"):
        load_dataset("folder", tmp_path)


def write_parquet(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), path)


def picture_cell(colour: tuple[int, int, int]) -> dict[str, object]:
    """As the library `datasets` stores a picture."""
    buffer = io.BytesIO()
    Picture.new("RGB", (8, 8), colour).save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": "page.png"}


def first_pixel(entry: Entry) -> object:
    assert entry.media
    with Picture.open(entry.media.path) as picture:
        return picture.getpixel((0, 0))


def test_folder_reads_the_parquet_triples_of_the_hub(tmp_path: Path) -> None:
    pages = [{"corpus-id": number, "image": picture_cell((number, 0, 0))} for number in range(3)]
    write_parquet(tmp_path / "corpus" / "test-00000-of-00002.parquet", pages[:2])
    write_parquet(tmp_path / "corpus" / "test-00001-of-00002.parquet", pages[2:])
    write_parquet(tmp_path / "queries" / "test-00000-of-00001.parquet", [{"query-id": 1, "query": "how many?"}])
    judged = [{"query-id": 1, "corpus-id": 2, "score": 1}, {"query-id": 1, "corpus-id": 1, "score": 0}]
    write_parquet(tmp_path / "qrels" / "test-00000-of-00001.parquet", judged)
    for name in ("folder", "vidore"):
        dataset = load_dataset(name, tmp_path)
        assert [(one.text, one.relevant) for one in dataset.questions] == [("how many?", {"2": 1.0})]
        assert dataset.questions[0].reference is None, "page 1 is another thing than query 1"
        assert [first_pixel(entry) for entry in dataset.gallery] == [(number, 0, 0) for number in range(3)]


def test_folder_knows_the_passage_that_a_query_is_taken_from(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text(
        '{"_id": "1", "title": "Topic", "text": "an argument"}\n{"_id": "2", "text": "its rebuttal"}\n'
    )
    (tmp_path / "queries.jsonl").write_text('{"_id": "1", "text": "an argument"}\n{"_id": "2", "text": "other"}\n')
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n1\t2\t1\n2\t1\t1\n")
    assert [one.reference for one in load_dataset("folder", tmp_path).questions] == ["1", None]


def test_vidore_asks_a_question_once_and_its_last_page_is_right(tmp_path: Path) -> None:
    rows = [
        {"query": query, "image": picture_cell((number, 0, 0)), "image_filename": f"{number}.png", "page": "1"}
        for number, query in enumerate(("when?", None, "who?", "when?"))
    ]
    path = tmp_path / "data" / "test-00000-of-00001.parquet"
    write_parquet(path, rows)
    dataset = load_dataset("vidore", tmp_path)
    assert [(one.text, one.relevant) for one in dataset.questions] == [("when?", {"3.png": 1}), ("who?", {"2.png": 1})]
    assert [first_pixel(entry) for entry in dataset.gallery] == [(number, 0, 0) for number in range(4)]
    media = dataset.gallery[0].media
    assert media
    written = media.path.stat().st_mtime_ns
    load_dataset("vidore", tmp_path)
    assert media.path.stat().st_mtime_ns == written, "pictures are unpacked once"
    write_parquet(path, [{"query": "when?", "image": picture_cell((0, 0, 0))}])
    with pytest.raises(DatasetError, match=r"test-00000-of-00001\.parquet has no column image_filename; its columns"):
        load_dataset("vidore", tmp_path)
    write_parquet(path, [{"query": "when?", "image": "a string", "image_filename": "x"}])
    with pytest.raises(DatasetError, match="row 1: a picture is a str; expected bytes and path"):
        load_dataset("vidore", tmp_path)
    path.write_bytes(b"no parquet")
    with pytest.raises(DatasetError, match=r"test-00000-of-00001\.parquet: "):
        load_dataset("vidore", tmp_path)


MMEB = {
    "qry_text": "<|image_1|>\nFind the caption",
    "qry_img_path": "COCO/a.jpg",
    "tgt_text": ["a dog", "a cat", "a dog"],
    "tgt_img_path": ["", "", ""],
}


def test_mmeb_has_a_group_a_task_and_a_list_a_query(tmp_path: Path) -> None:
    other = MMEB | {"tgt_text": ["a cow", "a dog", "a cat"]}
    write_parquet(tmp_path / "MSCOCO_i2t" / "test-00000-of-00001.parquet", [MMEB, other])
    composed = {
        "qry_inst": "<|image_1|> Find another photo",
        "qry_text": "at night",
        "qry_img_path": "CIRR/q.png",
        "tgt_inst": "<|image_1|> Embed",
        "tgt_text": ["", ""],
        "tgt_img_path": ["CIRR/1.png", "CIRR/2.png"],
    }
    write_parquet(tmp_path / "CIRR" / "test-00000-of-00001.parquet", [composed])
    photo = tmp_path / "images" / "COCO" / "a.jpg"
    photo.parent.mkdir(parents=True)
    photo.touch()
    dataset = load_dataset("mmeb", tmp_path)
    questions = {one.id: one for one in dataset.questions}
    texts = {entry.id: entry.text for entry in dataset.gallery}
    first, second, edit = (questions[name] for name in ("MSCOCO_i2t-0", "MSCOCO_i2t-1", "CIRR-0"))
    assert first.text == "Find the caption"
    assert first.media
    assert first.media.path == photo
    assert [texts[name] for name in first.relevant] == ["a dog"]
    assert [texts[name] for name in first.subset] == ["a dog", "a cat"]
    assert [texts[name] for name in second.subset] == ["a cow", "a dog", "a cat"]
    assert edit.text == "Find another photo at night"
    assert [texts[name] for name in edit.subset] == ["Embed", "Embed"]
    assert edit.group == "CIRR"
    assert len(dataset.gallery) == 3 + 2
    assert len(load_dataset("mmeb", tmp_path / "MSCOCO_i2t").questions) == 2, "one task by itself"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({name: cell for name, cell in MMEB.items() if name != "tgt_text"}, "has no column tgt_text; its columns are"),
        (MMEB | {"tgt_img_path": [""]}, "row 1: 3 tgt_text and 1 tgt_img_path"),
    ],
)
def test_mmeb_names_what_is_wrong(tmp_path: Path, row: dict[str, object], message: str) -> None:
    write_parquet(tmp_path / "CIRR" / "test-00000-of-00001.parquet", [row])
    with pytest.raises(DatasetError, match=message):
        load_dataset("mmeb", tmp_path)


def test_captioned_sets_in_their_layouts(tmp_path: Path) -> None:
    sentences = [{"raw": f"caption {number}"} for number in range(6)]
    image = {"filename": "1.jpg", "split": "test", "sentences": sentences}
    write_json(tmp_path / "dataset_flickr30k.json", {"images": [image, image | {"split": "train"}]})
    write_json(tmp_path / "dataset_coco.json", {"images": [image | {"filepath": "val2014"}]})
    (tmp_path / "MSRVTT_JSFUSION_test.csv").write_text("key,vid_key,video_id,sentence\nret0,msr1,video1,a man\n")
    write_json(tmp_path / "didemo_ret_test.json", [{"video": "a.mp4", "caption": ["one", "two"]}])
    write_json(tmp_path / "msvd_ret_test.json", [{"video": "a.avi", "caption": ["one", "two"]}])
    texts = {
        name: [question.text for question in load_dataset(name, tmp_path).questions]
        for name in ("flickr30k", "coco", "msrvtt", "didemo", "msvd")
    }
    assert texts["flickr30k"] == texts["coco"] == [f"caption {number}" for number in range(5)]
    assert texts["msrvtt"] == ["a man"]
    assert texts["didemo"] == ["one two"]
    assert texts["msvd"] == ["one", "two"]
    coco = load_dataset("coco", tmp_path).gallery[0].media
    assert coco
    assert coco.path == tmp_path / "val2014" / "1.jpg"


def test_fields_inside_fields_are_named_too(tmp_path: Path) -> None:
    image = {"filename": "1.jpg", "split": "test", "sentences": [{"tokens": ["a"]}]}
    write_json(tmp_path / "dataset_coco.json", {"images": [image]})
    with pytest.raises(DatasetError, match=r"dataset_coco\.json, image 1: a sentence has no raw"):
        load_dataset("coco", tmp_path)
    write_json(tmp_path / "split.rc2.val.json", {"a": "./dev/a.png"})
    pair = {"pairid": 7, "reference": "a", "caption": "x", "target_hard": "a", "img_set": {"id": 1}}
    write_json(tmp_path / "cap.rc2.val.json", [pair])
    with pytest.raises(DatasetError, match=r"pair 7 has no img_set\.members"):
        load_dataset("cirr", tmp_path)


def test_manifest_takes_the_dev_photos(shared_data: Path) -> None:
    assert len(load_dataset("manifest", shared_data / "captioned").questions) == 1000
    assert len(load_dataset("manifest", shared_data / "videos").questions) == 79


def test_describe_says_what_a_folder_holds(shared_data: Path) -> None:
    lines = {line.split()[0]: line for line in describe(shared_data / "composed" / "cirr")}
    assert "yes: 4,181 queries, 2,297 candidates, 0 of 2,297 files" in lines["cirr"]
    assert "no: " in lines["webvid-covr"]
    assert set(lines) == {line.split()[0] for line in describe(None)} == set(DATASETS)
