"""AdamW, which also says what it keeps of each parameter's gradients."""

import torch
from torch import Tensor, nn

from inkwash.settings import Training


class AdamW(torch.optim.AdamW):
    """Loshchilov & Hutter 2019, algorithm 2, with the rates of `settings`; fused.

    What every optimiser of `choices.OPTIMIZERS` is called with: the model whose parameters it changes, the settings of
    the training, and the arithmetic that it may use where that need not be exact.
    """

    def __init__(self, model: nn.Module, settings: Training, precision: torch.dtype = torch.float32) -> None:
        self.precision = precision
        super().__init__(
            model.parameters(), settings.lr, (0.9, settings.beta2), weight_decay=settings.weight_decay, fused=True
        )

    def moments(self, parameter: Tensor) -> tuple[str, ...]:
        """The names in `state[parameter]` of what is kept of its gradients from step to step."""
        return ("exp_avg", "exp_avg_sq")
