import math

import pytest
import torch

from inkwash.core import VE, Flow, Level, Seeded, mix, prior
from inkwash.core.noise import stream


def draws(noise: Seeded, n: int, count: int = 3) -> torch.Tensor:
    return torch.stack([noise(torch.empty(n, 2, 5, 3)) for _ in range(count)], dim=1)  # [n,count,2,5,3]


@pytest.mark.parametrize("indices", [[0], [7], [9, 0, 4], range(10), range(9, -1, -1)], ids=str)
def test_image_i_depends_on_the_seed_and_i_alone(indices) -> None:
    """However the images are grouped and ordered, and for every draw of a walk, not just the first."""
    whole = draws(Seeded(3, range(10)), 10)
    assert torch.equal(draws(Seeded(3, indices), len(indices)), whole[list(indices)])


def test_no_two_images_draws_or_seeds_are_alike() -> None:
    some = torch.cat([draws(Seeded(seed, range(20)), 20).flatten(0, 1).flatten(1) for seed in (0, 1, 2**40)])
    assert len(some.unique(dim=0)) == len(some)


@pytest.mark.parametrize("seed", [0, 1, 123456789, 2**63 - 1])
def test_streams_never_meet_within_a_request(seed: int) -> None:
    streams = [stream(seed, i) for i in range(100_000)]
    assert len(set(streams)) == len(streams)
    assert all(0 <= s < 2**32 for s in streams)  # what torch's CPU generator reads of a seed


@pytest.mark.parametrize("seed", [0, 7])
def test_streams_are_one_to_one_on_32_bits(seed: int) -> None:
    """Proved by an inverse: murmur3's finaliser undone gives the images in their order, from a place of the seed."""

    def undone(x: int) -> int:
        x ^= x >> 16
        x = x * pow(0xC2B2AE35, -1, 2**32) % 2**32
        x ^= (x >> 13) ^ (x >> 26)
        x = x * pow(0x85EBCA6B, -1, 2**32) % 2**32
        return x ^ (x >> 16)

    places = [undone(stream(seed, i)) for i in (0, 1, 2, 1000, 2**31, 2**32 - 1)]
    assert [(place - places[0]) % 2**32 for place in places] == [0, 1, 2, 1000, 2**31, 2**32 - 1]


def test_streams_of_neighbouring_seeds_are_apart() -> None:
    """1,000 images of each of 100 seeds, of 2³² streams: about 1.2 meetings by chance, and no runs of them."""
    streams = [stream(seed, i) for seed in range(100) for i in range(1000)]
    assert len(streams) - len(set(streams)) < 10


def test_mix_is_one_to_one_where_it_can_be_and_depends_on_order() -> None:
    assert len({mix(i) for i in range(100_000)}) == 100_000
    assert len({mix(a, b) for a in range(300) for b in range(300)}) == 90_000
    assert 0 <= mix(2**63 - 1, 2**63 - 1) < 2**63


def test_mix_is_splitmix64() -> None:
    """The generator's published first output for the state 0, 0xE220A8397B1DCDAF, less its lowest bit."""
    assert mix(0) == 0xE220A8397B1DCDAF >> 1


def test_noise_is_unit_normal() -> None:
    """Mean, variance, fourth moment, and the correlation of neighbours, within 4 standard errors."""
    z = Seeded(0, range(64))(torch.empty(64, 1, 50, 50)).double()
    n = z.numel()
    assert abs(z.mean()) < 4 / math.sqrt(n)
    assert abs(z.square().mean() - 1) < 4 * math.sqrt(2 / n)
    assert abs(z.pow(4).mean() - 3) < 4 * math.sqrt(96 / n)
    assert abs((z[1:] * z[:-1]).mean()) < 4 / math.sqrt(n - n / 64)
    assert abs((z[..., 1:] * z[..., :-1]).mean()) < 4 / math.sqrt(0.98 * n)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_noise_has_the_type_and_shape_of_x_and_the_same_numbers(dtype: torch.dtype) -> None:
    z = Seeded(5, [2, 3])(torch.zeros(2, 3, 4, 4, dtype=dtype))
    assert (z.dtype, z.shape) == (dtype, (2, 3, 4, 4))
    assert torch.equal(z, Seeded(5, [2, 3])(torch.zeros(2, 3, 4, 4)).to(dtype))


def test_noise_goes_where_x_is() -> None:
    assert Seeded(0, [0])(torch.empty(1, 1, 2, 2, device="meta")).device.type == "meta"


def test_noise_does_not_touch_the_global_generator() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    Seeded(0, range(3))(torch.empty(3, 1, 4, 4))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_batch_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"3 images .* batch of 2"):
        Seeded(0, range(3))(torch.empty(2, 1, 4, 4))


@pytest.mark.parametrize(
    ("level", "scale"),
    [(Level(0, 0.6, 0.8), 1.0), (VE().at(1.0), math.sqrt(6401)), (Flow().at(0.5), math.sqrt(0.5))],
)
def test_the_first_x_has_the_spread_of_its_level(level: Level, scale: float) -> None:
    like = torch.empty(2, 1, 4, 4, dtype=torch.float64)
    expected = scale * Seeded(1, [0, 1])(like)
    torch.testing.assert_close(prior(Seeded(1, [0, 1]), level, like), expected, rtol=1e-12, atol=0)
