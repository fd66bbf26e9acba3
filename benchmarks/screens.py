"""Takes the screenshots of docs/play.md: python benchmarks/screens.py (needs Chromium and inkwash[dev])."""

import argparse
import io
import shutil
import threading
import time
from pathlib import Path

import uvicorn
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from inkwash.play.app import make_app
from inkwash.play.serve import bound_socket, prepared

SHOTS = [
    ("draw", 1280, "en"),
    ("explain", 1280, "en"),
    ("compare", 1280, "zh"),
    ("paint", 1280, "en"),
    ("draw", 390, "zh"),
]


def shoot(page: Page, at: str, panel: str, language: str) -> bytes:
    """One panel after it was used."""
    page.goto(f"{at}/#panel={panel}&lang={language}&label=7&steps=20")
    page.wait_for_selector("body[data-ready]")
    if panel in ("draw", "explain"):
        page.click("#go")
        page.wait_for_selector("body[data-fps]", timeout=60_000)
        page.evaluate("document.getElementById('moment').value = 11")
        page.dispatch_event("#moment", "input")
    if panel == "compare":
        page.click("#run-compare")
        page.wait_for_selector("#panel-compare[data-done=solvers]", timeout=120_000)
    if panel == "paint":
        page.click("#run-paint")
        page.wait_for_selector("#panel-paint[data-done]", timeout=120_000)
    time.sleep(0.3)
    return page.screenshot(full_page=True)


def main(out: Path, chromium: str) -> None:
    """Writes play-PANEL.png and play-PANEL-phone.png."""
    bound = bound_socket("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(make_app(prepared([], logs=False)), log_level="error", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    at = f"http://127.0.0.1:{bound.getsockname()[1]}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for panel, width, language in SHOTS:
            page = browser.new_page(viewport={"width": width, "height": 800})
            image = Image.open(io.BytesIO(shoot(page, at, panel, language))).convert("RGB")
            target = out / f"play-{panel}{'' if width > 600 else '-phone'}.png"
            image.quantize(96, dither=Image.Dither.NONE).save(target, optimize=True)
            print(f"{target}: {target.stat().st_size:,} bytes")
            page.close()
        browser.close()
    server.should_exit = True
    thread.join()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--chromium", default=shutil.which("chromium") or "chromium")
    main(**vars(parser.parse_args()))
