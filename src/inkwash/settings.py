"""What a run is made of, as plain data: no torch here, so that the command line starts at once.

Ranges are checked when a value is made; a value out of range never reaches the work. The line under each
field is also its help on the command line.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import tyro
from pydantic import Field

from inkwash import choices
from inkwash.checked import Checked, Count, Natural, NoiseLevel, Positive, Scale, Share, listed, named, validator, words
from inkwash.networks import Network, UNet

Solver = Annotated[str, validator(choices.SOLVERS), named(choices.SOLVERS)]
Spacing = Annotated[str, validator(choices.SPACINGS)]
Limit = Annotated[str, validator(choices.LIMITS), named(choices.LIMITS)]
Prediction = Annotated[str, validator(choices.PREDICTIONS), named(choices.PREDICTIONS)]
Schedule = Annotated[str, validator(choices.SCHEDULES), named(choices.SCHEDULES)]
Draw = Annotated[str, validator(choices.DRAWS), named(choices.DRAWS)]
Weight = Annotated[str, validator(choices.WEIGHTS), named(choices.WEIGHTS)]
OptimizerName = Annotated[str, validator(choices.OPTIMIZERS), named(choices.OPTIMIZERS)]
NetworkName = Annotated[str | None, validator(choices.NETWORKS, None), named(choices.NETWORKS, None)]
ConditionName = Annotated[str, validator(choices.CONDITIONS), named(choices.CONDITIONS)]
Compile = Literal["no", "yes", "graphs"]
Engine = Literal["torch", "compiled", "onnx"]
Interval = Annotated[tuple[NoiseLevel, NoiseLevel], listed(float)]


@dataclass(frozen=True)
class Data(Checked):
    """Which images, and what is done to them before training."""

    source: Annotated[
        str,
        validator(choices.SOURCES),
        tyro.conf.arg(help=f"Images: {choices.SOURCES.help}; or a folder of images, or FILE.py:NAME."),
    ] = "digits"
    size: Annotated[int, Field(ge=1, le=16384)] | None = None
    """Side in pixels: sets of a fixed size are padded to it, folders resized and cropped."""
    image_channels: Literal[1, 3] | None = None
    """1 for grey, 3 for colour; None takes what the images have."""
    unreadable: Literal["refuse", "skip"] = "refuse"
    """What to do with files of a folder that are not images."""
    splits: Literal["auto", "folders", "none"] = "auto"
    """Whether folders such as train/ and test/ are splits; none takes every folder as a class."""
    held_out: Annotated[str, tyro.conf.arg(metavar="N|SHARE|none")] = "auto"
    """Images of a folder without test/ to keep from training; auto keeps 5 %, at most 1000; none measures on all."""
    background: Annotated[str, tyro.conf.arg(metavar="white|black|#RRGGBB")] = "white"
    """What transparent images of a folder are laid on."""
    flip: bool = False
    """Mirror half the images of each batch. Off by default: a mirrored digit is not a digit."""
    language: Literal["en", "zh"] = "en"
    """Language of the emoji's captions."""
    font: str | None = None
    """Colour font that emoji are drawn from; None takes an installed one."""


@dataclass(frozen=True)
class Conditioning(Checked):
    """What the network is told of each image, so that it can be asked for."""

    condition: Annotated[ConditionName, tyro.conf.arg(help=f"What to train on. {choices.CONDITIONS.help}.")] = "none"
    encoder: Annotated[
        str,
        validator(choices.ENCODERS),
        tyro.conf.arg(
            help=f"What reads captions. {choices.ENCODERS.help}; or a folder or the name of a sentence-transformers "
            "model, or FILE.py:NAME."
        ),
    ] = "joint"
    condition_dropout: Share = 0.1
    """Share of images whose condition is withheld, so that guidance has something to compare with."""
    scale: Scale = 2.0
    """Guidance scale that this run is sampled with unless told."""
    interval: Interval | None = None
    """Where σ/α lies when guidance acts, unless told otherwise: 0.25,2; None is everywhere."""


