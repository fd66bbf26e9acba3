"""The page in Chromium: it draws, explains, compares, restores and watches, at two widths and in two languages."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Visit
from server import serving

from cli_runner import did

PAGE = Path(__file__).parents[2] / "src" / "inkwash" / "play" / "page"
PANELS = ("draw", "explain", "compare", "paint", "training")
WIDTHS = (1280, 390)
LANGUAGES = ("en", "zh")


def test_the_languages_say_the_same() -> None:
    """Each sentence is there in both, with the same numbers filled in, and every one that is asked for exists."""
    text = (PAGE / "words.js").read_text(encoding="utf-8")
    english, chinese = text.partition("const ZH")[::2]
    pair = re.compile(r'(?:^|[\s,{])"?([\w-]+)"?: "((?:[^"\\]|\\.)*)"')
    words = [dict(pair.findall(part.split("\n};")[0])) for part in (english, chinese)]
    assert words[0].keys() == words[1].keys()
    assert len(words[0]) > 90
    for key, sentence in words[0].items():
        assert set(re.findall(r"\{\w+\}", sentence)) == set(re.findall(r"\{\w+\}", words[1][key])), key
    asked = set()
    for file in PAGE.glob("*.js"):
        asked |= set(re.findall(r'\bsay\("([\w-]+)"', file.read_text(encoding="utf-8")))
    asked |= set(re.findall(r'data-t(?:-label)?="([\w-]+)"', (PAGE / "index.html").read_text(encoding="utf-8")))
    assert asked <= words[0].keys()


def test_nothing_is_read_as_html_or_from_elsewhere() -> None:
    for file in PAGE.iterdir():
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text), file
        assert not set(re.findall(r"https?://[^\s\"'`<)]+", text)) - {"http://www.w3.org/2000/svg"}, file


def test_a_click_draws_and_the_address_restores_it(site: str, browser: Any) -> None:
    visit = Visit(browser, site, 1280, "en")
    visit.draw()
    page = visit.page
    assert "4 images in" in page.text_content("#status")
    command = page.text_content("#command")
    assert command.startswith("inkwash sample ")
    assert "--label 1" in command
    page.fill("#moment", "2")
    assert "step 2 of 4" in page.evaluate("document.getElementById('where').value")
    again = Visit(browser, site, 390, "zh", extra="&seed=3")
    again.page.goto(page.url)
    again.page.reload()
    again.page.wait_for_selector("body[data-ready]")
    assert again.page.get_attribute("html", "lang") == "en"
    assert again.page.input_value("[name=n]") == "4"
    assert visit.faults == again.faults == []
    assert visit.cut_off() == again.cut_off() == []


# ---- the whole page


@pytest.fixture(scope="module")
def whole(classed: Path, browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, str]]:
    trained = tmp_path_factory.mktemp("watched") / "watched"
    did("train", "digits", "--channels", 8, "--batch-size", 16, "--steps", 12, "--device", "cpu", "--out", trained)
    with serving(classed, trained) as (at, _):
        yield browser, at


def drive(visit: Visit, panel: str) -> None:
    page = visit.page
    if panel in ("draw", "explain"):
        visit.draw()
        page.evaluate("document.getElementById('moment').value = 2")
        page.dispatch_event("#moment", "input")
    if panel == "draw":
        page.locator("#sampler").evaluate("each => { each.open = true; }")
        page.select_option("[name=solver]", "dpmpp2m")
        page.click("#turn")
        page.wait_for_selector("body[data-turned='2']", timeout=60_000)
        assert "2" in page.text_content("#branch-title")
    if panel == "compare":
        page.click("#run-compare")
        page.wait_for_selector("#panel-compare[data-done=solvers]", timeout=60_000)
        page.click("#run-grid")
        page.wait_for_selector("#panel-compare[data-done=grid]", timeout=60_000)
    elif panel == "paint":
        for _ in range(2):
            page.click("#run-paint")
            page.wait_for_selector("#run-paint:not([disabled])", timeout=60_000)
        page.wait_for_selector("#panel-paint[data-done]", timeout=60_000)
    elif panel == "training":
        page.wait_for_selector("#panel-training .sheets canvas", timeout=60_000)


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("panel", PANELS)
def test_each_panel(whole: tuple[Any, str], panel: str, width: int, language: str) -> None:
    browser, at = whole
    visit = Visit(browser, at, width, language, panel)
    drive(visit, panel)
    assert visit.cut_off() == []
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    found = axe.Axe().run(visit.page).response["violations"]
    assert [(each["id"], [node["html"][:120] for node in each["nodes"]]) for each in found] == []
    assert visit.faults == []
    visit.page.close()


@pytest.mark.slow
def test_the_whole_page_by_keyboard(whole: tuple[Any, str]) -> None:
    browser, at = whole
    visit = Visit(browser, at, 1280, "en")
    page = visit.page
    page.focus("#tab-draw")
    for panel in (*PANELS[1:], PANELS[0]):
        page.keyboard.press("ArrowRight")
        assert page.evaluate("document.activeElement.id") == f"tab-{panel}"
        assert page.get_attribute(f"#panel-{panel}", "hidden") is None
    page.focus("[name=n]")
    page.keyboard.press("Enter")  # sends the form
    page.wait_for_selector("body[data-fps]", timeout=60_000)
    page.focus("#moment")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert "step 1 of 4" in page.get_attribute("#moment", "aria-valuetext")
    assert visit.faults == []


@pytest.mark.slow
def test_files_are_saved_and_no_words_are_html(whole: tuple[Any, str], tmp_path: Path, classed: Path) -> None:
    browser, at = whole
    visit = Visit(browser, at, 1280, "en", extra="&solver=%3Cimg+src=x+onerror=alert(1)%3E&seed=%3Cscript%3E")
    visit.draw()
    for form in ("png", "gif", "npz"):
        with visit.page.expect_download() as waiting:
            visit.page.click(f"[data-save={form}]")
        waiting.value.save_as(tmp_path / f"a.{form}")
        did("replay", tmp_path / f"a.{form}", "--run", classed, "--out", tmp_path / f"b.{form}")
    assert visit.page.locator("#stage script, #stage img").count() == 0
    assert visit.faults == []


@pytest.mark.slow
def test_a_server_that_goes_and_comes_back_is_told(classed: Path, browser: Any) -> None:
    with serving(classed) as (at, _):
        visit = Visit(browser, at, 1280, "en")
    visit.page.click("#go")
    visit.page.wait_for_selector("#notice:not([hidden])")
    assert "does not answer" in visit.page.text_content("#notice")
    with serving(classed, port=int(at.rpartition(":")[2])):
        visit.page.get_by_text("The server is back.").wait_for()
        visit.draw()
    visit.page.close()


@pytest.mark.slow
def test_the_page_keeps_the_token_of_its_address(classed: Path, browser: Any) -> None:
    token = "a-token-of-16-or-more"
    with serving(classed, token=token) as (at, _):
        visit = Visit(browser, at, 1280, "en", extra=f"&token={token}")
        visit.draw()
        assert token not in visit.page.url
        assert visit.faults == []
        visit.page.close()
        page = browser.new_page()
        page.goto(at)
        page.get_by_text("wants a token").wait_for()
        page.close()


def test_a_painted_picture_is_restored(site: str) -> None:
    import requests

    picture = base64.b64encode(bytes(64)).decode()
    hole = base64.b64encode(bytes([1] * 8 + [0] * 56)).decode()
    shape = requests.get(f"{site}/v1/models", timeout=10).json()["models"][0]["shape"]
    assert shape[1] * shape[2] == 64
    asked = {"picture": picture, "hole": hole, "task": "inpaint", "method": "ddnm", "n": 2, "steps": 2}
    found = requests.post(f"{site}/v1/restorations", json=asked, timeout=60)
    assert found.status_code == 200, found.text
    answers = base64.b64decode(found.json()["answers"])
    assert len(answers) == 128
    assert set(answers[8:64]) <= {0, 1}  # what was not in the hole is kept
    for wrong in (
        {"picture": "AAAA"}, {"picture": "*" * 88}, {"hole": None}, {"hole": base64.b64encode(bytes(64)).decode()},
        {"task": "mask:/etc/passwd"}, {"method": "mine.py:M"}, {"n": 9}, {"label": "eleven"}, {"strength": 0},
    ):  # fmt: skip
        refused = requests.post(f"{site}/v1/restorations", json=asked | wrong, timeout=60)
        assert refused.status_code == 422, (wrong, refused.text)
