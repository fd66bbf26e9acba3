"""The assignment's unet.py: the network of inkwash.nets.cs231n under the course's call, with its guidance."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from inkwash.nets.condition import CondEmbedding
from inkwash.nets.cs231n import Cs231nUNet

NOTHING: Mapping[str, Any] = MappingProxyType({})


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
