"""The settings of networks that courses hand out. Importing this module does not import torch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import tyro
from pydantic import Field

from inkwash.checked import listed
from inkwash.errors import UsageError
from inkwash.networks import Inputs, Levels, NetworkSettings

if TYPE_CHECKING:
    from torch import nn

Widths = Annotated[
    tuple[Annotated[int, Field(ge=32, le=65536, multiple_of=32)], ...], Field(min_length=1, max_length=10), listed(int)
]
_OTHER = "take another recipe"


@dataclass(frozen=True)
class Cs180UNet(NetworkSettings):
    """The 28×28 U-Net of CS180's project 5; see inkwash.nets.Cs180UNet."""

    hidden: Annotated[int, Field(ge=1, le=4096)] = 64
    """Number of channels D at the first level."""
    time: bool = True
    """Whether the network is told the time; the project's one-step denoiser is not."""
    kind: tyro.conf.Suppress[Literal["cs180-unet"]] = "cs180-unet"

    def build(self, inputs: Inputs) -> "nn.Module":
        """A freshly initialised network. Raises UsageError for inputs that it cannot take."""
        from inkwash import nets

        if (inputs.height, inputs.width) != (28, 28):
            raise UsageError(
                f"the project's network takes 28×28 images (got {inputs.height}×{inputs.width}); {_OTHER}, or "
                "give `size=28` where the data set is scaled."
            )
        if inputs.tokens or inputs.concat:
            raise UsageError("the project's network takes classes and vectors; choose `condition='class'` or none.")
        scale = 1.0 if inputs.num_timesteps is None else 1 / inputs.num_timesteps
        return nets.Cs180UNet(inputs.image_channels, self.hidden, scale if self.time else 0.0, inputs.vector)


@dataclass(frozen=True)
class LabmlUNet(NetworkSettings):
    """The U-Net of labml.ai, which course labs hand out; see inkwash.nets.LabmlUNet."""

    channels: Annotated[int, Field(ge=32, le=4096, multiple_of=32)] = 64
    """Number of channels before the first level; a multiple of 32."""
    widths: Widths = (64, 128, 256, 1024)
    """Channels of each level; multiples of 32."""
    attention: Levels = (2, 3)
    """Levels with self-attention, counted from 0; the middle always has it."""
    blocks: Annotated[int, Field(ge=1, le=64)] = 2
    """Residual blocks per level on the way down."""
    normed: bool = False
    """Whether attention normalises its input."""
    unit_range: bool = False
    """Whether the network itself works on images in [0, 1]; only with the schedule linear-unit and eps, for imports."""
    velocity: bool = False
    """With --unit-range: whether it returns v."""
    per_image: ClassVar[bool] = True
    kind: tyro.conf.Suppress[Literal["labml-unet"]] = "labml-unet"

    def build(self, inputs: Inputs) -> "nn.Module":
        """A freshly initialised network. Raises UsageError for inputs that it cannot take."""
        from inkwash import nets

        if inputs.num_timesteps is None or inputs.vector or inputs.tokens or inputs.concat:
            raise UsageError(f"labml's network takes a discrete schedule and no condition; {_OTHER}.")
        multiple = 2 ** (len(self.widths) - 1)
        if inputs.height % multiple or inputs.width % multiple:
            raise UsageError(
                f"the network halves images {len(self.widths) - 1} times, so sides must be multiples of {multiple} "
                f"(got {inputs.height}×{inputs.width}); choose another `size` or fewer `widths`."
            )
        attends = [i in self.attention for i in range(len(self.widths))]
        net = nets.LabmlUNet(inputs.image_channels, self.channels, self.widths, attends, self.blocks, self.normed)
        return nets.UnitRange(net, inputs.num_timesteps, 1e-4, 0.02, self.velocity) if self.unit_range else net
