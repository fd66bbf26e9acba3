"""The objective against expectations in closed form."""

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inkwash.core import (
    EDM,
    VE,
    X0,
    Cosine,
    Eps,
    Flow,
    FlowVelocity,
    Level,
    Score,
    V,
    cosine,
    determinant,
    linear,
    posterior,
)
from inkwash.denoise import Denoiser, Gaussian
from inkwash.errors import UsageError
from inkwash.nets import ConditionedNet, OneHot, UNet
from inkwash.training.objective import (
    SNR,
    VLB,
    LogitNormal,
    LogNormal,
    MinSNR,
    Objective,
    Plain,
    StepRandomness,
    Stratified,
    Uniform,
    shifted,
)

MEAN, STD = 0.2, 0.5
PREDICTIONS = [Eps(), X0(), V(), FlowVelocity(), EDM(STD), Score()]
each = pytest.mark.parametrize("prediction", PREDICTIONS, ids=lambda p: type(p).__name__)
SCHEDULES = {"linear": linear(1000), "cosine": cosine(1000), "Cosine": Cosine(), "Flow": Flow(), "VE": VE(0.02, 5.0)}
spread_over = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Oracle(nn.Module):
    """The best network there is for N(m, s²): F = a·x̂₀ + b·ε̂ of the posterior means."""

    def __init__(self, prediction) -> None:
        super().__init__()
        self.prediction, self.oracle = prediction, Gaussian(MEAN, STD)

    def forward(self, x: Tensor, level: Level, cond: Any = None, raw: bool = False) -> Tensor:
        assert raw
        a, b = self.prediction.row(level)
        x0 = self.oracle(x, level)
        return a * x0 + b * (x - level.alpha * x0) / level.sigma


class Silent(nn.Module):
    def forward(self, x: Tensor, level: Level, cond: Any = None, raw: bool = False) -> Tensor:
        return torch.zeros_like(x)


def floats(schedule, uniform: Tensor) -> list[tuple[float, float]]:
    level = schedule.at(schedule.draw(uniform))
    return list(zip(level.alpha.double().tolist(), level.sigma.double().tolist(), strict=True))


def row(prediction, alpha: float, sigma: float) -> tuple[float, float]:
    """(a, b) of the papers, once more."""
    match prediction:
        case Eps():
            return 0.0, 1.0
        case X0():
            return 1.0, 0.0
        case FlowVelocity():
            return -1.0, 1.0
        case V():
            length = math.hypot(alpha, sigma)
            return -sigma / length, alpha / length
        case Score():
            return 0.0, -1 / sigma
    length = STD * math.hypot(sigma, alpha * STD)
    return sigma / length, -alpha * STD**2 / length


@each
@spread_over
def test_a_perfect_networks_loss_is_what_cannot_be_known(prediction, schedule) -> None:
    """Of x₀ given x there remains the variance s²σ²/(α²s² + σ²), and F's error is (a − b·α/σ) times x₀'s.

    Image by image, over 40,000 pixels each, within 5 standard errors (there are 8 of 25 cases).
    """
    randomness = StepRandomness.of(1, (8, 1, 200, 200))
    x0 = MEAN + STD * randn(8, 1, 200, 200, seed=7)
    losses = Objective(schedule, prediction, Uniform(), Plain())(Oracle(prediction), x0, randomness)
    assert losses.shape == (8,)
    assert losses.dtype == torch.float32
    for loss, (alpha, sigma) in zip(losses.tolist(), floats(schedule, randomness.uniform), strict=True):
        a, b = row(prediction, alpha, sigma)
        unknown = (STD * sigma) ** 2 / ((STD * alpha) ** 2 + sigma**2)
        expected = (a - b * alpha / sigma) ** 2 * unknown
        assert abs(loss - expected) < 5 * math.sqrt(2 / 40_000) * expected


