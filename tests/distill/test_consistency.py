"""Consistency tuning against the exact flow of Gaussian data, and its sampling."""

import math
from itertools import pairwise

import pytest
import torch
from test_progressive import MEAN, SCHEDULES, STD, Exact
from torch import Tensor, nn

from inkwash import core
from inkwash.core import CLEAN, Level, V, as_floats, prior, renoise, trailing
from inkwash.denoise import Denoiser
from inkwash.distill import Consistency, Teacher
from inkwash.errors import UsageError
from inkwash.nets import ConditionedNet, OneHot
from inkwash.sample import DDIM, last, sample
from inkwash.settings import Distillation, Sampling
from inkwash.training import StepRandomness


class Flowed(nn.Module):
    """The end of the probability flow of Gaussian data from x: μ + s·(x − α·μ)/√(α²·s² + σ²)."""

    def forward(self, x: Tensor, level: Level, cond: object = None, raw: bool = False) -> Tensor:
        level = level.per_image(x)
        spread = (torch.as_tensor(level.alpha**2 * STD**2 + level.sigma**2)) ** 0.5
        return MEAN + STD * (x - level.alpha * MEAN) / spread


def tuned(name: str, gap: int, scale: float = 1.0) -> Consistency:
    net = ConditionedNet(Exact(SCHEDULES[name]), OneHot(2)) if scale != 1 else Exact(SCHEDULES[name])
    return Consistency(SCHEDULES[name], V(), Teacher(Denoiser(net, V()), scale), gap)


@pytest.mark.parametrize("name", ["cosine", "flow"])
def test_the_end_of_the_flow_is_consistent(name: str) -> None:
    """Along a step of the teacher, x̂₀ of the exact consistency function changes by the step's error alone: O(gap²)."""
    x0 = MEAN + STD * torch.randn(64, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    told = torch.zeros(64, dtype=torch.long)  # the class "0" moves the mean by 1 in Exact, so the null is asked
    losses = []
    for gap in (3, 4, 5, 6):
        method = tuned(name, gap, scale=2.0)
        method.teacher = Teacher(Denoiser(_Blind(Exact(SCHEDULES[name])), V()), 2.0)
        losses.append(method(Flowed(), x0, StepRandomness.of(5, x0.shape), told).mean().item())
    for coarse, fine in pairwise(losses):
        assert fine < 0.45 * coarse  # the pseudo-Huber is linear far from 0, so errors of gap² quarter
    assert losses[-1] < 0.02


class _Blind(nn.Module):
    """A network that ignores its condition, so that guidance changes nothing."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, t: Tensor, cond: object = None) -> Tensor:
        return self.net(x, t, None)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("gap", [1, 3, 8])
def test_the_cleaner_level(name: str, gap: int) -> None:
    schedule, method = SCHEDULES[name], tuned(name, gap)
    time = schedule.draw(torch.rand(200, generator=torch.Generator().manual_seed(0)))
    level, cleaner, ends = method._levels(time, torch.zeros(200, 1, 2, 2))
    assert level.t.shape == (200, 1, 1, 1)
    before, after = (torch.as_tensor(each.logsnr).flatten() for each in (level, cleaner))
    assert bool(((after >= before) | ends.flatten()).all())
    rows = schedule.num_timesteps
    places = [(time + 1) / rows, (cleaner.t.flatten() + 1) / rows] if rows else [time, cleaner.t.flatten()]
    inside = ~ends.flatten()
    near = 0.51 / rows if rows else 1e-6
    assert ((places[0] * (1 - 2.0**-gap) - places[1])[inside].abs() <= near + 1e-6).all()


def test_below_the_first_level_the_target_is_the_image() -> None:
    method = tuned("linear", 1)
    _, _, ends = method._levels(torch.tensor([0, 1, 500]), torch.zeros(3, 1, 2, 2))
    assert ends.flatten().tolist() == [True, False, False] or ends.flatten().tolist() == [True, True, False]

    class Nothing(nn.Module):
        def forward(self, x: Tensor, level: Level, cond: object = None, raw: bool = False) -> Tensor:
            return torch.zeros_like(x)

    x0 = torch.full((2, 1, 2, 2), 0.5)
    randomness = StepRandomness.of(0, x0.shape)
    object.__setattr__(randomness, "strata", torch.tensor([0.0, 0.9]))
    loss = method(Nothing(), x0, randomness)
    c = 0.00054 * 2
    assert loss[0].item() == pytest.approx((math.sqrt(1 + c**2) - c) / 0.05, rel=1e-5)  # |x₀| = 1, at the earliest time
    assert loss[1].item() == 0


def test_no_gradient_through_the_target_and_one_dropout() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.Dropout(0.5), nn.Unflatten(1, (1, 2, 2)))

    class Student(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.masks = net, []

        def forward(self, x: Tensor, level: Level, cond: object = None, raw: bool = False) -> Tensor:
            h = self.net(x)
            self.masks.append((h == 0).detach())
            return h

    student = Student().train()
    tuned("flow", 4)(student, torch.randn(32, 1, 2, 2), StepRandomness.of(0, (32, 1, 2, 2))).mean().backward()
    assert torch.equal(student.masks[0], student.masks[1])
    assert net[1].weight.grad is not None


def test_what_it_cannot_take() -> None:
    for prediction, said in (
        (core.X0(), "returns an image of its own at σ = 0"),
        (core.Eps(), "leaves the image open"),
    ):
        with pytest.raises(UsageError, match=said):
            Consistency(core.Cosine(), prediction, Teacher(Denoiser(Exact(core.Cosine()), V())), 2)
    with pytest.raises(UsageError, match="has no steps of a teacher"):
        Consistency.stages(2, 8)
    made = Distillation("consistency", 2, 8, "x", "0" * 64)
    for steps in (1, 2, 7):
        Consistency.check_sampler(made, Sampling(**vars(Consistency.sampler(steps, "none"))))
    for other in (Sampling(steps=2), Sampling("heun", spacing="renoise"), Sampling(spacing="renoise", eta=1.0)):
        with pytest.raises(UsageError, match="straight to the image"):
            Consistency.check_sampler(made, other)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 4])
def test_renoising_draws_the_data(name: str, steps: int) -> None:
    """From the exact consistency function every image is of the data, however many steps: mean and spread."""
    schedule = SCHEDULES[name]
    plan = renoise(schedule, steps)
    assert [level for level in plan if level != CLEAN and as_floats(level)[1] > 0] == list(
        trailing(schedule, steps)[:-1]
    )
    assert len(plan) == 2 * steps
    generator = torch.Generator().manual_seed(0)

    def noise(x: Tensor) -> Tensor:
        return torch.randn(x.shape, generator=generator)

    x = prior(noise, plan[0], torch.empty(20, 1, 50, 50))
    flowed = Flowed()
    images = last(sample(lambda x, level: flowed(x, Level(*map(torch.as_tensor, level))), x, plan, DDIM(), noise))
    assert images.mean().item() == pytest.approx(MEAN, abs=4 * STD / math.sqrt(50_000) + 0.004)
    assert images.std().item() == pytest.approx(STD, abs=4 * STD / math.sqrt(100_000))
