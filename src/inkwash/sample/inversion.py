"""How a picture is turned into noise and back: the rows of `choices.INVERSIONS`."""

from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from inkwash.core import Denoise, Noise, Plan
from inkwash.sample.edict import edict_decode, edict_encode
from inkwash.sample.encode import encode
from inkwash.sample.heun import Heun
from inkwash.sample.loop import last, sample
from inkwash.sample.solver import Solver


class Inversion(Protocol):
    """A way from images to noise, and one back."""

    solver: Solver | None  # that walks back, and can carry a mask; None for a walk of its own

    def encode(self, denoise: Denoise, x0: Tensor, plan: Plan) -> Any:
        """What images x0 [B,C,H,W] are at plan[0]. Raises UsageError for a plan from pure noise (α = 0)."""
        ...

    def decode(self, denoise: Denoise, noisy: Any, plan: Plan, solver: Solver | None, noise: Noise) -> Tensor:
        """The images [B,C,H,W] at the end of the plan, in the dtype of those that were encoded."""
        ...


class FlowInversion:
    """The probability-flow ODE by Heun's method both ways (Song et al. 2021b, section 4.3); inverse up to its error."""

    solver: ClassVar[Solver] = Heun()

    def encode(self, denoise: Denoise, x0: Tensor, plan: Plan) -> Tensor:
        return last(encode(denoise, x0, plan))

    def decode(self, denoise: Denoise, noisy: Tensor, plan: Plan, solver: Solver | None, noise: Noise) -> Tensor:
        return last(sample(denoise, noisy, plan, solver or self.solver, noise))


class EDICTInversion:
    """Two coupled walks of DDIM (Wallace et al. 2023): an exact inverse, for any network and guidance."""

    solver: ClassVar[None] = None

    def encode(self, denoise: Denoise, x0: Tensor, plan: Plan) -> tuple[Tensor, Tensor]:
        return edict_encode(denoise, x0, plan)

    def decode(
        self, denoise: Denoise, noisy: tuple[Tensor, Tensor], plan: Plan, solver: Solver | None, noise: Noise
    ) -> Tensor:
        return edict_decode(denoise, noisy, plan, dtype=torch.float32).float()