@each
@spread_over
@pytest.mark.parametrize("norm", ["mse", "l1"])
def test_a_silent_networks_loss_is_the_targets_size(prediction, schedule, norm) -> None:
    """F ~ N(a·m, a²s² + b²): its mean square, or the mean of its absolute value (the folded normal's)."""
    randomness = StepRandomness.of(2, (8, 1, 200, 200))
    x0 = MEAN + STD * randn(8, 1, 200, 200, seed=8)
    losses = Objective(schedule, prediction, Uniform(), Plain(), norm)(Silent(), x0, randomness)
    for loss, (alpha, sigma) in zip(losses.tolist(), floats(schedule, randomness.uniform), strict=True):
        a, b = row(prediction, alpha, sigma)
        m, s = a * MEAN, math.hypot(a * STD, b)
        if norm == "mse":
            expected, error = m**2 + s**2, math.sqrt(2 * s**4 + 4 * m**2 * s**2)
        else:
            folded = m * math.erf(m / s / math.sqrt(2))
            expected = s * math.sqrt(2 / math.pi) * math.exp(-((m / s) ** 2) / 2) + folded
            error = math.sqrt(m**2 + s**2 - expected**2)
        assert abs(loss - expected) < 5 * error / 200


@each
@spread_over
@pytest.mark.parametrize("gamma", [1.0, 5.0])
def test_min_snr_weighs_the_images_error_by_the_clipped_snr(prediction, schedule, gamma: float) -> None:
    """min(SNR, γ)·|x₀ − x̂₀|², whatever is predicted: the loss on F times one weight per image."""
    randomness, x0 = StepRandomness.of(3, (16, 1, 4, 4)), randn(16, 1, 4, 4)
    plain = Objective(schedule, prediction, Uniform(), Plain())(Silent(), x0, randomness)
    weighed = Objective(schedule, prediction, Uniform(), MinSNR(gamma))(Silent(), x0, randomness)
    for one, other, (alpha, sigma) in zip(plain, weighed, floats(schedule, randomness.uniform), strict=True):
        a, b = row(prediction, alpha, sigma)
        on_f = (sigma / (alpha * b - sigma * a)) ** 2  # |x₀ − x̂₀|² = (σ/det)²·|F − F'|²
        snr = (alpha / sigma) ** 2
        assert other.item() == pytest.approx(min(snr, gamma) * on_f * one.item(), rel=1e-4)


@pytest.mark.parametrize("schedule", [linear(1000), cosine(1000), Cosine()])
def test_min_snr_is_the_papers_for_eps_and_v(schedule) -> None:
    """min(SNR, γ)/SNR and min(SNR, γ)/(SNR + 1) (Hang et al. 2023, section 3.4) where variance is kept."""
    level = schedule.at(schedule.draw((torch.arange(100) + 0.5) / 100))
    level = Level(*(value.double() for value in level))
    snr = (level.alpha / level.sigma) ** 2
    clipped = snr.clamp(max=5.0)
    for prediction, expected in ((Eps(), clipped / snr), (V(), clipped / (snr + 1)), (X0(), clipped)):
        a, b = prediction.row(level)
        on_x0 = torch.as_tensor((level.alpha * b - level.sigma * a) / level.sigma) ** 2
        torch.testing.assert_close(MinSNR(5.0)(level, on_x0), expected, rtol=1e-5, atol=0)


@each
@pytest.mark.parametrize("schedule", [linear(10, 0.1, 1.0), Cosine(), Flow()])
def test_the_loss_is_a_number_at_pure_noise_too(prediction, schedule) -> None:
    """Where SNR = 0, and eps says nothing of x₀; its weight tends to 1 there."""
    last = torch.tensor([1.0, 1 - 2**-24])
    randomness = StepRandomness(last, last, torch.zeros(2), randn(2, 1, 4, 4), last)
    for weight in (Plain(), MinSNR()):
        losses = Objective(schedule, prediction, Uniform(), weight)(Silent(), randn(2, 1, 4, 4, seed=1), randomness)
        assert losses.isfinite().all()
    level = Level(1.0, torch.zeros(1), torch.ones(1))
    assert MinSNR()(level, torch.zeros(1)).item() == 1


