"""The arithmetic of diffusers' UNet2DModel, with its names of weights, so that its files open here and ours there."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inkwash.nets.blocks import attend
from inkwash.nets.condition import CondEmbedding

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": F.silu, "swish": F.silu, "mish": F.mish, "gelu": F.gelu, "relu": F.relu,
}  # fmt: skip


class DiffusersUNet(nn.Module):
    """x [B,C,H,W], t [B], cond or None -> [B,C,H,W].

    The arguments have the names and the meaning of diffusers' configuration. H and W are multiples of 2^(levels − 1).
    `vector` is the number of classes, 0 for none: the embedding of a one-hot vector is its row of `class_embedding`,
    added to the embedding of time; without a condition nothing is added. `num_attention_heads` stands in place
    of `attention_head_dim`; diffusers' has no such argument. `time_scale`: see nets.embed.TimeEmbedding.
    """

    def __init__(
        self,
        image_channels: int,
        block_out_channels: Sequence[int],
        down_block_types: Sequence[str],
        up_block_types: Sequence[str],
        layers_per_block: int = 2,
        mid_block_type: str | None = "UNetMidBlock2D",
        add_attention: bool = True,
        attention_head_dim: int | None = 8,
        norm_num_groups: int = 32,
        norm_eps: float = 1e-5,
        attn_norm_num_groups: int | None = None,
        resnet_time_scale_shift: str = "default",
        downsample_padding: int = 1,
        downsample_type: str = "conv",
        upsample_type: str = "conv",
        mid_block_scale_factor: float = 1.0,
        flip_sin_to_cos: bool = True,
        freq_shift: int = 0,
        time_embedding_dim: int | None = None,
        act_fn: str = "silu",
        dropout: float = 0.0,
        num_attention_heads: int | None = None,
        vector: int = 0,
        time_scale: float = 1.0,
    ) -> None:
        super().__init__()
        widths = [*block_out_channels]
        embedding = time_embedding_dim or 4 * widths[0]
        film = resnet_time_scale_shift == "scale_shift"
        parts = _Parts(
            embedding, norm_num_groups, norm_eps, act_fn, dropout, film, attention_head_dim, num_attention_heads
        )
        self.flip, self.shift, self.time_scale = flip_sin_to_cos, freq_shift, time_scale
        self.conv_in = nn.Conv2d(image_channels, widths[0], 3, padding=1)
        self.time_embedding = TimestepEmbedding(widths[0], embedding)
        self.class_embedding = nn.Embedding(vector, embedding) if vector else None
        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        last = len(widths) - 1
        for i, (kind, width) in enumerate(zip(down_block_types, widths, strict=True)):
            ins = [widths[max(i - 1, 0)], *[width] * (layers_per_block - 1)]
            block = _Block(parts, ins, width, "Attn" in kind)
            if i < last:
                by_resnet = kind.startswith("Resnet") or ("Attn" in kind and downsample_type == "resnet")
                down = parts.resnet(width, width, resample="down") if by_resnet else _Down(width, downsample_padding)
                block.downsamplers = nn.ModuleList([down])
            self.down_blocks.append(block)
        groups = attn_norm_num_groups or (None if film else norm_num_groups)
        self.mid_block = None
        if mid_block_type is not None:
            self.mid_block = _Middle(parts, widths[-1], mid_block_scale_factor, groups, add_attention)
        upwards, before = widths[::-1], widths[-1]
        for i, (kind, width) in enumerate(zip(up_block_types, upwards, strict=True)):
            skips = [*[width] * layers_per_block, upwards[min(i + 1, last)]]
            ins = [c + skip for c, skip in zip([before, *[width] * layers_per_block], skips, strict=True)]
            block = _Block(parts, ins, width, "Attn" in kind)
            if i < last:
                by_resnet = kind.startswith("Resnet") or ("Attn" in kind and upsample_type == "resnet")
                up = parts.resnet(width, width, resample="up") if by_resnet else _Up(width)
                block.upsamplers = nn.ModuleList([up])
            self.up_blocks.append(block)
            before = width
        self.conv_norm_out = nn.GroupNorm(norm_num_groups, widths[0], norm_eps)
        self.conv_out = nn.Conv2d(widths[0], image_channels, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor, cond: CondEmbedding | None = None) -> Tensor:
        times = timesteps(t.float() * self.time_scale, self.conv_in.out_channels, self.flip, self.shift)
        embedding = self.time_embedding(times)
        if self.class_embedding is not None and cond is not None and cond.vector is not None:
            embedding = embedding + cond.vector @ self.class_embedding.weight
        x = self.conv_in(x)
        skips = [x]
        for block in _blocks(self.down_blocks):
            for layer in block.layers():
                x = layer(x, embedding)
                skips.append(x)
            for down in block.downsamplers:
                x = down(x, embedding)
                skips.append(x)
        if self.mid_block is not None:
            x = self.mid_block(x, embedding)
        for block in _blocks(self.up_blocks):
            for layer in block.layers():
                x = layer(torch.cat([x, skips.pop()], dim=1), embedding)
            for up in block.upsamplers:
                x = up(x, embedding)
        return self.conv_out(F.silu(self.conv_norm_out(x)))  # type: ignore[no-any-return]


def timesteps(t: Tensor, channels: int, flip: bool, shift: float) -> Tensor:
    """Sinusoids of t [B] at channels/2 rates, [B,channels], computed in diffusers' order, so that they round alike."""
    half = channels // 2
    exponent = -math.log(10_000) * torch.arange(half, dtype=torch.float32, device=t.device) / (half - shift)
    angles = t[:, None] * torch.exp(exponent)
    parts = (angles.cos(), angles.sin()) if flip else (angles.sin(), angles.cos())
    return torch.cat(parts, dim=1)


