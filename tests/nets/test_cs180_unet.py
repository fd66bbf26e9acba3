"""The network of CS180's project 5 beside one written for these tests, operation by operation."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inkwash.errors import UsageError
from inkwash.nets import CondEmbedding, Cs180UNet, cs180

x, t = torch.randn(3, 1, 28, 28), torch.tensor([0.1, 0.5, 0.9])
classes = torch.eye(10)[[3, 1, 4]]


def by_hand(net: Cs180UNet, x: Tensor, time: Tensor | None, told: Tensor | None) -> Tensor:
    """The project's figures 1, 8 and 10 in functional form, in evaluation mode."""
    layers = dict(net.named_modules())

    def norm(name: str, h: Tensor) -> Tensor:
        each = layers[name]
        h = (h - each.running_mean[:, None, None]) / (each.running_var[:, None, None] + 1e-5).sqrt()
        return F.gelu(h * each.weight[:, None, None] + each.bias[:, None, None])

    def conv(name: str, h: Tensor, stride: int = 1) -> Tensor:
        return norm(f"{name}.1", F.conv2d(h, layers[f"{name}.0"].weight, layers[f"{name}.0"].bias, stride, 1))

    def deconv(name: str, h: Tensor, stride: int, padding: int) -> Tensor:
        each = layers[f"{name}.0"]
        return norm(f"{name}.1", F.conv_transpose2d(h, each.weight, each.bias, stride, padding))

    def block(name: str, h: Tensor) -> Tensor:
        return conv(f"{name}.1", conv(f"{name}.0", h))

    def fully(name: str, h: Tensor) -> Tensor:
        first, second = layers[f"{name}.0"], layers[f"{name}.2"]
        h = F.gelu(h @ first.weight.T + first.bias) @ second.weight.T + second.bias
        return h.view(len(h), -1, 1, 1)

    def modulated(h: Tensor, place: int) -> Tensor:
        by_time = None if time is None else fully(f"time{place}", time.view(-1, 1))
        by_class = None if told is None else fully(f"class{place}", told)
        if by_class is None:
            return h if by_time is None else h * by_time
        return by_class * h if by_time is None else by_class * h + by_time

    first = block("first", x)
    second = block("down1.1", conv("down1.0", first, 2))
    third = block("down2.1", conv("down2.0", second, 2))
    bottom = modulated(deconv("unflatten", F.gelu(third.mean((2, 3), keepdim=True)), 7, 0), 1)
    up = modulated(block("up1.1", deconv("up1.0", torch.cat([bottom, third], 1), 2, 1)), 2)
    up = block("up2.1", deconv("up2.0", torch.cat([up, second], 1), 2, 1))
    up = block("last.0", torch.cat([up, first], 1))
    return F.conv2d(up, layers["last.1"].weight, layers["last.1"].bias, padding=1)


@pytest.mark.parametrize(("time_scale", "number"), [(0.0, 0), (1.0, 0), (0.001, 10), (0.0, 10)])
def test_it_is_the_projects(time_scale: float, number: int) -> None:
    torch.manual_seed(0)
    net = Cs180UNet(1, 6, time_scale, number)
    net(x, t)  # moves the running means
    net.eval()
    told = classes if number else None
    time = t * time_scale if time_scale else None
    with torch.no_grad():
        got = net(x, t, CondEmbedding(told) if number else None)
        torch.testing.assert_close(got, by_hand(net, x, time, told), rtol=1e-4, atol=1e-5)
        if number:  # no class is the zero vector
            torch.testing.assert_close(net(x, t), by_hand(net, x, time, torch.zeros(3, 10)), rtol=1e-4, atol=1e-5)


def test_its_parameters_are_counted() -> None:
    """By the project's figure 1: nine blocks of convolutions, each with a bias and a norm's two numbers a channel."""
    D = 8

    def conv(i: int, o: int, size: int) -> int:
        return i * o * size**2 + o + 2 * o

    expected = (
        conv(1, D, 3) + conv(D, D, 3)
        + conv(D, D, 3) + 2 * conv(D, D, 3)
        + conv(D, 2 * D, 3) + 2 * conv(2 * D, 2 * D, 3)
        + conv(2 * D, 2 * D, 7)
        + conv(4 * D, D, 4) + 2 * conv(D, D, 3)
        + conv(2 * D, D, 4) + 2 * conv(D, D, 3)
        + conv(2 * D, D, 3) + conv(D, D, 3)
        + D * 9 + 1
    )  # fmt: skip
    net = Cs180UNet(1, D, time_scale=0.0)
    assert sum(parameter.numel() for parameter in net.parameters()) == expected
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in net.modules()) == 17


def test_other_sides_are_refused() -> None:
    with pytest.raises(UsageError, match=r"takes 28×28 images \(got 32×32\)"):
        Cs180UNet()(torch.zeros(1, 1, 32, 32), torch.zeros(1))
    assert cs180.SIDE == 28
