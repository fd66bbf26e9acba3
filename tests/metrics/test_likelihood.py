"""Bits per dimension against closed forms: Kullback-Leibler divergences, Gaussians, mixtures, and the 256 bins."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, kl_divergence

from inkwash.core import (
    CLEAN,
    VE,
    X0,
    Cosine,
    Discrete,
    Eps,
    Flow,
    Level,
    Schedule,
    Seeded,
    V,
    churn,
    cosine,
    karras,
    leading,
    linear,
    posterior,
    trailing,
)
from inkwash.data import to_float
from inkwash.denoise import Denoiser, Gaussian, Mixture
from inkwash.errors import UsageError
from inkwash.metrics.likelihood import bound, bound_plan, flow
from inkwash.testing import convergence_order

SCHEDULES = {"linear": linear(1000), "flow": Flow(), "ve": VE()}
schedules = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
ENDS_IN_NOISE = torch.cat([torch.linspace(1e-4, 0.02, 999), torch.ones(1)]).double()  # betas
NOISY = Level(0, 1.0, 0.3)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pictures(*shape: int, seed: int = 0) -> Tensor:
    grey = torch.randint(256, shape, generator=torch.Generator().manual_seed(seed))
    return to_float(grey.to(torch.uint8)).double()


def bins(grey: Tensor) -> tuple[Tensor, Tensor]:
    """The bins' edges, of which the outer two are open."""
    low, high = (grey - 0.5) / 127.5 - 1, (grey + 0.5) / 127.5 - 1
    return low.where(grey > 0, -torch.inf), high.where(grey < 255, torch.inf)


def mixture() -> Mixture:
    return Mixture(0.5 * randn(3, 1, 3, 2, seed=1), torch.tensor([0.3, 0.1, 0.6]).double(), torch.ones(3).double())


class Tape:
    """Noise that remembers itself."""

    def __init__(self) -> None:
        self.drawn: list[Tensor] = []

    def __call__(self, x: Tensor) -> Tensor:
        self.drawn.append(randn(*x.shape, seed=len(self.drawn)).to(x))
        return self.drawn[-1]


class Convolution(nn.Module):
    """A network that mixes pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 1, 3, padding=1)
        nn.init.normal_(self.layer.weight, std=0.3, generator=torch.Generator().manual_seed(0))

    def forward(self, x: Tensor, t: Tensor, cond: None) -> Tensor:
        return torch.tanh(self.layer(x)) + 1e-3 * t.view(-1, 1, 1, 1)


# --- the bound


@pytest.mark.parametrize(
    "plan",
    [
        trailing(linear(1000), 7),
        leading(linear(1000), 1000)[990:],
        karras(Flow(), 5),
        trailing(Cosine(), 6),  # begins at α = 0
        karras(VE(), 9),
        [NOISY, CLEAN],
    ],
    ids=["linear", "the least noisy rows", "flow", "pure noise", "ve", "one level"],
)
def test_every_part_is_its_divergence(plan: list[Level]) -> None:
    """KL(q(x_s|x_t,x₀) ‖ q(x_s|x_t,x̂₀)) from the kernel the samplers walk with and torch's own formula."""
    x0, tape, oracle = pictures(4, 1, 3, 2), Tape(), mixture()
    got = bound(oracle, x0, plan, tape)
    levels = plan[:-1]
    assert got.evaluations == len(tape.drawn) == len(levels)
    clean = [oracle(at.alpha * x0 + at.sigma * eps, at) for at, eps in zip(levels, tape.drawn, strict=True)]
    diffusion = torch.zeros_like(x0)
    for (t, s), guess in zip(pairwise(levels), clean[:-1], strict=True):
        step = posterior(t, s)
        x = t.alpha * x0  # any x_t will do: it moves both means alike
        q, p = (Normal(step.x_coef * x + step.x0_coef * each, step.std) for each in (x0, guess))
        diffusion += kl_divergence(q, p)
    first, end = levels[0], levels[-1]
    spread = math.hypot(first.alpha, first.sigma)
    prior = kl_divergence(Normal(first.alpha * x0, first.sigma), Normal(torch.zeros_like(x0), spread))
    decoder = Normal(clean[-1], end.sigma / end.alpha)
    low, high = bins(((x0 + 1) * 127.5).round())
    inside = decoder.cdf(high) - decoder.cdf(low)
    for part, nats in ((got.prior, prior), (got.diffusion, diffusion)):
        torch.testing.assert_close(part, nats.flatten(1).mean(1) / math.log(2), rtol=1e-7, atol=1e-12)
    bits = -torch.log2(inside).flatten(1).mean(1)
    near = torch.isfinite(bits)  # cdfs leave nothing of the far tails; these have their own test
    torch.testing.assert_close(got.reconstruction[near], bits[near], rtol=1e-5, atol=1e-9)
    assert torch.equal(got.total, got.prior + got.diffusion + got.reconstruction)


