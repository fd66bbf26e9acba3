"""The course's network against its notebook's numbers, and against its description, written out in functions."""

import math
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from inkwash.errors import UsageError
from inkwash.nets.condition import CondEmbedding
from inkwash.nets.cs231n import Cs231nUNet

SIZES = [(8, 5, (1, 2), 3), (4, 4, (2, 4), 3), (6, 7, (3,), 1), (48, 512, (1, 2, 4, 8), 3)]
sizes = pytest.mark.parametrize(("dim", "told", "mults", "channels"), SIZES)


def counted(dim: int, told: int, mults: tuple[int, ...], channels: int) -> int:
    """The parameters of the description: c·o·k² + o a convolution, c·o + o a linear layer, c a norm."""
    context, dims = 4 * dim, [dim, *(dim * mult for mult in mults)]

    def conv(i: int, o: int, k: int) -> int:
        return i * o * k**2 + o

    def block(i: int, o: int) -> int:
        two = conv(i, o, 3) + o + conv(o, o, 3) + o
        return two + conv(context, 2 * o, 1) + (conv(i, o, 1) if i != o else 0)

    mlps = conv(dim, context, 1) + conv(told, context, 1) + 2 * conv(context, context, 1)
    down = sum(2 * block(i, i) + conv(i, o, 2) for i, o in pairwise(dims))
    up = sum(2 * block(2 * i, i) + conv(o, i, 3) for i, o in pairwise(dims))
    return conv(channels, dim, 3) + mlps + down + 2 * block(dims[-1], dims[-1]) + up + conv(dim, channels, 1)


@sizes
def test_its_parameters_are_those_of_the_description(
    dim: int, told: int, mults: tuple[int, ...], channels: int
) -> None:
    net = Cs231nUNet(dim, told, mults, channels)
    assert sum(parameter.numel() for parameter in net.parameters()) == counted(dim, told, mults, channels)


def test_its_parameters_are_the_notebooks() -> None:
    """It checks a student's small network against 6499, and prints those of the network that it trains."""
    assert counted(2, 4, (1, 2, 4), 3) == 6499
    assert counted(48, 512, (1, 2, 4, 8), 3) == 12_444_963


def test_its_first_weights_and_its_outputs_are_the_notebooks() -> None:
    """The course's check of `Unet.forward` and `cfg_forward`: seed 231, and the first row that it expects of each."""
    torch.manual_seed(231)
    net = Cs231nUNet(4, 4, (2, 4)).eval()
    x, told, t = torch.randn(2, 3, 4, 4), torch.randn(2, 4), torch.tensor([8, 25])
    with torch.no_grad():
        one, none = net(x, t, CondEmbedding(told)), net(x, t)
    guided = (1 + 2.31) * one - 2.31 * none
    expected = torch.tensor([0.3530089, 0.49302575, 0.55152094, 0.20567769])
    torch.testing.assert_close(one[0, 0, 0], expected, rtol=1e-5, atol=1e-6)
    expected = torch.tensor([0.3063889, 0.49175858, 0.53406465, 0.17793494])
    torch.testing.assert_close(guided[0, 0, 0], expected, rtol=1e-5, atol=1e-6)


def test_a_checkpoints_names() -> None:
    """All that a level and its blocks are called, at the course's size; see cs231n/unet.py of the assignment."""
    context, block = [f"mlp.1.{kind}" for kind in ("weight", "bias")], []
    for name in ("block1", "block2"):
        block += [f"{name}.proj.weight", f"{name}.proj.bias", f"{name}.norm.g"]
    wanted = {f"{name}.{kind}" for name in ("init_conv", "final_conv") for kind in ("weight", "bias")}
    wanted |= {f"time_mlp.{i}.{kind}" for i in (1, 3) for kind in ("weight", "bias")}
    wanted |= {f"condition_mlp.{i}.{kind}" for i in (0, 2) for kind in ("weight", "bias")}
    wanted |= {f"mid_block{i}.{name}" for i in (1, 2) for name in context + block}
    for level in range(4):
        wanted |= {f"downs.{level}.{i}.{name}" for i in (0, 1) for name in context + block}
        wanted |= {f"downs.{level}.2.{kind}" for kind in ("weight", "bias")}
        wanted |= {f"ups.{level}.0.1.{kind}" for kind in ("weight", "bias")}
        names = [*context, *block, "res_conv.weight", "res_conv.bias"]
        wanted |= {f"ups.{level}.{i}.{name}" for i in (1, 2) for name in names}
    state = Cs231nUNet(48, 512).state_dict()
    assert state.keys() == wanted
    assert state["init_conv.weight"].shape == (48, 3, 3, 3)
    assert state["condition_mlp.0.weight"].shape == (192, 512)
    assert state["downs.2.2.weight"].shape == (192, 96, 2, 2)
    assert state["ups.1.0.1.weight"].shape == (96, 192, 3, 3)
    assert state["ups.1.1.block1.proj.weight"].shape == (96, 192, 3, 3)
    assert state["mid_block1.block1.norm.g"].shape == (1, 384, 1, 1)


