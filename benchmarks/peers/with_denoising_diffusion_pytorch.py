"""denoising-diffusion-pytorch: its Unet and GaussianDiffusion, trained by its own Trainer."""

from contextlib import nullcontext
from typing import Any

import torch
from denoising_diffusion_pytorch import GaussianDiffusion, Trainer, Unet
from torch import Tensor, nn
from worker import to_uint8

_NEVER = 10**9


class System:
    def __init__(self, asked: dict[str, Any]) -> None:
        self.bf16, self.batch = asked["precision"] == "bf16", asked["batch"]
        size = {name: tuple(each) if isinstance(each, list) else each for name, each in asked["size"].items()}
        diffusion = GaussianDiffusion(Unet(channels=1, **size), image_size=28, timesteps=1000, sampling_timesteps=250)
        self.trainer = Trainer(
            diffusion, asked["pictures"], train_batch_size=self.batch, train_lr=1e-4, train_num_steps=0,
            augment_horizontal_flip=False, save_and_sample_every=_NEVER, calculate_fid=False,
            results_folder=asked["work"], amp=self.bf16, mixed_precision_type="bf16",
        )  # fmt: skip
        self.network: nn.Module = diffusion.model

    def evaluate(self, x: Tensor, device: torch.device) -> None:
        self.network(x, torch.zeros(1, dtype=torch.long, device=device))

    def train(self, steps: int) -> int:
        self.trainer.train_num_steps += steps
        self.trainer.train()
        return steps * self.batch

    def sampled(self) -> nn.Module:
        return self.trainer.ema.ema_model.model  # type: ignore[no-any-return]

    def draw(self, n: int, steps: int) -> Any:
        average = self.trainer.ema.ema_model.eval()
        average.sampling_timesteps, average.is_ddim_sampling = steps, steps < average.num_timesteps
        with torch.autocast(self.trainer.device.type, torch.bfloat16) if self.bf16 else nullcontext():
            return to_uint8(average.sample(batch_size=n))