class TimestepEmbedding(nn.Module):
    """Two linear layers; [B,channels] -> [B,out]."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.linear_1, self.linear_2 = nn.Linear(channels, out), nn.Linear(out, out)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear_2(F.silu(self.linear_1(x)))  # type: ignore[no-any-return]


@dataclass(frozen=True)
class _Parts:
    """What the blocks of a network have in common; makes them."""

    embedding: int
    groups: int
    eps: float
    act: str
    dropout: float
    film: bool  # whether the embedding scales and shifts the second norm, or is added before it
    head_dim: int | None  # channels of an attention head; None: one head
    heads: int | None  # number of attention heads, in place of these

    def resnet(self, channels: int, out: int, factor: float = 1.0, resample: str = "") -> "_Resnet":
        return _Resnet(channels, out, self, factor, resample)

    def attention(self, channels: int, groups: int | None, factor: float = 1.0) -> "_Attention":
        return _Attention(channels, self.heads or channels // (self.head_dim or channels), groups, self.eps, factor)


class _Resnet(nn.Module):
    """norm, act, conv, embedding, norm, act, conv, with a skip connection; [B,i,H,W] -> [B,o,H,W].

    With `resample`, "down" or "up", both paths are halved by means or doubled by repetition before the first
    convolution. The sum is divided by `factor`.
    """

    recomputable = True  # see nets.recompute

    def __init__(self, channels: int, out: int, parts: _Parts, factor: float, resample: str) -> None:
        super().__init__()
        self.film, self.factor, self.resample, self.act = parts.film, factor, resample, ACTIVATIONS[parts.act]
        self.norm1, self.conv1 = nn.GroupNorm(parts.groups, channels, parts.eps), nn.Conv2d(channels, out, 3, padding=1)
        self.time_emb_proj = nn.Linear(parts.embedding, 2 * out if parts.film else out)
        self.norm2, self.conv2 = nn.GroupNorm(parts.groups, out, parts.eps), nn.Conv2d(out, out, 3, padding=1)
        self.dropout = nn.Dropout(parts.dropout)
        self.conv_shortcut = nn.Conv2d(channels, out, 1) if channels != out else nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        h = self.act(self.norm1(x))
        if self.resample == "down":
            x, h = F.avg_pool2d(x, 2), F.avg_pool2d(h, 2)
        elif self.resample == "up":
            x, h = _doubled(x), _doubled(h)
        h = self.conv1(h)
        e = self.time_emb_proj(self.act(embedding))[:, :, None, None]
        if self.film:
            scale, shift = e.chunk(2, dim=1)
            h = self.norm2(h) * (1 + scale) + shift
        else:
            h = self.norm2(h + e)
        h = self.conv2(self.dropout(self.act(h)))
        return (self.conv_shortcut(x) + h) / self.factor  # type: ignore[no-any-return]


class _Attention(nn.Module):
    """Self-attention over all positions, with a skip connection; [B,C,H,W] -> [B,C,H,W]."""

    def __init__(self, channels: int, heads: int, groups: int | None, eps: float, factor: float) -> None:
        super().__init__()
        self.heads, self.factor = heads, factor
        self.group_norm = nn.Identity() if groups is None else nn.GroupNorm(groups, channels, eps)
        self.to_q, self.to_k, self.to_v = (nn.Linear(channels, channels) for _ in "qkv")
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def forward(self, x: Tensor) -> Tensor:
        B, C, H, W = x.shape
        places = self.group_norm(x.flatten(2)).transpose(1, 2)  # [B,HW,C]
        q, k, v = (
            to(places).view(B, H * W, self.heads, C // self.heads).transpose(1, 2)
            for to in (self.to_q, self.to_k, self.to_v)
        )
        seen = attend(q, k, v).transpose(1, 2).reshape(B, H * W, C)
        return (self.to_out[0](seen).transpose(1, 2).view(B, C, H, W) + x) / self.factor  # type: ignore[no-any-return]


class _Block(nn.Module):
    """The layers of a level: residual blocks, each followed by attention if the level has it; then a resampling."""

    def __init__(self, parts: _Parts, ins: Sequence[int], out: int, attends: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(parts.resnet(c, out) for c in ins)
        self.attentions = nn.ModuleList(parts.attention(out, parts.groups) for _ in ins if attends)
        self.downsamplers, self.upsamplers = nn.ModuleList(), nn.ModuleList()

    def layers(self) -> Iterator[Callable[[Tensor, Tensor], Tensor]]:
        """The residual blocks, with the attention that follows each."""
        for i, resnet in enumerate(self.resnets):
            yield partial(_in_turn, resnet, self.attentions[i]) if len(self.attentions) else resnet


def _in_turn(resnet: nn.Module, attention: nn.Module, x: Tensor, embedding: Tensor) -> Tensor:
    return attention(resnet(x, embedding))  # type: ignore[no-any-return]


class _Middle(nn.Module):
    """Residual block, attention if asked, residual block."""

    def __init__(self, parts: _Parts, channels: int, factor: float, groups: int | None, attends: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(parts.resnet(channels, channels, factor) for _ in "ab")
        self.attentions = nn.ModuleList([parts.attention(channels, groups, factor)] if attends else [])

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        x = self.resnets[0](x, embedding)
        for attention in self.attentions:
            x = attention(x)
        return self.resnets[1](x, embedding)  # type: ignore[no-any-return]


class _Down(nn.Module):
    """[B,C,H,W] -> [B,C,H/2,W/2] by a strided convolution; with padding 0, below and at the right alone."""

    def __init__(self, channels: int, padding: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=padding)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        return self.conv(x if self.conv.padding[0] else F.pad(x, (0, 1, 0, 1)))  # type: ignore[no-any-return]


class _Up(nn.Module):
    """[B,C,H,W] -> [B,C,2H,2W]: each pixel repeated, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        return self.conv(_doubled(x))  # type: ignore[no-any-return]


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def _blocks(level: nn.ModuleList) -> Iterable[_Block]:
    return (block for block in level if isinstance(block, _Block))