def by_hand(w: dict[str, Tensor], mults: tuple[int, ...], x: Tensor, t: Tensor, told: Tensor) -> Tensor:
    """The description once more, in functions of the weights."""

    def linear(name: str, value: Tensor) -> Tensor:
        return value @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def conv(name: str, value: Tensor, **options: int) -> Tensor:
        return F.conv2d(value, w[f"{name}.weight"], w[f"{name}.bias"], **options)

    def gelu(value: Tensor) -> Tensor:
        return value * (1 + torch.erf(value / math.sqrt(2))) / 2

    def normed(name: str, value: Tensor) -> Tensor:
        return value / value.square().mean(1, keepdim=True).sqrt() * w[f"{name}.norm.g"]

    def block(name: str, value: Tensor) -> Tensor:
        scale, shift = linear(f"{name}.mlp.1", gelu(context))[..., None, None].tensor_split(2, dim=1)
        h = normed(f"{name}.block1", conv(f"{name}.block1.proj", value, padding=1))
        h = gelu(h * (scale + 1) + shift)
        h = gelu(normed(f"{name}.block2", conv(f"{name}.block2.proj", h, padding=1)))
        return h + (conv(f"{name}.res_conv", value) if f"{name}.res_conv.weight" in w else value)

    half = len(w["init_conv.weight"]) // 2
    angles = t[:, None] * 10_000.0 ** (-torch.arange(half, dtype=torch.float64) / (half - 1))
    time = linear("time_mlp.3", gelu(linear("time_mlp.1", torch.cat([angles.sin(), angles.cos()], dim=1))))
    context = time + linear("condition_mlp.2", gelu(linear("condition_mlp.0", told)))
    h, skips = conv("init_conv", x, padding=1), []
    for level in range(len(mults)):
        for i in (0, 1):
            h = block(f"downs.{level}.{i}", h)
            skips.append(h)
        h = conv(f"downs.{level}.2", h, stride=2)
    h = block("mid_block2", block("mid_block1", h))
    for level in range(len(mults)):
        h = F.interpolate(h, scale_factor=2, mode="bilinear", align_corners=False)
        h = conv(f"ups.{level}.0.1", h, padding=1)
        for i in (1, 2):
            h = block(f"ups.{level}.{i}", torch.cat([h, skips.pop()], dim=1))
    return conv("final_conv", h)


@sizes
@pytest.mark.parametrize("told_of", [True, False])
def test_it_is_the_description(dim: int, told: int, mults: tuple[int, ...], channels: int, told_of: bool) -> None:
    """In float64 to 1e-6: the sinusoids are in float32, as the course's are. Without a text the vector is 0."""
    torch.manual_seed(0)
    net = Cs231nUNet(dim, told, mults, channels).double().eval()
    x = torch.randn(2, channels, 16, 32, dtype=torch.float64)
    t, vector = torch.tensor([3, 80]), torch.randn(2, told, dtype=torch.float64)
    for name, parameter in net.named_parameters():
        if name.endswith("norm.g"):
            torch.nn.init.normal_(parameter, 1, 0.2)
    with torch.no_grad():
        net.time_mlp[0].register_forward_hook(lambda module, given, out: out.double())
        expected = by_hand(net.state_dict(), mults, x, t, vector if told_of else torch.zeros_like(vector))
        out = net(x, t, CondEmbedding(vector) if told_of else None)
    assert out.shape == x.shape
    torch.testing.assert_close(out, expected, rtol=1e-6, atol=1e-6)


def test_no_text_is_the_zero_vector_and_a_text_is_not() -> None:
    torch.manual_seed(0)
    net, x, t = Cs231nUNet(8, 5, (1, 2)).eval(), torch.randn(3, 3, 8, 8), torch.tensor([0, 5, 99])
    with torch.no_grad():
        none = net(x, t)
        for cond in (CondEmbedding(), CondEmbedding(torch.zeros(3, 5))):
            assert torch.equal(net(x, t, cond), none)
        assert (net(x, t, CondEmbedding(torch.ones(3, 5))) - none).abs().max() > 1e-3
        torch.testing.assert_close(net(x[[2, 0, 1]], t[[2, 0, 1]]), none[[2, 0, 1]], rtol=1e-4, atol=1e-6)


def test_only_dropout_is_by_chance() -> None:
    torch.manual_seed(0)
    net, x, t = Cs231nUNet(8, 5, (1, 2)), torch.randn(2, 3, 8, 8), torch.tensor([0, 5])
    assert not torch.equal(net(x, t), net(x, t))
    assert {layer.p for layer in net.modules() if isinstance(layer, torch.nn.Dropout)} == {0.1}
    for layer in net.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    assert torch.equal(net(x, t), net.eval()(x, t))


@pytest.mark.parametrize("side", [28, 8, 33])
def test_sides_that_do_not_divide_are_refused(side: int) -> None:
    with pytest.raises(UsageError, match=f"multiples of 16 .got {side}×32"):
        Cs231nUNet(8, 5)(torch.zeros(1, 3, side, 32), torch.zeros(1))
