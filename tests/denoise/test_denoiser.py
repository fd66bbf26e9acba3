"""A denoiser wraps any network(x, t, cond) and gives it a meaning."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inkwash.core import CLEAN, EDM, VE, X0, Cosine, Eps, Flow, FlowVelocity, Level, V, karras, linear
from inkwash.denoise import Denoiser, Gaussian
from inkwash.errors import UsageError
from inkwash.nets import UNet

PREDICTIONS = [Eps(), X0(), V(), FlowVelocity(), EDM(0.5)]
each = pytest.mark.parametrize("prediction", PREDICTIONS, ids=lambda p: type(p).__name__)
LEVELS = [linear(1000).at(500), Flow().at(0.3), VE().at(0.2), VE().at(0.9), Cosine().at(0.8)]


def randn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def batched(levels: Level) -> Level:
    return Level(*(value.view(-1, 1, 1, 1) for value in levels))


class Recorder(nn.Module):
    """Remembers what it was asked, and answers with a fixed function of it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((1, 1, 3, 3), 0.1))

    def forward(self, x: Tensor, t: Tensor, cond: Any) -> Tensor:
        self.x, self.t, self.cond = x, t, cond
        self.answer = nn.functional.conv2d(x.float(), self.weight, padding=1)
        return self.answer


def awake() -> UNet:
    """A small U-Net whose zeroed layers have weights, as after training."""
    torch.manual_seed(0)
    net = UNet(channels=8, mults=(1, 2), blocks=1).eval()
    for parameter in net.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    return net


@each
@pytest.mark.parametrize("level", LEVELS)
def test_a_denoiser_is_its_networks_output_solved_for_the_image(prediction, level: Level) -> None:
    """F = a·x₀ + b·ε with ε = (x − α·x₀)/σ, and the network saw x in units of its spread."""
    net, x = Recorder(), randn(3, 1, 4, 4, dtype=torch.float64)
    x0 = Denoiser(net, prediction)(x, level)
    torch.testing.assert_close(net.x, x / math.hypot(level.alpha, level.sigma), rtol=1e-12, atol=1e-12)
    a, b = prediction.row(level)
    output = a * x0 + b * (x - level.alpha * x0) / level.sigma
    torch.testing.assert_close(output, net.answer.double(), rtol=1e-8, atol=1e-8)


def test_a_perfect_network_makes_an_oracle() -> None:
    """One that predicts the noise, knows its data, and undoes the scaling that it is given."""
    level, oracle = linear(1000).at(400), Gaussian(0.2, 0.5)

    class Perfect(nn.Module):
        def forward(self, x: Tensor, t: Tensor, cond: Any) -> Tensor:
            x = x * math.hypot(level.alpha, level.sigma)
            return (x - level.alpha * oracle(x, level)) / level.sigma

    x = randn(4, 1, 3, 3, dtype=torch.float64)
    torch.testing.assert_close(Denoiser(Perfect(), Eps())(x, level), oracle(x, level), rtol=1e-12, atol=1e-12)


@each
@pytest.mark.parametrize("level", LEVELS)
def test_denoisers_read_the_ratio_of_data_to_noise_alone(prediction, level: Level) -> None:
    """D(c·x; c·α, c·σ) = D(x; α, σ) with a real network, to the bit where c is a power of 2."""
    denoiser, x = Denoiser(awake(), prediction, sigma_data=0.7), randn(2, 1, 6, 6)
    with torch.no_grad():
        expected = denoiser(x, level)
        for factor in (0.25, 8.0, 0.3, 7.7):
            got = denoiser(factor * x, Level(level.t, factor * level.alpha, factor * level.sigma))
            if factor in (0.25, 8.0):
                assert torch.equal(got, expected)
            # x̂₀ is a difference of terms as large as σ/α
            torch.testing.assert_close(got, expected, rtol=0, atol=2e-5 * max(1, level.sigma / level.alpha))


