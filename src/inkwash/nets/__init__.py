"""Networks: modules called as net(x, t, cond), which know nothing of diffusion."""

from inkwash.nets.abarankab import AbarankabUNet
from inkwash.nets.condition import Concat, CondEmbedding, Condition, ConditionedNet, Embedder, OneHot, Vector
from inkwash.nets.cs180 import Cs180UNet
from inkwash.nets.cs231n import Cs231nUNet
from inkwash.nets.denoising_diffusion import DenoisingDiffusionUNet
from inkwash.nets.diffusers_unet import DiffusersUNet
from inkwash.nets.labml import LabmlUNet, UnitRange
from inkwash.nets.mlp import MLP
from inkwash.nets.recompute import recompute
from inkwash.nets.ten_channel import TenChannelUNet
from inkwash.nets.text import TextEmbedder
from inkwash.nets.unet import UNet

__all__ = [
    "MLP",
    "AbarankabUNet",
    "Concat",
    "CondEmbedding",
    "Condition",
    "ConditionedNet",
    "Cs180UNet",
    "Cs231nUNet",
    "DenoisingDiffusionUNet",
    "DiffusersUNet",
    "Embedder",
    "LabmlUNet",
    "OneHot",
    "TenChannelUNet",
    "TextEmbedder",
    "UNet",
    "UnitRange",
    "Vector",
    "recompute",
]  # fmt: skip
