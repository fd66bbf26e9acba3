"""An exponential moving average of the weights, which sampling uses."""

import copy

import torch
from torch import nn

from inkwash.training.shard import local_parameters


class Ema:
    """ē ← d·ē + (1 − d)·w after each step n, with d = min(decay, (1 + n)/(10 + n)).

    The growing d quickly discounts the initial weights (the warm-up of TensorFlow's ExponentialMovingAverage).
    Buffers are copied.
    """

    def __init__(self, model: nn.Module, decay: float = 0.999) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Updates the average with the weights after `step` (counted from 1)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(local_parameters(self.model), local_parameters(model), 1 - decay)
        for average, new in zip(self.model.buffers(), model.buffers(), strict=True):
            average.copy_(new)
