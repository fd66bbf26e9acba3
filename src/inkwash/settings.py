"""The settings of a run as plain dataclasses. This module does not import torch, so the command line starts quickly.

Each value is checked against its type and range when the dataclass is created. The docstring below each field is also
the help text of its flag.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from pydantic import AfterValidator, Field

from inkwash import choices, every
from inkwash.checked import (
    Checked,
    Count,
    Natural,
    NoiseLevel,
    Positive,
    Scale,
    Share,
    called,
    listed,
    named,
    validator,
    words,
)
from inkwash.networks import Network, UNet

Solver = Annotated[str, validator(choices.SOLVERS), named(choices.SOLVERS)]
TUNED = "tuned"  # the spacing that is replaced by levels found for a run, before anything is built
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
    """The training images and their preprocessing."""

    source: Annotated[
        str,
        validator(choices.SOURCES),
        tyro.conf.arg(
            help=f"Images: {choices.SOURCES.help}; or FILE.py:NAME; or a folder or file: {choices.FORMATS.help}."
        ),
    ] = "digits"
    size: Annotated[Annotated[int, Field(ge=1, le=16384)] | None, called("--resolution", "--image-size")] = None
    """Side of the images in pixels: data sets of a fixed size and arrays are padded to it, image files are fitted."""
    image_channels: Literal[1, 3, 4] | None = None
    """Number of channels: 1 for grey, 3 for colour, 4 with transparency; None uses those of the images, 1 or 3."""
    unreadable: Literal["refuse", "skip"] = "refuse"
    """What to do with files in a folder that cannot be read as images."""
    splits: Literal["auto", "folders", "none"] = "auto"
    """Whether folders such as train/ and test/ are splits; none treats every folder as a class."""
    held_out: Annotated[str, tyro.conf.arg(metavar="N|SHARE|none")] = "auto"
    """Images to hold out from a folder without test/; auto holds out 5 %, at most 1000; none measures on all images."""
    background: Annotated[str, tyro.conf.arg(metavar="white|black|#RRGGBB")] = "white"
    """Background colour for transparent images of a folder, and for the edges of padded ones."""
    fit: Literal["cut", "pad", "stretch"] = "cut"
    """How image files are brought to --size: cut out the middle, pad the edges, or stretch."""
    pages: Literal["first", "all"] = "first"
    """Which frames or pages of a file (TIFF, GIF) are images."""
    flip: bool = False
    """Flip half of the images of each batch horizontally. Off by default, since a mirrored digit is not a digit."""
    language: Literal["en", "zh"] = "en"
    """Language of the emoji's captions."""
    font: str | None = None
    """Colour font to draw the emoji with; None uses an installed one."""


@dataclass(frozen=True)
class Conditioning(Checked):
    """How the network is conditioned, and the default guidance."""

    condition: Annotated[ConditionName, tyro.conf.arg(help=f"Condition to train on. {choices.CONDITIONS.help}.")] = (
        "none"
    )
    encoder: Annotated[
        str,
        validator(choices.ENCODERS),
        tyro.conf.arg(
            help=f"Text encoder for captions. {choices.ENCODERS.help}; or a folder or the name of a "
            "sentence-transformers model, or FILE.py:NAME."
        ),
    ] = "joint"
    operator: Annotated[
        str | None,
        words("NAME[:ARGUMENT]"),
        tyro.conf.arg(
            help=f"What each image goes through, for --condition image. {choices.OPERATORS.help}; or FILE.py:NAME."
        ),
    ] = None
    noise: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Standard deviation of the noise that is added to what the operator measures, for images in [-1, 1]."""
    condition_dropout: Share = 0.1
    """Fraction of training images whose condition is dropped, as classifier-free guidance requires."""
    scale: Scale = 2.0
    """Default guidance scale when sampling from this run."""
    interval: Interval | None = None
    """Default interval of σ/α in which guidance is applied, as in 0.25,2; None applies it at every level."""


@dataclass(frozen=True)
class Process(Checked):
    """The forward process and the prediction target of the network."""

    schedule: Annotated[Schedule, tyro.conf.arg(help=f"Noise schedule. {choices.SCHEDULES.help}.")] = "linear"
    timesteps: Annotated[Annotated[int, Field(ge=1, le=1_000_000)], called("--num-train-timesteps")] = 1000
    """Number of timesteps T of a discrete schedule."""
    beta_low: Positive | None = None
    """First β of linear and scaled-linear, first σ of ve; None uses the schedule's default, for β times 1000/T."""
    beta_high: Positive | None = None
    """Last β of linear and scaled-linear, last σ of ve; None uses the schedule's default, for β times 1000/T."""
    prediction: Annotated[Prediction, tyro.conf.arg(help=f"What the network outputs. {choices.PREDICTIONS.help}.")] = (
        "eps"
    )
    sigma_data: Positive = 0.5
    """Standard deviation of the data, used by the preconditioning of edm."""


