"""The blocks, each against its formula written out."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from inkwash.nets.blocks import Attention, Downsample, ResidualBlock, Upsample, attend, norm, zeroed


def awake(module: nn.Module) -> nn.Module:
    """With weights where the module begins with zeros, and norms that do not leave their input alone."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module


def x(channels: int, height: int = 6, width: int = 5) -> torch.Tensor:
    return torch.randn(3, channels, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("channels", "groups"), [(64, 4), (48, 3), (16, 1), (12, 4), (10, 2), (8, 8), (7, 1), (1, 1)])
def test_norms_have_groups_of_sixteen_channels_or_else_eight_or_fewer(channels: int, groups: int) -> None:
    assert norm(channels).num_groups == groups


@pytest.mark.parametrize("film", [True, False])
@pytest.mark.parametrize(("channels", "out"), [(8, 8), (8, 12)])
def test_a_residual_block_written_out(film: bool, channels: int, out: int) -> None:
    torch.manual_seed(0)
    block = awake(ResidualBlock(channels, out, 10, film))
    e = torch.randn(3, 10)
    h = F.conv2d(F.silu(block.norm1(x(channels))), block.conv1.weight, block.conv1.bias, padding=1)
    told = F.linear(e, block.embed.weight, block.embed.bias)[:, :, None, None]
    if film:
        assert told.shape[1] == 2 * out
        h = block.norm2(h) * (1 + told[:, :out]) + told[:, out:]
    else:
        h = block.norm2(h + told)
    h = F.conv2d(F.silu(h), block.conv2.weight, block.conv2.bias, padding=1)
    skip = x(channels) if channels == out else F.conv2d(x(channels), block.skip.weight, block.skip.bias)
    torch.testing.assert_close(block(x(channels), e), skip + h)


@pytest.mark.parametrize("block", [ResidualBlock(8, 8, 10, film) for film in (True, False)])
def test_a_residual_block_begins_as_the_identity(block: nn.Module) -> None:
    assert torch.equal(block(x(8), torch.randn(3, 10)), x(8))


def test_attention_begins_as_the_identity() -> None:
    assert torch.equal(Attention(8, 2)(x(8)), x(8))


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_attention_written_out(heads: int) -> None:
    """Head by head: softmax(q·kᵀ/√d)·v over all places."""
    torch.manual_seed(0)
    layer = awake(Attention(8, heads))
    places = layer.norm(x(8)).flatten(2).transpose(1, 2)  # [B,HW,C]
    q, k, v = layer.qkv(places).chunk(3, dim=2)
    d, seen = 8 // heads, []
    for head in range(heads):
        part = slice(head * d, (head + 1) * d)
        share = torch.softmax(q[..., part] @ k[..., part].transpose(1, 2) / d**0.5, dim=2)
        seen.append(share @ v[..., part])
    expected = x(8) + layer.out(torch.cat(seen, 2)).transpose(1, 2).reshape(3, 8, 6, 5)
    torch.testing.assert_close(layer(x(8)), expected, rtol=1e-4, atol=1e-5)


def test_attention_does_not_know_where_places_are() -> None:
    torch.manual_seed(0)
    layer = awake(Attention(8, 2))
    torch.testing.assert_close(layer(x(8).flip(2, 3)), layer(x(8)).flip(2, 3), rtol=1e-4, atol=1e-5)


def test_resolutions_halve_and_double() -> None:
    assert Downsample(4)(x(4, 8, 6)).shape == (3, 4, 4, 3)
    up = Upsample(4)
    nn.init.dirac_(up.weight)
    nn.init.zeros_(up.bias)
    torch.testing.assert_close(up(x(4)), x(4).repeat_interleave(2, 2).repeat_interleave(2, 3))


def test_zeroed_is_all_of_a_layer() -> None:
    layer = nn.Conv2d(3, 4, 3)
    assert zeroed(layer) is layer
    assert not any(parameter.any() for parameter in layer.parameters())
    assert all(parameter.requires_grad for parameter in layer.parameters())


@pytest.mark.parametrize("seen", [None, "some"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_attention_by_hand_is_pytorchs(dtype: torch.dtype, seen: str | None) -> None:
    """Values and gradients, within the rounding of the type; masked places weigh nothing at all."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 4)]
    exact = [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype).double() for shape in shapes]
    mask = None if seen is None else torch.rand(2, 1, 1, 7, generator=generator) < 0.6
    if mask is not None:
        mask[..., 0] = True
    results = []
    for function, kind in ((attend, dtype), (F.scaled_dot_product_attention, torch.float64)):
        q, k, v = (each.to(kind, copy=True).requires_grad_() for each in exact)
        out = function(q, k, v, mask)
        out.double().square().sum().backward()
        gradients = [each.grad for each in (q, k, v) if each.grad is not None]
        results.append([each.detach().double() for each in (out, *gradients)])
    assert len(results[0]) == 4
    for by_hand, theirs in zip(*results, strict=True):
        assert (by_hand - theirs).abs().max() < 16 * torch.finfo(dtype).eps * theirs.abs().max()
    if mask is not None:
        assert bool((results[0][3].abs().sum((1, 3))[~mask[:, 0, 0]] == 0).all())
