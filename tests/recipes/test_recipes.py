"""Every recipe makes what it names, and trains and draws on a stand-in for its data."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from inkwash import recipes
from inkwash.data import Images, Source
from inkwash.jobs import build
from inkwash.jobs import fit as fit_job
from inkwash.jobs.draw import draw, open_model
from inkwash.settings import Run, Sampling

SHAPES = {"digits": (1, 8, 8), "folder": (3, 16, 16), "lab06-eps": (1, 32, 32), "lab06-v": (1, 32, 32)}


@pytest.fixture
def small_sets(monkeypatch: pytest.MonkeyPatch) -> Callable[[tuple[int, int, int]], None]:
    """Puts sets of 20 random images of a shape in the place of every set."""

    def place(shape: tuple[int, int, int]) -> None:
        pixels = torch.randint(0, 256, (20, *shape), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)

        def load(name: str, split: str, **_: object) -> Source:
            return Images(name or "folder", split, pixels)

        monkeypatch.setattr(build, "load", load)

    return place


@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_trains_and_draws(name: str, tmp_path: Path, small_sets: Callable[..., None]) -> None:
    run = recipes.find(name)
    shape = SHAPES.get(name, (1, 28, 28))
    small_sets(shape)
    run = replace(run, training=replace(run.training, steps=2, batch_size=4, device="cpu"))
    for _ in fit_job.fit(run, tmp_path / "run", None, resume=False, stop=lambda: False).progress:
        pass
    model = open_model(tmp_path / "run", device="cpu")
    assert model.run == run
    assert draw(model, Sampling(n=2, steps=2)).images.shape == (2, *shape[1:], shape[0])


@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_says_what_it_is(name: str) -> None:
    recipe = recipes.names()[name]
    assert recipes.find(name).recipe == name
    assert 20 < len(recipes.summary(recipe)) <= 120
    assert len((recipe.__doc__ or "").splitlines()) >= 1


@pytest.mark.parametrize("name", ["lab06-eps", "lab06-v", "sysu-mnist", "sysu-fashion"])
def test_the_courses_set_their_own_process(name: str) -> None:
    process = recipes.find(name).process
    schedule = build.schedule(process)
    assert schedule.rows == 1000
    first, last = schedule.at(0), schedule.at(999)
    assert first.sigma**2 == pytest.approx(1e-4)  # β of the first step
    assert last.alpha**2 == pytest.approx(4.036e-5, rel=1e-3)  # Π(1 − β), β from 1e-4 to 0.02
    assert process.prediction == ("v" if name.endswith("-v") else "eps")


def test_the_report_sees_twenty_epochs() -> None:
    training = recipes.find("sysu-mnist").training
    assert training.steps * training.batch_size == 20 * 60_000
    assert (training.lr, training.ema, training.draw) == (0.01, 0.0, "uniform")


def test_recipes_are_plain_data() -> None:
    assert all(isinstance(recipe(), Run) for recipe in recipes.RECIPES)
