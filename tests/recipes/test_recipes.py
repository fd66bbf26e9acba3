"""Every recipe builds, trains two steps on a small substitute of its data, and samples."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cli_runner import did
from inkwash import recipes
from inkwash.course_networks import Cs180UNet
from inkwash.data import Images
from inkwash.data import load as load_data
from inkwash.errors import UsageError
from inkwash.networks import MLP, AbarankabUNet, Cs231nUNet, TenChannelUNet, UNet
from inkwash.runs import build
from inkwash.runs.conditions import condition
from inkwash.settings import RunSettings
from inkwash.training.checkpoint import LAST, facts

NAMES = list(recipes.names())
SHAPES = {
    "digits": (1, 8, 8), "folder": (3, 24, 20), "lab06-eps": (1, 32, 32), "lab06-v": (1, 32, 32),
    "abarankab-cifar10": (3, 32, 32), "cifar10": (3, 32, 32), "emoji": (3, 32, 32), "cs231n-emoji": (3, 32, 32),
    "toy-2d": (1, 1, 2), "sr3-cifar10": (3, 32, 32),
}  # fmt: skip
# what makes a recipe's network small; those without are small, or are built whole below
SMALL: dict[type, tuple[object, ...]] = {
    UNet: ("--channels", 16), AbarankabUNet: ("--base-channels", 32), Cs231nUNet: ("--dim", 16), TenChannelUNet: (),
    MLP: (), Cs180UNet: ("--hidden", 8),
}  # fmt: skip
CLASSES = ("left", "middle", "right")


def found(name: str) -> RunSettings:
    """The recipe, with the text encoder that needs nothing."""
    run = recipes.find(name)
    return replace(run, conditioning=replace(run.conditioning, encoder="joint"))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few random images where each recipe's own would be, and what they show; padding is the set's own."""

    def load(source: str, split: str, *, data_dir: Any, size: int | None, **rest: Any) -> Images:
        colour = {"photos": (3, 24, 20), "cifar10": (3, 32, 32), "emoji": (3, 32, 32)}
        shape = {"digits": (1, 8, 8), "two-moons": (1, 1, 2), **colour}.get(source, (1, 28, 28))
        pixels = np.random.default_rng(len(split)).integers(0, 256, (9, *shape), dtype=np.uint8)
        captions = tuple((f"a fox {i}", "an animal") for i in range(9)) if source == "emoji" else ()
        images = Images(source, split, torch.from_numpy(pixels), torch.arange(9) % 3, CLASSES, captions=captions)
        return images if size is None else images.pad(size)

    monkeypatch.setattr("inkwash.runs.build.load", load)


