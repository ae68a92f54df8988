"""The page: everything in one file, nothing of a file name or text taken for markup, pictures that decode."""

from __future__ import annotations

import base64
import io
import os
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from unite_search.gallery import Section, write_gallery
from unite_search.media.uri import path_to_uri
from unite_search.query import Evidence, Hit, Query, SearchResult

EVIL = "<script>alert(1)</script> & \"quoted\" 'text'"


class Page(HTMLParser):
    """Every element with its attributes, and the text outside the style sheet."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._is_style = False
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_style = tag == "style"
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self._is_style = False

    def handle_data(self, data: str) -> None:
        self.text += "" if self._is_style else data

    def all(self, tag: str, attribute: str) -> list[str]:
        return [attributes.get(attribute) or "" for name, attributes in self.elements if name == tag]


def hit(path: Path, **fields: Any) -> Hit:
    known: dict[str, Any] = {"rank": 1, "id": 7, "score": 0.5, "cosine": 0.5, "partition": "image", "parent": 7}
    return Hit(uri=path_to_uri(path), **{**known, **fields})


def page(
    tmp_path: Path, *hits: Hit, query: Query | None = None, title: str = "A title", notes: tuple[str, ...] = ()
) -> Page:
    result = SearchResult(hits=hits, searched={"image": 3}, encode_ms=1.0, search_ms=2.0, notes=notes)
    target = tmp_path / "page.html"
    write_gallery(target, [(title, query or Query.of("x"), result)])
    return Page(target)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "red.png"
    Image.new("RGB", (400, 300), (200, 10, 10)).save(path)
    return path


@pytest.fixture
def animation(tmp_path: Path) -> Path:
    path = tmp_path / "moving.gif"
    frames = [Image.new("RGB", (80, 60), (0, 30 * number, 0)) for number in range(8)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=250, loop=0)
    return path


def decoded(source: str) -> Image.Image:
    head, _, data = source.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_a_hit_shows_its_picture_rank_score_name_caption_and_link(tmp_path: Path, picture: Path) -> None:
    found = page(tmp_path, hit(picture, rank=3, score=1.25, text="A red wall", partition="text+image"))
    (source,) = found.all("img", "src")
    shown = decoded(source)
    assert shown.size == (360, 270)
    assert abs(np.asarray(shown.convert("RGB"))[9, 9, 0].astype(int) - 200) < 8
    assert found.all("img", "alt") == ["red.png"]
    assert found.all("a", "href") == [picture.as_uri()]
    for text in ("3", "1.250", "red.png", "A red wall", "text+image"):
        assert text in found.text


def test_nothing_is_fetched_from_anywhere(tmp_path: Path, picture: Path) -> None:
    found = page(tmp_path, hit(picture))
    assert "default-src 'none'" in found.all("meta", "content")[-1]
    assert all(source.startswith("data:") for source in found.all("img", "src"))
    assert not re.search(r"https?://|url\(|@import", found.source)
    assert not {tag for tag, _ in found.elements} & {"script", "link", "iframe"}


@pytest.mark.skipif(sys.platform == "win32", reason="needs < and > in file names")
def test_names_and_texts_are_never_taken_for_markup(tmp_path: Path) -> None:
    evil = tmp_path / "<script>alert(1)<" / "b>\"x'.png"
    evil.parent.mkdir()
    Image.new("RGB", (8, 8)).save(evil)
    query = Query.of(EVIL, image=evil, exclude=EVIL)
    why = Evidence(words=1.0, matched=(EVIL,), terms=(EVIL,), spans=((0, 8), (15, 20)))
    copy = hit(evil.parent / "<b>copy<script>")
    fields = {"evidence": why, "copies": (copy,), "segments": (copy,), "is_exact": True}
    hits = [
        hit(evil, text=EVIL, group=f"/{EVIL.replace('/', '')}", **fields),
        hit(evil, partition="text", text=EVIL, **fields),
    ]
    found = page(tmp_path, *hits, query=query, title=EVIL, notes=(EVIL,))
    assert not {"script", "b"} & {tag for tag, _ in found.elements}
    assert found.text.count("<script>alert(1)</script>") == 10
    assert found.text.count("<b>copy<script>") == 3
    assert evil.name in found.all("img", "alt")
    assert found.all("a", "href")[0] == evil.as_uri()


@pytest.mark.skipif(sys.platform != "linux", reason="needs file names that are not UTF-8")
def test_a_name_that_is_not_utf8_is_escaped_and_its_link_keeps_the_bytes(tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"a\xff\n.png")
    Image.new("RGB", (8, 8)).save(odd)
    found = page(tmp_path, hit(odd))
    assert "a\\xff\\n.png" in found.text
    assert unquote(found.all("a", "href")[0], errors="surrogateescape") == f"file://{odd}"


def test_a_clip_is_a_strip_that_the_style_sheet_plays(tmp_path: Path, animation: Path) -> None:
    found = page(tmp_path, hit(animation, partition="video", start_s=0.0, end_s=2.0))
    (strip,) = (element for tag, element in found.elements if tag == "div" and "moving" in (element["class"] or ""))
    frames = int(re.findall(r"--frames:(\d+)", strip["style"] or "")[0])
    (source,) = found.all("img", "src")
    sheet = np.asarray(decoded(source).convert("RGB"))
    greens = [int(sheet[5, sheet.shape[1] * (2 * number + 1) // (2 * frames), 1]) for number in range(frames)]
    assert frames == 8
    assert greens == sorted(greens)
    assert greens[-1] - greens[0] > 150
    assert "00:00-00:02" in found.text


def test_a_file_that_is_gone_still_has_its_card(tmp_path: Path) -> None:
    found = page(tmp_path, hit(tmp_path / "gone.png", text="what it was"))
    assert found.all("img", "src") == []
    assert "gone.png" in found.text
    assert "what it was" in found.text


def test_the_query_is_shown_with_pictures_texts_and_exclusions(tmp_path: Path, picture: Path) -> None:
    found = page(tmp_path, query=Query.of("make it blue", image=picture, exclude="rain"))
    assert len(found.all("img", "src")) == 1
    assert "make it blue" in found.text
    assert "not rain" in found.text
    assert "No hits." in found.text


def test_a_section_may_mark_hits_and_say_its_own_facts(tmp_path: Path, picture: Path) -> None:
    hits = tuple(hit(picture, id=number, rank=number) for number in (1, 2, 3))
    result = SearchResult(hits=hits, searched={"image": 3}, encode_ms=1.0, search_ms=2.0)
    target = tmp_path / "page.html"
    section = Section(title="t", query=None, result=result, facts="rank 2 <of 3>", right=frozenset({2}))
    write_gallery(target, [section], heading="a & b")
    found = Page(target)
    assert found.all("article", "class") == ["", "right", ""]
    assert found.text.count("✓ right") == 1
    assert "rank 2 <of 3>" in found.text
    assert "ms to search" not in found.text
    assert re.findall(r"<(?:h1|title)>(.*?)</", found.source) == ["a &amp; b"] * 2


def test_sections_keep_their_order(tmp_path: Path) -> None:
    result = SearchResult(hits=(), searched={}, encode_ms=0.0, search_ms=0.0)
    target = tmp_path / "page.html"
    write_gallery(target, [(title, None, result) for title in ("first", "second", "third")])
    assert re.findall(r"<h2>(\w+)</h2>", target.read_text()) == ["first", "second", "third"]


def test_weak_hits_stand_below_a_heading(tmp_path: Path, picture: Path) -> None:
    close, weak = hit(picture, id=1), hit(picture, id=2, is_weak=True)
    mixed, nothing, strong = page(tmp_path, close, weak), page(tmp_path, weak), page(tmp_path, close)
    assert "Nothing else is close; the nearest are" in mixed.text
    assert "Nothing close; the nearest are" in nothing.text
    assert "nearest" not in strong.text
    grids = [found.all("div", "class") for found in (mixed, nothing, strong)]
    shown = [[name for name in classes if name.startswith("hits")] for classes in grids]
    assert shown == [["hits", "hits weak"], ["hits weak"], ["hits"]]


def test_found_words_are_marked_by_characters(tmp_path: Path) -> None:
    text = "🐕🐕 A dog\n  & a 🐶 dog " + "and so on " * 30
    spans = tuple((found.start(), found.end()) for found in re.finditer("dog", text))
    found = page(tmp_path, hit(tmp_path / "gone.txt", partition="text", text=text, evidence=Evidence(spans=spans)))
    assert re.findall("<mark>(.*?)</mark>", found.source) == ["dog", "dog"]
    assert "🐕🐕 A dog & a 🐶 dog and so on" in found.text


def test_a_long_text_begins_shortly_before_its_first_mark(tmp_path: Path) -> None:
    text = "word " * 400 + "needle " + "word " * 400
    why = Evidence(spans=((2000, 2006),))
    found = page(tmp_path, hit(tmp_path / "gone.txt", partition="text", text=text, evidence=why))
    (shown,) = re.findall("<q>(.*?)</q>", found.source)
    assert shown.startswith("… ")
    assert shown.endswith("…")
    assert "<mark>needle</mark>" in shown
    assert len(shown) < 480


def test_a_hit_says_why_and_what_stands_behind_it(tmp_path: Path, picture: Path) -> None:
    why = Evidence(meaning=-0.5, prior=0.25, words=2.0, matched=("caption", "picture"), terms=("dog",))
    copies = tuple(hit(tmp_path / f"copy{number}.png") for number in range(60))
    found = page(tmp_path, hit(picture, evidence=why, is_exact=True, copies=copies))
    for text in ("exact", "Why: exact match in caption, picture", "meaning -0.50, words +2.00, partition +0.25", "dog"):
        assert text in found.text
    assert "+60 copies" in found.text
    assert "and 10 more" in found.text
    assert found.all("a", "href").count((tmp_path / "copy7.png").as_uri()) == 1
    assert "Why" not in page(tmp_path, hit(picture)).text, "the hits of a benchmark have no evidence"


def test_a_group_has_its_name_and_its_close_files(tmp_path: Path, picture: Path) -> None:
    others = (hit(tmp_path / "near.png"), hit(tmp_path / "far.png", is_weak=True))
    folder = page(tmp_path, hit(picture, segments=others, group=path_to_uri(tmp_path / "sea & town")))
    assert "sea & town" in folder.text
    assert "+1 other file" in folder.text
    assert "far.png" not in folder.text
    assert "2024-05-31" in page(tmp_path, hit(picture, segments=others, group="2024-05-31")).text
