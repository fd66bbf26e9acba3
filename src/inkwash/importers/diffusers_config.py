"""The configurations of diffusers that can be read: UNet2DModel's, DDPMScheduler's and DDIMScheduler's.

Fields have their names and their defaults there. What inkwash does not have is no value of a field, and so refused.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from inkwash.errors import UsageError
from inkwash.foreign import harmless
from inkwash.foreign_networks import DiffusersUNet

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Side = Annotated[int, Field(ge=1, le=16384)]
_Beta = Annotated[float, Field(gt=0, lt=1)]
_Betas = Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=2, max_length=1_000_000)]
UNLIMITED = 1e6  # as sample_max_value: inkwash's dynamic thresholding has no such bound


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class UNetConfig(_Config):
    """What a UNet2DModel's configuration says besides the settings of inkwash's network."""

    sample_size: _Side | tuple[_Side, _Side] | None = None
    in_channels: Literal[1, 3, 4] = 3
    out_channels: int = 3
    center_input_sample: Literal[False] = False
    time_embedding_type: Literal["positional"] = "positional"
    class_embed_type: Literal["timestep"] | None = None
    num_class_embeds: Annotated[int, Field(ge=2, le=2**20)] | None = None
    num_train_timesteps: int | None = None  # of learned embeddings of time, which are refused


OURS = ("kind", "num_attention_heads", "time_factor")  # settings that diffusers' network has not
_UNET: dict[str, Any] = {  # UNet2DModel's defaults, where those of inkwash's settings are others
    "block_out_channels": (224, 448, 672, 896),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
}


class SchedulerConfig(_Config):
    """What a DDPMScheduler's or a DDIMScheduler's configuration says."""

    num_train_timesteps: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    beta_start: _Beta = 1e-4
    beta_end: _Beta = 0.02
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2"] = "linear"
    trained_betas: _Betas | None = None
    rescale_betas_zero_snr: bool = False
    prediction_type: Literal["epsilon", "sample", "v_prediction"] = "epsilon"
    variance_type: Literal["fixed_small", "fixed_small_log", "fixed_large"] = "fixed_small"
    clip_sample: bool = True
    clip_sample_range: _Positive = 1.0
    thresholding: bool = False
    dynamic_thresholding_ratio: _Positive = 0.995
    sample_max_value: _Positive = 1.0
    timestep_spacing: Literal["leading", "trailing", "linspace"] = "leading"
    steps_offset: int = 0
    set_alpha_to_one: bool = True
    predict_epsilon: Literal[True] = True  # of old files, as are the following two, which mean nothing
    tensor_format: Any = None
    timestep_values: Any = None


class Beside(BaseModel):
    """What inkwash wrote beside a pipeline: what diffusers has no place for."""

    classes: Annotated[list[Annotated[str, Field(max_length=4096)]], Field(max_length=2**20)] = []
    no_class: bool = False  # whether the last row of the class table stands for no class
    steps: Annotated[int, Field(ge=1)] | None = None
    scale: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    interval: tuple[float, float] | None = None


def unet(config: Mapping[str, Any], path: Path) -> tuple[UNetConfig, DiffusersUNet]:
    """A network's configuration in its two parts. Raises UsageError, naming what inkwash does not have."""
    given = {name: value for name, value in config.items() if not name.startswith("_")}
    names = {name for name in DiffusersUNet.__dataclass_fields__ if name not in OURS}
    rest = read(UNetConfig, {name: value for name, value in given.items() if name not in names}, path)
    if rest.out_channels != rest.in_channels:
        why = "; a learned variance is not supported" if rest.out_channels == 2 * rest.in_channels else ""
        raise UsageError(f"{path} has out_channels {rest.out_channels} for in_channels {rest.in_channels}{why}.")
    values = {**_UNET, **{name: _as_now(name, value) for name, value in given.items() if name in names}}
    try:
        return rest, DiffusersUNet(**values)
    except UsageError as error:
        plain = str(error).replace("`", "")  # these are no arguments of an import
        raise UsageError(f"{path}: {plain}") from error


def _as_now(name: str, value: Any) -> Any:
    """A value as files are written today: tuples, whole numbers, and blocks without the prefix of the first version."""
    if isinstance(value, list):
        return tuple(each.removeprefix("UNetRes") if isinstance(each, str) else each for each in value)
    whole = name in ("freq_shift", "downsample_padding") and isinstance(value, float) and value.is_integer()
    return int(value) if whole else value


_C = TypeVar("_C", bound=BaseModel)


def read(kind: type[_C], config: Mapping[str, Any], path: Path) -> _C:
    """A configuration, without the entries that begin with "_". Raises UsageError, naming the first bad entry."""
    try:
        return kind.model_validate({name: value for name, value in config.items() if not name.startswith("_")})
    except ValidationError as error:
        first = error.errors()[0]
        name, message = harmless(str(first["loc"][0])), first["msg"].removeprefix("Input ")
        if first["type"] == "extra_forbidden":
            raise UsageError(f"{path} has {name}, which inkwash does not know.") from error
        given = harmless(repr(config.get(str(first["loc"][0])))[:100])
        raise UsageError(f"{path} has {name} {given}, which inkwash does not have: it {message}.") from error
