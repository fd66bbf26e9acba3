"""Memory for arithmetic: blocks whose inner values are computed again in the backward pass, not kept."""

from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from inkwash.errors import UsageError
from inkwash.nets.abarankab import Block
from inkwash.nets.cs231n import Residual
from inkwash.nets.unet import Stage

_BLOCKS = (Stage, Block, Residual)


def recompute(net: nn.Module) -> int:
    """Makes the residual blocks of `net` keep their inputs alone (Chen et al. 2016); -> how many there are.

    Values and gradients stay what they were; a training step takes about a third longer. Call it on the network that
    is trained: a copy made afterwards would call the blocks of the original. Raises UsageError where `net` has no
    such block.
    """
    blocks = [module for module in net.modules() if isinstance(module, _BLOCKS)]
    if not blocks:
        raise UsageError(f"{type(net).__name__} has no blocks that could be computed again; leave out `recompute`.")
    for block in blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)  # type: ignore[method-assign]
    return len(blocks)
