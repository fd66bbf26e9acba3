import math

import pytest
import torch

from inkwash.core import VE, Flow, Level, Seeded, mix, prior
from inkwash.core.philox import normal, philox


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


def words(*values: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    a, b, c, d = (torch.tensor([value]) for value in values)
    return a, b, c, d


@pytest.mark.parametrize(
    ("counter", "key", "known"),
    [
        ((0, 0, 0, 0), 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((2**32 - 1,) * 4, 2**64 - 1, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), 0x299F31D0A4093822,
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)  # fmt: skip
def test_philox_gives_the_published_answers(counter, key: int, known) -> None:
    """The known answers that come with Random123."""
    assert tuple(int(word) for word in philox(words(*counter), key)) == known


@pytest.mark.parametrize("seed", [0, 302, 2**32, 2**63 - 1])
def test_no_two_counters_of_a_seed_have_the_same_bits(seed: int) -> None:
    """Undone round by round: the counter comes back from the bits, so the map is one to one."""
    generator = torch.Generator().manual_seed(0)
    counter = [torch.randint(2**32, (1000,), generator=generator) for _ in range(4)]
    c = [word.tolist() for word in philox((counter[0], counter[1], counter[2], counter[3]), seed)]
    mask, keys = 2**32 - 1, [seed & (2**32 - 1), seed >> 32]
    for i in reversed(range(10)):
        low, high = (keys[0] + i * 0x9E3779B9) & mask, (keys[1] + i * 0xBB67AE85) & mask
        c2 = [x * pow(0xCD9E8D57, -1, 2**32) & mask for x in c[1]]
        c0 = [x * pow(0xD2511F53, -1, 2**32) & mask for x in c[3]]
        c1 = [x ^ (0xCD9E8D57 * y >> 32) ^ low for x, y in zip(c[0], c2, strict=True)]
        c3 = [x ^ (0xD2511F53 * y >> 32) ^ high for x, y in zip(c[2], c0, strict=True)]
        c = [c0, c1, c2, c3]
    assert c == [word.tolist() for word in counter]


def test_seeds_share_no_noise_whatever_the_images() -> None:
    """Seeds 302 and 679 shared 91 % of 50,000 images where generators had 32 bits."""
    heads = torch.cat([normal(torch.arange(50_000), 4, 0, seed) for seed in (302, 679, 302 + 2**32, 302 + 2**62)])
    assert len(heads.unique(dim=0)) == len(heads)


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
