"""The U-Net of denoising-diffusion-pytorch (P. Wang), version 2, with its arithmetic and its names of weights."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inkwash.nets.blocks import attend
from inkwash.nets.condition import CondEmbedding


class DenoisingDiffusionUNet(nn.Module):
    """x [B,C,H,W], t [B] -> [B,C,H,W]; no conditions. H and W are multiples of 2^(levels − 1).

    `full_attn` lists the levels with attention over all positions, counted from 0; the others have linear attention,
    and the middle full. `memories` are learned keys and values beside those of the image. `time_scale`: see
    nets.embed.TimeEmbedding.
    """

    def __init__(
        self,
        channels: int,
        dim: int,
        dim_mults: Sequence[int],
        init_dim: int | None = None,
        full_attn: Sequence[int] = (),
        attn_heads: int = 4,
        attn_dim_head: int = 32,
        memories: int = 4,
        dropout: float = 0.0,
        theta: float = 10_000.0,
        time_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.dim, self.theta, self.time_scale = dim, theta, time_scale
        first, time = init_dim or dim, 4 * dim
        edges = list(pairwise([first, *(dim * mult for mult in dim_mults)]))
        last, middle = len(edges) - 1, edges[-1][1]

        def resnet(i: int, o: int) -> _Resnet:
            return _Resnet(i, o, time, dropout)

        def attention(width: int, full: bool) -> nn.Module:
            return (_Attention if full else _LinearAttention)(width, attn_heads, attn_dim_head, memories)

        self.init_conv = nn.Conv2d(channels, first, 7, padding=3)
        self.time_mlp = nn.Sequential(nn.Identity(), nn.Linear(dim, time), nn.GELU(), nn.Linear(time, time))
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for level, (i, o) in enumerate(edges):
            down = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * i, o, 1))
            layers = [resnet(i, i), resnet(i, i), attention(i, level in full_attn)]
            self.downs.append(nn.ModuleList([*layers, down if level < last else nn.Conv2d(i, o, 3, padding=1)]))
        self.mid_block1, self.mid_block2 = resnet(middle, middle), resnet(middle, middle)
        self.mid_attn = attention(middle, True)
        for level, (i, o) in reversed(list(enumerate(edges))):
            up = nn.Sequential(nn.Upsample(scale_factor=2.0, mode="nearest"), nn.Conv2d(o, i, 3, padding=1))
            layers = [resnet(o + i, o), resnet(o + i, o), attention(o, level in full_attn)]
            self.ups.append(nn.ModuleList([*layers, up if level > 0 else nn.Conv2d(o, i, 3, padding=1)]))
        self.final_res_block, self.final_conv = resnet(2 * first, first), nn.Conv2d(first, channels, 1)

    def forward(self, x: Tensor, t: Tensor, cond: CondEmbedding | None = None) -> Tensor:
        half = self.dim // 2
        rates = torch.exp(torch.arange(half, device=x.device) * -(math.log(self.theta) / (half - 1)))
        angles = (t * self.time_scale)[:, None] * rates
        time = self.time_mlp(torch.cat([angles.sin(), angles.cos()], dim=1))
        x = start = self.init_conv(x)
        skips = []
        for first, second, attention, down in map(_layers, self.downs):
            skips.append(first(x, time))
            x = second(skips[-1], time)
            skips.append(x + attention(x))
            x = down(skips[-1])
        x = self.mid_block1(x, time)
        x = self.mid_block2(x + self.mid_attn(x), time)
        for first, second, attention, up in map(_layers, self.ups):
            x = first(torch.cat([x, skips.pop()], dim=1), time)
            x = second(torch.cat([x, skips.pop()], dim=1), time)
            x = up(x + attention(x))
        return self.final_conv(self.final_res_block(torch.cat([x, start], dim=1), time))  # type: ignore[no-any-return]


class _RMSNorm(nn.Module):
    """Divides each position's channels by their root mean square, times a learned g (Zhang & Sennrich 2019)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.ones(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=1) * self.g * x.shape[1] ** 0.5  # type: ignore[no-any-return]


