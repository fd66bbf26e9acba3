"""The assignment's gaussian_diffusion.py: its methods, each a line or two of inkwash.

The course's √ᾱ_t and √(1 − ᾱ_t) are inkwash's α and σ, the two numbers of a Level, so that x_t = α·x₀ + σ·ε. Time runs
from 0 (almost clean) to T − 1 (almost noise); images come and go in [0, 1], and are in [−1, 1] in between.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from unet import NOTHING

from inkwash import core
from inkwash.core import CLEAN, X0, Denoise, Eps, Level
from inkwash.denoise import Denoiser, clip
from inkwash.errors import UsageError
from inkwash.sample import DDPM, last, sample
from inkwash.training import Objective, StepRandomness
from inkwash.training.objective import SNR

SCHEDULES = {
    "linear": core.linear,  # the course, too, scales the ends by 1000/T
    "cosine": core.cosine,
    "sigmoid": core.sigmoid,
}
OBJECTIVES = {"pred_noise": Eps(), "pred_x_start": X0()}


def linear_beta_schedule(timesteps: int) -> Tensor:
    """β_0 … β_{T−1} [T] float64: equal steps from 0.1/T to 20/T (Ho et al. 2020, section 4)."""
    return core.linear(timesteps).betas


def cosine_beta_schedule(timesteps: int) -> Tensor:
    """β [T] float64 of ᾱ = cos²(π/2·(u + 0.008)/1.008) (Nichol & Dhariwal 2021, eq. 17)."""
    return core.cosine(timesteps).betas


def sigmoid_beta_schedule(timesteps: int) -> Tensor:
    """β [T] float64 of a sigmoid ᾱ from −3 to 3 (Jabri et al. 2022, figure 8)."""
    return core.sigmoid(timesteps).betas


def get_beta_schedule(beta_schedule: str, timesteps: int) -> Tensor:
    """β [T] float64 of a schedule by its name. Raises UsageError for an unknown name."""
    return _known("beta_schedule", beta_schedule, SCHEDULES)(timesteps).betas


def extract(a: Tensor, t: Tensor, x_shape: Sequence[int]) -> Tensor:
    """a[t], a value for each image: [T] and t [B] -> [B,1,1,1] for images of the shape [B,C,H,W]."""
    return a[t].view(len(t), *[1] * (len(x_shape) - 1))


def _known(name: str, given: str, table: Mapping[str, Any]) -> Any:
    if given not in table:
        raise UsageError(f"{name} must be one of {', '.join(table)} (got {given!r}).")
    return table[given]


class GaussianDiffusion(nn.Module):
    """The forward process, and the way back, of a `model` called as model(x, t, model_kwargs).

    It has the course's buffers, so `state_dict` files of the course load, and its own load there. The methods do not
    read them: they take their numbers from `schedule`, in float64. A file of another schedule or objective is refused.
    """

    def __init__(
        self,
        model: nn.Module | None,
        image_size: int,
        timesteps: int = 1000,
        objective: str = "pred_noise",
        beta_schedule: str = "sigmoid",
    ) -> None:
        super().__init__()
        self.model, self.image_size, self.num_timesteps, self.channels = model, image_size, timesteps, 3
        self.objective, self.prediction = objective, _known("objective", objective, OBJECTIVES)
        self.schedule = _known("beta_schedule", beta_schedule, SCHEDULES)(timesteps)
        for name, value in course_buffers(self.schedule.betas, objective).items():
            self.register_buffer(name, value.float())
        self.register_load_state_dict_post_hook(_check_loaded)

    def level(self, t: int | Tensor) -> Level:
        """(√ᾱ_t, √(1 − ᾱ_t)): numbers for a whole t, where −1 is the finished image; [B,1,1,1] for t [B]."""
        if isinstance(t, Tensor):
            return Level(*(value.view(-1, 1, 1, 1) for value in self.schedule.at(t)))
        return CLEAN if t == -1 else self.schedule.at(t)

    def normalize(self, img: Tensor) -> Tensor:
        """[0, 1] -> [−1, 1]."""
        return img * 2 - 1

    def unnormalize(self, img: Tensor) -> Tensor:
        """[−1, 1] -> [0, 1]."""
        return (img + 1) * 0.5

    def q_sample(self, x_start: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """x_t = √ᾱ_t·x₀ + √(1 − ᾱ_t)·ε."""
        return core.diffuse(x_start, noise, self.level(t))

    def predict_start_from_noise(self, x_t: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """x₀ = (x_t − √(1 − ᾱ_t)·ε)/√ᾱ_t: what an ε-network's output means."""
        return core.x0_from(Eps(), noise, x_t, self.level(t))

    def predict_noise_from_start(self, x_t: Tensor, t: Tensor, x_start: Tensor) -> Tensor:
        """ε = (x_t − √ᾱ_t·x₀)/√(1 − ᾱ_t): what an x₀-network's output means."""
        return core.eps_from(X0(), x_start, x_t, self.level(t))

    def q_posterior(self, x_start: Tensor, x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Mean [B,C,H,W] and standard deviation [B,1,1,1] of q(x_{t−1} | x_t, x₀), t [B].

        The std at t = 0 is 0, and the course's 1e-10: it keeps the variance above 1e-20.
        """
        steps = [core.posterior(self.level(i), self.level(i - 1)) for i in t.tolist()]
        x_coef, x0_coef, std = torch.tensor(steps, dtype=torch.float64).to(x_t).T.reshape(3, -1, 1, 1, 1)
        return x_coef * x_t + x0_coef * x_start, std

    def p_losses(self, x_start: Tensor, model_kwargs: Mapping[str, Any] = NOTHING) -> Tensor:
        """The mean weighted loss of images in [0, 1]: ε's error weighs 1, and x₀'s SNR = ᾱ/(1 − ᾱ), unclipped."""
        t = torch.randint(self.num_timesteps, x_start.shape[:1], device=x_start.device)
        x_start = self.normalize(x_start)
        randomness = replace(StepRandomness.of(0, x_start.shape, x_start.device), eps=torch.randn_like(x_start))
        objective = Objective(self.schedule, self.prediction, lambda schedule, randomness: schedule.at(t), SNR())
        return objective(self._denoiser(model_kwargs), x_start, randomness).mean()

    def p_sample(self, x_t: Tensor, t: int, model_kwargs: Mapping[str, Any] = NOTHING) -> Tensor:
        """x_{t−1} from x_t; for t = 0 the image itself. x̂₀ is held in [−1, 1] on the way."""
        edge = [self.level(t), self.level(t - 1)]
        return last(sample(self._denoise(model_kwargs), x_t, edge, DDPM(), torch.randn_like))

    def sample(
        self, batch_size: int = 16, return_all_timesteps: bool = False, model_kwargs: Mapping[str, Any] = NOTHING
    ) -> Tensor:
        """Images [B,3,H,W] in about [0, 1]; with `return_all_timesteps` all T + 1 moments, [B,T+1,3,H,W]."""
        plan = core.trailing(self.schedule, self.num_timesteps)  # T − 1, …, 0, and then the clean image
        device = next(self.model.parameters()).device
        like = torch.empty(batch_size, 3, self.image_size, self.image_size, device=device)
        x = core.prior(torch.randn_like, plan[0], like)
        moments = [snapshot.x for snapshot in sample(self._denoise(model_kwargs), x, plan, DDPM(), torch.randn_like)]
        return self.unnormalize(torch.stack(moments, dim=1) if return_all_timesteps else moments[-1])

    def _denoiser(self, model_kwargs: Mapping[str, Any]) -> Denoiser:
        """The model as x̂₀ from x, under `model_kwargs`."""
        return Denoiser(lambda x, t, cond: self.model(x, t, model_kwargs), self.prediction)

    def _denoise(self, model_kwargs: Mapping[str, Any]) -> Denoise:
        return clip(self._denoiser(model_kwargs))


def course_buffers(betas: Tensor, objective: str) -> dict[str, Tensor]:
    """The course's coefficients, each [T]: of equations 4, 6 and 7 of Ho et al. 2020, and the weight of the loss."""
    alphas = 1 - betas
    bar = alphas.cumprod(0)  # ᾱ_t
    before = nn.functional.pad(bar[:-1], (1, 0), value=1.0)  # ᾱ_{t−1}
    return {
        "betas": betas,
        "alphas": alphas,
        "alphas_cumprod": bar,
        "sqrt_alphas_cumprod": bar.sqrt(),
        "sqrt_one_minus_alphas_cumprod": (1 - bar).sqrt(),
        "posterior_mean_coef1": betas * before.sqrt() / (1 - bar),
        "posterior_mean_coef2": (1 - before) * alphas.sqrt() / (1 - bar),
        "posterior_std": (betas * (1 - before) / (1 - bar)).clamp(min=1e-20).sqrt(),
        "loss_weight": torch.ones_like(bar) if objective == "pred_noise" else bar / (1 - bar),
    }


def _check_loaded(module: nn.Module, _: object) -> None:
    """Refuses weights that another forward process was trained for: they would load, and draw noise."""
    for name, value in course_buffers(module.schedule.betas, module.objective).items():
        if not torch.allclose(module.get_buffer(name).double().cpu(), value, rtol=1e-3, atol=1e-6):
            raise UsageError(
                f"the state_dict was trained with other {name}; give the `beta_schedule` and the `objective` of its "
                "training."
            )
