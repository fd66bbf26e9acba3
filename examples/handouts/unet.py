"""Hand-out: guidance of a network that reads texts. Fill in the `...`, and test yourself with: inkwash check unet.py"""

from typing import Any

from torch import Tensor, nn


class Unet(nn.Module):
    """Add your layers and `forward(x, time, model_kwargs)`, where model_kwargs["text_emb"] is None for no text."""

    def cfg_forward(self, x: Tensor, time: Tensor, model_kwargs: dict[str, Any]) -> Tensor:
        """(1 + w)·F(x, text) − w·F(x, no text), with w = model_kwargs["cfg_scale"]."""
        w, text_emb = model_kwargs["cfg_scale"], model_kwargs["text_emb"]
        with_text = ...
        without = ...
        return ...
