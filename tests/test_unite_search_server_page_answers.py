"""What the page says of hits, in a real browser: how close they are and why, copies, groups, and steering."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browsing import IN_A_BROWSER, ask, asked_of, checked_page, contrast, launched
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect
from served import serving
from toy import COLOURS, ToyEncoder

from unite_search.collection import Collection
from unite_search.encoders.calibration import Calibration, Line, measured_path
from unite_search.home import HOME_VARIABLE

HOSTILE = "🟥🟥 A red <b>wall</b> & red 😀 <img src=x onerror=alert(1)>"

pytestmark = IN_A_BROWSER


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as opened:
        yield opened


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Colours in two folders, with three copies of blue, a caption that is full of markup, and a text with a code."""
    folder = tmp_path_factory.mktemp("answers") / "media"
    for name in ("town", "<i>sea"):
        (folder / name).mkdir(parents=True)
    for number, (name, colour) in enumerate(COLOURS.items()):
        Image.new("RGB", (80, 60), colour).save(folder / ("town", "<i>sea")[number % 2] / f"{name}.png")
    for number in range(3):
        shutil.copy(folder / "town" / "blue.png", folder / "<i>sea" / f"blue{number}.png")
    Image.new("RGB", (80, 60), (200, 10, 10)).save(folder / "town" / "wall.png")
    (folder / "town" / "wall.txt").write_text(HOSTILE)
    (folder / "town" / "note.txt").write_text("so far nothing. " * 20 + "The form TX-99 was sent.\n")
    return folder


