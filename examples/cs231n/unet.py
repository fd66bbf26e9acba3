"""The assignment's unet.py: the network of inkwash.nets.cs231n under the course's call, with its guidance."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from inkwash.nets.condition import CondEmbedding
from inkwash.nets.cs231n import Cs231nUNet, Residual, RMSNorm, ScaledBlock, doubling, halving
from inkwash.nets.cs231n import Sinusoids as SinusoidalPosEmb

__all__ = ["NOTHING", "Block", "Downsample", "RMSNorm", "ResnetBlock", "SinusoidalPosEmb", "Unet", "Upsample"]

NOTHING: Mapping[str, Any] = MappingProxyType({})


def Upsample(dim: int, dim_out: int | None = None) -> nn.Module:
    """x [B,dim,H,W] -> [B,dim_out or dim,2H,2W]."""
    return doubling(dim, dim_out or dim)


def Downsample(dim: int, dim_out: int | None = None) -> nn.Module:
    """x [B,dim,H,W] -> [B,dim_out or dim,H/2,W/2]."""
    return halving(dim, dim_out or dim)


class Block(ScaledBlock):
    """3×3 convolution, RMS norm, scale and shift, GELU: x [B,dim,H,W] -> [B,dim_out,H,W]."""

    def forward(self, x: Tensor, scale_shift: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """`scale_shift` is two tensors [B,dim_out,1,1], or None for a scale of 1 and a shift of 0."""
        return super().forward(x, *(scale_shift or ()))


class ResnetBlock(Residual):
    """Two blocks and a skip: x [B,dim,H,W] and context [B,context_dim] or None -> [B,dim_out,H,W]."""

    def __init__(self, dim: int, dim_out: int, context_dim: int | None) -> None:
        super().__init__(dim, dim_out, context_dim or 1)
        if context_dim is None:
            self.mlp = None

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        if context is not None and self.mlp is not None:
            return super().forward(x, context)
        return self.res_conv(x) + self.block2(self.dropout(self.block1(x)))


class Unet(Cs231nUNet):
    """`model_kwargs` has "text_emb", [B,condition_dim] or None for no text, and may have "cfg_scale", w.

    In training a text is withheld with probability `uncond_prob`: inkwash's Objective(drop=…).
    """

    def __init__(
        self,
        dim: int,
        condition_dim: int,
        dim_mults: Sequence[int] = (1, 2, 4, 8),
        channels: int = 3,
        uncond_prob: float = 0.2,
    ) -> None:
        super().__init__(dim, condition_dim, dim_mults, channels)
        self.uncond_prob = uncond_prob

    def forward(self, x: Tensor, time: Tensor, model_kwargs: Mapping[str, Any] = NOTHING) -> Tensor:
        """The network's output for x [B,C,H,W] and time [B], guided where there is a "cfg_scale"."""
        if "cfg_scale" in model_kwargs:
            return self.cfg_forward(x, time, model_kwargs)
        text_emb = model_kwargs.get("text_emb")
        if text_emb is not None and self.training:
            text_emb = text_emb * (torch.rand(len(x)) > self.uncond_prob)[:, None].to(text_emb)
        return super().forward(x, time, CondEmbedding(text_emb))

    def cfg_forward(self, x: Tensor, time: Tensor, model_kwargs: Mapping[str, Any]) -> Tensor:
        """(1 + w)·F(x, text) − w·F(x, no text) (Ho & Salimans 2022, eq. 6): inkwash's scale is 1 + w.

        The course takes "cfg_scale" out of the caller's own dict, and so guides only the first step of `sample`;
        here the dict stays as it is, and every step is guided.
        """
        w, text_emb = model_kwargs["cfg_scale"], model_kwargs["text_emb"]
        return (1 + w) * self(x, time, {"text_emb": text_emb}) - w * self(x, time, {"text_emb": None})
