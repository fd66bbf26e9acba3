"""Activation checkpointing: blocks compute their inner values again in the backward pass instead of storing them."""

from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from inkwash.errors import UsageError


def recompute(net: nn.Module) -> int:
    """Makes the residual blocks of `net` store their inputs alone (Chen et al. 2016); -> how many there are.

    Those are the modules whose attribute `recomputable` is True. Values and gradients stay what they were; a training
    step takes about a third longer. Call it on the network that is trained: a copy made afterwards would call the
    blocks of the original. Raises UsageError where `net` has no such block.
    """
    blocks = [module for module in net.modules() if getattr(module, "recomputable", False)]
    if not blocks:
        raise UsageError(f"{type(net).__name__} has no blocks that could be computed again; leave out `recompute`.")
    for block in blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
    return len(blocks)