@each
def test_levels_of_tensors_give_what_levels_of_floats_give(prediction) -> None:
    """Training gives a level for each image, sampling one for all."""
    denoiser, x, schedule, rows = Denoiser(awake(), prediction), randn(3, 1, 6, 6), linear(1000), [20, 400, 900]
    with torch.no_grad():
        together = denoiser(x, batched(schedule.at(torch.tensor(rows))))
        alone = torch.cat([denoiser(x[i : i + 1], schedule.at(row)) for i, row in enumerate(rows)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("level", "dtype"),
    [
        (linear(1000).at(7), torch.int64),
        (karras(linear(1000), 5)[1], torch.float32),
        (Flow().at(0.25), torch.float32),
        (batched(linear(1000).at(torch.tensor([1, 2, 3]))), torch.int64),
        (batched(Cosine().at(torch.tensor([0.1, 0.2, 0.3]))), torch.float32),
    ],
)
def test_the_network_is_told_t_of_each_image(level: Level, dtype: torch.dtype) -> None:
    """int64 for a row, float32 between rows and in continuous time."""
    net = Recorder()
    Denoiser(net, V())(randn(3, 1, 4, 4), level)
    assert (net.t.shape, net.t.dtype) == ((3,), dtype)
    expected = level.t.flatten() if isinstance(level.t, Tensor) else torch.full((3,), float(level.t))
    torch.testing.assert_close(net.t.float(), expected.float(), rtol=1e-6, atol=0)


@pytest.mark.parametrize("sigma_data", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("level", LEVELS)
def test_the_network_sees_unit_spread(sigma_data: float, level: Level) -> None:
    """On data of spread σd its input has variance 1 at every level, within 4 standard errors."""
    net, n = Recorder(), 100_000
    x = level.alpha * sigma_data * randn(1, 1, 1, n) + level.sigma * randn(1, 1, 1, n, seed=1)
    Denoiser(net, V(), sigma_data)(x, level)
    assert abs(net.x.square().mean().item() - 1) < 4 * math.sqrt(2 / n)


def test_raw_is_the_networks_own_output() -> None:
    net, x, level = Recorder(), randn(2, 1, 4, 4), linear(1000).at(3)
    denoiser = Denoiser(net, V())
    assert torch.equal(denoiser(x, level, raw=True), net.answer)
    assert torch.equal(denoiser.output(x, level), net.answer)


@each
def test_autocast_ends_at_the_network(prediction) -> None:
    """bfloat16 inside, float32 out, and the arithmetic that follows is float32's."""
    x, level = randn(2, 1, 8, 8), linear(1000).at(300)
    full, half = Denoiser(awake(), prediction), Denoiser(awake(), prediction, precision=torch.bfloat16)
    inside = []
    half.net.first.register_forward_hook(lambda module, given, output: inside.append(output.dtype))
    with torch.no_grad():
        output, x0, exact = half(x, level, raw=True), half(x, level), full(x, level)
    assert set(inside) == {torch.bfloat16}
    assert output.dtype == x0.dtype == torch.float32
    assert not torch.is_autocast_enabled("cpu")
    a, b = prediction.row(level)
    again = a * x0 + b * (x - level.alpha * x0) / level.sigma
    torch.testing.assert_close(again, output, rtol=1e-4, atol=1e-5)
    assert (x0 - exact).abs().max() < 0.1 * exact.abs().max()


def test_any_users_module_works() -> None:
    """A linear layer, taught nothing of diffusion."""

    class Mine(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(5, 5)

        def forward(self, x: Tensor, t: Tensor, cond: Any) -> Tensor:
            return self.layer(x) + t.view(-1, 1, 1, 1).to(x) / 1000

    denoiser = Denoiser(Mine(), X0())
    assert denoiser(randn(2, 3, 4, 5), linear(1000).at(999)).shape == (2, 3, 4, 5)
    denoiser(randn(2, 3, 4, 5), Flow().at(0.5)).sum().backward()
    assert all(parameter.grad is not None for parameter in denoiser.parameters())
    assert set(denoiser.state_dict()) == {"net.layer.weight", "net.layer.bias"}


def test_given_binds_a_condition() -> None:
    net, x, level = Recorder(), randn(2, 1, 4, 4), linear(1000).at(3)
    denoiser, cond = Denoiser(net, V()), object()
    assert torch.equal(denoiser.given(cond)(x, level), denoiser(x, level, cond))
    assert net.cond is cond
    denoiser.given(None)(x, level)
    assert net.cond is None


def test_a_clean_image_is_refused() -> None:
    with pytest.raises(ValueError, match="σ = 0"):
        Denoiser(Recorder(), X0())(randn(1, 1, 4, 4), CLEAN)


def test_eps_at_pure_noise_is_refused_and_says_what_to_do() -> None:
    with pytest.raises(UsageError, match=r"Eps says nothing .* \(α = 0\).* another prediction \(v, x0\)"):
        Denoiser(Recorder(), Eps())(randn(1, 1, 4, 4), Cosine().at(1.0))


@pytest.mark.parametrize("prediction", [X0(), V(), FlowVelocity(), EDM()], ids=lambda p: type(p).__name__)
def test_the_others_answer_at_pure_noise(prediction) -> None:
    assert Denoiser(Recorder(), prediction)(randn(1, 1, 4, 4), Cosine().at(1.0)).isfinite().all()
