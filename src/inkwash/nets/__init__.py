"""Networks: modules called as net(x, t, cond), which know nothing of diffusion."""

from inkwash.nets.ten import TenChannelUNet
from inkwash.nets.unet import UNet

__all__ = ["TenChannelUNet", "UNet"]