LENGTHS = ("steps", "epochs", "minutes")


@dataclass(frozen=True)
class Training(Checked):
    """How the network is trained."""

    steps: Annotated[Count | None, called("--max-train-steps", "--num-train-steps")] = 1000
    """Number of optimiser steps. A length given by flag replaces the recipe's; the shortest of several counts."""
    epochs: Annotated[Positive | None, called("--num-epochs", "--num-train-epochs")] = None
    """Length of the training in passes over the images."""
    minutes: Positive | None = None
    """Length of the training in minutes on this machine: the number of steps is chosen after a few timed ones."""
    batch_size: Annotated[Count, called("--train-batch-size")] = 128
    """Images per optimiser step, summed over all processes."""
    accumulate: Count = 1
    """Number of parts to split each batch into for gradient accumulation, which saves memory."""
    loss: Literal["mse", "l1"] = "mse"
    """Loss function on the network's output."""
    draw: Annotated[Draw, tyro.conf.arg(help=f"Distribution of noise levels. {choices.DRAWS.help}.")] = "uniform"
    shift: Positive = 1.0
    """Factor on the odds of noise: above 1, noisier levels are drawn more often, which helps learning from text."""
    weight: Annotated[Weight, tyro.conf.arg(help=f"Loss weighting over noise levels. {choices.WEIGHTS.help}.")] = (
        "plain"
    )
    optimizer: Annotated[OptimizerName, tyro.conf.arg(help=f"Optimiser. {choices.OPTIMIZERS.help}.")] = "adamw"
    lr: Annotated[Positive, called("--learning-rate")] = 1e-3
    """Learning rate after warm-up, for either optimiser."""
    warmup: Natural = 100
    """Number of steps of linear warm-up."""
    decay: Literal["cosine", "linear", "exponential", "none"] = "cosine"
    """Learning rate schedule after warm-up; cosine and linear decay to 0, exponential to a tenth."""
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Weight decay of AdamW."""
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Decay rate of AdamW's second moment, β₂."""
    clip: Positive | None = 1.0
    """Maximum norm of the gradient; None disables clipping."""
    ema: Annotated[Share, called("--ema-decay")] = 0.995
    """Decay of the exponential moving average of the weights, which sampling uses."""
    ema_start: Natural | None = None
    """Step at which the average starts, as a copy of the weights; None begins at once, with a growing decay."""
    ema_every: Count = 1
    """Number of steps between updates of the average."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Number format inside the network; auto uses bfloat16 if the processor supports it."""
    layout: Literal["channels-last", "contiguous"] = "channels-last"
    """Memory format of tensors inside the network."""
    compile: Compile = "no"
    """Compile the network with torch.compile; graphs also uses CUDA graphs."""
    recompute: bool = False
    """Recompute activations in the backward pass: less memory, about a third more time."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Device to train on."""
    save_every: Count = 250
    """Number of steps between checkpoints."""
    keep_early: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of the training after which a weaker copy is kept in RUN/early, which --guide takes; None keeps none."""
    preview_every: Annotated[str | int, AfterValidator(every.check), words("N|epoch|E1,E2,…|none")] = every.NEVER
    """When to draw a sheet of samples into RUN/previews: every N steps, each epoch, or after the epochs E1,E2,…."""
    preview_images: Count = 16
    """Number of images on each such sheet; of classes, whole rows."""
    track: Annotated[
        tyro.conf.UseAppendAction[tuple[Annotated[str, validator(choices.TRACKERS)], ...]],
        tyro.conf.arg(
            metavar="NAME",
            help=f"Where else to write losses, rates and sheets; repeatable, or A,B. {choices.TRACKERS.help}; "
            "or FILE.py:NAME; none ends it.",
        ),
    ] = ()
    best: Literal["held-out", "train"] = "held-out"
    """Loss by which the best checkpoint is chosen: on held-out images, or the training loss since the last save."""
    shard: bool = False
    """Shard weights, gradients and optimiser state over the processes (FSDP2), for networks too large for one."""
    seed: Natural = 0
    """Seed of all random numbers."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "track", _trackers(self.track))
        super().__post_init__()

    def lasting(self, **lengths: Any) -> "Training":
        """This training with these lengths (`steps`, `epochs`, `minutes`) in place of its own; with none, itself."""
        given = {name: value for name, value in lengths.items() if value is not None}
        return replace(self, **{**dict.fromkeys(LENGTHS), **given}) if given else self


