"""The page in one file, in Chromium, from disk, without a network: it draws what inkwash draws, and fills holes."""

import base64
import gzip
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cli_runner import did
from inkwash import models
from inkwash.core import Seeded, prior
from inkwash.data.fetch import data_folder
from inkwash.metrics.classifier import classifier
from inkwash.play import onefile
from inkwash.play import runtime as runtimes
from inkwash.runs import build
from inkwash.runs.draw import draw
from inkwash.runs.guidance import guided
from inkwash.runs.model import TrainedModel, images, open_model
from inkwash.sample import DDIM, sample
from inkwash.settings import Sampling

pytestmark = pytest.mark.slow
PAGE = Path(__file__).parents[2] / "docs" / "play.html"
WIDTHS, LANGUAGES = (1280, 390), ("en", "zh")
PLACES = (data_folder(None), Path(os.environ["XDG_CACHE_HOME"]) / "inkwash", Path.home() / ".cache" / "inkwash")


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    return open_model(models.find("mnist-class"), device="cpu", precision=torch.float32)


@pytest.fixture(scope="module")
def opened(browser: Any) -> Iterator[tuple[Any, list[str]]]:
    """docs/play.html, ready, and what must not happen: errors of the console, and requests."""
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900}, locale="en-US")
    page, faults = context.new_page(), []
    page.on("console", lambda it: faults.append(f"{it.type}: {it.text}"))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda sent: faults.append(sent.url) if not sent.url.startswith(("blob:", "data:")) else None)
    page.goto(PAGE.as_uri())
    page.wait_for_selector("body[data-ready]", timeout=120_000)
    assert faults == [PAGE.as_uri()]  # the file itself
    faults.clear()
    yield page, faults
    context.close()


def walk_of_inkwash(model: TrainedModel, sampling: Sampling, n: int) -> np.ndarray[Any, Any]:
    """Every x [steps + 1, n, C·H·W] of the walk of inkwash."""
    plan, noise = build.plan(sampling, model.schedule), Seeded(sampling.seed, range(n))
    denoise = build.limit(sampling, guided(model, sampling).denoiser_of(range(n)))
    x = prior(noise, plan[0], torch.empty(n, *model.shape))
    solver = build.solver(sampling)
    assert isinstance(solver, DDIM)
    return np.stack([moment.x.flatten(1).numpy() for moment in sample(denoise, x, plan, solver, noise)])


@pytest.mark.parametrize(("eta", "scale"), [(0.0, 3.0), (0.7, 1.0)])
def test_the_walk_is_that_of_inkwash(
    opened: tuple[Any, list[str]], model: TrainedModel, eta: float, scale: float
) -> None:
    """Twenty steps from the same noise: the largest difference of any pixel at any step is below 2 of 255."""
    page, faults = opened
    sampling = Sampling(n=2, steps=20, solver="ddim", eta=eta, label="7", scale=scale, seed=11)
    asked = {"label": 7, "steps": 20, "eta": eta, "scale": scale, "seed": 11}
    expected = walk_of_inkwash(model, sampling, 2)
    walks = [page.evaluate("asked => inkwash.trajectory(asked)", {**asked, "image": i}) for i in range(2)]
    found = np.stack(walks, 1)
    apart = float(np.abs(found - expected).max()) * 127.5
    assert found.shape == expected.shape == (21, 2, 784)
    assert apart < 2
    ends = draw(model, sampling).images.reshape(2, -1)
    assert np.abs((found[-1].clip(-1, 1) + 1) * 127.5 - ends).max() < 0.51  # and `inkwash sample` draws them
    assert expected[-1].std() > 0.3
    assert faults == []


def test_sevens_are_read_as_sevens(opened: tuple[Any, list[str]], model: TrainedModel, data_dir: Path) -> None:
    """By clicks: ten sevens are drawn, and inkwash's classifier reads at least nine of them."""
    page, faults = opened
    page.click("#tab-draw")
    page.fill("[name=n]", "10")
    page.fill("[name=seed]", "4")
    page.check("[name=label][value='7']", force=True)
    page.evaluate("delete document.body.dataset.drawn")
    page.click("#go")
    page.wait_for_selector("body[data-drawn]", timeout=300_000)
    drawn = page.evaluate(
        """() => [...document.querySelectorAll("#panel-draw .sheet canvas")].map((it) =>
            [...it.getContext("2d").getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 === 0))"""
    )
    pixels = torch.tensor(drawn, dtype=torch.uint8).view(10, 1, 28, 28)
    reader = classifier(images(model, "train", data_dir), images(model, "test", data_dir))
    assert int((reader.read(reader(pixels)) == 7).sum()) >= 9
    slider = page.locator("#draw-moment")
    assert slider.get_attribute("max") == "20"
    end = page.evaluate("document.getElementById('draw-x').toDataURL()")
    slider.fill("0")
    assert "step 0 of 20" in page.text_content("#panel-draw output")
    assert page.evaluate("document.getElementById('draw-x').toDataURL()") != end
    assert "inkwash sample mnist-class --label 7 --n 10 --seed 4 --solver ddim" in page.text_content("#command")
    assert faults == []


