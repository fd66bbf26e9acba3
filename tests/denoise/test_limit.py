import math

import pytest
import torch

from inkwash.core import Level
from inkwash.denoise import clip, dynamic_threshold
from inkwash.errors import UsageError

LEVEL = Level(5, 0.6, 0.8)


def same(x: torch.Tensor, level: Level) -> torch.Tensor:
    assert level is LEVEL
    return x


def images(scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(6, 3, 9, 11, generator=torch.Generator().manual_seed(0))


def test_clipping_is_numpys_and_doing_it_twice_is_doing_it_once() -> None:
    x = images(2.0)
    assert torch.equal(clip(same)(x, LEVEL), torch.from_numpy(x.numpy().clip(-1, 1)))
    assert torch.equal(clip(same, 0.0, 1.0)(x, LEVEL), torch.from_numpy(x.numpy().clip(0, 1)))
    assert torch.equal(clip(clip(same))(x, LEVEL), clip(same)(x, LEVEL))


def test_limits_leave_alone_what_is_in_range() -> None:
    x = images().clamp(-1, 1)
    assert torch.equal(clip(same)(x, LEVEL), x)
    assert torch.equal(dynamic_threshold(same)(x, LEVEL), x)


@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.995, 1.0])
@pytest.mark.parametrize("scale", [0.1, 1.0, 5.0])
def test_dynamic_threshold_by_hand(quantile: float, scale: float) -> None:
    """Image by image: s = max(1, the quantile of |x̂₀|, interpolated), then clip to ±s and divide by s."""
    x = images(scale)
    got = dynamic_threshold(same, quantile)(x, LEVEL)
    for image, limited in zip(x, got, strict=True):
        ranked = sorted(image.abs().flatten().tolist())
        place = quantile * (len(ranked) - 1)
        below, above = ranked[math.floor(place)], ranked[math.ceil(place)]
        s = max(1.0, below + (place - math.floor(place)) * (above - below))
        torch.testing.assert_close(limited, image.clamp(-s, s) / s, rtol=1e-5, atol=1e-6)
    assert got.abs().max() <= 1


def test_dynamic_threshold_of_an_image_does_not_see_the_others() -> None:
    x = images(3.0) * torch.arange(1, 7).view(-1, 1, 1, 1)
    limited = dynamic_threshold(same)
    assert torch.equal(limited(x, LEVEL)[2:4], limited(x[2:4], LEVEL))


@pytest.mark.parametrize("quantile", [0, -0.5, 1.001, math.nan])
def test_a_quantile_lies_between_0_and_1(quantile: float) -> None:
    with pytest.raises(UsageError, match=r"\(0, 1\]"):
        dynamic_threshold(same, quantile)
