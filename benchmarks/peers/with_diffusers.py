"""diffusers' UNet2DModel, trained by the steps of its unconditional training example, drawn from by DDIMPipeline."""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from datasets import load_dataset
from diffusers import DDIMPipeline, DDPMScheduler, UNet2DModel
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import transforms
from tqdm.auto import tqdm
from worker import to_uint8

SIDE = 28


class System:
    def __init__(self, asked: dict[str, Any]) -> None:
        bf16 = asked["precision"] == "bf16"
        self.kind = torch.bfloat16 if bf16 else torch.float32
        self.accelerator = Accelerator(gradient_accumulation_steps=1, mixed_precision="bf16" if bf16 else "no")
        model = UNet2DModel(sample_size=SIDE, in_channels=1, out_channels=1, layers_per_block=2, **asked["size"])
        self.ema = EMAModel(
            model.parameters(), decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=0.75,
            model_cls=UNet2DModel, model_config=model.config,
        )  # fmt: skip
        self.noise = DDPMScheduler(num_train_timesteps=1000)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.95, 0.999), weight_decay=1e-6, eps=1e-8)
        loader = DataLoader(pictures(asked["pictures"], asked["cache"]), batch_size=asked["batch"], shuffle=True)
        rate = get_scheduler("cosine", optimizer=optimizer, num_warmup_steps=500, num_training_steps=asked["planned"])
        self.model, self.optimizer, self.loader, self.rate = self.accelerator.prepare(model, optimizer, loader, rate)
        self.ema.to(self.accelerator.device)
        self.network: nn.Module = self.accelerator.unwrap_model(self.model)
        self.steps = self._steps()

    def evaluate(self, x: Tensor, device: torch.device) -> None:
        self.network(x, torch.zeros(1, dtype=torch.long, device=device))

    def train(self, steps: int) -> int:
        return sum(next(self.steps) for _ in range(steps))

    def _steps(self) -> Iterator[int]:
        """The images of each step, once it is done."""
        model, accelerator = self.model, self.accelerator
        while True:
            model.train()
            bar = tqdm(total=len(self.loader))
            for batch in self.loader:
                clean = batch["input"].to(self.kind)
                noise = torch.randn(clean.shape, dtype=self.kind, device=clean.device)
                times = torch.randint(0, self.noise.config.num_train_timesteps, (len(clean),), device=clean.device)
                noisy = self.noise.add_noise(clean, noise, times.long())
                with accelerator.accumulate(model):
                    loss = F.mse_loss(model(noisy, times).sample.float(), noise.float())
                    accelerator.backward(loss)
                    if accelerator.sync_gradients:
                        accelerator.clip_grad_norm_(model.parameters(), 1.0)
                    self.optimizer.step()
                    self.rate.step()
                    self.optimizer.zero_grad()
                self.ema.step(model.parameters())
                bar.update(1)
                bar.set_postfix(loss=loss.detach().item(), lr=self.rate.get_last_lr()[0], ema=self.ema.cur_decay_value)
                yield len(clean)
            bar.close()

    def sampled(self) -> nn.Module:
        return self.network

    def draw(self, n: int, steps: int) -> Any:
        self.network.eval()
        self.ema.store(self.network.parameters())
        self.ema.copy_to(self.network.parameters())
        pipeline = DDIMPipeline(unet=self.network, scheduler=self.noise)
        images = pipeline(batch_size=n, num_inference_steps=steps, output_type="np").images
        self.ema.restore(self.network.parameters())
        self.network.train()
        return to_uint8(torch.from_numpy(images).permute(0, 3, 1, 2))


def pictures(folder: str, cache: str) -> Any:
    """The PNG files of a folder, decoded whenever they are asked for."""
    augment = transforms.Compose(
        [
            transforms.Resize(SIDE),
            transforms.CenterCrop(SIDE),
            transforms.Lambda(lambda image: image),  # where the example mirrors, if told to
            transforms.ToTensor(),
            transforms.Normalize([0.5], [0.5]),
        ]
    )
    found = load_dataset("imagefolder", data_dir=folder, cache_dir=cache, split="train")
    found.set_transform(lambda many: {"input": [augment(image.convert("L")) for image in many["image"]]})
    return found
