"""Networks: modules called as net(x, t, cond), which know nothing of diffusion."""

from inkwash.nets.abarankab import AbarankabUNet
from inkwash.nets.condition import Asked, Beside, Cond, Conditioned, Embedder, OneHot, Vector
from inkwash.nets.cs231n import Cs231nUNet
from inkwash.nets.recompute import recompute
from inkwash.nets.ten import TenChannelUNet
from inkwash.nets.text import TextEmbedder
from inkwash.nets.unet import UNet

__all__ = [
    "AbarankabUNet", "Asked", "Beside", "Cond", "Conditioned", "Cs231nUNet", "Embedder", "OneHot", "TenChannelUNet",
    "TextEmbedder", "UNet", "Vector", "recompute",
]  # fmt: skip
