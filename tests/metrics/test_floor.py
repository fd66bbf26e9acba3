"""Losses by brute force, the floor as a minimum, and the verdict on denoisers whose worth is known."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from inkwash.core import (
    EDM,
    VE,
    X0,
    Cosine,
    Denoise,
    Discrete,
    Eps,
    Flow,
    FlowVelocity,
    Level,
    Prediction,
    Schedule,
    V,
    linear,
)
from inkwash.data import indices, to_float, to_uint8
from inkwash.denoise import Dataset, Denoiser, Gaussian
from inkwash.errors import UsageError
from inkwash.metrics.floor import Estimate, LevelLosses, diagnose, loss_floor
from inkwash.training.objective import Objective, Plain, StepRandomness, Uniform

MEAN, STD = 0.1, 0.25
POPULATION = Gaussian(MEAN, STD)
LINEAR = linear(1000)
WIDE = VE(0.01, 10.0)  # as many levels where memory shows as where it cannot


def drawn(n: int, seed: int, side: int = 4) -> Tensor:
    """8-bit images of the population [n,1,side,side]."""
    return to_uint8(MEAN + STD * torch.randn(n, 1, side, side, generator=torch.Generator().manual_seed(seed)))


TRAINING, HELD_OUT = drawn(400, 1), drawn(400, 2)
IDEAL = Dataset(to_float(TRAINING))


def measured(
    denoise: Denoise, prediction: Prediction | None = None, schedule: Schedule = WIDE
) -> tuple[LevelLosses, ...]:
    return loss_floor(denoise, prediction or Eps(), schedule, TRAINING, HELD_OUT)


class Net(nn.Module):
    """A network that is neither good nor simple."""

    def forward(self, x: Tensor, t: Tensor, cond: None) -> Tensor:
        return torch.tanh(x.roll(1, -1) - 0.3 * x) + 1e-3 * t.view(-1, 1, 1, 1)


@pytest.mark.parametrize("prediction", [Eps(), X0(), V(), FlowVelocity(), EDM()], ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("schedule", [LINEAR, Cosine(), Flow(), VE()], ids=["linear", "cosine", "flow", "ve"])
def test_losses_are_those_of_F_and_of_every_training_image(prediction: Prediction, schedule: Schedule) -> None:
    """F against a·x₀ + b·ε, and the sums of eq. 57 one by one in float64, on the images and noise that were used."""
    net, seen, ticks = Denoiser(Net(), prediction), [], []

    def spy(x: Tensor, level: Level) -> Tensor:
        seen.append((x, level))
        return net(x, level)

    rows = loss_floor(spy, prediction, schedule, TRAINING, HELD_OUT, levels=4, images=100, seed=5, tick=ticks.append)
    assert sum(ticks) == 4 * 2 * 100
    assert len({row.t for row in rows}) == 4
    every = to_float(TRAINING).double().flatten(1)
    gauss = Gaussian(every.mean(0), every.std(0))
    for i, row in enumerate(rows):
        for j, (images, losses) in enumerate(((TRAINING, row.training), (HELD_OUT, row.held_out))):
            calls = seen[4 * i + 2 * j : 4 * i + 2 * j + 2]
            level = calls[0][1]
            assert (row.t, row.logsnr) == (level.t, level.logsnr)
            x, x0 = torch.cat([x for x, _ in calls]), to_float(images[indices(5, 0, 100, 400)])
            eps = (x.double() - level.alpha * x0.double()) / level.sigma
            a, b = prediction.row(level)
            of_f = (net(x, level, raw=True).double() - a * x0.double() - b * eps).square().flatten(1).mean(1)
            assert losses.network.mean == pytest.approx(of_f.mean().item(), rel=1e-3)
            assert losses.network.error == pytest.approx(of_f.std().item() / 10, rel=1e-3)
            factor = ((level.alpha * b - level.sigma * a) / level.sigma) ** 2
            flat = x.double().flatten(1)
            apart = -(flat[:, None] - level.alpha * every).square().sum(2) / (2 * level.sigma**2)
            for guess, got in (
                (torch.softmax(apart, 1) @ every, losses.ideal),
                (gauss(flat, level), losses.pixelwise),
            ):
                each = factor * (guess - x0.double().flatten(1)).square().mean(1)
                assert got.mean == pytest.approx(each.mean().item(), rel=1e-3, abs=1e-7)
                assert got.error == pytest.approx(each.std().item() / 10, rel=1e-3, abs=1e-7)


def test_the_noise_is_unit_noise_and_fresh() -> None:
    seen = []
    loss_floor(lambda x, level: seen.append((x, level)) or x, V(), LINEAR, TRAINING, HELD_OUT, levels=2)
    eps = []
    for i, (x, level) in enumerate(seen):
        chosen, which = indices(0, 0, 256, 400), slice(64 * (i % 4), 64 * (i % 4) + 64)
        x0 = to_float((TRAINING if i // 4 % 2 == 0 else HELD_OUT)[chosen[which]])
        eps.append((x - level.alpha * x0) / level.sigma)
    noise = torch.cat(eps).flatten(1)
    assert abs(noise.mean()) < 4 / math.sqrt(noise.numel())
    assert abs(noise.square().mean() - 1) < 4 * math.sqrt(2 / noise.numel())
    directions = noise / noise.norm(dim=1, keepdim=True)
    alike = directions @ directions.T - torch.eye(len(noise), dtype=noise.dtype)
    assert alike.abs().max() < 0.97  # of half a million pairs in 16 dimensions, the nearest have 0.87 to 0.93


@pytest.mark.parametrize("prediction", [Eps(), V()], ids=["eps", "v"])
def test_the_mean_of_the_rows_is_the_loss_in_training(prediction: Prediction) -> None:
    objective = Objective(LINEAR, prediction, Uniform(), Plain())
    x0, net = to_float(TRAINING), Denoiser(Net(), prediction)
    chances = [StepRandomness.of(seed, tuple(x0.shape)) for seed in range(50)]
    losses = torch.cat([objective(net, x0, randomness) for randomness in chances]).double()
    rows = loss_floor(net, prediction, LINEAR, TRAINING, HELD_OUT, levels=100)
    found = sum(row.training.network.mean for row in rows) / 100
    sure = math.hypot(losses.std().item() / math.sqrt(len(losses)), max(row.training.network.error for row in rows))
    assert abs(found - losses.mean().item()) < 4 * sure
    assert sure < 0.05 * found


@pytest.mark.parametrize(
    "worse",
    [
        lambda clean, x, level: 0.9 * clean,
        lambda clean, x, level: 1.1 * clean,
        lambda clean, x, level: clean + 0.1,
        lambda clean, x, level: clean - 0.1,
        lambda clean, x, level: clean.roll(1, -1),
        lambda clean, x, level: clean + 0.3 * (POPULATION(x, level) - clean),
        lambda clean, x, level: clean + 0.02 * (x - clean),
        lambda clean, x, level: clean - 0.02 * (x - clean),
        lambda clean, x, level: clean.clamp(max=MEAN),
        lambda clean, x, level: Dataset(to_float(TRAINING[:200]))(x, level),
    ],
    ids=["shrunk", "grown", "lighter", "darker", "moved", "smooth", "noisier", "sharper", "clipped", "of half the set"],
)
def test_the_floor_is_the_least(worse) -> None:
    """No denoiser has a smaller loss on training images, but by chance."""
    rows = measured(lambda x, level: worse(IDEAL(x, level), x, level), V())
    assert all(row.training.network.mean > row.training.ideal.mean - 0.1 * row.training.ideal.error for row in rows)
    assert sum(row.training.network.mean > row.training.ideal.mean for row in rows) >= 11


def test_the_ideal_denoiser_is_its_own_floor_and_all_memory() -> None:
    rows = measured(IDEAL)
    judged = diagnose(rows)
    assert judged.underfit == ()
    told = []
    for row, memory in zip(rows, judged.memory, strict=True):
        assert row.training.network == pytest.approx(row.training.ideal, rel=1e-4, abs=1e-9)
        assert row.held_out.network == pytest.approx(row.held_out.ideal, rel=1e-4, abs=1e-9)
        if memory > 0:
            told.append(row.t)
            assert memory == pytest.approx(1, abs=1e-3)
    assert judged.memorised == tuple(told)
    assert told == [row.t for row in rows][: len(told)]  # wherever there is little noise, and nowhere else
    assert 5 <= len(told) < 12


@pytest.mark.parametrize("prediction", [Eps(), X0(), V()], ids=["eps", "x0", "v"])
@pytest.mark.parametrize("schedule", [LINEAR, Flow(), WIDE], ids=["linear", "flow", "ve"])
def test_the_optimum_of_the_population_is_neither(prediction: Prediction, schedule: Schedule) -> None:
    rows = measured(POPULATION, prediction, schedule)
    judged = diagnose(rows)
    assert judged.underfit == judged.memorised == ()
    assert max(judged.memory) < 0.1
    for row in rows:  # it lies between the ideal's two losses, and is what the pixels' statistics give
        assert row.training.network.mean > row.training.ideal.mean - row.training.ideal.error
        assert row.held_out.network.mean < row.held_out.ideal.mean + row.held_out.ideal.error
        assert row.held_out.network.mean == pytest.approx(row.held_out.pixelwise.mean, rel=0.05)


def test_the_mean_image_underfits_where_there_is_something_to_see() -> None:
    """Its loss is 1 + SNR·std² times the population's: underfit where that is above 1.25, here but for 10 %."""
    mean = to_float(TRAINING).mean(0)
    rows = measured(lambda x, level: mean.expand_as(x))
    judged = diagnose(rows)
    assert judged.memorised == ()
    counts = [0, 0]
    for row in rows:
        ratio = 1 + math.exp(row.logsnr) * STD**2
        if not 1.15 < ratio < 1.35:
            assert (row.t in judged.underfit) == (ratio > 1.25)
            counts[ratio > 1.25] += 1
    assert min(counts) >= 3


