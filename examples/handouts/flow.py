"""Hand-out: flow matching. Fill in each `...`, and test yourself with: inkwash check flow.py

t = 0 is noise x₀, and t = 1 is data x₁.
"""

import torch
from torch import Tensor, nn


def interpolate(x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
    """x_t = (1 − t)·x₀ + t·x₁, for t [B]."""
    x_t = ...
    return x_t


def flow_velocity(x0: Tensor, x1: Tensor) -> Tensor:
    """u = dx_t/dt."""
    u = ...
    return u


def flow_loss(model: nn.Module, x1: Tensor) -> Tensor:
    """The mean squared error of the velocity that model(x_t, t) predicts."""
    t = torch.rand(len(x1), device=x1.device)
    x0 = torch.randn_like(x1)
    loss = ...
    return loss


def flow_step(model: nn.Module, x: Tensor, t: Tensor, dt: float) -> Tensor:
    """One step of Euler's method, from t to t + dt."""
    x_next = ...
    return x_next


def guide(cond: Tensor, uncond: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance: u_uncond + s·(u_cond − u_uncond)."""
    guided = ...
    return guided


def probability_flow(x: Tensor, score: Tensor, beta: float) -> Tensor:
    """dx/dt = −½·β·(x + score), the probability flow of a variance-preserving process."""
    drift = ...
    return drift
