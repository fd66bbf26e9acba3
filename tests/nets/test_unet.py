"""The U-Net: shapes, beginnings, independence, and its size by a count of our own."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inkwash.nets import UNet
from inkwash.nets.blocks import Attention, CrossAttention
from inkwash.nets.condition import CondEmbedding

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
    "vector": {"vector": 5},
    "tokens": {"tokens": 6, "attention": (1,), "heads": 2},
    "concat": {"concat": 2, "patch": 2},
    "all told": {"vector": 3, "tokens": 7, "concat": 1, "attention": (0,), "film": False},
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


def told(
    options: dict[str, Any], batch: int = 3, height: int = 8, width: int = 8, seed: int = 2
) -> CondEmbedding | None:
    """All that a network of these options can be told, three tokens where there are any; None for one told nothing."""
    widths = {name: options[name] for name in ("vector", "tokens", "concat") if name in options}
    shapes = {"vector": (batch,), "tokens": (batch, 3), "concat": (batch,)}
    ends = {"vector": (), "tokens": (), "concat": (height, width)}
    generator = torch.Generator().manual_seed(seed)
    values = {n: torch.randn(*shapes[n], wide, *ends[n], generator=generator) for n, wide in widths.items()}
    mask = torch.tensor([[True, True, True], [True, True, False], [False, True, False]])[:batch]
    return CondEmbedding(**values, mask=mask if "tokens" in widths else None) if values else None


def rows(cond: CondEmbedding | None, which: Any) -> CondEmbedding | None:
    """What some of the images are told."""
    return None if cond is None else CondEmbedding(*(None if part is None else part[which] for part in cond))


@each
@pytest.mark.parametrize("image_channels", [1, 3])
def test_shapes_are_kept_for_every_height_and_width(options: dict, image_channels: int) -> None:
    net = awake(made(image_channels, **options))
    with torch.no_grad():
        for height, width in SIZES:
            out = net(x(2, image_channels, height, width), T[:2], told(options, 2, height, width))
            assert out.shape == (2, image_channels, height, width)
            assert out.isfinite().all()


@each
def test_the_output_begins_at_zero(options: dict) -> None:
    assert not made(3, **options)(x(3, 3), T, told(options)).any()


@each
def test_each_image_is_by_itself(options: dict) -> None:
    """Reordering the batch reorders the output, and one image alone gives what it gives among others."""
    net = awake(made(**options))
    some, cond = x(3, 1, 9, 7), told(options, 3, 9, 7)
    with torch.no_grad():
        out = net(some, T, cond)
        for which in ([2, 0, 1], slice(1, 2)):
            alone = net(some[which], T[which], rows(cond, which))
            torch.testing.assert_close(alone, out[which], rtol=1e-4, atol=1e-5)


@each
def test_the_output_depends_on_all_it_is_told(options: dict) -> None:
    net = awake(made(**options))
    cond, others = told(options), told(options, seed=3)
    with torch.no_grad():
        out = net(x(3, 1), T, cond)
        assert (net(x(3, 1), T.flip(0), cond)[::2] - out[::2]).abs().max() > 1e-4
        assert (net(x(3, 1).flip(2), T, cond) - out).abs().max() > 1e-3
        for name in ("vector", "tokens", "concat"):
            if name in options:
                changed = net(x(3, 1), T, cond._replace(**{name: getattr(others, name)}))
                assert (changed - out).abs().amax((1, 2, 3)).min() > 1e-4, name


@each
def test_every_parameter_learns(options: dict) -> None:
    net = awake(made(**options))
    net(x(3, 1), T, told(options)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in net.parameters())


def test_a_vector_is_added_to_the_embedding_of_time() -> None:
    """So that one whose embedding is embed(t') − embed(t) makes one time look like another."""
    net = awake(made(vector=32))
    net.cond_embed = nn.Identity()
    with torch.no_grad():
        assert torch.equal(net(x(3, 1), T, CondEmbedding(torch.zeros(3, 32))), net(x(3, 1), T))
        other = T.flip(0)
        moved = net(x(3, 1), T, CondEmbedding(net.embed(other) - net.embed(T)))
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
    for tokens in (0, 6):
        net = made(blocks=2, attention=attention, tokens=tokens)
        expected = 5 * len(attention) + 1
        assert sum(isinstance(module, Attention) for module in net.modules()) == expected
        assert sum(isinstance(module, CrossAttention) for module in net.modules()) == (expected if tokens else 0)


def count(
    image_channels=1, channels=8, mults=(1, 2), blocks=1, attention=(), patch=1, film=True,
    vector=0, tokens=0, concat=0, **_: Any,
) -> int:  # fmt: skip
    """The parameters of the network of Ho et al.'s appendix B, layer by layer."""

    def linear(i: int, o: int) -> int:
        return i * o + o

    def conv(i: int, o: int, side: int = 3) -> int:
        return i * o * side**2 + o

    def residual(i: int, o: int) -> int:
        told = linear(4 * channels, 2 * o if film else o)
        return 2 * i + conv(i, o) + told + 2 * o + conv(o, o) + (conv(i, o, 1) if i != o else 0)

    def attend(c: int) -> int:
        told = 2 * c + linear(c, c) + linear(tokens, 2 * c) + linear(c, c) if tokens else 0
        return 2 * c + linear(c, 3 * c) + linear(c, c) + told

    widths = [channels * mult for mult in mults]
    pixels = image_channels * patch**2
    total = linear(channels, 4 * channels) + linear(4 * channels, 4 * channels)
    total += linear(vector, 4 * channels) + linear(4 * channels, 4 * channels) if vector else 0
    total += conv(pixels + concat * patch**2, channels)
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
