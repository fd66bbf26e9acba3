"""The assignment in a minute on a CPU: squares of three colours, asked for by name, with and without guidance.

python examples/cs231n/demo.py
"""

import sys

import torch
from gaussian_diffusion import GaussianDiffusion
from torch import Tensor
from unet import Unet

COLOURS = torch.eye(3)  # red, green, blue; also what stands in for CLIP's text embedding of each


def squares(names: Tensor) -> Tensor:
    """A square of each colour somewhere on grey: names [B] in 0..2 -> [B,3,8,8] in [0, 1]."""
    images = torch.full((len(names), 3, 8, 8), 0.5)
    for image, name, (top, left) in zip(images, names, torch.randint(4, (len(names), 2)).tolist(), strict=True):
        image[:, top : top + 4, left : left + 4] = COLOURS[name, :, None, None]
    return images


def main(steps: int = 1000, timesteps: int = 100) -> None:
    torch.manual_seed(0)
    diffusion = GaussianDiffusion(Unet(16, condition_dim=3, dim_mults=(1, 2)), image_size=8, timesteps=timesteps)
    optimizer = torch.optim.Adam(diffusion.parameters(), lr=1e-3, betas=(0.9, 0.99))
    for step in range(1, steps + 1):
        names = torch.randint(3, (64,))
        loss = diffusion.p_losses(squares(names), {"text_emb": COLOURS[names]})
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print(f"step {step}: loss {loss.item():.4f}")
    diffusion.eval()  # the course's notebook samples without this, and so with dropout and texts withheld
    names = torch.arange(3).repeat(20)
    for w in (0.0, 2.0):
        torch.manual_seed(1)
        images = diffusion.sample(60, model_kwargs={"text_emb": COLOURS[names], "cfg_scale": w})
        found = (images - 0.5).flatten(2).mean(2).argmax(1)  # the channel that stands out
        print(f"w = {w:g}: {(found == names).float().mean():.0%} have the colour that was asked for")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
