"""The U-Net: shapes, beginnings, independence, and its size by a count of our own."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inkwash.nets import UNet
from inkwash.nets.blocks import Attention

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "two blocks": {"blocks": 2},
    "one level": {"mults": (2,)},
    "four levels": {"mults": (1, 2, 2, 3)},
    "attention": {"attention": (0, 1), "heads": 2},
    "patch 2": {"patch": 2},
    "patch 3": {"patch": 3},
    "added": {"film": False},
    "dropout": {"dropout": 0.3},
    "continuous": {"time_scale": 1000.0},
    "narrowing": {"mults": (3, 1)},
    "all": {"blocks": 2, "mults": (1, 2, 1), "attention": (2,), "heads": 4, "patch": 2, "film": False, "dropout": 0.1},
}
each = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
SIZES = [(1, 1), (2, 3), (5, 7), (28, 28), (29, 27), (33, 32), (16, 48)]


def made(image_channels: int = 1, **options: Any) -> UNet:
    torch.manual_seed(0)
    return UNet(image_channels, **({"channels": 8, "mults": (1, 2), "blocks": 1} | options)).eval()


def awake(net: nn.Module) -> nn.Module:
    """With weights in the layers that begin as zeros, as after training."""
    for parameter in net.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.2)
    return net


def x(batch: int, channels: int, height: int = 8, width: int = 8) -> Tensor:
    return torch.randn(batch, channels, height, width, generator=torch.Generator().manual_seed(1))


T = torch.tensor([3, 500, 999])


@each
@pytest.mark.parametrize("image_channels", [1, 3])
def test_shapes_are_kept_for_every_height_and_width(options: dict, image_channels: int) -> None:
    net = awake(made(image_channels, **options))
    with torch.no_grad():
        for height, width in SIZES:
            out = net(x(2, image_channels, height, width), T[:2])
            assert out.shape == (2, image_channels, height, width)
            assert out.isfinite().all()


@each
def test_the_output_begins_at_zero(options: dict) -> None:
    assert not made(3, **options)(x(3, 3), T).any()


@each
def test_each_image_is_by_itself(options: dict) -> None:
    """Reordering the batch reorders the output, and one image alone gives what it gives among others."""
    net = awake(made(**options))
    order = [2, 0, 1]
    with torch.no_grad():
        out = net(x(3, 1, 9, 7), T)
        torch.testing.assert_close(net(x(3, 1, 9, 7)[order], T[order]), out[order], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(net(x(3, 1, 9, 7)[1:2], T[1:2]), out[1:2], rtol=1e-4, atol=1e-5)


@each
def test_the_output_depends_on_all_it_is_told(options: dict) -> None:
    net = awake(made(**options))
    with torch.no_grad():
        out = net(x(3, 1), T)
        assert (net(x(3, 1), T.flip(0))[::2] - out[::2]).abs().max() > 1e-4
        assert (net(x(3, 1).flip(2), T) - out).abs().max() > 1e-3
        assert (net(x(3, 1), T, torch.ones(3, 32)) - out).abs().max() > 1e-4


@each
def test_every_parameter_learns(options: dict) -> None:
    net = awake(made(**options))
    net(x(3, 1), T).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in net.parameters())


def test_a_condition_is_added_to_the_embedding_of_time() -> None:
    """So that a condition of embed(t') − embed(t) makes one time look like another."""
    net = awake(made())
    with torch.no_grad():
        assert torch.equal(net(x(3, 1), T, torch.zeros(3, 32)), net(x(3, 1), T))
        other = T.flip(0)
        moved = net(x(3, 1), T, net.embed(other) - net.embed(T))
        torch.testing.assert_close(moved, net(x(3, 1), other), rtol=1e-4, atol=1e-5)


def test_time_scale_makes_unit_times_rows() -> None:
    rows, unit = awake(made()), made(time_scale=1000.0)
    unit.load_state_dict(rows.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(unit(x(3, 1), T / 1000), rows(x(3, 1), T), rtol=1e-3, atol=1e-4)


def test_padding_repeats_the_edge_and_is_cropped() -> None:
    net = awake(made(mults=(1, 2, 2)))  # works on multiples of 4
    small = x(2, 1, 6, 5)
    padded = torch.cat([small, small[:, :, -1:].expand(2, 1, 2, 5)], dim=2)
    padded = torch.cat([padded, padded[..., -1:].expand(2, 1, 8, 3)], dim=3)
    with torch.no_grad():
        assert torch.equal(net(small, T[:2]), net(padded, T[:2])[..., :6, :5])


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_dropout_drops_in_training_alone(dropout: float) -> None:
    net = awake(made(dropout=dropout))
    with torch.no_grad():
        assert torch.equal(net(x(3, 1), T), net(x(3, 1), T))
        net.train()
        assert torch.equal(net(x(3, 1), T), net(x(3, 1), T)) == (dropout == 0)


@pytest.mark.parametrize("attention", [(), (0,), (1,), (0, 1)])
def test_attention_is_in_the_levels_asked_for_and_the_middle(attention: tuple[int, ...]) -> None:
    """`blocks` of them on the way down, one more on the way up, and one."""
    net = made(blocks=2, attention=attention)
    assert sum(isinstance(module, Attention) for module in net.modules()) == 5 * len(attention) + 1


def count(image_channels=1, channels=8, mults=(1, 2), blocks=1, attention=(), patch=1, film=True, **_: Any) -> int:
    """The parameters of the network of Ho et al.'s appendix B, layer by layer."""

    def linear(i: int, o: int) -> int:
        return i * o + o

    def conv(i: int, o: int, side: int = 3) -> int:
        return i * o * side**2 + o

    def residual(i: int, o: int) -> int:
        told = linear(4 * channels, 2 * o if film else o)
        return 2 * i + conv(i, o) + told + 2 * o + conv(o, o) + (conv(i, o, 1) if i != o else 0)

    def attend(c: int) -> int:
        return 2 * c + linear(c, 3 * c) + linear(c, c)

    widths = [channels * mult for mult in mults]
    pixels = image_channels * patch**2
    total = linear(channels, 4 * channels) + linear(4 * channels, 4 * channels) + conv(pixels, channels)
    c, kept = channels, [channels]
    for i, width in enumerate(widths):
        if i:
            total += conv(c, c)
            kept.append(c)
        for _ in range(blocks):
            total += residual(c, width) + (attend(width) if i in attention else 0)
            c = width
            kept.append(c)
    total += 2 * residual(c, c) + attend(c)
    for i, width in reversed(list(enumerate(widths))):
        for _ in range(blocks + 1):
            total += residual(c + kept.pop(), width) + (attend(width) if i in attention else 0)
            c = width
        total += conv(c, c) if i else 0
    assert not kept  # every skip is used once
    return total + 2 * c + conv(c, pixels)


@each
@pytest.mark.parametrize("image_channels", [1, 3])
def test_the_number_of_parameters(options: dict, image_channels: int) -> None:
    net = made(image_channels, **options)
    expected = count(image_channels, **({"channels": 8, "mults": (1, 2), "blocks": 1} | options))
    assert sum(parameter.numel() for parameter in net.parameters()) == expected
