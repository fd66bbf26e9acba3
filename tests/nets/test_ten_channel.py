"""The report's network: its size, its table of times, and that each image is by itself."""

import pytest
import torch

from inkwash.nets import TenChannelUNet


def sinusoidal_embedding(n: int, d: int) -> torch.Tensor:
    """As it stands in the report: the cosines turn at the rates of the sines before them."""
    embedding = torch.zeros(n, d)
    wk = torch.tensor([1 / 10_000 ** (2 * j / d) for j in range(d)])
    wk = wk.reshape((1, d))
    t = torch.arange(n).reshape((n, 1))
    embedding[:, ::2] = torch.sin(t * wk[:, ::2])
    embedding[:, 1::2] = torch.cos(t * wk[:, ::2])
    return embedding


def test_its_parameters_are_the_reports_less_the_table_and_an_unused_norm() -> None:
    """606,852 there, with 1,000 times of 100 numbers and the scale and shift of a 10×28×28 norm."""
    parameters = sum(parameter.numel() for parameter in TenChannelUNet().parameters())
    assert parameters == 606_852 - 100 * 1000 - 2 * 10 * 28 * 28


def test_its_times_are_the_reports() -> None:
    """float32 angles of up to 1,000 radians: to 1e-4."""
    torch.testing.assert_close(TenChannelUNet().times, sinusoidal_embedding(1000, 100), rtol=0, atol=1e-4)
    assert TenChannelUNet(steps=200).times.shape == (200, 100)


def test_the_table_is_neither_learnt_nor_saved() -> None:
    net = TenChannelUNet()
    assert "times" not in net.state_dict()
    assert all(parameter is not net.times for parameter in net.parameters())


@pytest.mark.parametrize("channels", [1, 3])
def test_shapes_are_kept(channels: int) -> None:
    net = TenChannelUNet(channels)
    assert net(torch.randn(2, channels, 28, 28), torch.tensor([0, 999])).shape == (2, channels, 28, 28)


def test_each_image_is_by_itself_and_knows_its_time() -> None:
    torch.manual_seed(0)
    net, x, t = TenChannelUNet(), torch.randn(3, 1, 28, 28), torch.tensor([1, 500, 900])
    with torch.no_grad():
        out = net(x, t)
        torch.testing.assert_close(net(x[[2, 0, 1]], t[[2, 0, 1]]), out[[2, 0, 1]], rtol=1e-4, atol=1e-6)
        assert (net(x, t.flip(0))[::2] - out[::2]).abs().max() > 1e-5


def test_a_time_between_rows_is_the_nearest_row() -> None:
    """As karras spacing asks."""
    torch.manual_seed(0)
    net, x = TenChannelUNet(), torch.randn(2, 1, 28, 28)
    with torch.no_grad():
        assert torch.equal(net(x, torch.tensor([3.4, 998.7])), net(x, torch.tensor([3, 999])))