def of_normal(normal: Tensor) -> StepRandomness:
    """A chance in which nothing else has a value."""
    nothing = torch.full_like(normal, math.nan)
    return StepRandomness(nothing, nothing, normal, nothing, nothing)


@pytest.mark.parametrize("schedule", [linear(1000), VE(), Flow()])
def test_log_normal_draws(schedule) -> None:
    """log(σ/α) ~ N(−1.2, 1.2²): the same quantiles to rounding, and moments within 4 standard errors."""
    normal = randn(20_000).clamp(-4, 4)
    level = LogNormal()(schedule, of_normal(normal))
    ratio = torch.log(level.sigma.double() / level.alpha.double())
    torch.testing.assert_close(ratio, -1.2 + 1.2 * normal.double(), rtol=1e-4, atol=1e-4)
    assert abs(ratio.mean() + 1.2) < 4 * 1.2 / math.sqrt(20_000)
    assert abs(ratio.std() - 1.2) < 4 * 1.2 / math.sqrt(40_000)
    moved = LogNormal(0.5, 0.2)(schedule, of_normal(normal))
    expected = 0.5 + 0.2 * normal.double()
    torch.testing.assert_close(torch.log(moved.sigma.double() / moved.alpha.double()), expected, rtol=1e-4, atol=1e-4)


def test_logit_normal_draws() -> None:
    """logit(u) ~ N(mean, std²) for the position in time: of the row where there are rows."""
    normal = randn(20_000)
    t = LogitNormal(0.4, 0.8)(Flow(), of_normal(normal)).t.double()
    logit = torch.log(t / (1 - t))
    torch.testing.assert_close(logit, 0.4 + 0.8 * normal.double(), rtol=1e-4, atol=1e-4)
    assert abs(logit.mean() - 0.4) < 4 * 0.8 / math.sqrt(20_000)
    assert abs(logit.std() - 0.8) < 4 * 0.8 / math.sqrt(40_000)
    rows = LogitNormal()(linear(1000), of_normal(normal)).t
    assert rows.dtype == torch.int64
    assert (rows - torch.sigmoid(normal) * 1000).abs().max() <= 1


@spread_over
def test_stratified_draws_one_time_in_each_part(schedule) -> None:
    """Of 100 equal parts of time, for a batch of 100, whatever the seed."""
    for seed in range(5):
        t = Stratified()(schedule, StepRandomness.of(seed, (100, 1, 1, 1))).t
        position = ((t + 0.5) / 1000 if schedule.num_timesteps else t).double().sort().values
        apart = position * 100 - torch.arange(100)
        assert apart.min() > -0.1  # half a row, and the least noisy level there is
        assert apart.max() < 1.1


@spread_over
def test_uniform_draws_every_time_alike_and_each_by_itself(schedule) -> None:
    """Mean and variance of a uniform position within 4 standard errors, and no order in a batch."""
    n = 50_000
    t = Uniform()(schedule, StepRandomness.of(0, (n, 1, 1, 1))).t
    position = ((t + 0.5) / 1000 if schedule.num_timesteps else t).double()
    assert abs(position.mean() - 1 / 2) < 4 / math.sqrt(12 * n) + 1e-6
    assert abs(position.var() - 1 / 12) < 4 / math.sqrt(180 * n) + 1e-6
    one, other = position[1:] - 0.5, position[:-1] - 0.5
    assert abs((one * other).mean()) < 4 / 12 / math.sqrt(n)
    occupied = (position * n).long().unique().numel() / n if schedule.num_timesteps is None else 1 - math.exp(-1)
    assert occupied == pytest.approx(1 - math.exp(-1), abs=0.01)  # strata would occupy all