def _trackers(asked: Any) -> Any:
    """Names of trackers as a tuple, each once. "none" drops those before it, which a resumed run brings along."""
    if not isinstance(asked, str | tuple | list):
        return asked  # refused where it is checked
    words = [word.strip() for each in texts(asked) for word in str(each).split(",") if word.strip()]
    after = len(words) - words[::-1].index("none") if "none" in words else 0
    return tuple(dict.fromkeys(words[after:]))


OPTIONS = ("tolerance", "snr", "corrections")  # settings that only some solvers have


@dataclass(frozen=True)
class Sampler(Checked):
    """The sampler and its settings."""

    solver: Annotated[Solver, tyro.conf.arg(help=f"Sampler. {choices.SOLVERS.help}.")] = "ddim"
    steps: Annotated[int, Field(ge=1, le=1_000_000), called("--num-inference-steps", "--sampling-steps")] = 50
    """Number of sampling steps."""
    eta: Share | None = None
    """Amount of noise η that the sampler adds, from 0 (none) to 1 (as much as ddpm), for samplers that have it."""
    variance: Literal["small", "large"] = "small"
    """Variance of the noise that ddpm and samplers with η add: the posterior's β̃ (small) or the fixed β (large)."""
    spacing: Annotated[
        str | None,
        validator(choices.SPACINGS, None, TUNED),
        named(choices.SPACINGS, None, TUNED),
        tyro.conf.arg(
            help=f"Spacing of the steps. {choices.SPACINGS.help}; tuned: the levels that inkwash tune found for the "
            "run; None uses the sampler's default."
        ),
    ] = None
    limit: Annotated[
        Limit, tyro.conf.arg(help=f"How to limit the range of the predicted image. {choices.LIMITS.help}.")
    ] = "clip"
    scale: Annotated[Scale | None, called("--guidance-scale")] = None
    """Guidance scale s: 1 is no guidance, 0 is unconditional (CS231n's w is s − 1); None uses the run's default."""
    tolerance: Positive | None = None
    """Error of an image, in units of its pixels from -1 to 1, that adaptive may make; None uses its default, 0.001."""
    snr: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Signal-to-noise ratio r of the Langevin steps of pc and langevin; None uses the sampler's default."""
    corrections: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Number of Langevin steps at each level, for pc and langevin; None uses the sampler's default."""

    @property
    def options(self) -> dict[str, Any]:
        """The settings that only some solvers have, where they are given."""
        given = {name: getattr(self, name) for name in OPTIONS}
        return {name: value for name, value in given.items() if value is not None}

    def over(self, **given: Any) -> "Sampler":
        """This sampler with other values; None keeps a value.

        Where `given` names another solver, the values that are not given are the defaults of this class, since steps,
        noise and spacing are chosen for a solver.
        """
        values = {name: value for name, value in given.items() if value is not None}
        same = values.get("solver", self.solver) == self.solver
        return replace(self, **values) if same else Sampler(**values)