def corners(mean: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
    """x₀ and ε with the first two moments of a Gaussian pixel and its noise, exactly: four pixels for each."""
    x0 = torch.cat([mean + std, mean + std, mean - std, mean - std], dim=3)
    eps = torch.tensor([1.0, -1.0, 1.0, -1.0], dtype=torch.float64).repeat_interleave(mean.shape[3])
    return x0, eps.expand_as(x0)


@schedules
def test_edges_of_a_gaussian_have_their_closed_form(schedule: Schedule) -> None:
    """½·(SNR_s − SNR_t)·std²σ²/(α²std² + σ²), the mean over x₀ and ε of what is quadratic in both."""
    mean, std = (torch.tensor([values]).double().view(1, 1, 1, 3) / 127.5 for values in ((0.5, -40.5, 3.5), (4, 60, 9)))
    x0, eps = corners(mean, std)
    plan = karras(schedule, 30)
    nats = 0.0
    for t, s in pairwise(plan[:-1]):
        variance = std**2 * t.sigma**2 / (t.alpha**2 * std**2 + t.sigma**2)
        nats += ((s.alpha / s.sigma) ** 2 - (t.alpha / t.sigma) ** 2) / 2 * variance.mean().item()
    got = bound(Gaussian(mean.repeat(1, 1, 1, 4), std.repeat(1, 1, 1, 4)), x0, plan, lambda x: eps)
    assert got.diffusion.item() == pytest.approx(nats / math.log(2), rel=1e-9)


@pytest.mark.parametrize("std", [1e-3, 0.01, 0.3, 1.0, 50.0])
@pytest.mark.parametrize("mean", [-1.3, -1.0, 0.1234, 0.9999, 4.0])
def test_the_bins_share_out_one(mean: float, std: float) -> None:
    x0 = to_float(torch.arange(256, dtype=torch.uint8)).view(256, 1, 1, 1)
    bits = bound(lambda x, level: torch.full_like(x, mean), x0, [Level(0, 1.0, std), CLEAN], Tape()).reconstruction
    assert torch.isfinite(bits).all()
    assert torch.exp2(-bits).sum().item() == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("std", [1e-3, 0.02, 0.7, 50.0])
@pytest.mark.parametrize("mean", [-3.0, 0.003, 0.8])
def test_bins_far_in_the_tails_keep_their_digits(mean: float, std: float) -> None:
    """Against log ∫ N(x) dx over the bin, the density's largest value taken out first."""
    grey = torch.arange(1, 255)
    x0 = to_float(grey.to(torch.uint8)).view(-1, 1, 1, 1)
    got = bound(lambda x, level: torch.full_like(x, mean), x0, [Level(0, 1.0, std), CLEAN], Tape()).reconstruction
    nodes = torch.linspace(-0.5, 0.5, 5_001, dtype=torch.float64)
    z = ((grey.double()[:, None] + nodes) / 127.5 - 1 - torch.tensor(mean, dtype=torch.float32).double()) / std
    logs = -z.square() / 2
    top = logs.amax(1, keepdim=True)
    nats = top[:, 0] + torch.trapezoid(torch.exp(logs - top), nodes, dim=1).log()
    expected = -(nats - math.log(127.5 * std * math.sqrt(2 * math.pi))) / math.log(2)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-9)