@pytest.mark.parametrize("shift", [0.2, 1.0, 3.0, 1e6])
def test_shifts_move_the_logit_of_time(shift: float) -> None:
    u = torch.linspace(0.001, 0.999, 99, dtype=torch.float64)
    inside = torch.logit(u) + math.log(shift) < 16  # beyond, a position is held below 1
    expected = torch.logit(u) + math.log(shift)
    torch.testing.assert_close(torch.logit(shifted(u, shift))[inside], expected[inside], rtol=1e-9, atol=1e-6)
    assert shifted(torch.tensor(0.0), shift) == 0
    assert shifted(torch.tensor(1 - 2**-24), shift) < 1  # not pure noise
    randomness = StepRandomness.of(0, (500, 1, 1, 1))
    for draw, of in ((Uniform(shift), randomness.uniform), (Stratified(shift), randomness.strata)):
        assert torch.equal(draw(Flow(), randomness).t, Flow().draw(shifted(of, shift)))


def test_no_shift_changes_no_bit() -> None:
    randomness = StepRandomness.of(0, (500, 1, 1, 1))
    assert torch.equal(shifted(randomness.uniform, 1.0), randomness.uniform)


def test_draws_are_tensors_of_one_level_each() -> None:
    for schedule in SCHEDULES.values():
        for draw in (Uniform(), Stratified(), LogNormal(), LogitNormal()):
            assert all(value.shape == (7,) for value in draw(schedule, StepRandomness.of(0, (7, 1, 2, 2))))


@pytest.mark.parametrize("B", [1, 2, 7, 128, 1000])
@pytest.mark.parametrize("seed", [0, 1, 2**62])
def test_chance_is_stratified_and_below_one(B: int, seed: int) -> None:
    randomness = StepRandomness.of(seed, (B, 1, 2, 2))
    for values in (randomness.uniform, randomness.strata, randomness.drop):
        assert (values.dtype, values.shape) == (torch.float32, (B,))
        assert values.min() >= 0
        assert values.max() < 1
    # one in each part; their place within it is common to all
    shift = randomness.strata.double().sort().values * B - torch.arange(B)
    assert shift.min() > -1e-3
    assert shift.max() < 1 + 1e-3
    assert shift.max() - shift.min() < 1e-3


def test_the_largest_shift_still_draws_below_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """(127 + (1 − 2⁻²⁴))/128 is 1 in float32, where continuous schedules have no signal left."""
    monkeypatch.setattr(torch, "rand", lambda *shape, **options: torch.tensor(1 - 2**-24))
    assert StepRandomness.of(0, (128, 1, 2, 2)).strata.max() < 1


def test_chance_is_a_function_of_the_seed() -> None:
    one, same, other = (StepRandomness.of(seed, (6, 1, 3, 3)) for seed in (5, 5, 6))
    for name in ("uniform", "strata", "normal", "eps", "drop"):
        assert torch.equal(getattr(one, name), getattr(same, name))
        assert not torch.equal(getattr(one, name), getattr(other, name))
    torch.manual_seed(0)
    before = torch.get_rng_state()
    StepRandomness.of(0, (6, 1, 3, 3))
    assert torch.equal(torch.get_rng_state(), before)


def test_chance_is_unit_normal_and_unordered() -> None:
    randomness = StepRandomness.of(0, (1000, 1, 10, 10))
    for values in (randomness.normal, randomness.eps.flatten()):
        assert abs(values.mean()) < 4 / math.sqrt(values.numel())
        assert abs(values.std() - 1) < 4 / math.sqrt(2 * values.numel())
    parts = [
        torch.arange(1000.0),
        randomness.uniform,
        randomness.strata,
        randomness.normal,
        randomness.eps[:, 0, 0, 0],
        randomness.drop,
    ]
    assert (torch.corrcoef(torch.stack(parts)) - torch.eye(6)).abs().max() < 4 / math.sqrt(1000)


