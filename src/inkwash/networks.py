"""The settings of each network, with a method that builds it. Importing this module does not import torch.

To add a network, add a file to `nets/` and a class here; the fields of the class are the network's flags.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

import tyro
from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from inkwash import choices
from inkwash.checked import Checked, Count, Natural, Positive, Share, listed, validator
from inkwash.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

Mults = Annotated[tuple[Annotated[int, Field(ge=1, le=64)], ...], Field(min_length=1, max_length=10), listed(int)]
Levels = Annotated[tuple[Natural, ...], listed(int)]
_OTHER = "take another recipe"


class Inputs(NamedTuple):
    """The inputs of a network: image size, time, and the widths of the conditions (0: no condition of that kind)."""

    image_channels: int
    height: int
    width: int
    num_timesteps: int | None = None  # for a discrete schedule; None: t lies in [0, 1]
    vector: int = 0
    tokens: int = 0
    concat: int = 0

    @property
    def time_scale(self) -> float:
        """The factor that scales t to the range 0 to 1000, which sinusoidal embeddings resolve."""
        return 1000.0 if self.num_timesteps is None else 1.0


@dataclass(frozen=True)
class NetworkSettings(Checked):
    """Base class of network settings: a frozen dataclass whose fields are the network's flags.

    Each subclass has a field `kind`, the name in `choices.NETWORKS`, by which a checkpoint identifies the network.
    `per_image` says that the output for an image does not depend on the other images of its batch, and that the
    forward pass keeps no state: then threads can compute parts of a batch at the same time.
    """

    per_image: ClassVar[bool] = False

    def build(self, inputs: Inputs) -> "nn.Module":
        """Returns a newly initialised network, called as net(x, t, cond). Raises UsageError for invalid settings."""
        raise NotImplementedError


@dataclass(frozen=True)
class UNet(NetworkSettings):
    """The U-Net."""

    channels: Annotated[int, Field(ge=2, le=4096, multiple_of=2)] = 64
    """Number of channels at the first level; even."""
    mults: Mults = (1, 2, 2)
    """Channels of each level, as multiples of the first."""
    blocks: Annotated[int, Field(ge=1, le=64)] = 2
    """Residual blocks per level on the way down."""
    attention: Levels = ()
    """Levels with self-attention, counted from 0; the middle always has it."""
    heads: Count = 1
    """Number of attention heads."""
    patch: Annotated[int, Field(ge=1, le=64)] = 1
    """Side of the square patches of pixels that are folded into channels at the input."""
    film: bool = True
    """Whether the time embedding scales and shifts the features (FiLM) or is added to them."""
    dropout: Share = 0.0
    """Dropout in the residual blocks."""
    per_image: ClassVar[bool] = True
    kind: tyro.conf.Suppress[Literal["unet"]] = "unet"  # identifies the network in a checkpoint

    def build(self, inputs: Inputs) -> "nn.Module":
        """A freshly initialised network. Raises UsageError for settings that do not fit together."""
        from inkwash import nets

        if any(self.channels * mult % self.heads for mult in self.mults):
            raise UsageError(f"{self.heads} heads do not divide {self.channels} channels; choose a divisor.")
        levels = len(self.mults)
        if any(level >= levels for level in self.attention):
            raise UsageError(
                f"attention at {self.attention} asks for levels that are not there; `mults` makes {levels} "
                f"of them, counted 0 to {levels - 1}."
            )
        return nets.UNet(
            inputs.image_channels, self.channels, self.mults, self.blocks, self.attention, self.heads, self.patch,
            self.film, self.dropout, inputs.time_scale, inputs.vector, inputs.tokens, inputs.concat,
        )  # fmt: skip


@dataclass(frozen=True)
class TenChannelUNet(NetworkSettings):
    """The small 28×28 U-Net of the MNIST report; see inkwash.nets.TenChannelUNet. Nothing to set."""

    per_image: ClassVar[bool] = True
    kind: tyro.conf.Suppress[Literal["ten-channel-unet"]] = "ten-channel-unet"

    def build(self, inputs: Inputs) -> "nn.Module":
        """A freshly initialised network. Raises UsageError for other inputs than the report's."""
        from inkwash import nets

        size = (inputs.height, inputs.width)
        if size != (28, 28) or inputs.num_timesteps is None:
            time = "continuous" if inputs.num_timesteps is None else "discrete"
            raise UsageError(
                f"the report's network takes 28×28 images and a discrete schedule (got {size[0]}×{size[1]} and a "
                f"{time} one); {_OTHER}."
            )
        if inputs.vector or inputs.tokens or inputs.concat:
            raise UsageError(f"the report's network takes no condition; leave out `condition`, or {_OTHER}.")
        return nets.TenChannelUNet(inputs.image_channels, inputs.num_timesteps)


