"""An exponential moving average of the weights, which sampling uses."""

import copy

import torch
from torch import nn

from inkwash.training.shard import local_parameters


class Ema:
    """ē ← d·ē + (1 − d)·w after each step n, with d = min(decay, (1 + n)/(10 + n)).

    The growing d quickly discounts the initial weights (the warm-up of TensorFlow's ExponentialMovingAverage). With
    `start`, ē copies the weights before that step and d = decay from then on, as in abarankab's DDPM. With `every`,
    only steps that are its multiples update ē. Buffers are copied.
    """

    def __init__(self, model: nn.Module, decay: float = 0.999, start: int | None = None, every: int = 1) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        self.decay, self.start, self.every = decay, start, every

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Updates the average with the weights after `step` (counted from 1)."""
        if step % self.every:
            return
        if self.start is None:
            decay = min(self.decay, (1 + step) / (10 + step))
        else:
            decay = 0.0 if step < self.start else self.decay
        torch._foreach_lerp_(local_parameters(self.model), local_parameters(model), 1 - decay)
        for average, new in zip(self.model.buffers(), model.buffers(), strict=True):
            average.copy_(new)