@pytest.mark.parametrize("cuts", [[], [5], [1, 2, 3], [3, 10], list(range(1, 12))])
def test_any_split_of_a_batch_has_the_losses_of_the_whole(cuts: list[int]) -> None:
    """So that many processes, and batches cut up to save memory, train as one does."""
    torch.manual_seed(0)
    denoiser = Denoiser(UNet(channels=8, mults=(1, 2), blocks=1), V())
    nn.init.normal_(denoiser.net.last.weight, std=0.1)
    objective = Objective(linear(1000), V(), Uniform(), MinSNR())
    randomness, x0 = StepRandomness.of(1, (12, 1, 8, 8)), randn(12, 1, 8, 8)
    ends = [0, *cuts, 12]
    parts = [slice(a, b) for a, b in pairwise(ends)]
    with torch.no_grad():
        whole = objective(denoiser, x0, randomness)
        apart = torch.cat([objective(denoiser, x0[part], randomness.part(part)) for part in parts])
    torch.testing.assert_close(apart, whole, rtol=1e-4, atol=1e-6)


@each
def test_a_denoisers_own_network_is_compared_with_the_target(prediction) -> None:
    """By hand, from the network's input and output: |net(x/spread, t) − (a·x₀ + b·ε)|² at one level."""
    seen: dict[str, Tensor] = {}

    class Net(nn.Module):
        def forward(self, x: Tensor, t: Tensor, cond: Any) -> Tensor:
            seen.update(x=x, t=t, cond=cond)
            return 0.3 * x

    cond = torch.ones(2, 4)
    schedule, x0, randomness = linear(1000), randn(2, 1, 3, 3), StepRandomness.of(9, (2, 1, 3, 3))
    losses = Objective(schedule, prediction, Uniform(), Plain())(Denoiser(Net(), prediction, STD), x0, randomness, cond)
    assert seen["cond"].value is cond
    assert seen["cond"].present.tolist() == [True, True]
    assert seen["t"].dtype == torch.int64
    for i, (alpha, sigma) in enumerate(floats(schedule, randomness.uniform)):
        a, b = row(prediction, alpha, sigma)
        x = (alpha * x0[i] + sigma * randomness.eps[i]) / math.hypot(alpha * STD, sigma)
        torch.testing.assert_close(seen["x"][i], x, rtol=1e-5, atol=1e-6)
        error = 0.3 * x - (a * x0[i] + b * randomness.eps[i])
        assert losses[i].item() == pytest.approx(error.square().mean().item(), rel=1e-4)


def test_the_loss_reaches_every_weight() -> None:
    torch.manual_seed(0)
    denoiser = Denoiser(UNet(channels=8, mults=(1, 2), blocks=1), Eps())
    for parameter in denoiser.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    Objective(cosine(100), Eps(), Uniform(), MinSNR(), "l1")(
        denoiser, randn(4, 1, 8, 8), StepRandomness.of(0, (4, 1, 8, 8))
    ).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in denoiser.parameters())


@each
@spread_over
def test_snr_weighs_the_images_error_by_the_snr(prediction, schedule) -> None:
    """SNR·|x₀ − x̂₀|², whatever is predicted: MinSNR without its limit."""
    randomness, x0 = StepRandomness.of(3, (16, 1, 4, 4)), randn(16, 1, 4, 4)
    plain = Objective(schedule, prediction, Uniform(), Plain())(Silent(), x0, randomness)
    weighed = Objective(schedule, prediction, Uniform(), SNR())(Silent(), x0, randomness)
    for one, other, (alpha, sigma) in zip(plain, weighed, floats(schedule, randomness.uniform), strict=True):
        a, b = row(prediction, alpha, sigma)
        on_f = (sigma / (alpha * b - sigma * a)) ** 2
        assert other.item() == pytest.approx((alpha / sigma) ** 2 * on_f * one.item(), rel=1e-4)


@spread_over
def test_snr_weighs_eps_by_exactly_one_and_x0_by_exactly_snr(schedule) -> None:
    level = schedule.at(schedule.draw((torch.arange(100) + 0.5) / 100))
    for prediction, expected in ((Eps(), torch.ones(100)), (X0(), (level.alpha / level.sigma) ** 2)):
        a, b = prediction.row(level)
        on_x0 = ((level.alpha * b - level.sigma * a) / level.sigma) ** 2
        assert torch.equal(SNR()(level, on_x0), expected)


