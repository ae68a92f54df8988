"""The page in a real browser: what a person does, and what they see."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import IN_A_BROWSER, ask, asked_of, checked_page, contrast, launched
from drawn_media import numbered_frames, write_clip
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from served import serving, until
from toy import COLOURS, ToyEncoder

from unite_search.collection import Collection
from unite_search.server.settings import Settings

TOKEN = "correct horse battery"
SHADES = 40

pytestmark = IN_A_BROWSER


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as opened:
        yield opened


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures in plain colours and shades of them, a clip and a text, in an indexed collection."""
    folder = tmp_path_factory.mktemp("page")
    media = folder / "media"
    media.mkdir()
    for name, colour in COLOURS.items():
        Image.new("RGB", (80, 60), colour).save(media / f"{name}.png")
    for number in range(SHADES):
        Image.new("RGB", (80, 60), (90 + number, 20, 3 * number)).save(media / f"shade{number:02}.png")
    write_clip(media / "fading.mp4", numbered_frames(40, 160, 120))
    (media / "note.txt").write_text("a note about nothing in particular\n")
    with Collection.open(folder / "db", encoder=ToyEncoder(), create=True) as collection:
        collection.index([media])
    return folder


@pytest.fixture(scope="module")
def address(library: Path) -> Iterator[str]:
    with serving(Collection.open(library / "db", encoder=ToyEncoder())) as (address, _):
        yield address


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with checked_page(browser, address, viewport={"width": 1200, "height": 900}) as page:
        yield page


def first_name(page: Page) -> str:
    return page.locator(".card .name").first.inner_text()


def expect_first(page: Page, name: str) -> None:
    expect(page.locator(".card .name").first).to_have_text(name)
    expect(page.locator("#hits")).not_to_have_class(re.compile("old"))


def drop(page: Page, path: Path) -> None:
    """Drag a file over the page and let it go."""
    script = """([bytes, name]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
        return transfer;
    }"""
    transfer = page.evaluate_handle(script, [list(path.read_bytes()), path.name])
    page.dispatch_event("body", "dragover", {"dataTransfer": transfer})
    expect(page.locator("#drop")).to_be_visible()
    page.dispatch_event("body", "drop", {"dataTransfer": transfer})
    expect(page.locator("#drop")).to_be_hidden()


def test_words_find_pictures_and_back_brings_them_again(page: Page) -> None:
    ask(page, "red")
    expect_first(page, "red.png")
    picture = page.locator(".card img").first
    expect(picture).to_have_class(re.compile("there"))
    assert picture.evaluate("image => image.naturalWidth") == 80
    ask(page, "blue")
    expect_first(page, "blue.png")
    page.go_back()
    expect_first(page, "red.png")
    assert page.input_value("#words") == "red"
    page.reload()
    expect_first(page, "red.png")


def test_a_dropped_picture_words_and_a_not_are_one_query(page: Page, library: Path) -> None:
    drop(page, library / "media" / "green.png")
    expect(page.locator(".chip")).to_have_count(1)
    expect(page.locator(".card")).not_to_have_count(0)
    assert "green.png" not in page.locator(".card .name").all_inner_texts()
    ask(page, "blue")
    expect(page.locator(".chip.text")).to_have_text("blue×")
    ask(page, "-red")
    expect(page.locator(".chip.not")).to_have_text("not red×")
    with page.expect_request(lambda request: "/search" in request.url and not asked_of(request)["texts"]) as sent:
        page.locator(".chip.text button").click()
    asked = asked_of(sent.value)
    assert (asked["exclude"], len(asked["uploads"])) == (["red"], 1)
    expect(page.locator(".chip")).to_have_count(2)


def test_several_pictures_and_a_clip_can_be_attached(page: Page, library: Path) -> None:
    media = library / "media"
    with page.expect_request(lambda sent: "/search" in sent.url and len(asked_of(sent)["uploads"]) == 2) as sent:
        page.set_input_files("#file", [media / "red.png", media / "fading.mp4"])
    assert (asked_of(sent.value)["texts"], asked_of(sent.value)["exclude"]) == ([], [])
    expect(page.locator(".chip.picture:not(.busy)")).to_have_count(2)
    expect(page.locator(".chip .frames.playing")).to_have_count(1)
    expect(page.locator(".card").first).to_be_visible()


