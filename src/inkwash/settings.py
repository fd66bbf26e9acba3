"""What a run is made of, as plain data: no torch here, so that the command line starts at once.

Ranges are checked when a value is made; a value out of range never reaches the work. The line under each
field is also its help on the command line.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Annotated, Any, Literal, get_type_hints

import tyro
from pydantic import Field, TypeAdapter, ValidationError

from inkwash.errors import UsageError

Count = Annotated[int, Field(ge=1, lt=2**31)]
Natural = Annotated[int, Field(ge=0, lt=2**63)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Scale = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Mults = Annotated[tuple[Annotated[int, Field(ge=1, le=64)], ...], Field(min_length=1, max_length=10)]
Noise = Annotated[float, Field(ge=0)]  # σ/α; inf is pure noise

Prediction = Literal["eps", "x0", "v", "flow", "edm"]
Compile = Literal["no", "yes", "graphs"]
Engine = Literal["torch", "compiled", "onnx"]


class Checked:
    """A dataclass whose fields are held to their types and ranges. Raises UsageError, naming the field."""

    def __post_init__(self) -> None:
        owner: Any = type(self)
        for entry in fields(owner):
            value = getattr(self, entry.name)
            try:
                _adapter(owner, entry.name).validate_python(value)
            except ValidationError as error:
                if error.errors()[0]["type"] == "missing":
                    raise UsageError(f"--{entry.name} takes two numbers, as in 0.2,5 (got {value!r}).") from None
                wrong = error.errors()[0]["msg"].removeprefix("Input ").removeprefix("Tuple ")
                wrong = wrong.partition(" after validation")[0]
                raise UsageError(f"--{entry.name.replace('_', '-')} {wrong} (got {value!r}).") from None


@cache
def _adapter(owner: Any, name: str) -> TypeAdapter[Any]:
    return TypeAdapter(get_type_hints(owner, include_extras=True)[name])


def listed(kind: Callable[[str], Any]) -> Any:
    """How the command line reads several values of one flag: A,B,C."""

    def read(args: list[str]) -> tuple[Any, ...]:
        return tuple(kind(word.strip()) for word in args[0].split(","))

    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1, metavar="A,B,…", instance_from_str=read, is_instance=lambda value: isinstance(value, tuple),
        str_from_instance=lambda value: [",".join(str(each) for each in value)],
    )  # fmt: skip


Interval = Annotated[tuple[Noise, Noise], listed(float)]


@dataclass(frozen=True)
class Data(Checked):
    """Which images, and what is done to them before training."""

    source: str = "digits"
    """digits, mnist, fashion-mnist, cifar10, emoji, or a folder of images."""
    size: Annotated[int, Field(ge=1, le=16384)] | None = None
    """Side in pixels: sets of a fixed size are padded to it, folders resized and cropped."""
    image_channels: Literal[1, 3] | None = None
    """1 for grey, 3 for colour; None takes what the images have."""
    unreadable: Literal["refuse", "skip"] = "refuse"
    """What to do with files of a folder that are not images."""
    flip: bool = False
    """Mirror half the images of each batch. Off by default: a mirrored digit is not a digit."""
    language: Literal["en", "zh"] = "en"
    """Language of the emoji's captions."""
    font: str | None = None
    """Colour font that emoji are drawn from; None takes an installed one."""


@dataclass(frozen=True)
class UNet(Checked):
    """The U-Net; see inkwash.nets.UNet."""

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


@dataclass(frozen=True)
class TenChannelUNet(Checked):
    """The small 28×28 U-Net of the MNIST report; see inkwash.nets.TenChannelUNet. Nothing to set."""

    kind: tyro.conf.Suppress[Literal["ten-channel-unet"]] = "ten-channel-unet"


@dataclass(frozen=True)
class AbarankabUNet(Checked):
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


@dataclass(frozen=True)
class Cs231nUNet(Checked):
    """The text-conditioned U-Net of CS231n's assignment; see inkwash.nets.Cs231nUNet."""

    dim: Annotated[int, Field(ge=4, le=4096, multiple_of=2)] = 48
    """Channels at the first level, an even number."""
    dim_mults: Mults = (1, 2, 4, 8)
    """Channels after each level, as multiples."""
    kind: tyro.conf.Suppress[Literal["cs231n-unet"]] = "cs231n-unet"


