"""Hand-out: a DDPM with text. Fill in each `...`, and test yourself with: inkwash check gaussian_diffusion.py"""

from typing import Any

import torch
from torch import Tensor, nn


def extract(table: Tensor, t: Tensor, shape: torch.Size) -> Tensor:
    """Entries of a table [T] at t [B], as [B,1,1,1] for images of this shape."""
    return table.gather(-1, t).reshape(len(t), *[1] * (len(shape) - 1))


class GaussianDiffusion(nn.Module):
    """A `model` called as model(x_t, t, model_kwargs) predicts the noise. Images come and go in [0, 1]."""

    def __init__(self, model: nn.Module, timesteps: int = 1000) -> None:
        super().__init__()
        self.model, self.num_timesteps = model, timesteps
        self.betas = torch.linspace(1e-4, 0.02, timesteps)
        self.alphas = 1 - self.betas
        self.alphas_cumprod = ...  # ᾱ_t = α_0·α_1·…·α_t

    def normalize(self, img: Tensor) -> Tensor:
        """[0, 1] -> [−1, 1]."""
        return ...

    def unnormalize(self, img: Tensor) -> Tensor:
        """[−1, 1] -> [0, 1]."""
        return ...

    def q_sample(self, x_start: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """x_t = √ᾱ_t·x₀ + √(1 − ᾱ_t)·ε, for t [B]."""
        x_t = ...
        return x_t

    def predict_start_from_noise(self, x_t: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """The x₀ of x_t and ε."""
        x_start = ...
        return x_start

    def predict_noise_from_start(self, x_t: Tensor, t: Tensor, x_start: Tensor) -> Tensor:
        """The ε of x_t and x₀."""
        noise = ...
        return noise

    def q_posterior(self, x_start: Tensor, x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of q(x_{t−1} | x_t, x₀), where ᾱ_{−1} = 1."""
        abar = extract(self.alphas_cumprod, t, x_t.shape)
        beta = extract(self.betas, t, x_t.shape)
        before = ...  # ᾱ_{t−1}
        mean = ...
        std = ...
        return mean, std

    def p_losses(self, x_start: Tensor, model_kwargs: Any = None) -> Tensor:
        """The mean squared error of the predicted noise, of images in [0, 1]."""
        x_start = self.normalize(x_start)
        t = torch.randint(0, self.num_timesteps, (len(x_start),), device=x_start.device)
        noise = torch.randn_like(x_start)
        loss = ...
        return loss

    def p_sample(self, x_t: Tensor, t: int, model_kwargs: Any = None) -> Tensor:
        """One step from x_t to x_{t−1}, with x̂₀ held in [−1, 1]; no noise is added at t = 0."""
        times = torch.full((len(x_t),), t, device=x_t.device)
        x_start = ...
        mean, std = self.q_posterior(x_start, x_t, times)
        x_before = ...
        return x_before