def test_a_hole_is_filled_and_the_rest_stays(opened: tuple[Any, list[str]]) -> None:
    page, faults = opened
    page.click("#tab-paint")
    page.fill("#paint-n", "3")
    page.evaluate("delete document.body.dataset.filled")
    red = """() => { const data = document.getElementById("pad").getContext("2d").getImageData(0, 0, 28, 28).data;
        return Array.from({ length: 784 }, (_, p) => [data[4 * p], data[4 * p + 1]]); }"""
    box = page.locator("#pad").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.1, box["y"] + box["height"] * 0.1)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.1, box["y"] + box["height"] * 0.3)
    page.mouse.up()
    before = np.array(page.evaluate(red))
    hole = before[:, 0] != before[:, 1]
    assert before[28 * 5 + 2, 0] > 200  # the stroke of the pointer
    assert 100 < hole.sum() < 400
    page.click("#fill")
    page.wait_for_selector("body[data-filled]", timeout=300_000)
    answers = page.evaluate(
        """() => [...document.querySelectorAll("#panel-paint .sheet canvas")].map((it) =>
            [...it.getContext("2d").getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 === 0))"""
    )
    found = np.array(answers)
    assert found.shape == (3, 784)
    assert (np.abs(found[:, ~hole] - before[~hole, 0]) <= 1).all()
    assert found[:, hole].max() > 128  # something is drawn there
    assert len({tuple(each) for each in answers}) == 3
    assert faults == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_off_and_everything_has_a_name(opened: tuple[Any, list[str]], width: int, language: str) -> None:
    page, faults = opened
    page.set_viewport_size({"width": width, "height": 844})
    page.click(f"[data-language={language}]")
    for panel in ("draw", "paint"):
        page.click(f"#tab-{panel}")
        cut = page.evaluate(
            """() => [...document.querySelectorAll("body *")].filter((each) => each.getClientRects().length
                && !each.closest(".skip, .file") && each.getBoundingClientRect().right > innerWidth + 1)
                .map((each) => `${each.tagName} ${each.className}`)"""
        )
        assert cut == []
        axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python").Axe
        found = axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        assert [(each["id"], [node["html"][:100] for node in each["nodes"]]) for each in found] == []
    page.click("[data-language=en]")
    page.set_viewport_size({"width": 1280, "height": 900})
    assert faults == []


def content(text: str, name: str) -> str:
    (found,) = re.findall(rf'<script [^>]*(?:id|type)="{name}">\s*(.*?)\s*</script>', text, flags=re.DOTALL)
    return found  # type: ignore[no-any-return]


def test_the_page_in_docs_is_of_this_model_and_this_code(model: TrainedModel) -> None:
    text = PAGE.read_text(encoding="utf-8")
    about = json.loads(content(text, "manifest"))
    again = "make it again: rm docs/play.html; inkwash export mnist-class --html docs/play.html --steps 20"
    assert len(text) < 20_000_000
    assert about["checkpoint"] == model.digest, again
    assert content(text, "module") == onefile._inline(onefile.joined()).strip(), again
    assert (PAGE.parents[1] / "src/inkwash/play/page/style.css").read_text(encoding="utf-8") in text, again


def test_the_command_makes_this_page(tmp_path: Path) -> None:
    """With the runtime at hand; nothing is downloaded by a test."""
    found = [place / runtimes.FOLDER / runtimes.NAME for place in PLACES]
    at = next((path for path in found if path.is_file()), None)
    if at is None:
        pytest.skip(f"needs {runtimes.NAME}: npm pack onnxruntime-web@{runtimes.VERSION}, in {found[-1].parent}")
    did("export", "mnist-class", "--html", tmp_path / "play.html", "--steps", 20, "--runtime", at)
    made, there = (path.read_text(encoding="utf-8") for path in (tmp_path / "play.html", PAGE))
    for name in ("program", "glue"):
        assert content(made, name) == content(there, name)
    about = json.loads(content(made, "manifest"))
    assert about["stored"] == "float16"
    assert about["largest_difference"] < 1e-4
    assert len(gzip.decompress(base64.b64decode(content(made, "weights")))) == pytest.approx(5.9e6, rel=0.1)