def test_snr_is_one_for_eps_at_pure_noise() -> None:
    assert SNR()(Level(1.0, torch.zeros(1), torch.ones(1)), torch.zeros(1)).item() == 1


# ---- conditions that are withheld


class Told(nn.Module):
    """Remembers what it was told."""

    asked: Any = "nothing yet"

    def forward(self, x: Tensor, level: Level, cond: Any = None, raw: bool = False) -> Tensor:
        self.asked = cond
        return torch.zeros_like(x)


def told(drop: float, randomness: StepRandomness, cond: Tensor | None) -> Any:
    denoiser = Told()
    Objective(Cosine(), V(), Uniform(), Plain(), drop=drop)(
        denoiser, torch.zeros_like(randomness.eps), randomness, cond
    )
    return denoiser.asked


def test_a_share_of_the_conditions_is_withheld() -> None:
    """Each by itself, with probability `drop`, within 4 standard errors; the values are left as they are."""
    n, cond = 20_000, torch.arange(20_000)
    randomness = StepRandomness.of(0, (n, 1, 1, 1))
    before = torch.zeros(n, dtype=torch.bool)
    for share in (0.1, 0.25, 0.9):
        asked = told(share, randomness, cond)
        assert asked.value is cond
        withheld = ~asked.present
        assert abs(withheld.double().mean() - share) < 4 * math.sqrt(share * (1 - share) / n)
        both = (withheld[1:] & withheld[:-1]).double().mean()
        assert abs(both - share**2) < 6 * math.sqrt(share**2 / n)  # no runs of them
        assert not (before & ~withheld).any()  # who withholds more withholds these too
        before = withheld


def test_none_and_all_are_exact() -> None:
    randomness = StepRandomness.of(0, (1000, 1, 1, 1))
    randomness.drop[0], randomness.drop[1] = 0.0, 1 - 2**-24
    assert told(0.0, randomness, torch.zeros(1000)).present.all()
    assert not told(1.0, randomness, torch.zeros(1000)).present.any()
    assert told(0.5, randomness, None) is None


def test_a_withheld_condition_is_none() -> None:
    """The loss of an image whose condition is withheld is that of one never told, and of no other."""
    torch.manual_seed(0)
    net = ConditionedNet(UNet(channels=8, mults=(1, 2), blocks=1, vector=3), OneHot(3))
    for parameter in net.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.2)
    denoiser, randomness, x0 = Denoiser(net, V()), StepRandomness.of(1, (12, 1, 8, 8)), randn(12, 1, 8, 8)
    cond = torch.arange(12) % 3
    objective = Objective(Cosine(), V(), Uniform(), Plain(), drop=0.5)
    with torch.no_grad():
        mixed, never = objective(denoiser, x0, randomness, cond), objective(denoiser, x0, randomness)
        always = Objective(Cosine(), V(), Uniform(), Plain())(denoiser, x0, randomness, cond)
    withheld = randomness.drop < 0.5
    assert withheld.any()
    assert not withheld.all()
    torch.testing.assert_close(mixed, torch.where(withheld, never, always), rtol=1e-5, atol=1e-6)
    assert ((always - never).abs() > 1e-3).all()
    ends = [slice(0, 5), slice(5, 12)]
    with torch.no_grad():
        apart = torch.cat([objective(denoiser, x0[part], randomness.part(part), cond[part]) for part in ends])
    torch.testing.assert_close(apart, mixed, rtol=1e-4, atol=1e-6)