def test_the_bound_is_above_the_entropy_and_comes_down_to_it() -> None:
    """8-bit Gaussian pixels, whose probabilities are known; by images, so that what all bits share drops out."""
    mean, std, data = 0.1, 0.25, Normal(torch.tensor(0.1).double(), 0.25)
    grey = ((mean + std * randn(24, 1, 24, 24, seed=3) + 1) * 127.5).round().clamp(0, 255)
    x0 = to_float(grey.to(torch.uint8))
    low, high = bins(grey)
    true = -torch.log2(data.cdf(high) - data.cdf(low)).flatten(1).mean(1)
    gaps = []
    for steps in (10, 40, 160):
        gap = bound(Gaussian(mean, std), x0, karras(linear(1000), steps), Seeded(steps, range(24))).total - true
        gaps.append(gap.mean().item())
        assert gaps[-1] > 4 * gap.std().item() / math.sqrt(24)
    assert gaps[0] > 3 * gaps[1] > 9 * gaps[2]
    assert gaps[2] < 0.5


@pytest.mark.parametrize(
    "schedule", [Cosine(), Flow(), VE(), linear(1000), linear(20), cosine(1000), Discrete(ENDS_IN_NOISE)],
    ids=["Cosine", "flow", "ve", "linear", "linear 20", "cosine", "to pure noise"],
)  # fmt: skip
def test_the_plan_of_the_bound_costs_hardly_more_than_infinitely_many_steps(schedule: Schedule) -> None:
    """White Gaussian data, whose cost is known edge by edge and in the limit, in bits per dimension."""
    plan = bound_plan(schedule)[:-1]
    snr = [math.exp(level.logsnr) for level in plan]
    std = 0.5
    cost = sum((s - t) / 2 * std**2 / (1 + t * std**2) for t, s in pairwise(snr)) / math.log(2)
    limit = math.log2((1 + snr[-1] * std**2) / (1 + snr[0] * std**2)) / 2
    assert limit < cost < limit + 0.04
    end = max(math.exp(-schedule.at(schedule.time(schedule.first)).logsnr / 2), 0.005)
    assert snr[-1] == pytest.approx(end**-2, rel=1e-9)