def test_more_hits_come_without_a_new_page(page: Page) -> None:
    ask(page, "red")
    expect(page.locator(".card")).to_have_count(24)
    page.locator("#next").click()
    expect(page.locator(".card")).to_have_count(46)
    expect(page.locator("#next")).to_be_hidden()
    names = page.locator(".card .name").all_inner_texts()
    assert len(set(names)) == 46
    assert page.evaluate("performance.getEntriesByType('navigation').length") == 1


def test_a_clip_plays_its_frames_while_pointed_at(page: Page) -> None:
    ask(page, "white")
    page.get_by_text("Videos", exact=True).click()
    expect(page.locator(".card")).to_have_count(1)
    expect(page.locator(".badge")).to_have_text("0:00 – 0:04")
    page.hover(".card")
    strip = page.locator(".card .frames.playing")
    expect(strip).to_be_visible()
    assert strip.evaluate("box => getComputedStyle(box).getPropertyValue('--frames')") == "8"
    shown: set[bytes] = set()

    def has_moved() -> bool:
        shown.add(strip.screenshot())
        return len(shown) > 2

    until(has_moved)
    page.mouse.move(5, 5)
    expect(strip).to_be_hidden()


def test_filters_restrict_and_can_be_taken_back(page: Page) -> None:
    ask(page, "red")
    expect(page.locator(".card")).to_have_count(24)
    page.get_by_text("Texts", exact=True).click()
    expect_first(page, "note.txt")
    assert page.locator(".card .name").all_inner_texts() == ["note.txt"]
    page.get_by_text("Everything", exact=True).click()
    page.fill("#to", "2001-01-01")
    expect(page.locator(".message h2")).to_have_text("Nothing was found")
    page.get_by_role("button", name="Search without filter").click()
    expect(page.locator(".card")).to_have_count(24)
    page.locator("#more summary").click()
    page.fill("#where", "name LIKE 'b%'")
    page.keyboard.press("Enter")
    expect(page.locator(".card")).to_have_count(1)
    expect_first(page, "blue.png")
    assert page.input_value("#words") == "red"


def test_errors_are_said_in_words(page: Page, tmp_path: Path) -> None:
    page.locator("#more summary").click()
    page.fill("#where", "nothing = 3")
    ask(page, "red")
    expect(page.locator(".message.error")).to_contain_text("unknown column 'nothing'")
    assert page.input_value("#where") == "nothing = 3", "what was typed is kept, to be mended"
    page.fill("#where", "")
    page.get_by_role("button", name="Try again").click()
    expect_first(page, "red.png")
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG nothing")
    page.set_input_files("#file", broken)
    expect(page.locator(".message.error h2")).to_have_text("That cannot be searched")
    expect(page.locator(".chip")).to_have_count(0)
    page.route("**/api/v1/search", lambda route: route.abort())
    ask(page, "blue")
    expect(page.locator(".message.error h2")).to_have_text("The server cannot be reached")
    assert page.locator(".message.error").count() == 1


def test_details_neighbours_and_like_this_but(page: Page, library: Path) -> None:
    ask(page, "red")
    expect_first(page, "red.png")
    page.locator(".card").first.click()
    detail = page.locator("#detail")
    expect(detail.locator(".path code")).to_have_text(str(library / "media" / "red.png"))
    expect(detail.locator(".about > dl")).to_contain_text("80 × 60")
    expect(detail.locator(".near .row button")).to_have_count(8)
    page.keyboard.press("ArrowRight")
    expect(detail.locator("h2")).not_to_have_text("red.png")
    page.keyboard.press("ArrowLeft")
    expect(detail.locator("h2")).to_have_text("red.png")
    detail.get_by_role("button", name="Like this, but …").click()
    expect(detail).to_be_hidden()
    expect(page.locator("#words")).to_be_focused()
    with page.expect_response("**/search") as answered:
        ask(page, "green")
    asked = asked_of(answered.value.request)
    assert (len(asked["ids"]), asked["texts"]) == (1, ["green"])


