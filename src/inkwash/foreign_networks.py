"""The settings of networks that other libraries define. Importing this module does not import torch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import tyro
from pydantic import Field

from inkwash.checked import Count, Positive, Share, listed
from inkwash.errors import UsageError
from inkwash.networks import Inputs, Levels, Mults, NetworkSettings

if TYPE_CHECKING:
    from torch import nn

_Widths = Annotated[
    tuple[Annotated[int, Field(ge=2, le=2**14, multiple_of=2)], ...], Field(min_length=1, max_length=10), listed(int)
]
Down = Literal["DownBlock2D", "AttnDownBlock2D", "ResnetDownsampleBlock2D"]
Up = Literal["UpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D"]
_UPWARDS: dict[Down, Up] = {
    "DownBlock2D": "UpBlock2D", "AttnDownBlock2D": "AttnUpBlock2D", "ResnetDownsampleBlock2D": "ResnetUpsampleBlock2D",
}  # fmt: skip


@dataclass(frozen=True)
class DiffusersUNet(NetworkSettings):
    """diffusers' UNet2DModel; each setting has its name there. See inkwash.nets.DiffusersUNet."""

    block_out_channels: _Widths = (64, 128, 128)
    """Channels of each level."""
    down_block_types: Annotated[tuple[Down, ...], listed(str)] = ()
    """Block of each level on the way down; none given: DownBlock2D, and AttnDownBlock2D at the last level."""
    up_block_types: Annotated[tuple[Up, ...], listed(str)] = ()
    """Block of each level on the way up, from the last level on; none given: the counterparts of the way down."""
    layers_per_block: Annotated[int, Field(ge=1, le=64)] = 2
    """Residual blocks per level on the way down."""
    mid_block_type: Literal["UNetMidBlock2D"] | None = "UNetMidBlock2D"
    """Block in the middle; None has none."""
    add_attention: bool = True
    """Whether the middle has self-attention."""
    attention_head_dim: Count | None = 8
    """Channels of an attention head; None uses one head."""
    norm_num_groups: Count = 32
    """Number of groups of the group norms; divides the channels of each level."""
    norm_eps: Positive = 1e-5
    """ε of the group norms."""
    attn_norm_num_groups: Count | None = None
    """Number of groups of the norm of the middle's attention; None uses those of the others."""
    resnet_time_scale_shift: Literal["default", "scale_shift"] = "default"
    """Whether the time embedding is added to the features, or scales and shifts them."""
    downsample_padding: Literal[0, 1] = 1
    """Padding of strided convolutions: 1 on all sides, or 0, which pads below and at the right alone."""
    downsample_type: Literal["conv", "resnet"] = "conv"
    """What halves the sides after AttnDownBlock2D."""
    upsample_type: Literal["conv", "resnet"] = "conv"
    """What doubles the sides after AttnUpBlock2D."""
    mid_block_scale_factor: Positive = 1.0
    """Divisor of the outputs of the middle's layers."""
    flip_sin_to_cos: bool = True
    """Whether the cosines of the time come before the sines."""
    freq_shift: Annotated[int, Field(ge=0, le=1)] = 0
    """0: the slowest sinusoid is faster than 1/10,000; 1: it is 1/10,000."""
    time_embedding_dim: Count | None = None
    """Width of the time embedding; None uses four times the channels of the first level."""
    act_fn: Literal["silu", "swish", "mish", "gelu", "relu"] = "silu"
    """Activation function."""
    dropout: Share = 0.0
    """Dropout in the residual blocks."""
    num_attention_heads: Count | None = None
    """Number of heads of all attention, in place of --attention-head-dim; diffusers' network has no such setting."""
    time_factor: Positive = 1.0
    """Factor on the time before it is embedded; in diffusers' network it is 1."""
    per_image: ClassVar[bool] = True
    kind: tyro.conf.Suppress[Literal["diffusers-unet"]] = "diffusers-unet"

    @property
    def downwards(self) -> tuple[Down, ...]:
        """The block of each level on the way down."""
        plain: Down = "DownBlock2D"
        return self.down_block_types or (*(plain for _ in self.block_out_channels[1:]), "AttnDownBlock2D")

    @property
    def upwards(self) -> tuple[Up, ...]:
        """The block of each level on the way up."""
        return self.up_block_types or tuple(_UPWARDS[kind] for kind in reversed(self.downwards))

    def config(self) -> dict[str, Any]:
        """The settings that diffusers has, as it calls them, with the blocks of each level."""
        ours = ("kind", "num_attention_heads", "time_factor")
        given = {name: value for name, value in vars(self).items() if name not in ours}
        return {**given, "down_block_types": self.downwards, "up_block_types": self.upwards}

    def build(self, inputs: Inputs) -> "nn.Module":
        """A freshly initialised network. Raises UsageError for settings that do not fit together."""
        from inkwash import nets

        widths, levels = self.block_out_channels, len(self.block_out_channels)
        if not levels == len(self.downwards) == len(self.upwards):
            raise UsageError(
                f"`block_out_channels` makes {levels} levels, with {len(self.downwards)} `down_block_types` and "
                f"{len(self.upwards)} `up_block_types`; give one of each a level."
            )
        groups = (self.norm_num_groups, self.attn_norm_num_groups or 1)
        if bad := [width for width in widths if any(width % of for of in groups)]:
            raise UsageError(f"`norm_num_groups` divides the channels of each level ({bad[0]} is no multiple of it).")
        down, up = ("Attn" in kind for kind in self.downwards), ("Attn" in kind for kind in reversed(self.upwards))
        attending = {width for width, *attends in zip(widths, down, up, strict=True) if any(attends)}
        attending |= {widths[-1]} if self.mid_block_type and self.add_attention else set()
        name = "num_attention_heads" if self.num_attention_heads else "attention_head_dim"
        if bad := [width for width in sorted(attending) if width % (getattr(self, name) or 1)]:
            raise UsageError(f"`{name}` divides the channels ({bad[0]} is no multiple of it).")
        if self.freq_shift and widths[0] == 2:
            raise UsageError("`freq_shift=1` needs more than 2 channels at the first level.")
        multiple = 2 ** (levels - 1)
        if inputs.height % multiple or inputs.width % multiple:
            raise UsageError(
                f"diffusers' U-Net of {levels} levels takes sides that are multiples of {multiple} (got "
                f"{inputs.height}×{inputs.width}); choose another `size` or fewer `block_out_channels`."
            )
        if inputs.tokens or inputs.concat:
            raise UsageError("diffusers' UNet2DModel takes classes as conditions; choose `condition='class'` or none.")
        return nets.DiffusersUNet(
            inputs.image_channels, **self.config(), num_attention_heads=self.num_attention_heads,
            vector=inputs.vector, time_scale=inputs.time_scale * self.time_factor,
        )  # fmt: skip