def test_the_bound_on_its_plan_is_within_a_tenth_of_a_bit_of_the_flow() -> None:
    """Gaussian images, of which both are nearly exact; 100 edges stand for all, as in `inkwash evaluate`."""
    x0 = to_float(((0.3 * randn(64, 1, 8, 8, seed=4) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)).double()
    for schedule in (Cosine(), linear(1000)):
        found = bound(Gaussian(0.0, 0.3), x0, bound_plan(schedule), Seeded(0, range(64)), 100)
        density = flow(Gaussian(0.0, 0.3), x0, schedule, 25, Seeded(1, range(64)))
        assert abs((found.total - density.bits).mean().item()) < 0.1


def test_a_wrong_model_costs_more() -> None:
    x0 = to_float(((0.25 * randn(16, 1, 16, 16, seed=3) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8))
    plan = karras(linear(1000), 40)
    true, *others = (
        bound(Gaussian(mean, std), x0, plan, Seeded(0, range(16))).total.mean()
        for mean, std in ((0.0, 0.25), (0.2, 0.25), (0.0, 0.1), (0.0, 0.6))
    )
    assert true < min(others)


def test_few_edges_stand_for_all() -> None:
    """Without bias, over the seeds that choose them: here the images have no noise that matters."""
    x0, plan = pictures(1, 1, 2, 2), karras(linear(1000), 40)

    def wrong(x: Tensor, level: Level) -> Tensor:
        return torch.full_like(x, math.tanh(level.logsnr))  # costs unlike what the strata assume

    whole = bound(wrong, x0, plan, Tape()).diffusion.item()
    some = [bound(wrong, x0, plan, torch.zeros_like, edges=4, seed=seed) for seed in range(300)]
    found = torch.cat([each.diffusion for each in some])
    assert {each.evaluations for each in some} == {5}
    assert 0 < abs(found.mean().item() - whole) < 4 * found.std().item() / math.sqrt(300)
    many = torch.cat([bound(wrong, x0, plan, torch.zeros_like, edges=30, seed=seed).diffusion for seed in range(100)])
    assert many.std() < found.std() / 5  # independent edges would give √7.5
    for edges in (39, 100):
        assert bound(wrong, x0, plan, Tape(), edges=edges).diffusion.item() == whole


@schedules
def test_few_edges_are_exact_for_white_data(schedule: Schedule) -> None:
    """Where edges cost what the strata assume, every choice of them gives the whole sum."""
    x0, eps = corners(torch.zeros(1, 1, 1, 1).double(), torch.ones(1, 1, 1, 1).double())
    plan, oracle = karras(schedule, 50), Gaussian(0.0, 1.0)
    whole = bound(oracle, x0, plan, lambda x: eps).diffusion.item()
    for seed in range(5):
        some = bound(oracle, x0, plan, lambda x: eps, edges=3, seed=seed).diffusion.item()
        assert some == pytest.approx(whole, rel=1e-9)


def test_few_edges_agree_within_the_noise() -> None:
    x0, plan, oracle = pictures(64, 1, 3, 2), trailing(linear(1000), 200), mixture()
    whole = bound(oracle, x0, plan, Seeded(1, range(64))).diffusion
    some = [bound(oracle, x0, plan, Seeded(2 + i, range(64)), edges=20, seed=i).diffusion.mean() for i in range(20)]
    found = torch.stack(some)
    assert abs(found.mean() - whole.mean()) < 4 * found.std() / math.sqrt(20)


def test_the_bound_begins_where_a_network_can() -> None:
    plan, x0 = trailing(Cosine(), 4), pictures(2, 1, 4, 4).float()
    with pytest.raises(UsageError, match="pure noise"):
        bound(Denoiser(Convolution(), Eps()), x0, plan, Seeded(0, range(2)))
    assert torch.isfinite(bound(Denoiser(Convolution(), V()), x0, plan, Seeded(0, range(2))).total).all()


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (churn(karras(linear(1000), 5), linear(1000), 2.0), "churn"),
        (karras(linear(1000), 5)[:-1], "end clean"),
        ([CLEAN], "end clean"),
        (trailing(Cosine(), 1), "more steps"),
    ],
)
def test_plans_without_a_bound_are_refused(plan: list[Level], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        bound(Gaussian(0.0, 1.0), pictures(1, 1, 2, 2), plan, Tape())


def test_only_8_bits_have_bits() -> None:
    for x0 in (0.3 + pictures(1, 1, 2, 2) / 500, 1 + pictures(1, 1, 2, 2)):
        with pytest.raises(UsageError, match="8-bit"):
            bound(Gaussian(0.0, 1.0), x0, [NOISY, CLEAN], Tape())
        with pytest.raises(UsageError, match="8-bit"):
            flow(Gaussian(0.0, 1.0), x0, linear(100), 2, Tape())
    with pytest.raises(UsageError, match="at least 1 edge"):
        bound(Gaussian(0.0, 1.0), pictures(1, 1, 2, 2), karras(linear(100), 4), Tape(), edges=0)


# --- the flow


def ends(schedule: Schedule) -> tuple[float, float]:
    """σ/α at both, as in the plan that begins and ends there."""
    high, low = (level.sigma / level.alpha for level in karras(schedule, 2)[:2])
    return low, high


def bits(logs: Tensor) -> Tensor:
    return -logs.flatten(1).mean(1) / math.log(2)


def affine(mean: Tensor, std: Tensor, schedule: Schedule, y: Tensor) -> Tensor:
    """What the exact flow of a Gaussian gives: it is stretched by √((std² + high²)/(std² + low²)) about its mean."""
    low, high = ends(schedule)
    stretch = torch.sqrt((std**2 + high**2) / (std**2 + low**2))
    return bits(Normal(0.0, math.hypot(1, high)).log_prob(mean + stretch * (y - mean)) + stretch.log())


@schedules
def test_the_flow_is_of_fourth_order(schedule: Schedule) -> None:
    mean, std, x0 = 0.3 * randn(1, 1, 2, 3), 0.2 + randn(1, 1, 2, 3, seed=1).abs(), randn(4, 1, 2, 3, seed=2)
    exact = affine(mean, std, schedule, x0)
    errors = []
    for steps in (20, 40, 80):
        got = flow(Gaussian(mean, std), x0, schedule, steps, Tape(), dequantise=False)
        assert got.evaluations == 4 * steps
        errors.append((got.bits - exact).abs().max().item())
    assert convergence_order((20, 40, 80), errors) == pytest.approx(4, abs=0.25)
    assert errors[2] < 3e-4


@schedules
def test_the_density_of_a_gaussian(schedule: Schedule) -> None:
    """N(mean, std² + (σ/α)²) at the first level: exactly for spread 1, else but for the start as pure noise."""
    low, _ = ends(schedule)
    x0 = randn(4, 1, 2, 3, seed=2)
    for mean, std, within in ((0.0, 1.0, 1e-5), (0.4, 0.3, 0.03)):
        got = flow(Gaussian(mean, std), mean + std * x0, schedule, 100, Tape(), dequantise=False).bits
        expected = bits(Normal(mean, math.hypot(std, low)).log_prob(mean + std * x0))
        torch.testing.assert_close(got, expected, rtol=0, atol=within)


def test_the_density_of_a_mixture() -> None:
    """Two pixels that depend on each other: the two probes (1, 1) and (1, −1) together have the exact trace."""
    schedule, n = VE(0.05, 1e4), 8
    means = torch.tensor([[0.9, 0.9], [-0.9, -0.9], [0.5, -0.5]]).double().view(3, 1, 1, 2)
    stds, weights = torch.tensor([0.3, 0.5, 0.4]).double(), torch.tensor([2.0, 2.0, 1.0]).double()
    probes = iter([torch.tensor([1.0, 1.0]), torch.tensor([1.0, -1.0])])
    x0 = means[:2].repeat(n // 2, 1, 1, 1) + 0.4 * randn(n, 1, 1, 2)
    oracle = Mixture(means, stds, weights)
    got = flow(
        oracle, x0, schedule, 150, lambda x: next(probes).to(x).expand_as(x), probes=2, dequantise=False, most=1e4
    )
    parts = Independent(
        Normal(means, torch.sqrt(stds**2 + ends(schedule)[0] ** 2).view(3, 1, 1, 1).expand_as(means)), 3
    )
    expected = -MixtureSameFamily(Categorical(weights), parts).log_prob(x0) / (2 * math.log(2))
    torch.testing.assert_close(got.bits, expected, rtol=0, atol=1e-3)


def test_probes_agree_on_the_mean_and_not_one_by_one() -> None:
    """For a Gaussian every probe is exact; for a network only their mean is."""
    x0, schedule = 0.5 * randn(1, 1, 3, 3), linear(1000)
    diagonal = [flow(Gaussian(0.1, 0.4), x0, schedule, 10, Seeded(s, [0]), dequantise=False).bits for s in range(3)]
    torch.testing.assert_close(diagonal[0], diagonal[1], rtol=1e-12, atol=0)
    torch.testing.assert_close(diagonal[0], diagonal[2], rtol=1e-12, atol=0)
    mixes = Denoiser(Convolution().double().requires_grad_(False), X0())
    one = flow(mixes, x0.expand(64, -1, -1, -1), schedule, 6, Seeded(0, range(64)), dequantise=False).bits
    many = flow(mixes, x0, schedule, 6, Seeded(1, [0]), probes=200, dequantise=False).bits.item()
    assert one.std() > 1e-3
    assert abs(one.mean().item() - many) < 4 * one.std().item() * math.sqrt(1 / 64 + 1 / 200)


def test_the_places_in_a_bin_share_out_its_probability() -> None:
    """The mean of 2^−bits over places is ∫ p over the bin: one pixel, drawn 4,000 times; also of the outer bins."""
    n, schedule = 4000, VE(0.001, 80.0)
    for grey in (0, 130):
        x0 = to_float(torch.full((n, 1, 1, 1), grey, dtype=torch.uint8)).double()
        share = torch.exp2(-flow(Gaussian(0.0, 1.0), x0, schedule, 80, Seeded(0, range(n))).bits)
        density = Normal(0.0, math.hypot(1, ends(schedule)[0]))
        low, high = (torch.tensor((grey + half) / 127.5 - 1).double() for half in (-0.5, 0.5))
        exact = (density.cdf(high) - density.cdf(low)).item()
        assert abs(share.mean().item() - exact) < 4 * share.std().item() / math.sqrt(n) + 1e-4 * exact
    # half-way up the bin is the pixel itself
    middle = flow(Gaussian(0.0, 1.0), x0[:1], schedule, 9, torch.zeros_like).bits
    plain = flow(Gaussian(0.0, 1.0), x0[:1], schedule, 9, torch.zeros_like, dequantise=False).bits
    torch.testing.assert_close(middle, plain + math.log2(127.5))


def test_what_is_known_by_heart_still_costs_its_noise() -> None:
    """The docstring's number: log₂(127.5·√(2π)·σ/α) where the data is one image."""
    x0 = pictures(1, 1, 2, 2)
    got = flow(Gaussian(x0, 0.0), x0, linear(1000), 60, torch.zeros_like).bits.item()
    assert got == pytest.approx(math.log2(127.5 * math.sqrt(2 * math.pi) * 0.01), abs=1e-3)


@pytest.mark.parametrize("schedule", [cosine(1000), Cosine(), Flow()], ids=["cosine", "Cosine", "Flow"])
def test_no_schedule_is_too_noisy_for_an_eps_network(schedule: Schedule) -> None:
    """Where α ends at 0 or nearly, the flow stops below: and float32 networks without gradients do."""
    net = Denoiser(Convolution(), Eps()).requires_grad_(False)
    with torch.no_grad():
        got = flow(net, pictures(3, 1, 4, 4).float(), schedule, 5, Seeded(0, range(3)))
    assert got.bits.dtype == torch.float64
    assert torch.isfinite(got.bits).all()
    assert not got.bits.requires_grad


def test_float32_is_enough() -> None:
    x0, schedule = pictures(4, 1, 3, 2), linear(1000)
    parts = mixture()
    single = Mixture(parts.means.float(), parts.stds.float(), torch.ones(3))
    for measure in (
        lambda d, x: flow(d, x, schedule, 30, Seeded(0, range(4))).bits,
        lambda d, x: bound(d, x, karras(schedule, 30), Seeded(0, range(4))).total,
    ):
        torch.testing.assert_close(measure(single, x0.float()), measure(parts, x0), rtol=2e-4, atol=2e-4)


def test_an_image_does_not_depend_on_the_others() -> None:
    x0, schedule, net = pictures(6, 1, 4, 4).float(), linear(1000), Denoiser(Convolution(), V()).requires_grad_(False)

    def measured(which: list[int]) -> Tensor:
        walked = bound(net, x0[which], karras(schedule, 12), Seeded(7, which), edges=5).total
        return torch.stack([walked, flow(net, x0[which], schedule, 4, Seeded(7, which), probes=2).bits])

    whole = measured([0, 1, 2, 3, 4, 5])
    for which in ([3], [5, 1]):
        torch.testing.assert_close(measured(which), whole[:, which], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("steps", "probes"), [(0, 1), (5, 0)])
def test_no_flow_without_steps_and_probes(steps: int, probes: int) -> None:
    with pytest.raises(UsageError, match="at least 1 step and 1 probe"):
        flow(Gaussian(0.0, 1.0), pictures(1, 1, 2, 2), linear(100), steps, Tape(), probes)


@pytest.mark.parametrize("schedule", [Discrete(torch.ones(1)), linear(1), VE(90.0, 100.0)])
def test_no_flow_where_there_is_no_way(schedule: Schedule) -> None:
    with pytest.raises(UsageError, match=r"least noise|is pure noise"):
        flow(Gaussian(0.0, 1.0), pictures(1, 1, 2, 2), schedule, 5, Tape())
