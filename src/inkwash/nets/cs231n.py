"""The text-conditioned U-Net of Stanford's CS231n, assignment 3 (spring 2025): 32×32 emoji from sentences."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inkwash.errors import UsageError
from inkwash.nets.condition import CondEmbedding
from inkwash.nets.embed import sinusoids


class Cs231nUNet(nn.Module):
    """x [B,channels,H,W], t [B], cond with a vector [B,condition_dim] -> [B,channels,H,W].

    Modules have the names of the course's and are created and initialised in the same order, so that its checkpoints
    and its seeds give the same network. Each level halves the sides, so H and W must be multiples of `multiple` =
    2^len(dim_mults). cond None, or a cond without a vector, is the zero vector, the course's "no text". The course
    drops texts inside its network in training; here the objective does, and the network has only the blocks' dropout
    of 0.1. Raises UsageError for sides that are not such multiples.
    """

    def __init__(
        self, dim: int, condition_dim: int, dim_mults: Sequence[int] = (1, 2, 4, 8), channels: int = 3
    ) -> None:
        super().__init__()
        self.condition_dim, self.multiple = condition_dim, 2 ** len(dim_mults)
        edges = list(pairwise([dim, *(dim * mult for mult in dim_mults)]))
        context, middle = 4 * dim, edges[-1][1]
        self.init_conv = nn.Conv2d(channels, dim, 3, padding=1)
        self.time_mlp = nn.Sequential(Sinusoids(dim), *_mlp(dim, context))
        self.condition_mlp = nn.Sequential(*_mlp(condition_dim, context))
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for i, o in edges:
            blocks = Residual(i, i, context), Residual(i, i, context)
            self.downs.append(nn.ModuleList([*blocks, halving(i, o)]))
        self.mid_block1, self.mid_block2 = Residual(middle, middle, context), Residual(middle, middle, context)
        for o, i in reversed(edges):
            self.ups.append(nn.ModuleList([doubling(i, o), Residual(2 * o, o, context), Residual(2 * o, o, context)]))
        self.final_conv = nn.Conv2d(dim, channels, 1)

    def forward(self, x: Tensor, t: Tensor, cond: CondEmbedding | None = None) -> Tensor:
        if any(side % self.multiple for side in x.shape[2:]):
            raise UsageError(
                f"the course's network halves images {len(self.downs)} times, so their sides must be multiples of "
                f"{self.multiple} (got {x.shape[2]}×{x.shape[3]}); choose another size or fewer dim_mults."
            )
        vector = None if cond is None else cond.vector
        given = x.new_zeros(len(x), self.condition_dim) if vector is None else vector
        context = self.time_mlp(t) + self.condition_mlp(given)
        x = self.init_conv(x)
        skips: list[Tensor] = []
        for first, second, shrink in map(_layers, self.downs):
            skips.append(first(x, context))
            skips.append(second(skips[-1], context))
            x = shrink(skips[-1])
        x = self.mid_block2(self.mid_block1(x, context), context)
        for grow, first, second in map(_layers, self.ups):
            x = first(torch.cat([grow(x), skips.pop()], dim=1), context)
            x = second(torch.cat([x, skips.pop()], dim=1), context)
        return self.final_conv(x)  # type: ignore[no-any-return]


class Sinusoids(nn.Module):
    """t [B] -> [B,dim], at the head of time_mlp as in the course, where it has no parameters either."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, t: Tensor) -> Tensor:
        return sinusoids(t.float(), self.dim)


class RMSNorm(nn.Module):
    """Divides each position's channels by their root mean square, times a learned g (Zhang & Sennrich 2019)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.ones(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=1) * (self.g * x.shape[1] ** 0.5)  # type: ignore[no-any-return]


class ScaledBlock(nn.Module):
    """conv, norm, scale and shift by the context if given, GELU; [B,i,H,W] -> [B,o,H,W]."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.proj, self.norm = nn.Conv2d(channels, out, 3, padding=1), RMSNorm(out)

    def forward(self, x: Tensor, scale: Tensor | float = 0.0, shift: Tensor | float = 0.0) -> Tensor:
        return F.gelu(self.norm(self.proj(x)) * (1 + scale) + shift)


class Residual(nn.Module):
    """Two blocks with a skip; the context [B,C] scales and shifts the first (Dhariwal & Nichol 2021, section 4.3)."""

    recomputable = True  # see nets.recompute

    def __init__(self, channels: int, out: int, context: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.GELU(), nn.Linear(context, 2 * out))
        self.block1, self.block2 = ScaledBlock(channels, out), ScaledBlock(out, out)
        self.res_conv = nn.Conv2d(channels, out, 1) if channels != out else nn.Identity()
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        scale, shift = self.mlp(context)[:, :, None, None].chunk(2, dim=1)
        h = self.block2(self.dropout(self.block1(x, scale, shift)))
        return self.res_conv(x) + h  # type: ignore[no-any-return]


def halving(channels: int, out: int) -> nn.Module:
    """[B,i,H,W] -> [B,o,H/2,W/2]."""
    return nn.Conv2d(channels, out, 2, stride=2)


def doubling(channels: int, out: int) -> nn.Module:
    """[B,i,H,W] -> [B,o,2H,2W]."""
    return nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(channels, out, 3, padding=1))


def _mlp(channels: int, out: int) -> list[nn.Module]:
    return [nn.Linear(channels, out), nn.GELU(), nn.Linear(out, out)]


def _layers(level: nn.Module) -> list[nn.Module]:
    return list(level.children())
