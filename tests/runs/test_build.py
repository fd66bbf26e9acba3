"""From settings to objects: every choice there is builds something that works."""

from dataclasses import replace
from itertools import pairwise, product
from typing import Any, Literal

import pytest
import torch

from inkwash import choices, recipes
from inkwash.core import Level, linear
from inkwash.errors import UsageError
from inkwash.networks import TenChannelUNet, UNet
from inkwash.runs import build, machine
from inkwash.sample import DDIM, DDPM, DPMpp2M
from inkwash.settings import Data, Process, RunSettings, Sampling, Training
from inkwash.training import StepRandomness

SMALL = UNet(channels=8, mults=(1, 2), blocks=1)


@pytest.mark.parametrize("prediction", choices.PREDICTIONS.names)
@pytest.mark.parametrize("schedule", choices.SCHEDULES.names)
def test_every_process_trains_and_denoises(schedule: str, prediction: str) -> None:
    run = RunSettings("mine", network=SMALL, process=Process(schedule=schedule, timesteps=20, prediction=prediction))
    denoiser = build.denoiser(run, (1, 8, 8), torch.float32)
    x0 = torch.rand(6, 1, 8, 8) * 2 - 1
    betas = getattr(build.schedule(run.process), "betas", None)
    bounded = betas is not None and betas[-1] < 1  # the bound's weights are infinite at pure noise
    weights = [name for name in choices.WEIGHTS.names if name != "vlb" or bounded]
    for draw, weight, loss in product(choices.DRAWS.names, weights, ("mse", "l1")):
        objective = build.objective(replace(run, training=Training(draw=draw, weight=weight, loss=loss)))
        losses = objective(denoiser, x0, StepRandomness.of(0, tuple(x0.shape)))
        assert losses.shape == (6,)
        assert losses.isfinite().all()
    of = build.schedule(run.process)
    level = of.from_logsnr(0.0)
    assert denoiser(x0, level).shape == x0.shape


@pytest.mark.parametrize("spacing", [None, *choices.SPACINGS.names])
@pytest.mark.parametrize("solver", choices.SOLVERS.names)
def test_every_plan(solver: str, spacing: Any) -> None:
    for steps in (1, 5, 100):
        levels = build.plan(Sampling(solver=solver, spacing=spacing, steps=steps), linear(100))
        assert sum(before.sigma > after.sigma for before, after in pairwise(levels)) == steps
        assert levels[-1].sigma == 0
    with pytest.raises(UsageError, match=r"at most 100, the rows of this schedule \(got 101\)"):
        build.plan(Sampling(solver=solver, spacing=spacing, steps=101), linear(100))


@pytest.mark.parametrize("schedule", ["continuous-cosine", "flow"])
@pytest.mark.parametrize("spacing", ["trailing", "linspace"])
def test_heun_at_pure_noise(schedule: str, spacing: str) -> None:
    sampling = Sampling(solver="heun", spacing=spacing, steps=5)
    with pytest.raises(UsageError, match=f"heun cannot begin at pure noise, as {spacing} spacing does here"):
        build.plan(sampling, build.schedule(Process(schedule=schedule)))


def test_eps_at_pure_noise() -> None:
    """ε says nothing there, and the sentence says what does."""
    run = RunSettings("mine", network=SMALL, process=Process(schedule="flow", prediction="eps"))
    denoiser = build.denoiser(run, (1, 8, 8), torch.float32)
    first = build.plan(Sampling(steps=5), build.schedule(run.process))[0]
    assert first.alpha == 0
    with pytest.raises(UsageError, match=r"at pure noise \(α = 0\), where this plan begins; begin a little later"):
        denoiser(torch.zeros(1, 1, 8, 8), first)
    later = build.plan(Sampling(steps=5, spacing="karras"), build.schedule(run.process))[0]
    assert denoiser(torch.zeros(1, 1, 8, 8), later).isfinite().all()


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (
            {"solver": "heun", "eta": 0.0},
            "heun has no η; leave out `eta`, or take ddim, ddim-lab or dpmpp2m as `solver`.",
        ),
        ({"solver": "ddpm", "eta": 1.0}, "ddpm has no η"),
        ({"solver": "heun", "variance": "large"}, "heun leaves no choice of `variance`; leave it out"),
    ],
)
def test_solvers_are_given_nothing_in_vain(how: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        build.solver(Sampling(**how))


@pytest.mark.parametrize("variance", ["small", "large"])
def test_one_eta_for_all_that_have_it(variance: Literal["small", "large"]) -> None:
    large = float(variance == "large")
    for eta, given in ((None, 0.0), (0.0, 0.0), (0.25, 0.25), (1.0, 1.0)):
        plain = build.solver(Sampling(solver="ddim", eta=eta, variance=variance))
        assert plain == DDIM(given, large)
        assert build.solver(Sampling(solver="dpmpp2m", eta=eta, variance=variance)) == DPMpp2M(plain)
        lab = build.solver(Sampling(solver="ddim-lab", eta=eta, variance=variance))
        assert lab == DDIM(given**0.5, large)
    assert build.solver(Sampling(solver="ddpm", variance=variance)) == DDPM(large)


@pytest.mark.parametrize("limit", choices.LIMITS.names)
def test_limits(limit: str) -> None:
    limited = build.limit(Sampling(limit=limit), lambda x, level: x)
    x = torch.linspace(-3, 3, 64).view(1, 1, 8, 8)
    most = limited(x, Level(0.5, 0.6, 0.8)).abs().max().item()
    assert most == 3 if limit == "none" else most <= 1


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 28, 28)])
def test_the_reports_network(shape: build.Shape) -> None:
    run = recipes.find("sysu-mnist")
    net = build.network(run, shape)
    assert net(torch.zeros(2, *shape), torch.tensor([0, 999])).shape == (2, *shape)
    for changed, place in ((replace(run, process=Process(schedule="flow")), shape), (run, (1, 32, 32))):
        with pytest.raises(UsageError, match="28×28 images and a discrete schedule"):
            build.network(changed, place)
    assert run.network == TenChannelUNet()


def test_a_seed_is_an_initialisation() -> None:
    def first(seed: int) -> torch.Tensor:
        run = RunSettings("mine", network=SMALL, training=Training(seed=seed))
        return next(build.denoiser(run, (1, 8, 8), torch.float32).parameters())

    assert torch.equal(first(3), first(3))
    assert not torch.equal(first(3), first(4))


def test_devices() -> None:
    assert machine.devices()[-1] == "cpu"
    assert machine.device("auto").type == machine.devices()[0]
    assert machine.device("cpu").type == "cpu"


def test_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    for name, kind in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        assert machine.precision(Training(precision=name), cpu) == kind
        monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda kind=kind: kind == torch.bfloat16)
        assert machine.precision(Training(), cpu) == kind


def test_images_need_a_source() -> None:
    with pytest.raises(UsageError, match="needs images"):
        build.images(Data(source=""), "train", None)
    assert len(build.images(Data(size=12), "test", None)) == 297
