"""Computing values again changes neither them nor their gradients, and keeps less."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from inkwash.errors import UsageError
from inkwash.nets import AbarankabUNet, CondEmbedding, Cs231nUNet, TenChannelUNet, UNet, recompute

NETS: dict[str, Callable[[], nn.Module]] = {
    "unet": lambda: UNet(3, 8, (1, 2), 1, attention=(1,), dropout=0.3, vector=4, tokens=6),
    "abarankab": lambda: AbarankabUNet(3, 8, (1, 2), 1, num_classes=4, dropout=0.3, num_groups=4),
    "cs231n": lambda: Cs231nUNet(8, 4, (1, 2)),
}
COND = CondEmbedding(torch.eye(4)[:2], torch.randn(2, 5, 6, generator=torch.Generator().manual_seed(3)))


def passed(net: nn.Module) -> tuple[Tensor, list[Tensor], int]:
    """Output, gradients, and how many numbers were kept between the two."""
    kept: dict[int, int] = {}
    parameters = {p.data_ptr() for p in net.parameters()}

    def keep(x: Tensor) -> Tensor:
        if x.data_ptr() not in parameters:
            kept[x.data_ptr()] = x.numel()
        return x

    torch.manual_seed(1)  # dropout's
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    with saved_tensors_hooks(keep, lambda x: x):
        out = net(x, torch.tensor([3, 40]), COND)
    out.square().sum().backward()
    gradients = [p.grad.clone() for p in net.parameters() if p.grad is not None]
    net.zero_grad()
    return out.detach(), gradients, sum(kept.values())


@pytest.mark.parametrize("name", NETS)
def test_values_and_gradients_are_the_same_bits_and_less_is_kept(name: str) -> None:
    torch.manual_seed(0)
    net = NETS[name]()
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.2)
    names = list(net.state_dict())
    out, gradients, kept = passed(net)
    assert recompute(net) >= 4
    again, others, less = passed(net)
    assert list(net.state_dict()) == names
    assert torch.equal(out, again)
    assert len(gradients) == len(others) > 10
    assert all(map(torch.equal, gradients, others))
    assert less < 0.6 * kept


def test_a_network_without_blocks_is_refused() -> None:
    with pytest.raises(
        UsageError, match="TenChannelUNet has no blocks that could be computed again; leave out `recompute`"
    ):
        recompute(TenChannelUNet(1, 10))