def test_a_clip_plays_in_its_details(page: Page) -> None:
    ask(page, "white")
    page.get_by_text("Videos", exact=True).click()
    expect(page.locator(".card")).to_have_count(1)
    page.locator(".card").click()
    expect(page.locator("#detail video")).to_be_visible()
    player = page.locator("#detail video")
    until(lambda: player.evaluate("video => video.currentTime") > 0.2)
    player.evaluate("video => { video.pause(); video.currentTime = 2.5 }")
    until(lambda: not player.evaluate("video => video.seeking"))
    assert abs(player.evaluate("video => video.currentTime") - 2.5) < 0.2


def test_everything_can_be_done_with_keys(page: Page) -> None:
    ask(page, "red")
    expect_first(page, "red.png")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".card").nth(0)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".card").nth(1)).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    expect(page.locator(".card").nth(1)).to_be_focused()
    name = page.locator(".card .name").nth(1).inner_text()
    page.keyboard.press("Enter")
    expect(page.locator("#detail h2")).to_have_text(name)
    page.keyboard.press("Escape")
    expect(page.locator("#detail")).to_be_hidden()
    page.keyboard.press("/")
    expect(page.locator("#words")).to_be_focused()
    assert page.input_value("#words") == "red", "the key that leads to the box is not typed into it"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_schemes(browser: Browser, address: str, scheme: str) -> None:
    context = browser.new_context(color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{address}/#q=red")
    expect(page.locator(".card").first).to_be_visible()
    for selector in (".name", ".below", "#facts", ".kinds span", "#words", ".go"):
        assert contrast(page, selector) >= 4.5, selector
    context.close()


def test_nothing_sticks_out_on_a_phone(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True)
    page = context.new_page()
    page.goto(f"{address}/#q=red&not=blue&text=white")
    expect(page.locator(".card").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.locator(".card").first.tap()
    expect(page.locator(".near .row button").first).to_be_visible()
    assert page.locator("#detail").evaluate("dialog => dialog.scrollWidth") <= 360
    context.close()


def test_the_page_asks_for_the_token_once(browser: Browser, library: Path) -> None:
    collection = Collection.open(library / "db", encoder=ToyEncoder())
    with serving(collection, settings=Settings(token=TOKEN, rate_per_s=0)) as (address, _):
        page = browser.new_context().new_page()
        page.goto(address)
        page.fill("#token", "wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#login-error")).to_have_text("that is not the token")
        page.fill("#token", TOKEN)
        page.keyboard.press("Enter")
        expect(page.locator(".tries")).to_be_visible()
        page.reload()
        expect(page.locator(".tries")).to_be_visible()
        page = browser.new_context().new_page()
        page.goto(f"{address}/#token={TOKEN.replace(' ', '%20')}")
        expect(page.locator(".tries")).to_be_visible()
        assert "token" not in page.url


def test_a_run_of_index_is_shown_while_it_goes_on(page: Page, library: Path) -> None:
    from unite_search.ingest.progress import progress_file
    from unite_search.report import Progress

    with progress_file(library / "db", None) as tell:
        tell(Progress(stage="index", files_total=400, files_done=100, scan_finished=True, remaining_s=65.0))
        expect(page.locator("#indexing-text")).to_have_text("Indexing: 100 of 400 files, 1:05 left")
        assert page.locator("#indexing-bar").evaluate("bar => bar.value / bar.max") == 0.25
    expect(page.locator("#indexing")).to_be_hidden()


def test_the_description_of_the_api_is_drawn(page: Page, address: str) -> None:
    page.goto(f"{address}/docs")
    expect(page.locator(".route")).not_to_have_count(0)
    document = page.evaluate("async () => (await fetch('/openapi.json')).json()")
    assert page.locator(".route").count() == sum(map(len, document["paths"].values()))
    page.locator(".route").first.locator("summary").click()
    expect(page.locator(".route").first).to_contain_text("exclude")
