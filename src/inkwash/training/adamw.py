"""AdamW that also names the state tensors it stores for each parameter."""

import torch
from torch import Tensor, nn

from inkwash.settings import Training


class AdamW(torch.optim.AdamW):
    """Loshchilov & Hutter 2019, algorithm 2, with the hyperparameters of `settings`; fused.

    Every optimiser of `choices.OPTIMIZERS` takes the same arguments: the model whose parameters it updates, the
    training settings, and the dtype it may use where full precision is not needed.
    """

    def __init__(self, model: nn.Module, settings: Training, precision: torch.dtype = torch.float32) -> None:
        self.precision = precision
        super().__init__(
            model.parameters(), settings.lr, (0.9, settings.beta2), weight_decay=settings.weight_decay, fused=True
        )

    def moments(self, parameter: Tensor) -> tuple[str, ...]:
        """The names of the moment estimates in `state[parameter]`."""
        return ("exp_avg", "exp_avg_sq")