@pytest.fixture(scope="module")
def address(media: Path) -> Iterator[str]:
    """A server whose encoder has a calibration: white is a weak answer to red."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(media.parent / "home"))
        means = {kind: np.zeros(ToyEncoder.dim, np.float32) for kind in ("image", "text")}
        line = Line(intercept=-8.0, slope=12.0, floor=-1.0, best_floor=-1.0, auc=0.9, pairs=100)
        lines = {("text", "image"): line, ("text", "text"): line}
        path = measured_path(ToyEncoder.fingerprint)
        path.parent.mkdir(parents=True)
        Calibration(ToyEncoder.fingerprint, means, lines).write(path)
        collection = Collection.open(media.parent / "db", encoder=ToyEncoder(), create=True)
        collection.index([media])
        with serving(collection) as (address, _):
            yield address


@pytest.fixture(params=[390, 1280], ids=["phone", "desktop"])
def page(browser: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    width: int = request.param
    with checked_page(browser, address, viewport={"width": width, "height": 844}) as page:
        yield page
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def card(page: Page, name: str) -> Locator:
    return page.locator(".card", has=page.locator(".name", has_text=re.compile(f"^{re.escape(name)}$")))


def expect_hits(page: Page, count: int) -> None:
    expect(page.locator("#hits:not(.old) .card")).to_have_count(count)


def choose(page: Page, label: str, value: str) -> None:
    if page.locator("#options:not([open])").count():
        page.locator("#options summary").click()
    page.get_by_label(label).select_option(value)


def test_weak_hits_stand_apart_below_a_heading(page: Page) -> None:
    ask(page, "red")
    heading = page.get_by_role("heading", name="Nothing else is close; the nearest are")
    expect(heading).to_be_visible()
    order = page.locator("#hits > *").evaluate_all("all => all.map((one) => one.className)")
    at = order.index("divider")
    assert at == 2, "red and the red wall are close"
    assert set(order[:at]) == {"cell"}
    assert set(order[at + 1 :]) == {"cell weak"}
    expect(page.locator(".cell.weak .below").first).to_contain_text("weak")
    ask(page, "zebra")
    expect(page.get_by_role("heading", name="Nothing close; the nearest are")).to_be_visible()
    expect(page.locator(".divider")).to_have_count(1)
    assert page.locator("#hits > *").first.get_attribute("class") == "divider"


def test_found_words_are_marked_and_nothing_of_a_text_is_markup(page: Page) -> None:
    ask(page, "red")
    expect(card(page, "wall.png")).to_be_visible()
    assert card(page, "wall.png").locator("mark").all_text_contents() == ["red", "red"]
    card(page, "wall.png").click()
    caption = page.locator(".about > p").first
    expect(caption).to_have_text(HOSTILE)
    assert caption.locator("mark").all_text_contents() == ["red", "red"]
    assert page.locator("#hits b, #detail p b, img[src=x]").count() == 0


def test_an_exact_match_says_so_and_why(page: Page) -> None:
    ask(page, "TX-99")
    first = page.locator(".card").first
    expect(first.locator(".name")).to_have_text("note.txt")
    expect(first.locator(".exact")).to_have_text("exact")
    expect(first.locator("q")).to_have_text(re.compile("^… .*The form TX-99 was sent"))
    first.click()
    why = page.locator("#detail .why")
    expect(why.locator("summary")).to_have_text(re.compile("^Why: exact match in passage"))
    why.locator("summary").click()
    names, values = why.locator("dt").all_inner_texts(), why.locator("dd").all_inner_texts()
    parts = {name: float(value.replace("−", "-").split()[0]) for name, value in zip(names[1:], values[1:], strict=True)}
    assert parts.pop("Score") == pytest.approx(sum(parts.values()), abs=0.02)
    assert values[0] == "99, tx"


def test_copies_stand_behind_a_card_until_they_are_shown(page: Page, media: Path) -> None:
    ask(page, "blue")
    first = page.locator(".card").first
    expect(first.locator(".below")).to_contain_text("+3 copies")
    first.click()
    own = page.locator("#detail .path code").inner_text()
    page.locator("#detail .copies summary").click()
    listed = page.locator("#detail .copies li").all_inner_texts()
    assert {own, *listed} == {str(path) for path in media.rglob("blue*.png")}
    page.keyboard.press("Escape")
    before = page.locator(".card").count()
    page.locator("#options summary").click()
    page.get_by_label("Show copies apart").check()
    expect_hits(page, before + 3)
    assert "copies=yes" in page.url
    page.go_back()
    expect_hits(page, before)
    expect(page.get_by_label("Show copies apart")).not_to_be_checked()


def test_groups_have_a_name_and_a_number_of_files(page: Page, media: Path) -> None:
    ask(page, "blue")
    choose(page, "Match", "words")
    choose(page, "One hit is", "folder")
    expect_hits(page, 2)
    for folder in media.iterdir():
        count = len(list(folder.glob("blue*.png")))
        expect(card(page, folder.name).locator(".below")).to_contain_text(f"{count} file")
    card(page, "<i>sea").click()
    expect(page.locator("#detail .group")).to_contain_text("<i>sea: 3 files found")
    expect(page.locator("#detail .group .row button")).to_have_count(2)
    page.locator("#detail .group .row button").first.click()
    expect(page.locator("#detail h2")).to_have_text(re.compile(r"^blue\d\.png$"))
    page.keyboard.press("Escape")
    page.reload()
    expect_hits(page, 2)
    assert page.get_by_label("One hit is").input_value() == "folder"
    choose(page, "One hit is", "day")
    expect_hits(page, 1)
    expect(page.locator(".card .name")).to_have_text(re.compile(r"^\d+ \w+ \d{4}$"))


def test_a_query_is_moved_towards_and_away_from_hits(page: Page) -> None:
    ask(page, "red")
    expect(card(page, "green.png")).to_be_visible()
    green = page.locator(".cell", has=card(page, "green.png"))
    with page.expect_response("**/search") as answered:
        green.get_by_role("button", name="More like this: green.png").click()
    liked = asked_of(answered.value.request)["like"]
    expect(page.locator(".chip.like")).to_contain_text("more like green.png")
    expect(card(page, "green.png")).to_have_count(0)
    card(page, "white.png").focus()
    with page.expect_response("**/search") as answered:
        page.keyboard.press("-")
    asked = asked_of(answered.value.request)
    assert (asked["like"], len(asked["unlike"]), asked["texts"]) == (liked, 1, ["red"])
    expect(page.locator(".chip.unlike")).to_contain_text("less like white.png")
    expect(page.locator(".card").first).to_be_focused()
    page.reload()
    expect(page.locator(".chip")).to_have_count(2)
    page.go_back()
    expect(page.locator(".chip")).to_have_count(1)
    page.get_by_role("button", name="Remove more like green.png").click()
    expect(page.locator(".chip")).to_have_count(0)
    expect(card(page, "green.png")).to_be_visible()


def test_words_that_nothing_holds_lead_on_to_meaning(page: Page) -> None:
    ask(page, "zebra")
    choose(page, "Match", "words")
    expect(page.locator(".message")).to_contain_text("No item has these words.")
    page.get_by_role("button", name="Search by meaning, too").click()
    expect(page.locator(".card").first).to_be_visible()
    assert "mode" not in page.url
    ask(page, '"zebra"')
    expect(page.locator(".message")).to_contain_text("No item has the words in quotation marks.")


def test_the_least_score_is_a_filter_that_can_be_taken_back(page: Page) -> None:
    ask(page, "red")
    page.locator("#options summary").click()
    page.get_by_label("Score at least").fill("90")
    page.keyboard.press("Enter")
    expect(page.locator(".message")).to_contain_text("No item passes the filter.")
    page.get_by_role("button", name="Search without filter").click()
    expect(card(page, "red.png")).to_be_visible()


def test_what_the_server_notes_is_shown_as_text(page: Page) -> None:
    def with_notes(route: object) -> None:
        answer = route.fetch()  # type: ignore[attr-defined]
        route.fulfill(response=answer, json={**answer.json(), "notes": ["one <b>note</b>", "Another."]})  # type: ignore[attr-defined]

    page.route("**/api/v1/search", with_notes)
    ask(page, "red")
    expect(page.locator("#notes")).to_have_text("One <b>note</b>. Another.")
    page.unroute("**/api/v1/search")
    ask(page, "blue")
    expect(page.locator("#notes")).to_be_hidden()


def test_an_address_with_nonsense_falls_back_to_the_defaults(page: Page, address: str) -> None:
    page.goto(f"{address}/#q=red&mode=evil&group=%3Cb%3E&min=much&like=x:y")
    page.reload()
    expect(card(page, "red.png")).to_be_visible()
    assert page.get_by_label("Match").input_value() == "auto"
    assert page.get_by_label("Score at least").input_value() == ""
    expect(page.locator(".chip")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_said_of_hits_can_be_read_in_both_schemes(browser: Browser, address: str, scheme: str) -> None:
    with checked_page(browser, address, color_scheme=scheme) as page:
        ask(page, "TX-99")
        page.locator("#options summary").click()
        expect(page.locator(".cell.weak").first).to_be_visible()
        for selector in (".exact", ".divider", ".weak .name", ".weak .below", ".options label", ".options select"):
            assert contrast(page, selector) >= 4.5, selector
