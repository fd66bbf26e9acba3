"""The lab's unet.py: its blocks by its names, each one of inkwash's, and the U that they make.

The parameters carry the names that inkwash.nets.UNet gives them, so that either loads the other's weights.
"""

import torch
from torch import Tensor, nn

from inkwash.nets import blocks, embed, unet
from inkwash.nets.blocks import Downsample, Upsample  # [B,C,H,W] -> [B,C,H/2,W/2], and -> [B,C,2H,2W]

WIDTH = 32  # channels of the finest level
TIME = 4 * WIDTH  # numbers that tell each residual block the time


class Swish(nn.SiLU):
    """x·sigmoid(x), any shape."""


class TimeEmbedding(embed.TimeEmbedding):
    """Time (时间嵌入): t [B] -> [B,TIME], sines and cosines of t at 16 rates, then two linear layers."""

    def __init__(self) -> None:
        super().__init__(WIDTH, TIME)


class ResidualBlock(blocks.ResidualBlock):
    """Twice norm, Swish, conv, round a skip (残差); time is added between the two: [B,i,H,W] -> [B,o,H,W]."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__(channels, out, TIME, film=False)


class AttentionBlock(blocks.Attention):
    """Every place looks at every other, round a skip (注意力): [B,C,H,W] -> the same."""


class DownBlock(unet.Stage):
    """On the way down: a residual block, and with `attend` an attention block after it."""

    def __init__(self, channels: int, out: int, attend: bool = False) -> None:
        super().__init__(ResidualBlock(channels, out), AttentionBlock(out) if attend else None)


class MiddleBlock(nn.ModuleList):
    """At the bottom: residual, attention, residual; the shape stays."""

    def __init__(self, channels: int) -> None:
        super().__init__([DownBlock(channels, channels, attend=True), DownBlock(channels, channels)])

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        for block in self:
            x = block(x, time)
        return x


class UpBlock(DownBlock):
    """On the way up: as DownBlock, on x [B,i,H,W] beside what the way down left there, `skip` [B,s,H,W]."""

    def __init__(self, channels: int, skip: int, out: int, attend: bool = False) -> None:
        super().__init__(channels + skip, out, attend)

    def forward(self, x: Tensor, skip: Tensor, time: Tensor) -> Tensor:
        return super().forward(torch.cat([x, skip], dim=1), time)


class UNet(nn.Module):
    """x [B,C,32,32], t int [B] in 0..T−1 -> [B,C,32,32], the network of the recipes lab06-eps and lab06-v."""

    def __init__(self, image_channels: int = 1) -> None:
        super().__init__()
        self.embed = TimeEmbedding()
        self.first = nn.Conv2d(image_channels, 32, 3, padding=1)
        self.downs = nn.ModuleList([
            DownBlock(32, 32),  # 32×32
            Downsample(32), DownBlock(32, 64),  # 16×16
            Downsample(64), DownBlock(64, 64, attend=True),  # 8×8
            Downsample(64), DownBlock(64, 128, attend=True),  # 4×4
        ])  # fmt: skip
        self.middle = MiddleBlock(128)
        self.ups = nn.ModuleList([
            UpBlock(128, 128, 128, attend=True), UpBlock(128, 64, 128, attend=True), Upsample(128),  # 4×4
            UpBlock(128, 64, 64, attend=True), UpBlock(64, 64, 64, attend=True), Upsample(64),  # 8×8
            UpBlock(64, 64, 64), UpBlock(64, 32, 64), Upsample(64),  # 16×16
            UpBlock(64, 32, 32), UpBlock(32, 32, 32),  # 32×32
        ])  # fmt: skip
        self.norm, self.swish = blocks.norm(32), Swish()
        self.last = blocks.zeroed(nn.Conv2d(32, image_channels, 3, padding=1))
        self.to(memory_format=torch.channels_last)  # as inkwash lays it out; it is faster

    def forward(self, x: Tensor, t: Tensor, cond: None = None) -> Tensor:
        """`cond` is what inkwash tells a network besides the time; the lab has none."""
        time = self.embed(t)
        h = self.first(x)
        skips = [h]
        for layer in self.downs:
            h = layer(h, time) if isinstance(layer, DownBlock) else layer(h)
            skips.append(h)
        h = self.middle(h, time)
        for layer in self.ups:
            h = layer(h, skips.pop(), time) if isinstance(layer, UpBlock) else layer(h)
        return self.last(self.swish(self.norm(h)))