def test_what_is_withheld_changed_nothing_drawn_before() -> None:
    """Levels and noise of a seed are those from before there were conditions, so that old runs go on as they would."""
    generator = torch.Generator().manual_seed(11)
    shift, order = torch.rand((), generator=generator), torch.randperm(6, generator=generator)
    normal, eps = torch.randn(6, generator=generator), torch.randn(6, 1, 3, 3, generator=generator)
    uniform = torch.rand(6, generator=generator)
    randomness = StepRandomness.of(11, (6, 1, 3, 3))
    for got, expected in zip(
        (randomness.strata, randomness.normal, randomness.eps, randomness.uniform),
        ((order + shift) / 6, normal, eps, uniform),
        strict=True,
    ):
        assert torch.equal(got, expected)


@pytest.mark.parametrize("weight", [SNR(), MinSNR()])
@pytest.mark.parametrize("prediction", [Eps(), X0(), V()])
def test_an_l1_loss_weighs_the_error_of_x0_by_the_root(prediction: Any, weight: Any) -> None:
    """√w·|error of x̂₀| for every prediction, where the squared error has w."""
    schedule, x0, randomness = linear(1000), randn(5, 1, 3, 3), StepRandomness.of(3, (5, 1, 3, 3))
    level = Level(*(value.view(-1, 1, 1, 1) for value in schedule.at(schedule.draw(randomness.uniform))))
    snr = (level.alpha / level.sigma) ** 2
    wanted = snr if isinstance(weight, SNR) else snr.clamp(max=5)
    denoiser = Denoiser(Third(), prediction)
    got = Objective(schedule, prediction, Uniform(), weight, "l1")(denoiser, x0, randomness)
    with torch.no_grad():
        miss = denoiser(level.alpha * x0 + level.sigma * randomness.eps, level) - x0
    torch.testing.assert_close(got, (wanted.sqrt() * miss.abs()).flatten(1).mean(1), rtol=1e-3, atol=1e-5)


class Third(nn.Module):
    def forward(self, x: Tensor, t: Tensor, cond: Any) -> Tensor:
        return x / 3


@pytest.mark.parametrize("prediction", [Eps(), X0(), V()])
@pytest.mark.parametrize("schedule", [linear(1000), linear(30), cosine(50)])
def test_vlb_is_the_cost_of_a_step_of_the_ancestral_sampler(prediction: Any, schedule: Any) -> None:
    """KL of two Gaussians of variance β with the means of the posterior at x₀ and at x̂₀ (Ho et al. 2020, eq. 8)."""
    weight, x0, randomness = VLB(schedule), randn(6, 1, 2, 2), StepRandomness.of(4, (6, 1, 2, 2))
    rows = schedule.draw(randomness.uniform).clamp(min=1)
    level = Level(*(value.view(-1, 1, 1, 1) for value in schedule.at(rows)))
    denoiser = Denoiser(Third(), prediction)
    objective = Objective(schedule, prediction, lambda of, randomness: of.at(rows), weight)
    with torch.no_grad():
        got = objective(denoiser, x0, randomness)
        miss = denoiser(level.alpha * x0 + level.sigma * randomness.eps, level) - x0
    for i, t in enumerate(rows.tolist()):
        _, x0_coef, _ = posterior(schedule.at(t), schedule.at(t - 1))
        kl = (x0_coef * miss[i].double()).square().mean() / (2 * schedule.betas[t])
        assert got[i].item() == pytest.approx(kl.item(), rel=2e-3)


def test_vlb_needs_betas() -> None:
    with pytest.raises(UsageError, match="a continuous one has none"):
        VLB(Cosine())
    with pytest.raises(UsageError, match="infinite where β is 1"):
        VLB(linear(10, 0.1, 1.0))


@spread_over
def test_the_snr_weight_on_the_score_is_song_and_ermons(schedule):
    """σ², which makes the loss that of ε (Song & Ermon 2019, section 4.2)."""
    level = schedule.at(schedule.draw(torch.linspace(0.05, 0.95, 7)))
    on_x0 = (determinant(Score(), level) / level.sigma) ** 2
    torch.testing.assert_close(SNR()(level, on_x0), level.sigma**2, rtol=1e-4, atol=0)
