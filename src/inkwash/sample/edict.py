"""EDICT: a walk of two coupled images, whose way up from an image to noise inverts the way down exactly."""

from itertools import pairwise

import torch
from torch import Tensor

from inkwash.core import Denoise, Level, Plan, as_floats
from inkwash.errors import UsageError

Pair = tuple[Tensor, Tensor]


def edict_encode(denoise: Denoise, x0: Tensor, plan: Plan, p: float = 0.93) -> Pair:
    """The two noises (x, y) at plan[0] of images x0 [B,C,H,W], float64, by the inverse of each step of EDICT.

    The method is that of Wallace et al. 2023 (section 4), on x/α instead of x. `edict_decode` of the pair with the
    same denoiser, plan and mixing p gives x0 up to rounding, which grows by about p⁻² a step, and for p = 1
    by what the network makes of the difference of the two. The network sees x0's dtype. Raises UsageError for p outside
    of (0, 1], or for a plan from pure noise or with churn.
    """
    _check(plan, p)
    x = y = x0.double()
    for step, (t, s) in reversed(list(enumerate(pairwise(plan)))):
        if step % 2:
            x, y = y, x
        y = (y - (1 - p) * x) / p
        x = (x - (1 - p) * y) / p
        y = y - _move(denoise, x, t, s, x0.dtype)
        x = x - _move(denoise, y, t, s, x0.dtype)
        if step % 2:
            x, y = y, x
    alpha = as_floats(plan[0])[0]
    return alpha * x, alpha * y


def edict_decode(denoise: Denoise, pair: Pair, plan: Plan, p: float = 0.93, dtype: torch.dtype | None = None) -> Tensor:
    """The clean images, float64, of two noises at plan[0] (Wallace et al. 2023, section 4); see `edict_encode`.

    Each image moves by DDIM (η = 0) with the noise that the network finds in the other one, then the two are mixed. The
    one that moves first alternates. All is computed on x/α, so that the network sees every image at the scale of its
    level. `dtype` is what the network sees, by default the pair's.
    """
    _check(plan, p)
    alpha, dtype = as_floats(plan[0])[0], dtype or pair[0].dtype
    x, y = (z.double() / alpha for z in pair)
    for step, (t, s) in enumerate(pairwise(plan)):
        if step % 2:
            x, y = y, x
        x = x + _move(denoise, y, t, s, dtype)
        y = y + _move(denoise, x, t, s, dtype)
        x = p * x + (1 - p) * y
        y = p * y + (1 - p) * x
        if step % 2:
            x, y = y, x
    return x


def _move(denoise: Denoise, x: Tensor, t: Level, s: Level, dtype: torch.dtype) -> Tensor:
    """The step of x/α from t to s along the noise that is found in x, an image over α."""
    (alpha_t, sigma_t, _), (alpha_s, sigma_s, _) = as_floats(t), as_floats(s)
    with torch.no_grad():
        clean = denoise((alpha_t * x).to(dtype), t).double()
    return (sigma_s / alpha_s * alpha_t / sigma_t - 1) * (x - clean)


def _check(plan: Plan, p: float) -> None:
    if not 0 < p <= 1:
        raise UsageError(f"EDICT's mixing p lies in (0, 1] (got {p}); its paper uses 0.93.")
    if as_floats(plan[0])[0] == 0:
        raise UsageError("an image cannot be encoded into pure noise (α = 0); use karras spacing.")
    if any(as_floats(s)[2] <= as_floats(t)[2] for t, s in pairwise(plan)):
        raise UsageError("EDICT walks a plan whose noise falls at every step; leave out churn and time travel.")