@dataclass(frozen=True)
class Distillation(Checked):
    """How a run was distilled from another: what its objective is made of."""

    method: Annotated[str, validator(choices.DISTILLATIONS)]
    steps: Count  # evaluations that the student is made for
    amount: Natural  # of its stage: see distill.Stage
    teacher: str  # the folder of the run that it learns from
    sha256: str  # of the teacher's checkpoint
    scale: Scale = 1.0  # the teacher's guidance
    interval: Interval | None = None
    limit: Limit = "clip"


@dataclass(frozen=True)
class RunSettings(Checked):
    """All settings of a run. A recipe returns them, and a checkpoint stores them."""

    recipe: tyro.conf.Suppress[str]
    data: Data = field(default_factory=Data)
    network: Network = field(default_factory=UNet)
    conditioning: Conditioning = field(default_factory=Conditioning)
    process: Process = field(default_factory=Process)
    training: Training = field(default_factory=Training)
    sampler: tyro.conf.Suppress[Sampler] = field(default_factory=Sampler)
    stretch: tyro.conf.Suppress[bool] = False  # the default of --stretch
    distillation: tyro.conf.Suppress[Distillation | None] = None  # None: trained on images

    @property
    def default_sampler(self) -> Sampler:
        """The sampler of the recipe, with at most as many steps as the process has timesteps."""
        return replace(self.sampler, steps=min(self.sampler.steps, self.process.timesteps))


@dataclass(frozen=True)
class Sampling(Sampler):
    """A request for images. Together with the model, it determines them completely."""

    n: Annotated[Count, called("-n", "--num-samples", "--num-images")] = 64
    """Number of images."""
    seed: Natural = 0
    """Random seed; image i does not depend on n."""
    label: Annotated[str | None, words("NAME|NUMBER|all")] = None
    """Class to draw, by name or number; all draws every class in turn, one row each (class:all: a class named all)."""
    text: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(aliases=("--prompt",), metavar="TEXT")
    ] = ()
    """Text prompt, for runs trained on captions; repeatable: images take the prompts in turn, one row each."""
    interval: Interval | None = None
    """Interval of σ/α in which guidance is applied; 0,inf is every level; None uses the run's default."""
    churn: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Amount of noise that is added before each step, EDM's S_churn: σ/α grows by churn/steps, by 41% at most."""
    churn_interval: Interval | None = None
    """Interval of σ/α in which --churn adds noise, EDM's S_min,S_max; None adds it at every level with signal."""
    rescale: Share = 0.0
    """Strength of guidance rescaling, from 0 to 1 (the contrast of unguided images)."""
    guide: str | None = None
    """Folder of a weaker run to guide away from, in place of the unconditional model (autoguidance)."""
    stretch: bool = False
    """Stretch each image to the range from its own darkest to its own brightest pixel, in place of clamping."""
    guidance: Literal["free", "classifier"] = "free"
    """free is classifier-free guidance; classifier adds the gradient of an image classifier for --label to any run."""
    engine: Engine = "torch"
    """Inference engine: PyTorch, PyTorch with torch.compile, or ONNX Runtime in float32 on the CPU."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", texts(self.text))  # older files hold one text, or None
        super().__post_init__()


def texts(asked: str | Sequence[str] | None) -> tuple[str, ...]:
    """Prompts as a tuple: none, one or several."""
    if asked is None or isinstance(asked, str):
        return () if asked is None else (asked,)
    return tuple(asked) if isinstance(asked, Sequence) else asked  # anything else is refused where it is checked


RESTORING_SAMPLER = Sampling(solver="dpmpp2m", steps=100, eta=1.0, spacing="karras", n=8)
"""The sampler of restorations and edits by default: accurate at σ near 0, where measurements decide."""
RESTORING_METHOD = "moment"
"""The method of restorations by default, for runs that were not trained to restore."""


@dataclass(frozen=True)
class Measuring(Checked):
    """How pictures are measured: the operator and the noise. It determines a measurement completely, with the seed."""

    operator: Annotated[
        str | None,
        words("NAME[:ARGUMENT]"),
        tyro.conf.arg(help=f"What the pictures went through. {choices.OPERATORS.help}; or FILE.py:NAME."),
    ] = None
    noise: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Standard deviation of the measurement's Gaussian noise, for images in [-1, 1]: 0.05 is 6.4 of 255 grey levels."""
    resize: bool = False
    """Scale and crop pictures of another size, and convert their colours; otherwise they are refused."""


