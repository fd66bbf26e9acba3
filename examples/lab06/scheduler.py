"""The lab's scheduler.py: noise, velocity, one step of DDIM, and sampling. The mathematics is inkwash's.

Two letters differ. The lab's α_t is 1 − β_t, and ᾱ_t the product of the α so far; inkwash's α and σ are the
lab's √ᾱ_t and √(1 − ᾱ_t), so that x_t = α·x₀ + σ·ε. Time t runs from 0 (almost clean) to T − 1 (almost noise).
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from tqdm import tqdm

from inkwash import __version__
from inkwash.core import CLEAN, Eps, Level, Noise, Seeded, V, diffuse, linear, prior, target, trailing
from inkwash.data import to_uint8
from inkwash.denoise import Denoiser, clip
from inkwash.errors import UsageError
from inkwash.runs import machine
from inkwash.runs.draw import CPU_BATCH
from inkwash.sample import DDIM, last, sample
from inkwash.view import check_out, needs_frames, write

PREDICTIONS = {"epsilon": Eps(), "eps": Eps(), "v": V()}  # "eps" is what inkwash's own settings call it
DEVICE = machine.device("auto")  # the slide's torch.device("cuda"), where there is one


class DDIMScheduler:
    """The forward process of T = `n_steps` steps, and the way back.

    `prediction` is what the network outputs, "epsilon" or "v". `clip` holds every x̂₀ in [−1, 1] on the way,
    which the slides do not do and `inkwash sample` does unless told `--limit none`. `precision` is that of the
    arithmetic inside the network.
    """

    def __init__(
        self,
        n_steps: int = 1000,
        beta_min: float = 1e-4,
        beta_max: float = 0.02,
        prediction: str = "epsilon",
        clip: bool = False,
        precision: torch.dtype = torch.float32,
    ) -> None:
        if prediction not in PREDICTIONS:
            raise UsageError(f"prediction must be one of {', '.join(PREDICTIONS)} (got {prediction!r}).")
        self.n_steps, self.prediction, self.clip, self.precision = n_steps, PREDICTIONS[prediction], clip, precision
        self.schedule = linear(n_steps, beta_min, beta_max)
        self.beta = self.schedule.betas  # [T] float64, and so the next two
        self.alpha = 1 - self.beta
        self.alpha_bar = torch.tensor([self.level(t).alpha for t in range(n_steps)], dtype=torch.float64) ** 2

    def level(self, t: int | Tensor) -> Level:
        """(√ᾱ_t, √(1 − ᾱ_t)): numbers for a whole t, where −1 is the finished image; [B,1,1,1] for t [B]."""
        if isinstance(t, Tensor):
            return Level(*(value.view(-1, 1, 1, 1) for value in self.schedule.at(t)))
        return CLEAN if t == -1 else self.schedule.at(t)

    def add_noise(self, x0: Tensor, t: int | Tensor, eps: Tensor) -> Tensor:
        """x_t = √ᾱ_t·x₀ + √(1 − ᾱ_t)·ε, shapes as x0. It acts on x₀; the lab's web page writes x_{t−1}."""
        return diffuse(x0, eps, self.level(t))

    def get_velocity(self, x0: Tensor, eps: Tensor, t: int | Tensor) -> Tensor:
        """v = √ᾱ_t·ε − √(1 − ᾱ_t)·x₀ (Salimans & Ho 2022, appendix D), shapes as x0."""
        return target(V(), x0, eps, self.level(t))

    def predict(self, model: nn.Module, x: Tensor, t: int | Tensor) -> Tensor:
        """What the network says, ε_θ or v_θ: model(x, t) in `precision`, given in the type of x."""
        return self._denoiser(model).output(x, self.level(t))

    def denoise(
        self, model: nn.Module, x: Tensor, t: int, t_prev: int, eta: float, noise: Noise = torch.randn_like
    ) -> Tensor:
        """One DDIM step x_t -> x_s for s = `t_prev` = t − 1, t − k, or −1 for x₀ itself; shapes as x.

        x_s = √ᾱ_s·x̂₀ + √(1 − ᾱ_s − σ²)·ε̂ + σ·z, with the lab's σ² = η·β̃ and, for any jump,
        β̃ = (1 − ᾱ_s)/(1 − ᾱ_t)·(1 − ᾱ_t/ᾱ_s). The slide shows a root round β̃'s denominator; there is none.
        """
        denoiser = self._denoiser(model)
        limited = clip(denoiser) if self.clip else denoiser
        edge = [self.level(t), self.level(t_prev)]
        return last(sample(limited, x, edge, DDIM.lab(eta), noise))

    def sample(
        self,
        save_path: str,
        model: nn.Module,
        eta: float,
        n_samples: int = 16,
        image_channels: int = 1,
        image_size: int = 32,
        inference_steps: int = 1_000,
        device: torch.device = DEVICE,
    ) -> None:
        """Draws `n_samples` images and saves them, four in a row.

        Image i is a function of the model, η, the steps, i, and the seed last given to torch.manual_seed.
        """
        check_out(save_path)
        if needs_frames(save_path):
            raise UsageError(f"{save_path} asks for an animation, which `inkwash sample` makes; give a .png.")
        if n_samples < 1:
            raise UsageError(f"n_samples must be at least 1 (got {n_samples}).")
        # t = T−1, T−1−k, … as on the slide, for k = T // inference_steps; where that leaves a rest, the slide
        # stops short of the clean image, and these strides spread the rest instead
        times = [level.t for level in trailing(self.schedule, inference_steps)[:-1]] + [-1]
        drawn = []
        # LANES at a time, as `inkwash sample` draws, so that the last bit of an image does not hang on n_samples
        for first in tqdm(range(0, n_samples, CPU_BATCH), unit="batch"):
            noise = Seeded(torch.initial_seed(), range(first, first + CPU_BATCH))
            like = torch.empty(CPU_BATCH, image_channels, image_size, image_size, device=device)
            x = prior(noise, self.level(times[0]), like)
            for t, t_prev in pairwise(times):
                x = self.denoise(model, x, t, t_prev, eta, noise)
            drawn.append(x)
        # the lab clamps to [0, 1], where its data lives; inkwash keeps data in [−1, 1], and to_uint8 clamps there
        images = to_uint8(torch.cat(drawn)[:n_samples]).permute(0, 2, 3, 1).cpu().numpy()  # [N,H,W,C]
        about = {"inkwash": __version__, "example": "lab06", "eta": eta, "inference_steps": inference_steps}
        write(save_path, images, about, columns=4)

    def _denoiser(self, model: nn.Module) -> Denoiser:
        """The model as x̂₀ from x. A lab model takes no condition."""
        return Denoiser(lambda x, t, cond: model(x, t), self.prediction, precision=self.precision)
