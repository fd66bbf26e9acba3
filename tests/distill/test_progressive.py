"""Progressive distillation against the sampling loop, on data whose denoiser is known."""

import math

import pytest
import torch
from torch import Tensor, nn

from inkwash import core
from inkwash.core import CLEAN, Level, Schedule, V, determinant, diffuse, posterior, trailing
from inkwash.denoise import Denoiser, clip
from inkwash.distill import Progressive, Teacher
from inkwash.errors import UsageError
from inkwash.nets import ConditionedNet, OneHot
from inkwash.nets.condition import CondEmbedding
from inkwash.sample import DDIM, last, sample
from inkwash.settings import Distillation, Sampling
from inkwash.training import StepRandomness

MEAN, STD = 0.2, 0.5
SCHEDULES = {"cosine": core.Cosine(), "flow": core.Flow(), "linear": core.linear(1000)}


class Exact(nn.Module):
    """v of Gaussian data at each level, in closed form: x̂₀ = μ + α·s²·(x − α·μ)/(α²·s² + σ²)."""

    def __init__(self, schedule: Schedule, shift: float = 0.0) -> None:
        super().__init__()
        self.schedule, self.shift = schedule, shift

    def forward(self, x: Tensor, t: Tensor, cond: CondEmbedding | None = None) -> Tensor:
        level = Level(*(torch.as_tensor(value).double().view(-1, 1, 1, 1) for value in self.schedule.at(t)))
        x = x.double() * (level.alpha**2 + level.sigma**2) ** 0.5
        mean = MEAN if cond is None or cond.vector is None else MEAN + cond.vector.double()[:, :1].view(-1, 1, 1, 1)
        x0 = mean + level.alpha * STD**2 * (x - level.alpha * mean) / (level.alpha**2 * STD**2 + level.sigma**2)
        eps = (x - level.alpha * x0) / level.sigma
        a, b = V().row(level)
        return (a * x0 + b * eps).float() + self.shift


def teacher(name: str, **more: object) -> Teacher:
    return Teacher(Denoiser(Exact(SCHEDULES[name]), V()), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 5, 8])
