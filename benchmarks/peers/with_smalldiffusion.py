"""smalldiffusion: its Unet, training_loop and samples, driven as its Fashion-MNIST example drives them."""

from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image
from smalldiffusion import MappedDataset, Scaled, ScheduleLogLinear, Unet, img_normalize, samples, training_loop
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch_ema import ExponentialMovingAverage
from torchvision import transforms
from worker import to_uint8

_FOREVER = 10**6


class System:
    def __init__(self, asked: dict[str, Any]) -> None:
        self.accelerator = Accelerator(mixed_precision="bf16" if asked["precision"] == "bf16" else "no")
        size = {name: tuple(each) if isinstance(each, list) else each for name, each in asked["size"].items()}
        self.network: nn.Module = Scaled(Unet)(28, 1, 1, **size)
        transform = transforms.Compose([transforms.ToTensor(), transforms.Lambda(lambda image: image * 2 - 1)])
        pixels = np.load(asked["pixels"])
        dataset = MappedDataset(pixels, lambda each: transform(Image.fromarray(each)))
        loader = DataLoader(dataset, batch_size=asked["batch"], shuffle=True)
        self.schedule = ScheduleLogLinear(sigma_min=0.01, sigma_max=20, N=800)
        self.ema = ExponentialMovingAverage(self.network.parameters(), decay=0.999)
        self.ema.to(self.accelerator.device)
        self.network.to(self.accelerator.device)
        self.loop = training_loop(
            loader, self.network, self.schedule, accelerator=self.accelerator, epochs=_FOREVER, lr=7e-4
        )

    def evaluate(self, x: Tensor, device: torch.device) -> None:
        self.network(x, torch.ones((), device=device))

    def train(self, steps: int) -> int:
        images = 0
        for _ in range(steps):
            told = next(self.loop)
            told.pbar.set_description(f"Loss={told.loss.item():.5}")
            self.ema.update()
            images += len(told.x0)
        return images

    def sampled(self) -> nn.Module:
        return self.network

    def draw(self, n: int, steps: int) -> Any:
        with self.ema.average_parameters():
            *_, x0 = samples(
                self.network, self.schedule.sample_sigmas(steps), gam=1.6, batchsize=n, accelerator=self.accelerator
            )
        return to_uint8(img_normalize(x0))
