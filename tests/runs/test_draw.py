"""Image i depends on the checkpoint, the plan, the solver, the seed and i: on nothing else."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from cli_runner import did, inkwash
from inkwash import recipes
from inkwash.core import Seeded, linear
from inkwash.networks import UNet
from inkwash.runs import build
from inkwash.runs.draw import CPU_BATCH, draw
from inkwash.runs.model import Model
from inkwash.settings import RunSettings, Sampling

# small, yet with all that might compute an image differently in another batch
SMALL = replace(
    recipes.find("lab06-eps"), network=UNet(channels=8, mults=(1, 2, 2), blocks=1, attention=(1,), heads=2, film=False)
)
RUNS: dict[str, tuple[RunSettings, build.Shape]] = {
    "UNet": (SMALL, (3, 9, 14)),
    "patched UNet": (replace(SMALL, network=UNet(channels=8, mults=(1, 2), blocks=1, patch=2)), (1, 12, 12)),
    "TenChannelUNet": (recipes.find("sysu-mnist"), (1, 28, 28)),
}


@cache
def model(name: str, precision: torch.dtype = torch.float32) -> Model:
    """Untrained, with random numbers where layers begin at zero, so that the output depends on everything."""
    run, shape = RUNS[name]
    denoiser = build.denoiser(run, shape, precision).requires_grad_(False).eval()
    generator = torch.Generator().manual_seed(0)
    for parameter in denoiser.parameters():
        if not parameter.any():
            parameter.normal_(0, 0.1, generator=generator)
    schedule = build.schedule(run.process)
    return Model(name=name, shape=shape, denoiser=denoiser, schedule=schedule, device=torch.device("cpu"), digest="")


def cases() -> Iterator[object]:
    """Each network and precision with one solver, one network with each solver; the other pairs are slow tests."""
    for name, precision, solver in product(RUNS, (torch.float32, torch.bfloat16), ("ddim", "ddpm", "heun", "dpmpp2m")):
        fast = solver == "ddim" or (name, precision) == ("UNet", torch.float32)
        marks = () if fast else (pytest.mark.slow,)
        yield pytest.param(name, precision, solver, marks=marks, id=f"{name}-{precision}-{solver}")


@pytest.mark.parametrize(("name", "precision", "solver"), [*cases()])
def test_an_image_is_alone(name: str, precision: torch.dtype, solver: str) -> None:
    sampling = Sampling(n=37, solver=solver, steps=3, limit="none")
    images = draw(model(name, precision), sampling, 64).images
    assert images.std() > 10
    for n, batch_size in ((37, 1), (37, 7), (5, 64), (20, 20)):
        fewer = draw(model(name, precision), replace(sampling, n=n), batch_size).images
        assert np.array_equal(fewer, images[:n]), (n, batch_size)


def test_all_batches_are_of_one_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels for another size may round otherwise, too seldom for the tests above to see it each time."""
    seen = set()
    few = model("UNet")
    monkeypatch.setattr(
        few.denoiser, "output", lambda x, *rest, real=few.denoiser.output: seen.add(x.shape) or real(x, *rest)
    )
    for n, batch_size in ((1, 1), (5, 64), (17, 7), (40, 64)):
        draw(few, Sampling(n=n, steps=1), batch_size)
    assert seen == {(CPU_BATCH, 3, 9, 14)}


def test_every_image_is_another_and_so_is_every_seed() -> None:
    sampling = Sampling(n=20, steps=3)
    images = draw(model("UNet"), sampling).images
    others = draw(model("UNet"), replace(sampling, seed=1)).images
    assert len({image.tobytes() for image in (*images, *others)}) == 40


@pytest.mark.parametrize("steps", [1, 7, 39, 40])
@pytest.mark.parametrize("variance", ["small", "large"])
def test_eta_1_is_ddpm(steps: int, variance: str) -> None:
    sampling = Sampling(n=1, steps=steps, variance=variance)
    few = replace(model("patched UNet"), schedule=linear(40))
    ddim = draw(few, replace(sampling, solver="ddim", eta=1.0)).images
    assert np.array_equal(ddim, draw(few, replace(sampling, solver="ddpm")).images)
    if steps > 1:
        assert not np.array_equal(ddim, draw(few, replace(sampling, eta=0.0)).images)


def test_eta_0_draws_no_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    sampling = Sampling(n=2, steps=5)
    images = draw(model("UNet"), sampling).images
    assert np.array_equal(draw(model("UNet"), replace(sampling, eta=0.0)).images, images)
    drawn = []
    monkeypatch.setattr(Seeded, "__call__", lambda self, x, real=Seeded.__call__: drawn.append(x) or real(self, x))
    draw(model("UNet"), sampling)
    assert len(drawn) == 1  # the first x


def test_frames_are_sheets_along_the_way() -> None:
    drawn = draw(model("UNet"), Sampling(n=20, steps=9), 64, frames=5, shown=18)
    assert len(drawn.frames) == 5
    assert len({frame.shape for frame in drawn.frames}) == 1
    assert drawn.evaluations == 9


def test_the_bar_counts_every_image_at_every_step() -> None:
    ticks: list[int] = []
    draw(model("UNet"), Sampling(n=20, steps=4), 64, tick=ticks.append)
    assert sum(ticks) == 20 * 4


# ---- and so does the command


@pytest.mark.parametrize("how", [(), ("--solver", "heun"), ("--eta", 0.3)])
def test_the_command(how: tuple[object, ...], trained: Path, tmp_path: Path) -> None:
    drawn = []
    for i, (n, batch_size) in enumerate(((64, 64), (64, 1), (64, 7), (5, 64))):
        out = tmp_path / f"{i}.npz"
        did("sample", trained, "-n", n, "--steps", 3, "--batch-size", batch_size, *how, "--out", out)
        with np.load(out, allow_pickle=False) as archive:
            drawn.append(archive["images"])
    assert drawn[0].shape == (64, 8, 8, 1)
    assert all(np.array_equal(images, drawn[0][: len(images)]) for images in drawn)


def test_last_and_best(trained: Path, tmp_path: Path) -> None:
    for which in ("last", "best"):
        did("sample", trained, "-n", 1, "--steps", 2, "--checkpoint", which, "--out", tmp_path / f"{which}.png")
    assert inkwash("sample", trained, "--checkpoint", "first").code == 2
