"""Hand-out: the scheduler of a DDIM. Fill in each `...`, and test yourself with: inkwash check scheduler.py"""

import torch
from torch import Tensor, nn


def at(table: Tensor, t: int | Tensor) -> Tensor:
    """Entries of a table [T]: a number for a whole t, and [B,1,1,1] for t [B]."""
    found = table[t]
    return found.view(-1, 1, 1, 1) if found.ndim else found


class DDIMScheduler:
    """T = `n_steps` times, t = 0 (nearly clean) to T − 1 (nearly noise)."""

    def __init__(self, n_steps: int = 1000, beta_min: float = 1e-4, beta_max: float = 0.02) -> None:
        self.n_steps = n_steps
        self.beta = ...  # [T], rises linearly from beta_min to beta_max
        self.alpha = ...  # α_t = 1 − β_t
        self.alpha_bar = ...  # ᾱ_t = α_0·α_1·…·α_t

    def add_noise(self, x0: Tensor, t: int | Tensor, eps: Tensor) -> Tensor:
        """x_t = √ᾱ_t·x₀ + √(1 − ᾱ_t)·ε, for one time or one for each image."""
        x_t = ...
        return x_t

    def get_velocity(self, x0: Tensor, eps: Tensor, t: int | Tensor) -> Tensor:
        """v = √ᾱ_t·ε − √(1 − ᾱ_t)·x₀."""
        v = ...
        return v

    def denoise(self, model: nn.Module, x: Tensor, t: int, t_prev: int, eta: float) -> Tensor:
        """One step from x_t to x_s, s = `t_prev`, where −1 is the finished image.

        x_s = √ᾱ_s·x̂₀ + √(1 − ᾱ_s − σ²)·ε̂ + σ·z, with σ² = η·β̃ and β̃ = (1 − ᾱ_s)/(1 − ᾱ_t)·(1 − ᾱ_t/ᾱ_s).
        """
        eps = model(x, torch.full((len(x),), t, device=x.device))
        abar_t = ...
        abar_s = ...
        x0 = ...
        sigma = ...
        x_s = ...
        return x_s