class _Block(nn.Module):
    """conv, norm, scale and shift if given, SiLU, dropout; [B,i,H,W] -> [B,o,H,W]."""

    def __init__(self, channels: int, out: int, dropout: float) -> None:
        super().__init__()
        self.proj, self.norm = nn.Conv2d(channels, out, 3, padding=1), _RMSNorm(out)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, scale: Tensor | float = 0.0, shift: Tensor | float = 0.0) -> Tensor:
        return self.dropout(F.silu(self.norm(self.proj(x)) * (scale + 1) + shift))  # type: ignore[no-any-return]


class _Resnet(nn.Module):
    """Two blocks with a skip connection; the time [B,E] scales and shifts the first."""

    recomputable = True  # see nets.recompute

    def __init__(self, channels: int, out: int, time: int, dropout: float) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.SiLU(), nn.Linear(time, 2 * out))
        self.block1, self.block2 = _Block(channels, out, dropout), _Block(out, out, 0.0)
        self.res_conv = nn.Conv2d(channels, out, 1) if channels != out else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        scale, shift = self.mlp(time)[:, :, None, None].chunk(2, dim=1)
        return self.block2(self.block1(x, scale, shift)) + self.res_conv(x)  # type: ignore[no-any-return]


class _Attention(nn.Module):
    """Attention over all positions and the memories; [B,C,H,W] -> [B,C,H,W], without a skip connection."""

    def __init__(self, channels: int, heads: int, width: int, memories: int) -> None:
        super().__init__()
        self.norm, self.to_qkv = _RMSNorm(channels), nn.Conv2d(channels, 3 * heads * width, 1, bias=False)
        self.mem_kv = nn.Parameter(torch.randn(2, heads, memories, width))
        self.to_out = nn.Conv2d(heads * width, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        B, _, H, W = x.shape
        _, heads, _, width = self.mem_kv.shape
        qkv = self.to_qkv(self.norm(x)).view(B, 3, heads, width, H * W).transpose(3, 4)
        q, k, v = qkv.unbind(1)
        more_k, more_v = self.mem_kv.expand(B, -1, -1, -1, -1).unbind(1)
        seen = attend(q, torch.cat([more_k, k], dim=2), torch.cat([more_v, v], dim=2))
        return self.to_out(seen.transpose(2, 3).reshape(B, heads * width, H, W))  # type: ignore[no-any-return]


class _LinearAttention(nn.Module):
    """Attention in time linear in the positions (Shen et al. 2021), with memories; [B,C,H,W] -> [B,C,H,W]."""

    def __init__(self, channels: int, heads: int, width: int, memories: int) -> None:
        super().__init__()
        self.norm, self.to_qkv = _RMSNorm(channels), nn.Conv2d(channels, 3 * heads * width, 1, bias=False)
        self.mem_kv = nn.Parameter(torch.randn(2, heads, width, memories))
        self.to_out = nn.Sequential(nn.Conv2d(heads * width, channels, 1), _RMSNorm(channels))

    def forward(self, x: Tensor) -> Tensor:
        B, _, H, W = x.shape
        _, heads, width, _ = self.mem_kv.shape
        q, k, v = self.to_qkv(self.norm(x)).view(B, 3, heads, width, H * W).unbind(1)
        more_k, more_v = self.mem_kv.expand(B, -1, -1, -1, -1).unbind(1)
        k, v = torch.cat([more_k, k], dim=3), torch.cat([more_v, v], dim=3)
        q, k = q.softmax(dim=2) * width**-0.5, k.softmax(dim=3)
        seen = (k @ v.transpose(2, 3)).transpose(2, 3) @ q
        return self.to_out(seen.reshape(B, heads * width, H, W))  # type: ignore[no-any-return]


def _layers(level: nn.Module) -> list[nn.Module]:
    return list(level.children())
