"""Guidance against its definition, the papers' formulas, finite differences and closed forms, in float64."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from inkwash.core import EDM, VE, X0, Cosine, Eps, Flow, FlowVelocity, Level, V, linear, target, x0_from
from inkwash.denoise import Denoiser, Gaussian, Mixture, classifier_guidance, guide
from inkwash.errors import UsageError
from inkwash.nets import CondEmbedding, Condition, ConditionedNet, OneHot

LEVELS = {
    "nearly clean": linear(1000).at(0),
    "middle": linear(1000).at(300),
    "nearly noise": linear(1000).at(999),
    "cosine": Cosine().at(0.7),
    "flow": Flow().at(0.4),
    "low ve": VE().at(0.0),
    "high ve": VE().at(1.0),
}
levels = pytest.mark.parametrize("level", LEVELS.values(), ids=LEVELS)
SCALES = [-1.0, 0.5, 1.5, 3.0, 7.5]
scales = pytest.mark.parametrize("scale", SCALES)
PURE = Cosine().at(1.0)
MIDDLE = LEVELS["middle"]


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# ---- three classes, each a Gaussian, whose every density is known

MEANS = randn(3, 1, 3, 2, seed=1)
STDS = torch.tensor([0.5, 0.3, 0.9], dtype=torch.float64)
SHARES = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)
ANY = Mixture(MEANS, STDS, SHARES)


def of(c: int) -> Gaussian:
    return Gaussian(MEANS[c], STDS[c])


def noisy(level: Level, n: int = 6) -> Tensor:
    """Images between the classes at a level, where no class is certain."""
    return level.alpha * MEANS.mean(0) + math.hypot(0.6 * level.alpha, level.sigma) * randn(n, 1, 3, 2, seed=2)


def log_p(x: Tensor, level: Level, c: int) -> Tensor:
    """log p(x|c) at a level."""
    std = torch.sqrt((level.alpha * STDS[c]) ** 2 + level.sigma**2)
    return Normal(level.alpha * MEANS[c], std).log_prob(x).flatten(1).sum(1)


def log_any(x: Tensor, level: Level) -> Tensor:
    """log p(x) at a level."""
    std = torch.sqrt((level.alpha * STDS) ** 2 + level.sigma**2).view(3, 1, 1, 1).expand_as(MEANS)
    parts = Independent(Normal(level.alpha * MEANS, std), 3)
    return MixtureSameFamily(Categorical(SHARES), parts).log_prob(x)


def slope(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(function(x).sum(), x)
    return gradient


@levels
@scales
@pytest.mark.parametrize("c", range(3))
def test_guidance_is_the_score_of_a_sharpened_posterior(level: Level, scale: float, c: int) -> None:
    """∇log[p(x)·p(c|x)^s], by autograd of the densities: what guidance is, at every level."""

    def sharpened(x: Tensor) -> Tensor:
        free = log_any(x, level)
        given_x = math.log(SHARES[c]) + log_p(x, level, c) - free
        return free + scale * given_x

    x = noisy(level)
    x0 = guide(of(c), ANY, scale)(x, level)
    score = (level.alpha * x0 - x) / level.sigma**2
    expected = slope(sharpened, x)
    torch.testing.assert_close(score, expected, rtol=1e-9, atol=1e-10 * (1 + expected.abs().max().item()))


@levels
@scales
@pytest.mark.parametrize("prediction", [Eps(), X0(), V(), FlowVelocity(), EDM(0.5)], ids=lambda p: type(p).__name__)
def test_whatever_is_blended_gives_the_same_image(prediction: Any, level: Level, scale: float) -> None:
    """ε, v, the flow's velocity and EDM's F are linear in x̂₀, and the weights add up to 1."""
    x = noisy(level)

    def output(x0: Tensor) -> Tensor:
        return target(prediction, x0, (x - level.alpha * x0) / level.sigma, level)

    told, free = output(of(1)(x, level)), output(ANY(x, level))
    expected = x0_from(prediction, free + scale * (told - free), x, level)
    got = guide(of(1), ANY, scale)(x, level)
    rounding = 1e-12 * max(1, level.sigma / level.alpha) * max(1, abs(scale))
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=rounding)


@levels
@scales
def test_and_so_does_the_score(level: Level, scale: float) -> None:
    x = noisy(level)
    told, free = slope(lambda x: log_p(x, level, 2), x), slope(lambda x: log_any(x, level), x)
    expected = (x + level.sigma**2 * (free + scale * (told - free))) / level.alpha
    got = guide(of(2), ANY, scale)(x, level)
    rounding = 1e-12 * max(1, level.sigma / level.alpha) * max(1, abs(scale))
    torch.testing.assert_close(got, expected, rtol=1e-11, atol=rounding)


@levels
@pytest.mark.parametrize("w", [0.0, 0.5, 2.0, 6.5])
def test_the_courses_w_is_the_scale_less_one(level: Level, w: float) -> None:
    """CS231n's and Ho & Salimans' (1 + w)·ε(x|c) − w·ε(x)."""
    x = noisy(level)
    told, free = ((x - level.alpha * of_(x, level)) / level.sigma for of_ in (of(0), ANY))
    expected = (x - level.sigma * ((1 + w) * told - w * free)) / level.alpha
    got = guide(of(0), ANY, 1 + w)(x, level)
    rounding = 1e-12 * max(1, level.sigma / level.alpha) * (1 + w)
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=rounding)


# ---- what it costs, and where it acts


class Counted:
    """A denoiser that counts the calls of it."""

    def __init__(self, denoise: Callable[[Tensor, Level], Tensor]) -> None:
        self.denoise, self.calls = denoise, 0

    def __call__(self, x: Tensor, level: Level) -> Tensor:
        self.calls += 1
        return self.denoise(x, level)


@levels
@pytest.mark.parametrize("rescale", [0.0, 0.7])
def test_scale_1_is_the_guided_model_and_0_the_other_to_the_last_bit(level: Level, rescale: float) -> None:
    """And at the cost of one."""
    x = noisy(level)
    for scale, calls in ((1.0, (1, 0)), (0.0, (0, 1)), (-0.0, (0, 1)), (1, (1, 0)), (2.0, (1, 1))):
        told, free = Counted(of(0)), Counted(ANY)
        got = guide(told, free, scale, rescale=rescale)(x, level)
        assert (told.calls, free.calls) == calls
        if scale != 2:
            assert torch.equal(got, of(0)(x, level) if scale == 1 else ANY(x, level))


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_outside_its_interval_the_guided_model_stands_alone(scale: float) -> None:
    """Guided where low < σ/α ≤ high, at whatever size of both; elsewhere the model under its condition."""
    low, high = 0.5, 2.0
    for ratio, acts in ((0.1, False), (0.5, False), (0.5001, True), (1.0, True), (2.0, True), (2.0001, False)):
        for size in (0.25, 1.0, 4.0):
            level, told, free = Level(0.0, size, ratio * size), Counted(of(0)), Counted(ANY)
            x = noisy(level)
            got = guide(told, free, scale, (low, high))(x, level)
            assert free.calls == acts
            expected = guide(of(0), ANY, scale)(x, level) if acts else of(0)(x, level)
            assert torch.equal(got, expected)
            assert acts or told.calls == 1


def test_scale_0_is_the_other_model_at_every_level_whatever_the_interval() -> None:
    a, b = of(1), of(2)
    for t in (0.05, 0.5, 0.9, 1.0):
        level = Cosine().at(t)
        x = noisy(level)
        assert torch.equal(guide(a, b, 0.0, (0.6, 1.2))(x, level), b(x, level))


def test_intervals_that_adjoin_guide_every_level_once() -> None:
    for ratio in (0.01, 0.5, 0.7, 2.0, 90.0):
        level, frees = Level(0.0, 1.0, ratio), [Counted(ANY) for _ in range(3)]
        ends = (0.0, 0.5, 2.0, math.inf)
        for free, low, high in zip(frees, ends, ends[1:], strict=False):
            guide(of(0), free, 3.0, (low, high))(noisy(level), level)
        assert sum(free.calls for free in frees) == 1


@pytest.mark.parametrize(("interval", "acts"), [((0.0, math.inf), True), ((5.0, math.inf), True), ((0.0, 1e9), False)])
def test_pure_noise_lies_in_the_intervals_without_an_end(interval: tuple[float, float], acts: bool) -> None:
    assert PURE.alpha == 0
    x, free = noisy(PURE), Counted(ANY)
    got = guide(of(0), free, 3.0, interval)(x, PURE)
    assert free.calls == acts
    told = of(0)(x, PURE)
    assert torch.equal(got, ANY(x, PURE) + 3.0 * (told - ANY(x, PURE)) if acts else told)


@levels
@pytest.mark.parametrize("scale", [0.5, 3.0, 7.5])
def test_rescale_brings_back_each_images_contrast(level: Level, scale: float) -> None:
    """1 gives the standard deviation of the guided model's own x̂₀, 0 changes nothing, and others lie between."""
    x = noisy(level)
    told, plain = of(1)(x, level), guide(of(1), ANY, scale)(x, level)
    over = (1, 2, 3)
    whole = guide(of(1), ANY, scale, rescale=1.0)(x, level)
    torch.testing.assert_close(whole.std(over), told.std(over), rtol=1e-12, atol=0)
    assert torch.equal(guide(of(1), ANY, scale, rescale=0.0)(x, level), plain)
    for rescale in (0.3, 0.7):  # Lin et al. 2024, eq. 16
        expected = rescale * whole + (1 - rescale) * plain
        torch.testing.assert_close(guide(of(1), ANY, scale, rescale=rescale)(x, level), expected)
    alone = guide(of(1), ANY, scale, rescale=0.7)(x[2:3], level)
    torch.testing.assert_close(alone, guide(of(1), ANY, scale, rescale=0.7)(x, level)[2:3])


