import copy

import pytest
import torch
from torch import nn

from inkwash.training.ema import Ema


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 2))


def stepped(net: nn.Module, step: int) -> None:
    """Weights that move as if they were trained, and buffers that count."""
    generator = torch.Generator().manual_seed(step)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += torch.randn(parameter.shape, generator=generator)
    net.train()(torch.randn(5, 3, generator=generator))


@pytest.mark.parametrize("decay", [0.0, 0.1, 0.5, 0.9, 0.999, 1.0])
def test_the_average_is_its_recurrence(decay: float) -> None:
    """ē ← d·ē + (1 − d)·w with d = min(decay, (1 + n)/(10 + n)), in float64 beside it, to 1e-6."""
    net = model()
    ema = Ema(net, decay)
    expected = [parameter.detach().double() for parameter in net.parameters()]
    for n in range(1, 101):
        stepped(net, n)
        ema.update(net, n)
        d = min(decay, (1 + n) / (10 + n))
        expected = [d * e + (1 - d) * w.detach().double() for e, w in zip(expected, net.parameters(), strict=True)]
        for got, wanted in zip(ema.model.parameters(), expected, strict=True):
            # relative to the weights that were summed up, a walk of n steps
            assert (got.double() - wanted).abs().max() < 1e-6 * max(1, n**0.5)


def test_the_warm_up_forgets_the_first_weights_soon() -> None:
    """After n steps of constant weights the first ones count for Π(1 + i)/(10 + i), whatever the decay."""
    net = nn.Linear(1, 1, bias=False)
    nn.init.ones_(net.weight)
    ema = Ema(net, 0.9999)
    nn.init.zeros_(net.weight)
    left = 1.0
    for n in range(1, 21):
        ema.update(net, n)
        left *= (1 + n) / (10 + n)
        assert ema.model.weight.item() == pytest.approx(left, rel=1e-5)
    assert left < 1e-4


def test_no_decay_copies() -> None:
    net = model()
    ema = Ema(net, 0.0)
    stepped(net, 1)
    ema.update(net, 1)
    for got, wanted in zip(ema.model.parameters(), net.parameters(), strict=True):
        assert torch.equal(got, wanted)


def test_buffers_are_copied() -> None:
    net = model()
    ema = Ema(net, 0.999)
    stepped(net, 1)
    assert ema.model[1].num_batches_tracked == 0
    ema.update(net, 1)
    assert ema.model[1].num_batches_tracked == 1
    assert torch.equal(ema.model[1].running_mean, net[1].running_mean)


def test_the_average_is_a_model_of_its_own() -> None:
    """In evaluation mode, without gradients, and untouched by training until it is updated."""
    net = model()
    ema = Ema(net)
    before = copy.deepcopy(ema.model.state_dict())
    stepped(net, 1)
    assert all(torch.equal(value, before[name]) for name, value in ema.model.state_dict().items())
    assert not any(module.training for module in ema.model.modules())
    assert not any(parameter.requires_grad for parameter in ema.model.parameters())
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert net.training


@pytest.mark.parametrize(("start", "every"), [(0, 1), (1, 1), (7, 1), (7, 3), (0, 10), (25, 4)])
def test_a_start_copies_first_and_every_skips_steps(start: int, every: int) -> None:
    """The recurrence of abarankab's trainer: at every `every`-th step, a copy before `start` and decay from then on."""
    net = model()
    ema = Ema(net, 0.9, start, every)
    expected = [parameter.detach().double() for parameter in net.parameters()]
    for n in range(1, 41):
        stepped(net, n)
        ema.update(net, n)
        if n % every == 0:
            d = 0.0 if n < start else 0.9
            expected = [d * e + (1 - d) * w.detach().double() for e, w in zip(expected, net.parameters(), strict=True)]
        for got, wanted in zip(ema.model.parameters(), expected, strict=True):
            assert (got.double() - wanted).abs().max() < 1e-5
