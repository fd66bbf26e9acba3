import math

import pytest
import torch

from inkwash.nets.embed import TimeEmbedding, sinusoids


@pytest.mark.parametrize("channels", [4, 10, 64])
def test_sinusoids_are_their_formula(channels: int) -> None:
    """sin and cos of t·10,000^(−i/(n−1)) for i < n = channels/2: rates from 1 to 1/10,000."""
    t, n = [0.0, 1.0, 17.0, 250.5, 999.0], channels // 2
    got = sinusoids(torch.tensor(t), channels)
    angles = [[time * 10_000 ** (-i / (n - 1)) for i in range(n)] for time in t]
    expected = [[*map(math.sin, row), *map(math.cos, row)] for row in angles]
    assert got.shape == (5, channels)
    torch.testing.assert_close(got, torch.tensor(expected), rtol=0, atol=2e-4)  # float32 angles of up to 1,000


def test_times_are_told_apart() -> None:
    every = sinusoids(torch.arange(1000).float(), 32)
    distance = torch.cdist(every, every, compute_mode="donot_use_mm_for_euclid_dist") + 9 * torch.eye(1000)
    assert distance.min() > 0.1


def test_the_scale_multiplies_time() -> None:
    """1,000 for t in [0, 1] is what 1 is for rows; whole numbers and floats alike."""
    torch.manual_seed(0)
    rows = TimeEmbedding(16, 32)
    torch.manual_seed(0)
    moments = TimeEmbedding(16, 32, scale=1000.0)
    t = torch.tensor([0, 250, 999])
    torch.testing.assert_close(moments(t / 1000), rows(t), rtol=1e-4, atol=1e-4)
    assert torch.equal(rows(t), rows(t.float()))
    assert not torch.equal(rows(t / 1000), rows(t))


def test_an_embedding_is_two_layers_on_sinusoids() -> None:
    embed, t = TimeEmbedding(8, 12), torch.tensor([3.0, 40.0])
    one, _, two, _ = embed.layers
    silu = torch.nn.functional.silu
    expected = silu(silu(sinusoids(t, 8) @ one.weight.T + one.bias) @ two.weight.T + two.bias)
    torch.testing.assert_close(embed(t), expected)
    assert embed(t).shape == (2, 12)