Network = UNet | TenChannelUNet | AbarankabUNet | Cs231nUNet


@dataclass(frozen=True)
class Conditioning(Checked):
    """What the network is told of each image, so that it can be asked for."""

    condition: Literal["none", "class", "text"] = "none"
    """What to train on besides the images: nothing, their classes, or their captions."""
    encoder: str = "joint"
    """What reads captions: joint (trained along), minilm, clip, or a sentence-transformers model's folder or name."""
    condition_dropout: Share = 0.1
    """Share of images whose condition is withheld, so that guidance has something to compare with."""
    scale: Scale = 2.0
    """Guidance scale that this run is sampled with unless told."""
    interval: Interval | None = None
    """Where σ/α lies when guidance acts, unless told otherwise: 0.25,2; None is everywhere."""


@dataclass(frozen=True)
class Process(Checked):
    """The forward process, and what the network predicts."""

    schedule: Literal["linear", "scaled-linear", "cosine", "sigmoid", "continuous-cosine", "flow", "ve"] = "linear"
    """Noise schedule; the last three are in continuous time."""
    timesteps: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """T, the rows of a discrete schedule."""
    beta_low: Positive | None = None
    """First beta of linear and scaled-linear, first σ of ve; None takes the schedule's own."""
    beta_high: Positive | None = None
    """Last beta of linear and scaled-linear, last σ of ve; None takes the schedule's own."""
    prediction: Prediction = "eps"
    """What the network outputs."""
    sigma_data: Positive = 0.5
    """The data's spread, which edm's preconditioning uses."""


@dataclass(frozen=True)
class Training(Checked):
    """How the network is trained."""

    steps: Count = 1000
    """Optimiser steps."""
    minutes: Positive | None = None
    """Train this long instead, whatever number of steps that makes."""
    batch_size: Count = 128
    """Images a step, over all processes."""
    accumulate: Count = 1
    """Parts a batch is cut into, to save memory."""
    loss: Literal["mse", "l1"] = "mse"
    """Error of the network's output."""
    draw: Literal["uniform", "stratified", "log-normal", "logit-normal"] = "uniform"
    """How noise levels are drawn."""
    shift: Positive = 1.0
    """Multiplies the odds of noise: above 1 noisier levels come more often, as words need to be learned."""
    weight: Literal["plain", "min-snr", "snr"] = "plain"
    """How levels are weighted."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """adamw, or muon, whose updates of layers' weights are orthogonal: a step takes longer and learns more."""
    lr: Positive = 1e-3
    """Learning rate after warm-up, of either."""
    warmup: Natural = 100
    """Steps of linear warm-up."""
    decay: Literal["cosine", "linear", "none"] = "cosine"
    """How the learning rate falls to 0 after warm-up."""
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """AdamW's weight decay."""
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """AdamW's second-moment decay."""
    clip: Positive | None = 1.0
    """Largest norm of the gradient; None leaves it alone."""
    ema: Share = 0.995
    """Decay of the averaged weights, which sampling uses."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic inside the network; auto takes bfloat16 where the processor has it."""
    layout: Literal["channels-last", "contiguous"] = "channels-last"
    """How images lie in memory inside the network."""
    compile: Compile = "no"
    """Compile the network with torch.compile; graphs replays CUDA graphs as well."""
    recompute: bool = False
    """Keep less of the forward pass and compute it again for the gradient: less memory, a third more time."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train."""
    save_every: Count = 250
    """Steps between checkpoints."""
    shard: bool = False
    """Divide weights, gradients and optimiser state among the processes (FSDP2), for networks that do not fit one."""
    seed: Natural = 0
    """Seed of everything random."""


@dataclass(frozen=True)
class Run(Checked):
    """A whole run: what a recipe is, and what a checkpoint remembers."""

    recipe: tyro.conf.Suppress[str]
    data: Data = field(default_factory=Data)
    network: Network = field(default_factory=UNet)
    conditioning: Conditioning = field(default_factory=Conditioning)
    process: Process = field(default_factory=Process)
    training: Training = field(default_factory=Training)


