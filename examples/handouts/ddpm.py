"""Hand-out: a small DDPM. Fill in each `...`, and test yourself with: inkwash check ddpm.py"""

import torch
from torch import Tensor, nn


class DDPM(nn.Module):
    """A network called as network(x_t, t) predicts the noise."""

    def __init__(self, network: nn.Module, n_steps: int = 1000, min_beta: float = 1e-4, max_beta: float = 0.02) -> None:
        super().__init__()
        self.network, self.n_steps = network, n_steps
        self.betas = ...  # [T]
        self.alphas = ...  # α_t = 1 − β_t
        self.alpha_bars = ...  # ᾱ_t = α_0·α_1·…·α_t

    def forward(self, x0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        """x_t = √ᾱ_t·x₀ + √(1 − ᾱ_t)·ε, for t [B]."""
        x_t = ...
        return x_t

    def p_sample(self, x: Tensor, t: int) -> Tensor:
        """x_{t−1} = (x_t − β_t/√(1 − ᾱ_t)·ε̂)/√α_t + √β_t·z, without the noise at t = 0."""
        eps = self.network(x, torch.full((len(x),), t, device=x.device))
        mean = ...
        x_before = ...
        return x_before
