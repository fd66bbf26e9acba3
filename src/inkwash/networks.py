"""The settings of each network, from which it builds itself. No torch until then.

To add a network is one file in `nets/`, and here one class: its fields are its flags.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import tyro
from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from inkwash import choices
from inkwash.checked import Checked, Count, Natural, Positive, Share, validator
from inkwash.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

Mults = Annotated[tuple[Annotated[int, Field(ge=1, le=64)], ...], Field(min_length=1, max_length=10)]
_OTHER = "take another recipe"


class Inputs(NamedTuple):
    """What a network is to take: images, times, and conditions of these widths (0 for none of that kind)."""

    image_channels: int
    height: int
    width: int
    num_timesteps: int | None = None  # of a discrete schedule; None: t lies in [0, 1]
    vector: int = 0
    tokens: int = 0
    concat: int = 0

    @property
    def time_scale(self) -> float:
        """What brings t to the range 0 to 1000 that sinusoids resolve."""
        return 1000.0 if self.num_timesteps is None else 1.0


@dataclass(frozen=True)
class NetworkSettings(Checked):
    """What the settings of every network are: a frozen dataclass whose fields are the network's flags.

    A checkpoint tells the networks apart by a field `kind`, whose value is the name in `choices.NETWORKS`.
    """

    def build(self, inputs: Inputs) -> "nn.Module":
        """A freshly initialised network, called as net(x, t, cond). Raises UsageError for what it cannot be."""
        raise NotImplementedError


@dataclass(frozen=True)
class UNet(NetworkSettings):
    """The U-Net."""

    channels: Annotated[int, Field(ge=2, le=4096, multiple_of=2)] = 64
    """Channels at the first level, an even number."""
    mults: Mults = (1, 2, 2)
    """Channels of each level, as multiples."""
    blocks: Annotated[int, Field(ge=1, le=64)] = 2
    """Residual blocks a level on the way down."""
    attention: tuple[Natural, ...] = ()
    """Levels with self-attention, counted from 0; the middle always has it."""
    heads: Count = 1
    """Attention heads."""
    patch: Annotated[int, Field(ge=1, le=64)] = 1
    """Squares of pixels folded into channels first, by their side."""
    film: bool = True
    """Time scales and shifts the features (else it is added)."""
    dropout: Share = 0.0
    """Dropout in the residual blocks."""
    kind: tyro.conf.Suppress[Literal["unet"]] = "unet"  # by which a checkpoint tells the networks apart

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
    """Channels of each level, as multiples."""
    num_res_blocks: Annotated[int, Field(ge=1, le=64)] = 2
    """Residual blocks a level on the way down."""
    time_emb_dim: Count = 512
    """Width of the embedding of time."""
    time_emb_scale: Positive = 1.0
    """What time is multiplied with before it is embedded."""
    dropout: Share = 0.1
    """Dropout in the residual blocks."""
    attention_resolutions: tuple[Natural, ...] = (1,)
    """Levels with self-attention, counted from 0; the middle always has it."""
    norm: Literal["gn", "in", "bn", "none"] = "gn"
    """Norm of groups, of instances, of batches, or none."""
    activation: Literal["relu", "mish", "silu"] = "silu"
    """Activation."""
    num_groups: Count = 32
    """Groups of --norm gn."""
    initial_pad: Annotated[int, Field(ge=0, le=64)] = 0
    """Zeros laid all round the image first, and taken off again."""
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
    """Channels at the first level, an even number."""
    dim_mults: Mults = (1, 2, 4, 8)
    """Channels after each level, as multiples."""
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
class OwnNetwork(NetworkSettings):
    """A network of your own: `reference` names a class or function, called with what it takes of `Inputs`' fields."""

    reference: tyro.conf.Suppress[Annotated[str, validator(choices.NETWORKS)]] = ""
    kind: tyro.conf.Suppress[Literal["own"]] = "own"

    def build(self, inputs: Inputs) -> "nn.Module":
        """What the reference makes: a module called as net(x, t, cond). Raises what `own.load` raises."""
        built: nn.Module = choices.call(choices.NETWORKS.load(self.reference), **inputs._asdict())
        return built


def all_networks() -> list[type[NetworkSettings]]:
    """The settings of every network of `choices.NETWORKS`."""
    return [row.load() for row in choices.NETWORKS]


def by_name(name: str) -> NetworkSettings:
    """The settings that a name of `choices.NETWORKS` stands for, or a network of your own. Raises UsageError."""
    choices.NETWORKS.check(name)
    made: NetworkSettings = choices.NETWORKS.load(name)() if name in choices.NETWORKS else OwnNetwork(name)
    return made


def name_of(network: NetworkSettings) -> str:
    """The name, or the reference, that `by_name` knows a network's settings by."""
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