def test_doing_nothing_underfits_where_there_is_much_noise() -> None:
    """x̂₀ = x/α errs by (σ/α)², 1 + 1/(SNR·std²) times the population's loss."""
    rows = measured(lambda x, level: x / level.alpha)
    judged = diagnose(rows)
    for row in rows:
        ratio = 1 + math.exp(-row.logsnr) / STD**2
        if not 1.15 < ratio < 1.35:
            assert (row.t in judged.underfit) == (ratio > 1.25)


def test_memory_is_the_share_that_is_remembered() -> None:
    """w of the ideal denoiser in the population's leaves (1 − w)² of the loss on training images at little noise.

    On new images the two together are far worse than either should be, which is no sign of memory.
    """
    for share, at_least, at_most in ((0.0, 0, 0), (0.1, 0, 0), (0.2, 0, 0), (0.4, 4, 6), (0.7, 4, 7), (1.0, 6, 7)):
        rows = measured(lambda x, level, w=share: (1 - w) * POPULATION(x, level) + w * IDEAL(x, level))
        judged = diagnose(rows)
        for row, memory in list(zip(rows, judged.memory, strict=True))[:4]:
            error = 4 * math.hypot(row.held_out.pixelwise.error, row.training.network.error)
            assert memory == pytest.approx(1 - (1 - share) ** 2, abs=error)
        assert at_least <= len(judged.memorised) <= at_most
        assert all(0 <= memory <= 1 for memory in judged.memory)
        assert judged.underfit == ()