@dataclass(frozen=True)
class AbarankabUNet(NetworkSettings):
    """The class-conditional U-Net of abarankab's DDPM; see inkwash.nets.AbarankabUNet."""

    base_channels: Annotated[int, Field(ge=2, le=4096, multiple_of=2)] = 128
    """Channels at the first level; a multiple of --num-groups with --norm gn."""
    channel_mults: Mults = (1, 2, 2, 2)
    """Channels of each level, as multiples of the first."""
    num_res_blocks: Annotated[int, Field(ge=1, le=64)] = 2
    """Residual blocks per level on the way down."""
    time_emb_dim: Count = 512
    """Width of the time embedding."""
    time_emb_scale: Positive = 1.0
    """Factor on the time before it is embedded."""
    dropout: Share = 0.1
    """Dropout in the residual blocks."""
    attention_resolutions: Levels = (1,)
    """Levels with self-attention, counted from 0; the middle always has it."""
    norm: Literal["gn", "in", "bn", "none"] = "gn"
    """Normalisation layer: group, instance or batch norm, or none."""
    activation: Literal["relu", "mish", "silu"] = "silu"
    """Activation function."""
    num_groups: Count = 32
    """Number of groups with --norm gn."""
    initial_pad: Annotated[int, Field(ge=0, le=64)] = 0
    """Width in pixels of the zero padding around the input, which is cropped from the output."""
    kind: tyro.conf.Suppress[Literal["abarankab-unet"]] = "abarankab-unet"

    def build(self, inputs: Inputs) -> "nn.Module":
        """A freshly initialised network. Raises UsageError for settings that do not fit together."""
        from inkwash import nets

        if self.norm == "in" and min(inputs.height, inputs.width) + 2 * self.initial_pad <= 2 ** (
            len(self.channel_mults) - 1
        ):
            raise UsageError("`norm='in'` needs more than a pixel at the lowest level; take fewer `channel_mults`.")
        facts = {name: value for name, value in vars(self).items() if name != "kind"}
        facts["time_emb_scale"] *= inputs.time_scale
        return nets.AbarankabUNet(inputs.image_channels, num_classes=inputs.vector, **facts)


@dataclass(frozen=True)
class Cs231nUNet(NetworkSettings):
    """The text-conditioned U-Net of CS231n's assignment; see inkwash.nets.Cs231nUNet."""

    dim: Annotated[int, Field(ge=4, le=4096, multiple_of=2)] = 48
    """Number of channels at the first level; even."""
    dim_mults: Mults = (1, 2, 4, 8)
    """Channels after each level, as multiples of the first."""
    per_image: ClassVar[bool] = True
    kind: tyro.conf.Suppress[Literal["cs231n-unet"]] = "cs231n-unet"

    def build(self, inputs: Inputs) -> "nn.Module":
        """A freshly initialised network. Raises UsageError for inputs that it cannot take."""
        from inkwash import nets

        if not inputs.vector:
            raise UsageError("CS231n's network draws what it is told; add `condition='text'`, or class.")
        multiple = 2 ** len(self.dim_mults)
        if inputs.num_timesteps is None or inputs.height % multiple or inputs.width % multiple:
            time = "continuous" if inputs.num_timesteps is None else "discrete"
            raise UsageError(
                f"CS231n's network takes a discrete schedule and sides that are multiples of {multiple} (got a {time} "
                f"one and {inputs.height}×{inputs.width}); choose another `schedule`, `size` or fewer `dim_mults`."
            )
        return nets.Cs231nUNet(self.dim, inputs.vector, self.dim_mults, inputs.image_channels)


@dataclass(frozen=True)
class MLP(NetworkSettings):
    """A small network without convolutions, for points; see inkwash.nets.MLP."""

    width: Annotated[int, Field(ge=1, le=4096)] = 96
    """Number of features of each layer."""
    depth: Annotated[int, Field(ge=1, le=64)] = 3
    """Number of residual layers."""
    kind: tyro.conf.Suppress[Literal["mlp"]] = "mlp"

    def build(self, inputs: Inputs) -> "nn.Module":
        """A freshly initialised network. Raises UsageError for images of over 4,096 numbers, and other conditions."""
        from inkwash import nets

        numbers = inputs.image_channels * inputs.height * inputs.width
        if numbers > 4096:
            raise UsageError(f"an MLP is for points and tiny images (got {numbers} numbers an image); {_OTHER}.")
        if inputs.tokens or inputs.concat:
            raise UsageError("an MLP takes classes and vectors as conditions; choose `condition='class'` or none.")
        return nets.MLP(numbers, self.width, self.depth, inputs.time_scale, inputs.vector)


@dataclass(frozen=True)
class OwnNetwork(NetworkSettings):
    """A user-defined network: `reference` names a class or function, called with the fields of `Inputs` it accepts."""

    reference: tyro.conf.Suppress[Annotated[str, validator(choices.NETWORKS)]] = ""
    kind: tyro.conf.Suppress[Literal["own"]] = "own"

    def build(self, inputs: Inputs) -> "nn.Module":
        """Builds the network from its reference: a module called as net(x, t, cond). Raises as `own.load` does."""
        built: nn.Module = choices.call(choices.NETWORKS.load(self.reference), **inputs._asdict())
        return built


def all_networks() -> list[type[NetworkSettings]]:
    """The settings of every network of `choices.NETWORKS`."""
    return [row.load() for row in choices.NETWORKS]


def by_name(name: str) -> NetworkSettings:
    """The default settings of a network by its name in `choices.NETWORKS` or by a reference. Raises UsageError."""
    choices.NETWORKS.check(name)
    made: NetworkSettings = choices.NETWORKS.load(name)() if name in choices.NETWORKS else OwnNetwork(name)
    return made


def name_of(network: NetworkSettings) -> str:
    """The name or reference of a network's settings, as `by_name` takes it."""
    return network.reference if isinstance(network, OwnNetwork) else str(getattr(network, "kind", ""))


def _read(given: Any) -> Any:
    """Settings from a checkpoint's JSON, by their `kind`."""
    if not isinstance(given, dict):
        return given
    kind = str(given.get("kind"))
    if kind != "own" and kind not in choices.NETWORKS:
        raise ValueError(f"there is no network {kind!r}")
    try:
        return TypeAdapter(OwnNetwork if kind == "own" else choices.NETWORKS.load(kind)).validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


Network = Annotated[NetworkSettings, BeforeValidator(_read)]