Solver = Literal["ddpm", "ddim", "ddim-lab", "heun", "dpmpp2m"]
Spacing = Literal["trailing", "leading", "linspace", "karras"]


@dataclass(frozen=True)
class Sampler(Checked):
    """How noise becomes an image."""

    solver: Solver = "ddim"
    """Sampler; ddim-lab is ddim with the course lab's η, which scales the variance."""
    steps: Count = 50
    """Steps of the sampler."""
    eta: Share | None = None
    """Noise of ddim, ddim-lab and dpmpp2m, from 0 (none) to 1 (as much as ddpm)."""
    variance: Literal["small", "large"] = "small"
    """Noise that ddpm, and the samplers with an η, add: the posterior's β̃, or the fixed large β."""
    spacing: Spacing | None = None
    """How the steps are spread; None takes trailing, and karras for heun."""
    limit: Literal["clip", "dynamic", "none"] = "clip"
    """What holds the predicted image in range."""
    scale: Scale | None = None
    """Guidance scale s of conditional runs: 1 none, 0 unconditional (CS231n's w is s − 1); None takes the run's."""


@dataclass(frozen=True)
class Sampling(Sampler):
    """How images are drawn from a trained model: with the seed, all that they depend on."""

    n: Annotated[Count, tyro.conf.arg(aliases=["-n"])] = 64
    """How many images."""
    seed: Natural = 0
    """Seed; image i is the same whatever n."""
    label: str | None = None
    """Class to draw, by name or number; all draws each in turn, a row a class."""
    text: str | None = None
    """What to draw, for runs trained on captions."""
    interval: Interval | None = None
    """Guide only where σ/α lies between these two numbers, 0,inf is everywhere; None takes the run's own."""
    rescale: Share = 0.0
    """How far guided images are brought back to the contrast of unguided ones."""
    guide: str | None = None
    """Folder of a weaker run to guide away from, instead of from no condition (autoguidance)."""
    guidance: Literal["free", "classifier"] = "free"
    """classifier steers any run towards --label by the gradient of a classifier of its images."""
    engine: Engine = "torch"
    """What computes the network: PyTorch, the same compiled, or ONNX Runtime in float32 on the CPU."""


@dataclass(frozen=True)
class Sweep(Checked):
    """What a study varies: each flag takes one value or several, and every combination is a cell."""

    steps: Annotated[tuple[Count, ...], listed(int)] = (5, 10, 20, 50)
    """Steps of the sampler."""
    solver: Annotated[tuple[Solver, ...], listed(str)] = ("ddim",)
    """Samplers: ddpm, ddim, ddim-lab, heun, dpmpp2m."""
    eta: Annotated[tuple[Share, ...], listed(float)] = ()
    """Noise of ddim, ddim-lab and dpmpp2m, from 0 to 1; the other samplers have none of their own."""
    spacing: Annotated[tuple[Spacing, ...], listed(str)] = ()
    """trailing, leading, linspace, karras; empty takes what suits the sampler."""
    variance: Annotated[tuple[Literal["small", "large"], ...], listed(str)] = ("small",)
    """Noise that ddpm, and the samplers with an η, add: small, large."""
    limit: Annotated[tuple[Literal["clip", "dynamic", "none"], ...], listed(str)] = ("clip",)
    """What holds the predicted image in range: clip, dynamic, none."""
    prediction: Annotated[tuple[Prediction, ...], listed(str)] = ()
    """Of the runs given, those that predict this; empty takes all."""
    scale: Annotated[tuple[Scale, ...], listed(float)] = ()
    """Guidance scales, for conditional runs; empty takes the run's own."""


@dataclass(frozen=True)
class Scoring(Checked):
    """What images are scored against, and how many of them."""

    n: Annotated[Count | None, tyro.conf.arg(aliases=["-n"])] = None
    """Images in each of three draws; None takes the command's own number, or what the data set allows."""
    features: Literal["auto", "pixels", "classifier", "inception", "dinov2"] = "auto"
    """What images are compared in; auto takes a classifier trained here where there are labels, else pixels."""
    split: Literal["train", "test"] = "train"
    """Real images to compare with."""
    seed: Natural = 0
    """Seed of the images drawn."""