def test_who_is_only_bad_on_new_images_has_not_memorised() -> None:
    """Right on training images as the population's optimum is, and twice as wrong on others."""
    rows = []
    for row in measured(POPULATION):
        doubled = Estimate(*(2 * each for each in row.held_out.network))
        rows.append(replace(row, held_out=row.held_out._replace(network=doubled)))
    assert all(row.held_out.network.mean > 1.5 * row.training.network.mean for row in rows)
    judged = diagnose(rows)
    assert judged.memorised == judged.underfit == ()
    assert max(judged.memory) < 0.2


def test_where_eps_says_nothing_there_is_no_row() -> None:
    last_is_noise = Discrete(torch.tensor([0.1, 0.3, 0.5, 1.0]))
    for prediction, times in ((Eps(), [0, 1, 2]), (V(), [0, 1, 2, 3])):
        rows = loss_floor(POPULATION, prediction, last_is_noise, TRAINING, HELD_OUT, levels=4)
        assert [row.t for row in rows] == times
        assert all(math.isfinite(row.training.network.mean) for row in rows)
    assert rows[-1].logsnr == -math.inf


def test_rows_are_a_function_of_the_seed_and_the_sets() -> None:
    rows = loss_floor(POPULATION, V(), LINEAR, TRAINING, HELD_OUT, levels=3, seed=4)
    assert rows == loss_floor(POPULATION, V(), LINEAR, TRAINING, HELD_OUT, levels=3, seed=4)
    assert rows != loss_floor(POPULATION, V(), LINEAR, TRAINING, HELD_OUT, levels=3, seed=5)
    few = loss_floor(POPULATION, V(), LINEAR, TRAINING, HELD_OUT[:50], levels=3, seed=4)
    assert [row.training for row in few] == [row.training for row in rows]


@pytest.mark.parametrize(
    ("held_out", "asked", "words"),
    [
        (drawn(9, 3, side=5), {}, "one shape"),
        (HELD_OUT[:1], {}, "at least 2 images"),
        (HELD_OUT, {"images": 1}, "at least 2 images"),
        (HELD_OUT, {"levels": 0}, "at least 1 level"),
        (HELD_OUT, {"levels": 1001}, "at most 1000"),
    ],
)
def test_what_cannot_be_asked(held_out: Tensor, asked: dict[str, int], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        loss_floor(POPULATION, V(), LINEAR, TRAINING, held_out, **asked)
