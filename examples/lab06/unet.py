"""The lab's unet.py: its blocks by their names, and the U they make. Each block is one of inkwash's.

The names of the parameters are those of inkwash.nets.UNet, so that either loads the other's weights.
"""

import torch
from torch import Tensor, nn

from inkwash.nets import blocks, embed, unet

EMBEDDING = 128  # numbers that tell every block the time


class Swish(nn.SiLU):
    """x·sigmoid(x), the activation everywhere in the U; any shape."""


class TimeEmbedding(embed.TimeEmbedding):
    """t [B] -> [B,128]: sinusoids of 32 frequencies' sines and cosines, then two linear layers (时间嵌入)."""

    def __init__(self) -> None:
        super().__init__(32, EMBEDDING)
