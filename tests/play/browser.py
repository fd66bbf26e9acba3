"""Chromium, where this machine has one, and a page that reports what must not happen."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser; the test is skipped where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    found = os.environ.get("INKWASH_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """A page at a width, in a language; `faults` are errors of the console, and requests to other machines."""

    def __init__(self, browser: Any, at: str, width: int, language: str, panel: str = "draw", extra: str = "") -> None:
        self.faults: list[str] = []
        self.page = browser.new_page(viewport={"width": width, "height": 900 if width > 600 else 844})
        self.page.on("console", lambda it: self._fault(f"{it.type}: {it.text}", it.type in ("error", "warning")))
        self.page.on("pageerror", lambda error: self._fault(str(error), True))
        self.page.on("request", lambda sent: self._fault(f"request {sent.url}", not sent.url.startswith((at, "blob:"))))
        self.page.goto(f"{at}/#panel={panel}&lang={language}&steps=4&n=4&label=1{extra}")
        self.page.wait_for_selector("body[data-ready]")

    def _fault(self, words: str, wrong: bool) -> None:
        if wrong:
            self.faults.append(words)

    def draw(self) -> None:
        """Presses Draw and waits until the walk has ended."""
        self.page.evaluate("delete document.body.dataset.fps")
        self.page.click("#go")
        self.page.wait_for_selector("body[data-fps]", timeout=60_000)

    def cut_off(self) -> list[str]:
        """What is wider than the screen, by its tag and class; tabs and tables may scroll."""
        found: list[str] = self.page.evaluate(
            """() => [...document.querySelectorAll("body *")].filter((each) => each.getClientRects().length
                && !each.closest(".skip, .tabs, .scroll, .file") && each.getBoundingClientRect().right > innerWidth + 1)
                .map((each) => `${each.tagName} ${each.className} ${each.textContent.slice(0, 40)}`)"""
        )
        return found