def test_a_student_that_reaches_its_target_ends_where_its_teacher_does(name: str, steps: int) -> None:
    """N steps towards the targets, and 2N steps of DDIM by the loop, from the same noise."""
    schedule = SCHEDULES[name]
    method = Progressive(schedule, V(), teacher(name), steps)
    x = torch.randn(4, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    expected = last(sample(method.teacher.denoiser, x, trailing(schedule, 2 * steps), DDIM(), torch.randn_like))
    plan = trailing(schedule, steps)
    for edge in range(steps):
        x_coef, x0_coef, _ = posterior(plan[edge], plan[edge + 1], eta=0.0)
        x = x_coef * x + x0_coef * method.target(x, torch.full((4,), edge), None)
    torch.testing.assert_close(x, expected, rtol=1e-4, atol=1e-5)


def test_the_limit_of_the_teachers_sampler_is_part_of_it() -> None:
    x = 3 * torch.randn(4, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    plan = trailing(SCHEDULES["cosine"], 2)
    walked = last(sample(clip(teacher("cosine").denoiser, 0.0, 0.3), x, plan, DDIM(), torch.randn_like))
    method = Progressive(SCHEDULES["cosine"], V(), teacher("cosine", limit=lambda d: clip(d, 0.0, 0.3)), 1)
    torch.testing.assert_close(method.target(x, torch.zeros(4, dtype=torch.long), None), walked, rtol=1e-4, atol=1e-5)


def test_guidance_is_learned_where_it_acts() -> None:
    """The class moves the mean by 0.3: with scale 3 the guided x̂₀ is base + 3·(told − base) inside the interval."""
    schedule = SCHEDULES["cosine"]
    net = ConditionedNet(Exact(schedule), OneHot(2))
    guided = Teacher(Denoiser(net, V()), scale=3.0, interval=(0.5, 2.0))
    x, cond = torch.randn(6, 1, 3, 3), torch.tensor([0, 1, 0, 0, 1, 0])
    for ratio, strength in ((0.3, 1.0), (1.0, 3.0), (2.5, 1.0)):
        level = schedule.from_logsnr(-2 * math.log(ratio))
        batch = Level(*(torch.full((6, 1, 1, 1), float(value)) for value in level))
        told, none = guided.denoiser(x, batch, _all(cond)), guided.denoiser(x, batch, None)
        torch.testing.assert_close(guided(x, batch, cond), none + strength * (told - none), rtol=1e-4, atol=1e-5)


def _all(cond: Tensor) -> object:
    from inkwash.nets import Condition

    return Condition(cond, torch.ones(len(cond), dtype=torch.bool))


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_loss_is_the_truncated_snr_times_the_error_of_the_image(name: str) -> None:
    """A student that is off by a known v: its x̂₀ is off by σ·δ/det, and each edge weighs max(SNR, 1)."""
    schedule, steps, delta = SCHEDULES[name], 4, 0.1
    method = Progressive(schedule, V(), teacher(name), steps)
    x0 = torch.randn(8, 1, 3, 3)
    randomness = StepRandomness.of(3, x0.shape)
    edge = (randomness.strata * steps).long()
    plan = trailing(schedule, steps)
    off = torch.tensor([float(level.sigma / determinant(V(), level)) * delta for level in plan[:-1]])
    snr = torch.tensor([(float(level.alpha) / float(level.sigma)) ** 2 for level in plan[:-1]])

    class Student(nn.Module):
        def forward(self, x: Tensor, level: Level, cond: object = None, raw: bool = False) -> Tensor:
            wanted = method.target(x, edge, None)
            eps = (x - level.alpha * wanted) / level.sigma
            return core.target(V(), wanted, eps, level) + delta

    loss = method(Student(), x0, randomness)
    torch.testing.assert_close(loss, (snr.clamp(min=1) * off**2)[edge], rtol=1e-3, atol=1e-6)
    assert sorted(edge.tolist()) == [0, 0, 1, 1, 2, 2, 3, 3]  # strata: every edge as often


def test_the_noise_is_the_steps_own() -> None:
    method = Progressive(SCHEDULES["flow"], V(), teacher("flow"), 2)
    x0, seen = torch.randn(4, 1, 2, 2), []

    class Student(nn.Module):
        def forward(self, x: Tensor, level: Level, cond: object = None, raw: bool = False) -> Tensor:
            seen.append((x, level))
            return torch.zeros_like(x)

    randomness = StepRandomness.of(1, x0.shape)
    method(Student(), x0, randomness)
    x, level = seen[0]
    torch.testing.assert_close(x, diffuse(x0, randomness.eps, level))


@pytest.mark.parametrize(
    ("steps", "teacher_steps", "counts"),
    [(4, None, [16, 8, 4]), (1, None, [16, 8, 4, 2, 1]), (3, None, [24, 12, 6, 3]), (8, 16, [8]), (64, None, [64])],
)
def test_stages_halve(steps: int, teacher_steps: int | None, counts: list[int]) -> None:
    assert [stage.steps for stage in Progressive.stages(steps, teacher_steps)] == counts


@pytest.mark.parametrize(("steps", "teacher_steps"), [(4, 24), (4, 4), (4, 6), (4, 2), (3, 16), (1, 0), (2, 33)])
def test_other_numbers_are_refused(steps: int, teacher_steps: int) -> None:
    with pytest.raises(UsageError, match=rf"halved again and again is never {steps}; .* {2 * steps}, {4 * steps}"):
        Progressive.stages(steps, teacher_steps)


def test_what_it_cannot_take() -> None:
    for prediction in (core.Eps(), core.Score()):
        with pytest.raises(UsageError, match="leaves the image open at the noisiest level"):
            Progressive(core.linear(1000), prediction, teacher("linear"), 4)
    with pytest.raises(UsageError, match="∞ there"):
        Progressive(core.Cosine(), core.Eps(), teacher("cosine"), 4)
    with pytest.raises(UsageError):
        Progressive(core.linear(7), V(), teacher("linear"), 4)
    Progressive(core.linear(1000, 1e-4, 0.004), core.Eps(), teacher("linear"), 4)  # ends with α = 0.13: ε will do


def test_its_sampler_is_the_only_one() -> None:
    made = Distillation("progressive", 4, 4, "x", "0" * 64)
    Progressive.check_sampler(made, Sampling(**vars(Progressive.sampler(4, "clip"))))
    Progressive.check_sampler(made, Sampling(steps=4, eta=0.0))
    for other in (
        Sampling(steps=3),
        Sampling("heun", steps=4),
        Sampling(steps=4, eta=0.5),
        Sampling(steps=4, churn=1.0),
        Sampling(steps=4, spacing="karras"),
    ):
        with pytest.raises(UsageError, match="was distilled for 4 steps of ddim"):
            Progressive.check_sampler(made, other)
    assert CLEAN.sigma == 0
