"""The level of a model at which another library asks."""

import torch
from torch import Tensor

from inkwash.core import Level, Schedule, as_floats
from inkwash.errors import UsageError


def level_at(schedule: Schedule, alpha: Tensor | float, sigma: Tensor | float) -> Level:
    """The level (α, σ), with the t that a network trained on `schedule` is given where log SNR is the same.

    α and σ are numbers, or tensors of one element or of one an image; where all are alike, the level is of floats, as
    guidance and limits need it. Noise beyond the schedule's ends gets the t of the end. σ is above 0.
    """
    alphas, sigmas = (torch.as_tensor(value, dtype=torch.float64).flatten() for value in (alpha, sigma))
    alphas, sigmas = alphas + 0 * sigmas, sigmas + 0 * alphas  # one an image, if either is
    if not bool((sigmas > 0).all()):
        raise UsageError("a denoiser is asked at a noise above 0; give a larger sigma.")
    if bool((alphas == alphas[0]).all() and (sigmas == sigmas[0]).all()):
        a, s = float(alphas[0]), float(sigmas[0])
        return Level(schedule.from_logsnr(as_floats(Level(0.0, a, s))[2]).t, a, s)
    t = schedule.from_logsnr(2 * (alphas.log() - sigmas.log())).t
    device = alpha.device if isinstance(alpha, Tensor) else sigma.device if isinstance(sigma, Tensor) else "cpu"
    return Level(torch.as_tensor(t).float().to(device), alphas.float().to(device), sigmas.float().to(device))