ALIKE = (
    "lab06-eps",
    "sysu-fashion",
    "fashion",
    "fashion-class",
    "cifar10",
    "sr3-fashion",
    "sr3-cifar10",
    "deblur-fashion",
    "score-ve-mnist",
)  # others train the same network


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in ALIKE else ()) for name in NAMES]
)
def test_it_trains_and_samples(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    flags = ("--source", "photos") if name == "folder" else ()
    flags = (*flags, *SMALL[type(recipes.find(name).network)])  # the whole ones are built below
    if recipes.find(name).conditioning.condition == "text":
        flags = (*flags, "--encoder", "joint")
    did("train", name, *flags, "--steps", 2, "--batch-size", 4, "--device", "cpu", "--out", run)
    about = facts(run / LAST)
    assert about["step"] == 2
    assert tuple(about["shape"]) == SHAPES.get(name, (1, 28, 28))
    restores = recipes.find(name).conditioning.condition == "image"
    command = ("restore", run, "test:0") if restores else ("sample", run)
    did(*command, "-n", 2, "--steps", 1, "--out", tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        channels, height, width = about["shape"]
        assert archive["images"].shape == (2, height, width, channels)
    assert name in did("info", run).out
    did("train", name, "--steps", 3, "--out", run, "--resume")
    assert facts(run / LAST)["step"] == 3


@pytest.mark.parametrize("name", NAMES)
def test_its_parts_fit(name: str) -> None:
    run = found(name)
    assert run.recipe == name
    shape = SHAPES.get(name, (1, 28, 28))
    denoiser = build.denoiser(run, shape, torch.float32, condition(run, CLASSES, shape=shape))
    schedule = build.schedule(run.process)
    level = schedule.at(schedule.time(schedule.first))
    with torch.no_grad():
        assert denoiser(torch.zeros(1, *shape), level).shape == (1, *shape)
    assert build.objective(run).schedule.num_timesteps == schedule.num_timesteps


@pytest.mark.parametrize("recipe", recipes.RECIPES)
def test_it_says_what_it_is(recipe: Callable[[], Any]) -> None:
    first = recipes.summary(recipe)
    assert 30 < len(first) < 100
    assert first.endswith(".")


def test_names() -> None:
    assert recipes.find("lab06-eps") == recipes.lab06_eps()
    with pytest.raises(UsageError, match=r"there is no recipe 'lab06_eps'\. Did you mean lab06-eps\?"):
        recipes.find("lab06_eps")
    with pytest.raises(UsageError, match=r"there is no recipe 'xyz'\. The recipes are digits, mnist"):
        recipes.find("xyz")


@pytest.mark.parametrize("name", ["mnist-class", "fashion-class"])
def test_the_recipes_by_class_are_the_plain_ones_told_classes(name: str) -> None:
    plain = recipes.find({"mnist-class": "mnist", "fashion-class": "fashion-mnist"}[name])
    told = recipes.find(name)
    assert told.conditioning.condition == "class"
    assert 0 < told.conditioning.condition_dropout < 0.5  # else guidance has nothing to compare with
    assert told.conditioning.scale > 1
    assert replace(told, recipe=plain.recipe, conditioning=plain.conditioning) == plain
    assert plain.conditioning.condition == "none"


# ---- what the courses' documents say


@pytest.mark.parametrize("name", ["lab06-eps", "lab06-v"])
def test_the_labs_numbers(name: str) -> None:
    run = recipes.find(name)
    assert (run.data.source, run.data.size, run.process.timesteps) == ("mnist", 32, 1000)
    assert (run.process.schedule, run.process.beta_low, run.process.beta_high) == ("linear", 1e-4, 0.02)
    assert run.process.prediction == name.removeprefix("lab06-")
    assert run.training.loss == "mse"
    assert isinstance(run.network, UNet)
    assert not run.network.film


@pytest.mark.parametrize("name", ["sysu-mnist", "sysu-fashion"])
def test_the_reports_numbers(name: str) -> None:
    run = recipes.find(name)
    training = run.training
    assert training.steps == 20 * 469  # batches of 128, the last of which holds 96
    assert (training.batch_size, training.lr, training.ema, training.weight_decay) == (128, 0.01, 0, 0)
    assert (run.process.timesteps, run.process.beta_low, run.process.beta_high) == (1000, 1e-4, 0.02)
    assert isinstance(run.network, TenChannelUNet)
    assert (training.decay, training.warmup, training.clip, training.beta2) == ("none", 0, None, 0.999)


def test_the_score_papers_numbers() -> None:
    """Song & Ermon 2019, section 5, and Song et al. 2021b, appendices C and G, with σ doubled for images in [−1, 1]."""
    ncsn, ve, vp = (recipes.find(name) for name in ("ncsn-mnist", "score-ve-mnist", "score-vp-mnist"))
    levels = [level.sigma / 2 for level in build.plan(ncsn.sampler, build.schedule(ncsn.process))[:-1]]
    assert levels == pytest.approx([10 ** (-2 * i / 9) for i in range(10)], rel=0.01)  # the last is t = 0.001
    assert (ncsn.process.prediction, ncsn.training.weight, ncsn.sampler.corrections) == ("score", "snr", 100)
    assert ncsn.sampler.snr is not None
    assert 4 * ncsn.sampler.snr**2 * 0.01**2 == pytest.approx(2e-5)  # α_L = ε
    assert (ve.process.beta_low, ve.process.beta_high) == (2 * 0.01, 2 * 50)
    assert (vp.process.beta_low, vp.process.beta_high) == (0.1 / 1000, 20 / 1000)
    for run in (ve, vp):
        sampler = run.sampler
        assert (sampler.solver, sampler.steps, sampler.snr, sampler.corrections) == ("pc", 1000, 0.16, 1)


def test_the_digits_need_no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INKWASH_DATA", "/nowhere")
    assert len(load_data(recipes.find("digits").data.source, "train")) == 1500
