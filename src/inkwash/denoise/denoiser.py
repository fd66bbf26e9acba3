"""A denoiser wraps a network and returns x̂₀ = E[x₀ | x], whichever quantity the network predicts."""

from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn

from inkwash.core import Level, Prediction, determinant, marginal_std, x0_from
from inkwash.errors import UsageError


class Denoiser(nn.Module):
    """A network together with the prediction type of its output.

    The network is any module called as net(x, t, cond). x is float32 [B,C,H,W], divided by the standard deviation
    it has for data of standard deviation `sigma_data`. t is [B]: int64 rows of a discrete schedule, else float32.
    cond is the value passed to `given`, or None. `precision` is the autocast dtype inside the network; x̂₀ is
    always float32.
    """

    def __init__(
        self,
        net: nn.Module,
        prediction: Prediction,
        sigma_data: float = 1.0,
        precision: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.net = net
        self.prediction = prediction
        self.sigma_data = sigma_data
        self.precision = precision

    def output(self, x: Tensor, level: Level, cond: Any = None) -> Tensor:
        """The network's raw output F [B,C,H,W], float32. `level` holds floats, or tensors [B] or [B,1,1,1]."""
        level = level.per_image(x)
        t = level.t.flatten() if isinstance(level.t, Tensor) else torch.full((len(x),), level.t, device=x.device)
        scaled = x / marginal_std(level, self.sigma_data)
        with torch.autocast(x.device.type, self.precision, enabled=self.precision != torch.float32):
            return self.net(scaled, t, cond).to(x.dtype)  # type: ignore[no-any-return]

    def forward(self, x: Tensor, level: Level, cond: Any = None, raw: bool = False) -> Tensor:
        """x̂₀ [B,C,H,W], float32, from x at `level`; with `raw`, the network's output F, which the loss uses."""
        if raw:
            return self.output(x, level, cond)
        if isinstance(level.sigma, float) and level.sigma == 0:
            raise ValueError("a denoiser was asked about a clean image (σ = 0); solvers never need that.")
        if isinstance(level.sigma, float) and determinant(self.prediction, level) == 0:
            raise UsageError(
                f"{type(self.prediction).__name__} says nothing of the image at pure noise (α = 0), where this plan "
                "begins; begin a little later (karras or leading spacing), or train with another prediction (v, x0)."
            )
        return x0_from(self.prediction, self.output(x, level, cond), x, level)

    def given(self, cond: Any) -> "Given":
        """The denoiser with its condition fixed: a function of (x, level)."""
        return Given(self, cond)


@final
@dataclass(frozen=True, eq=False)
class Given:
    """A denoiser with a fixed condition: a value [B,…] for the network's embedder, a Condition, or None."""

    model: Denoiser
    cond: Any

    def __call__(self, x: Tensor, level: Level) -> Tensor:
        return self.model(x, level, self.cond)  # type: ignore[no-any-return]
