"""The U-Net of CS180/280A (UC Berkeley), project 5, part B: 28×28 digits by one-step denoising or flow matching."""

import torch
from torch import Tensor, nn

from inkwash.errors import UsageError
from inkwash.nets.condition import CondEmbedding

SIDE = 28  # two halvings leave 7×7, which the bottom averages to one number a channel


class Cs180UNet(nn.Module):
    """x [B,C,28,28], t [B], cond with a vector [B,classes] or None -> [B,C,28,28].

    Two levels of `hidden` and 2·`hidden` channels under batch norm and GELU. Time and class each make a factor or a
    shift of the channels in two places, at the bottom and one level above it: h ← c·h + t with a class, h ← t·h
    without. `time_scale` brings t into [0, 1], and 0 leaves time out, as in the project's one-step denoiser; `classes`
    0 leaves the class out. A condition that is not there is the zero vector, as in the project.

    Raises UsageError for images that are not 28×28.
    """

    def __init__(self, image_channels: int = 1, hidden: int = 64, time_scale: float = 1.0, classes: int = 0) -> None:
        super().__init__()
        self.time_scale, self.classes = time_scale, classes
        self.first = _block(image_channels, hidden)
        self.down1 = nn.Sequential(_shrinking(hidden, hidden), _block(hidden, hidden))
        self.down2 = nn.Sequential(_shrinking(hidden, 2 * hidden), _block(2 * hidden, 2 * hidden))
        self.flatten = nn.Sequential(nn.AvgPool2d(SIDE // 4), nn.GELU())
        self.unflatten = _activated(nn.ConvTranspose2d(2 * hidden, 2 * hidden, SIDE // 4, SIDE // 4), 2 * hidden)
        self.up1 = nn.Sequential(_growing(4 * hidden, hidden), _block(hidden, hidden))
        self.up2 = nn.Sequential(_growing(2 * hidden, hidden), _block(hidden, hidden))
        self.last = nn.Sequential(_block(2 * hidden, hidden), nn.Conv2d(hidden, image_channels, 3, padding=1))
        self.time1, self.time2 = (_told(1, width) if time_scale else None for width in (2 * hidden, hidden))
        self.class1, self.class2 = (_told(classes, width) if classes else None for width in (2 * hidden, hidden))

    def forward(self, x: Tensor, t: Tensor, cond: CondEmbedding | None = None) -> Tensor:
        if x.shape[2:] != (SIDE, SIDE):
            raise UsageError(f"the project's network takes {SIDE}×{SIDE} images (got {x.shape[2]}×{x.shape[3]}).")
        time = (t.float() * self.time_scale).view(-1, 1)
        vector = None if cond is None else cond.vector
        given = x.new_zeros(len(x), self.classes) if vector is None else vector
        whole = self.first(x)
        half = self.down1(whole)
        quarter = self.down2(half)
        h = _modulated(self.unflatten(self.flatten(quarter)), self.time1, time, self.class1, given)
        h = _modulated(self.up1(torch.cat([h, quarter], 1)), self.time2, time, self.class2, given)
        h = self.up2(torch.cat([h, half], 1))
        return self.last(torch.cat([h, whole], 1))  # type: ignore[no-any-return]


def _modulated(h: Tensor, by_time: nn.Module | None, time: Tensor, by_class: nn.Module | None, given: Tensor) -> Tensor:
    if by_class is not None:
        h = by_class(given)[..., None, None] * h
    if by_time is None:
        return h
    told: Tensor = by_time(time)[..., None, None]
    return h * told if by_class is None else h + told


def _activated(layer: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(layer, nn.BatchNorm2d(channels), nn.GELU())


def _block(channels: int, out: int) -> nn.Sequential:
    """Two convolutions: [B,channels,H,W] -> [B,out,H,W]."""
    layers = nn.Conv2d(channels, out, 3, padding=1), nn.Conv2d(out, out, 3, padding=1)
    return nn.Sequential(*(_activated(layer, out) for layer in layers))


def _shrinking(channels: int, out: int) -> nn.Sequential:
    """[B,channels,H,W] -> [B,out,H/2,W/2]."""
    return _activated(nn.Conv2d(channels, out, 3, stride=2, padding=1), out)


def _growing(channels: int, out: int) -> nn.Sequential:
    """[B,channels,H,W] -> [B,out,2H,2W]."""
    return _activated(nn.ConvTranspose2d(channels, out, 4, stride=2, padding=1), out)


def _told(numbers: int, out: int) -> nn.Sequential:
    """What a time or a class says to the channels: [B,numbers] -> [B,out]."""
    return nn.Sequential(nn.Linear(numbers, out), nn.GELU(), nn.Linear(out, out))
