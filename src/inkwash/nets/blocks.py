"""The blocks of the U-Net: residual, attention, down, up."""

import math
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)

_SMALL = 2**16  # query-key pairs, up to which attention computes the full matrix explicitly


def norm(channels: int) -> nn.GroupNorm:
    """Group norm in groups of 16 channels (Wu & He 2018, table 3); in 8 groups or fewer if 16 does not divide.

    In bfloat16 on a CPU, groups of 8 or 24 channels take several times as long (docs/performance.md).
    """
    return nn.GroupNorm(math.gcd(channels, 8) if channels % 16 else channels // 16, channels)


class ResidualBlock(nn.Module):
    """Twice norm, SiLU, conv, with a skip connection (Ho et al. 2020, appendix B); [B,i,H,W] -> [B,o,H,W].

    The embedding [B,E] enters between the convolutions: added, or with `film` as scale and shift of the
    second norm (Dhariwal & Nichol 2021, section 4.3).
    """

    def __init__(self, channels: int, out: int, embedding: int, film: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        self.film = film
        self.norm1, self.conv1 = norm(channels), nn.Conv2d(channels, out, 3, padding=1)
        self.embed = nn.Linear(embedding, 2 * out if film else out)
        self.norm2, self.conv2 = norm(out), zeroed(nn.Conv2d(out, out, 3, padding=1))
        self.dropout = nn.Dropout(dropout)
        self.skip = nn.Conv2d(channels, out, 1) if channels != out else nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        e = self.embed(embedding)[:, :, None, None]
        if self.film:
            scale, shift = e.chunk(2, dim=1)
            h = self.norm2(h) * (1 + scale) + shift
        else:
            h = self.norm2(h + e)
        return self.skip(x) + self.conv2(self.dropout(F.silu(h)))  # type: ignore[no-any-return]


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """softmax(q·kᵀ/√D)·v (Vaswani et al. 2017, eq. 1): q [B,heads,N,D], k and v [B,heads,M,D] -> [B,heads,N,D].

    `mask`, bool, broadcastable to [B,heads,N,M], is False for keys that must not be attended to.
    """
    if q.device.type != "cpu" or q.dtype != torch.bfloat16 or q.shape[-2] * k.shape[-2] > _SMALL:
        return F.scaled_dot_product_attention(q, k, v, mask)
    # PyTorch's scaled_dot_product_attention takes five times as long here, with gradient (docs/performance.md)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    seen: Tensor = scores.softmax(-1, dtype=torch.float32).to(v.dtype) @ v
    return seen


class Attention(nn.Module):
    """Self-attention over all positions of an image, with a skip connection; [B,C,H,W] -> [B,C,H,W]."""

    def __init__(self, channels: int, heads: int = 1) -> None:
        super().__init__()
        self.heads = heads
        self.norm = norm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = zeroed(nn.Linear(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        B, C, H, W = x.shape
        places = self.norm(x).flatten(2).transpose(1, 2)  # [B,HW,C]
        qkv = self.qkv(places).view(B, H * W, 3, self.heads, C // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # [B,heads,HW,C/heads] each
        seen = attend(q, k, v).transpose(1, 2).reshape(B, H * W, C)
        return x + self.out(seen).transpose(1, 2).view(B, C, H, W)  # type: ignore[no-any-return]


class CrossAttention(nn.Module):
    """Cross-attention from image positions to tokens [B,L,W], with a skip connection; [B,C,H,W] -> [B,C,H,W].

    `mask` [B,L] says which tokens count (Rombach et al. 2022, section 3.3).
    """

    def __init__(self, channels: int, width: int, heads: int = 1) -> None:
        super().__init__()
        self.heads = heads
        self.norm = norm(channels)
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(width, 2 * channels)
        self.out = zeroed(nn.Linear(channels, channels))

    def forward(self, x: Tensor, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        B, C, H, W = x.shape
        places = self.norm(x).flatten(2).transpose(1, 2)  # [B,HW,C]
        q = self.query(places).view(B, H * W, self.heads, C // self.heads).transpose(1, 2)
        key_value = self.key_value(tokens).view(B, -1, 2, self.heads, C // self.heads)
        k, v = key_value.permute(2, 0, 3, 1, 4)  # [B,heads,L,C/heads] each
        which = None if mask is None else mask[:, None, None]
        seen = attend(q, k, v, which).transpose(1, 2).reshape(B, H * W, C)
        return x + self.out(seen).transpose(1, 2).view(B, C, H, W)  # type: ignore[no-any-return]


class Downsample(nn.Conv2d):
    """[B,C,H,W] -> [B,C,H/2,W/2] by a strided convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 3, stride=2, padding=1)


class Upsample(nn.Conv2d):
    """[B,C,H,W] -> [B,C,2H,2W]: each pixel repeated, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.interpolate(x, scale_factor=2.0, mode="nearest"))


def zeroed(layer: M) -> M:
    """Sets all parameters of a layer to 0, so that its residual block is initialised as the identity."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