@dataclass(frozen=True)
class Restoring(Measuring):
    """How pictures are restored from a measurement, apart from the sampler."""

    method: Annotated[
        str | None,
        words("NAME[:ARGUMENT]"),
        tyro.conf.arg(
            help=f"How to restore. {choices.METHODS.help}; or FILE.py:NAME. None uses trained for runs with "
            "--condition image, and moment for others."
        ),
    ] = None
    measured: bool = False
    """The pictures are measurements already; without it they are measured first, and shown beside the result."""


@dataclass(frozen=True)
class Editing(Checked):
    """How a picture is changed: SDEdit (`strength`), ILVR (`low_pass`), inversion to another condition or picture."""

    strength: Annotated[float, Field(gt=0, le=1)] | None = None
    """SDEdit: share of the sampling steps that the picture is noised by and drawn again, from 0 (kept) to 1 (new)."""
    low_pass: Annotated[float, Field(gt=1)] | None = None
    """ILVR: keep what remains of the picture at a size N times smaller, and draw the rest."""
    to: Annotated[str | None, words("PICTURE")] = None
    """Interpolation: another picture, or test:N; draws -n pictures from the first to this one, through their noise."""
    mask: str | None = None
    """Picture of the same size, white where the picture may change; the rest is kept."""
    from_label: Annotated[str | None, words("NAME|NUMBER")] = None
    """Class that the picture shows now, for inversion; by default it is encoded without a condition."""
    from_text: Annotated[str | None, words("TEXT")] = None
    """Text that describes the picture now, for inversion."""
    inversion: Annotated[
        str,
        validator(choices.INVERSIONS),
        named(choices.INVERSIONS),
        tyro.conf.arg(help=f"How inversion turns the picture into noise and back. {choices.INVERSIONS.help}."),
    ] = "flow"
    resize: bool = False
    """Scale and crop pictures of another size, and convert their colours; otherwise they are refused."""


@dataclass(frozen=True)
class Scoring(Checked):
    """How images are scored: number of images, features and reference images."""

    n: Annotated[Count | None, called("-n", "--num-samples", "--num-images")] = None
    """Images in each of three draws; None uses the command's default, limited by the size of the data set."""
    features: Annotated[
        str,
        validator(choices.FEATURES, "auto"),
        named(choices.FEATURES, "auto"),
        tyro.conf.arg(
            help="Features in which images are compared. auto: a classifier trained here if the images have labels, "
            f"else pixels; {choices.FEATURES.help}."
        ),
    ] = "auto"
    inception: Annotated[Path | None, tyro.conf.arg(metavar="FILE.pth")] = None
    """File of InceptionV3's weights for the FID, as pytorch-fid publishes them; None finds or downloads it."""
    class_scores: bool = False
    """Compute class scores with a classifier trained here, whatever --features is."""
    split: Literal["train", "test"] = "train"
    """Split of the real images to compare with."""
    seed: Natural = 0
    """Seed of the generated images."""