@dataclass(frozen=True)
class Process(Checked):
    """The forward process, and what the network predicts."""

    schedule: Annotated[Schedule, tyro.conf.arg(help=f"Noise schedule. {choices.SCHEDULES.help}.")] = "linear"
    timesteps: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """T, the rows of a discrete schedule."""
    beta_low: Positive | None = None
    """First beta of linear and scaled-linear, first σ of ve; None takes the schedule's own."""
    beta_high: Positive | None = None
    """Last beta of linear and scaled-linear, last σ of ve; None takes the schedule's own."""
    prediction: Annotated[Prediction, tyro.conf.arg(help=f"What the network outputs. {choices.PREDICTIONS.help}.")] = (
        "eps"
    )
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
    draw: Annotated[Draw, tyro.conf.arg(help=f"How noise levels are drawn. {choices.DRAWS.help}.")] = "uniform"
    shift: Positive = 1.0
    """Multiplies the odds of noise: above 1 noisier levels come more often, as words need to be learned."""
    weight: Annotated[Weight, tyro.conf.arg(help=f"How levels are weighted. {choices.WEIGHTS.help}.")] = "plain"
    optimizer: Annotated[OptimizerName, tyro.conf.arg(help=f"Optimiser. {choices.OPTIMIZERS.help}.")] = "adamw"
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
class RunSettings(Checked):
    """A whole run: what a recipe is, and what a checkpoint remembers."""

    recipe: tyro.conf.Suppress[str]
    data: Data = field(default_factory=Data)
    network: Network = field(default_factory=UNet)
    conditioning: Conditioning = field(default_factory=Conditioning)
    process: Process = field(default_factory=Process)
    training: Training = field(default_factory=Training)


@dataclass(frozen=True)
class Sampler(Checked):
    """How noise becomes an image."""

    solver: Annotated[Solver, tyro.conf.arg(help=f"Sampler. {choices.SOLVERS.help}.")] = "ddim"
    steps: Count = 50
    """Steps of the sampler."""
    eta: Share | None = None
    """Noise of the samplers that let you choose it, from 0 (none) to 1 (as much as ddpm)."""
    variance: Literal["small", "large"] = "small"
    """Noise that ddpm, and the samplers with an η, add: the posterior's β̃, or the fixed large β."""
    spacing: Annotated[
        str | None,
        validator(choices.SPACINGS, None),
        named(choices.SPACINGS, None),
        tyro.conf.arg(help=f"How the steps are spread. {choices.SPACINGS.help}; None: what suits the sampler."),
    ] = None
    limit: Annotated[Limit, tyro.conf.arg(help=f"What holds the predicted image in range. {choices.LIMITS.help}.")] = (
        "clip"
    )
    scale: Scale | None = None
    """Guidance scale s of conditional runs: 1 none, 0 unconditional (CS231n's w is s − 1); None takes the run's."""


@dataclass(frozen=True)
class Sampling(Sampler):
    """How images are drawn from a trained model: with the seed, all that they depend on."""

    n: Annotated[Count, tyro.conf.arg(aliases=["-n"])] = 64
    """How many images."""
    seed: Natural = 0
    """Seed; image i is the same whatever n."""
    label: Annotated[str | None, words("NAME|NUMBER|all")] = None
    """Class to draw, by name or number; all draws each in turn, a row a class. class:all is the class called all."""
    text: Annotated[str | None, words("TEXT")] = None
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
class Scoring(Checked):
    """What images are scored against, and how many of them."""

    n: Annotated[Count | None, tyro.conf.arg(aliases=["-n"])] = None
    """Images in each of three draws; None takes the command's own number, or what the data set allows."""
    features: Annotated[
        str,
        validator(choices.FEATURES, "auto"),
        named(choices.FEATURES, "auto"),
        tyro.conf.arg(
            help="What images are compared in. auto: a classifier trained here where there are labels, else pixels; "
            f"{choices.FEATURES.help}."
        ),
    ] = "auto"
    class_scores: bool = False
    """Score the classes that images show by a classifier trained here, whatever --features are."""
    split: Literal["train", "test"] = "train"
    """Real images to compare with."""
    seed: Natural = 0
    """Seed of the images drawn."""
