"""Muon: orthogonalised momentum for the weight matrices of layers (Jordan et al. 2024), AdamW for the rest.

The gradient of a weight matrix is nearly of low rank, and so is Adam's update, which therefore changes few directions.
An orthogonal update changes all directions equally.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from inkwash.settings import Training
from inkwash.training.adamw import AdamW
from inkwash.training.shard import full_tensor, local_part

MOMENTUM = 0.95
_ROUNDS = 5


class Muon(AdamW):
    """AdamW for all parameters except the weights of linear and convolutional layers.

    These weights, as matrices [out, in] and [out, in·k·k], are updated by

        m ← μ·m + (1 − μ)·g
        W ← (1 − lr·decay)·W − lr·0.2·√max(rows, columns)·orthogonal((1 − μ)·g + μ·m)

    with μ = 0.95. The factor 0.2·√max(rows, columns) gives the update the same root mean square as AdamW's, so that
    one learning rate serves both (Liu et al. 2025, eq. 4). `precision` is the dtype of `orthogonal`.
    """

    def __init__(self, model: nn.Module, settings: Training, precision: torch.dtype = torch.float32) -> None:
        layers = [module for module in model.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
        self.matrices = {layer.weight for layer in layers}
        super().__init__(model, settings, precision)

    def moments(self, parameter: Tensor) -> tuple[str, ...]:
        return ("exp_avg",) if parameter in self.matrices else super().moments(parameter)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step. Sets the gradients of matrices to None, so that AdamW skips them."""
        with torch.no_grad():
            for group in self.param_groups:
                for weight in group["params"]:
                    if weight in self.matrices and weight.grad is not None:
                        self._turn(weight, weight.grad, group["lr"], group["weight_decay"])
                        weight.grad = None
        return super().step(closure)

    def _turn(self, weight: Tensor, gradient: Tensor, lr: float, decay: float) -> None:
        state = self.state[weight]
        if not state:
            state["exp_avg"] = torch.zeros_like(weight)
        momentum = state["exp_avg"].lerp_(gradient, 1 - MOMENTUM)
        ahead = full_tensor(gradient.lerp(momentum, MOMENTUM))  # Nesterov momentum
        matrix = ahead.flatten(1)
        update = orthogonal(matrix, self.precision).view(ahead.shape).to(weight.dtype)
        weight.mul_(1 - lr * decay).add_(local_part(update, weight), alpha=-lr * 0.2 * math.sqrt(max(matrix.shape)))


def orthogonal(matrix: Tensor, precision: torch.dtype = torch.float32) -> Tensor:
    """[r,c] -> [r,c], approximately U·Vᵀ of the singular value decomposition, with singular values of 0.7 to 1.2.

    Uses the Newton–Schulz iteration with a polynomial of degree 5 that is steep at 0 (Jordan et al. 2024). Singular
    values below a thousandth of the Frobenius norm end up smaller. The zero matrix stays zero.
    """
    wide = len(matrix) <= matrix.shape[1]
    x = matrix if wide else matrix.T
    x = (x / x.norm().clamp(min=1e-30)).to(precision)
    for _ in range(_ROUNDS):
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
    return (x if wide else x.T).to(matrix.dtype)