@dataclass(frozen=True)
class DenoisingDiffusionUNet(NetworkSettings):
    """The U-Net of denoising-diffusion-pytorch; settings have its names. See inkwash.nets.DenoisingDiffusionUNet."""

    dim: Annotated[int, Field(ge=4, le=2**14, multiple_of=2)] = 64
    """Number of channels at the first level; even."""
    dim_mults: Mults = (1, 2, 4, 8)
    """Channels after each level, as multiples of the first."""
    init_dim: Count | None = None
    """Channels of the first convolution; None uses those of the first level."""
    full_attn: Levels | None = None
    """Levels with attention over all positions, the others with linear attention; None: the last level alone."""
    attn_heads: Count = 4
    """Number of attention heads."""
    attn_dim_head: Count = 32
    """Channels of an attention head."""
    memories: Annotated[int, Field(ge=0, le=4096)] = 4
    """Learned keys and values in each attention layer."""
    dropout: Share = 0.0
    """Dropout in the residual blocks."""
    per_image: ClassVar[bool] = True
    kind: tyro.conf.Suppress[Literal["denoising-diffusion-unet"]] = "denoising-diffusion-unet"

    def build(self, inputs: Inputs) -> "nn.Module":
        """A freshly initialised network. Raises UsageError for settings that do not fit together, and conditions."""
        from inkwash import nets

        levels = len(self.dim_mults)
        full = (levels - 1,) if self.full_attn is None else self.full_attn
        if any(level >= levels for level in full):
            raise UsageError(f"`full_attn` asks for levels {full}; `dim_mults` makes {levels}, counted from 0.")
        multiple = 2 ** (levels - 1)
        if inputs.height % multiple or inputs.width % multiple:
            raise UsageError(
                f"the U-Net of denoising-diffusion-pytorch with {levels} levels takes sides that are multiples of "
                f"{multiple} (got {inputs.height}×{inputs.width}); choose another `size` or fewer `dim_mults`."
            )
        if inputs.vector or inputs.tokens or inputs.concat:
            raise UsageError("the U-Net of denoising-diffusion-pytorch takes no condition; leave out `condition`.")
        facts = {name: value for name, value in vars(self).items() if name not in ("kind", "full_attn")}
        return nets.DenoisingDiffusionUNet(
            inputs.image_channels, **facts, full_attn=full, time_scale=inputs.time_scale
        )  # fmt: skip