@pytest.mark.parametrize(
    "how",
    [
        {"scale": math.nan},
        {"scale": math.inf},
        {"interval": (1.0, 1.0)},
        {"interval": (2.0, 1.0)},
        {"interval": (-0.1, 1.0)},
        {"interval": (math.nan, 1.0)},
        {"interval": (0.0, math.nan)},
        {"rescale": -0.1},
        {"rescale": 1.1},
        {"rescale": math.nan},
    ],
    ids=str,
)
def test_nonsense_is_refused(how: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"guidance takes a finite scale, .* \(got scale .*\)\."):
        guide(of(0), ANY, **({"scale": 2.0} | how))


# ---- one network, asked for two things


class Net(nn.Module):
    """Reads x, t and the class, in float64, and notes how many images it was shown at a time."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first, self.last = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 1, 3, padding=1)
        self.told = nn.Linear(3, 8)
        self.seen: list[int] = []
        self.heard: list[Any] = []
        self.double()

    def forward(self, x: Tensor, t: Tensor, cond: CondEmbedding) -> Tensor:
        self.seen.append(len(x))
        self.heard.append(cond)
        told = self.told(cond.vector.double()) + t.double()[:, None] / 1000
        return self.last(torch.tanh(self.first(x) + told[:, :, None, None]))


def model(seed: int = 0) -> Denoiser:
    return Denoiser(ConditionedNet(Net(seed), OneHot(3)), V())


LABELS = torch.tensor([0, 1, 2, 1, 0, 2])


@levels
@scales
def test_one_model_asked_for_two_things_is_asked_once(level: Level, scale: float) -> None:
    """One batch of 2B gives what two of B give."""
    denoiser, x = model(), noisy(level)
    apart = guide(lambda *at: denoiser(*at, LABELS), lambda *at: denoiser(*at), scale)
    with torch.no_grad():
        expected = apart(x, level)
        assert denoiser.net.net.seen == [6, 6]
        denoiser.net.net.seen.clear()
        got = guide(denoiser.given(LABELS), denoiser.given(None), scale)(x, level)
    assert denoiser.net.net.seen == [12]
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12 * max(1, level.sigma / level.alpha))


@pytest.mark.parametrize(("scale", "seen"), [(1.0, [6]), (0.0, [6]), (2.0, [12])])
def test_and_costs_no_more_than_it_must(scale: float, seen: list[int]) -> None:
    denoiser, x = model(), noisy(MIDDLE)
    with torch.no_grad():
        guide(denoiser.given(LABELS), denoiser.given(None), scale)(x, MIDDLE)
    assert denoiser.net.net.seen == seen


def test_any_two_things_can_be_compared() -> None:
    """Away from another class; and where an image asks for nothing, guidance does nothing to it."""
    denoiser, x, scale = model(), noisy(MIDDLE), 3.0
    others, some = (LABELS + 1) % 3, torch.tensor([True, False, True, True, False, True])
    with torch.no_grad():
        told, away, free = denoiser(x, MIDDLE, LABELS), denoiser(x, MIDDLE, others), denoiser(x, MIDDLE)
        got = guide(denoiser.given(LABELS), denoiser.given(others), scale)(x, MIDDLE)
        torch.testing.assert_close(got, away + scale * (told - away), rtol=1e-12, atol=1e-12)
        got = guide(denoiser.given(Condition(LABELS, some)), denoiser.given(None), scale)(x, MIDDLE)
    expected = torch.where(some.view(-1, 1, 1, 1), free + scale * (told - free), free)
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


def test_a_weaker_model_is_asked_for_the_same() -> None:
    """Autoguidance: each of the two once, under one condition."""
    strong, weak, x = model(0), model(1), noisy(MIDDLE)
    with torch.no_grad():
        expected = weak(x, MIDDLE, LABELS) + 2.5 * (strong(x, MIDDLE, LABELS) - weak(x, MIDDLE, LABELS))
        for each in (strong, weak):
            each.net.net.seen.clear()
            each.net.net.heard.clear()
        got = guide(strong.given(LABELS), weak.given(LABELS), 2.5)(x, MIDDLE)
    torch.testing.assert_close(got, expected, rtol=1e-13, atol=1e-13)
    assert strong.net.net.seen == weak.net.net.seen == [6]
    assert torch.equal(strong.net.net.heard[0].vector, weak.net.net.heard[0].vector)
    assert strong.net.net.heard[0].vector.argmax(1).tolist() == LABELS.tolist()


@scales
def test_a_model_guided_away_from_itself_is_itself(scale: float) -> None:
    denoiser, x = model(), noisy(MIDDLE)
    with torch.no_grad():
        got = guide(denoiser.given(LABELS), denoiser.given(LABELS), scale)(x, MIDDLE)
        torch.testing.assert_close(got, denoiser(x, MIDDLE, LABELS), rtol=1e-12, atol=1e-12)


def test_a_network_that_takes_conditions_as_it_likes_is_called_twice() -> None:
    """One that is not Conditioned: how two of its conditions make one batch is not known."""

    class Mine(nn.Module):
        def forward(self, x: Tensor, t: Tensor, cond: Any) -> Tensor:
            heard.append((len(x), cond))
            return 0.5 * x if cond == "fox" else 0.25 * x

    heard: list[Any] = []
    denoiser, x = Denoiser(Mine(), X0()), noisy(MIDDLE)
    got = guide(denoiser.given("fox"), denoiser.given(None), 3.0)(x, MIDDLE)
    assert heard == [(6, "fox"), (6, None)]
    spread = math.hypot(MIDDLE.alpha, MIDDLE.sigma)
    torch.testing.assert_close(got, x / spread, rtol=1e-12, atol=1e-12)


# ---- by a classifier


@levels
@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_a_classifiers_slope_by_finite_differences(level: Level, scale: float) -> None:
    """x̂₀ + s·(σ²/α)·∂log p(y|x̂₀(x))/∂x, pixel by pixel, through the denoiser."""

    def judge(x0: Tensor) -> Tensor:
        return torch.log_softmax((x0[:, None] * MEANS).flatten(2).sum(2), 1)[:, 1] - 0.1 * x0.square().flatten(1).sum(1)

    x, step = noisy(level, 2), 1e-5 * math.hypot(level.alpha, level.sigma)
    expected = ANY(x, level)
    for place in range(6):
        moved = torch.zeros(6, dtype=torch.float64)
        moved[place] = step
        moved = moved.view(1, 1, 3, 2)
        rise = (judge(ANY(x + moved, level)) - judge(ANY(x - moved, level))) / (2 * step)
        expected.view(2, 6)[:, place] += scale * level.sigma**2 / level.alpha * rise
    got = classifier_guidance(ANY, judge, scale)(x, level)
    size = (got - ANY(x, level)).abs().max().item()
    assert size > 0
    torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-6 * size)


@levels
def test_where_all_is_gaussian_a_measurement_is_used_exactly(level: Level) -> None:
    """With y = x₀ + τ·noise and p(y|x) = N(x̂₀, v + τ²), the guided x̂₀ is E[x₀ | x, y] of the three Gaussians."""
    m, s, tau, a, sigma = 0.2, 0.7, 0.4, level.alpha, level.sigma
    x, y = noisy(level), randn(6, 1, 3, 2, seed=5)
    v = 1 / (1 / s**2 + (a / sigma) ** 2)  # of x₀ given x

    def measured(x0: Tensor) -> Tensor:
        return Normal(x0, math.sqrt(v + tau**2)).log_prob(y).flatten(1).sum(1)

    precision = 1 / s**2 + (a / sigma) ** 2 + 1 / tau**2
    expected = (m / s**2 + a * x / sigma**2 + y / tau**2) / precision
    got = classifier_guidance(Gaussian(m, s), measured, 1.0)(x, level)
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-10)


def test_gradients_need_not_be_on_and_are_not_left() -> None:
    """Samplers run without; and neither x nor what is returned has a history."""
    denoiser = model()
    for parameter in denoiser.parameters():
        parameter.requires_grad_(False)
    guided = classifier_guidance(denoiser.given(None), lambda x0: -x0.square().flatten(1).sum(1), 2.0)
    x = noisy(MIDDLE)
    with torch.no_grad():
        inside = guided(x, MIDDLE)
        assert not torch.is_grad_enabled()
    outside = guided(x, MIDDLE)
    assert torch.equal(inside, outside)
    assert not inside.requires_grad
    assert not outside.requires_grad
    assert not x.requires_grad
    assert x.grad is None


def test_each_image_follows_its_own_slope() -> None:
    x = noisy(MIDDLE)
    guided = classifier_guidance(ANY, lambda x0: torch.sin(3 * x0).flatten(1).sum(1), 2.0)
    for i in range(6):
        torch.testing.assert_close(guided(x[i : i + 1], MIDDLE)[0], guided(x, MIDDLE)[i], rtol=1e-12, atol=1e-12)


def test_pure_noise_and_scale_0_are_left_as_they_are() -> None:
    def never(x0: Tensor) -> Tensor:
        raise AssertionError

    for scale, level in ((0.0, MIDDLE), (3.0, PURE)):
        x = noisy(level)
        assert torch.equal(classifier_guidance(ANY, never, scale)(x, level), ANY(x, level))
