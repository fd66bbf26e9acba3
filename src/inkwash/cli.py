"""The command line. Parsing needs no torch; each command imports what it needs when it runs."""

import os
import shlex
import sys
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from inspect import cleandoc
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, Literal, Union

import tyro

from inkwash import __version__, recipes
from inkwash.errors import InkwashError, UsageError
from inkwash.settings import Run, Sampler, Sampling, Scoring, Sweep


@dataclass(frozen=True)
class Train:
    """Train a recipe, or go on with a run."""

    run: Run
    out: Path | None = None
    """Folder for the run; None makes it runs/RECIPE."""
    resume: bool = False
    """Go on with the run in --out from its last checkpoint."""
    data_dir: Path | None = None
    """Folder of the data sets; None takes $INKWASH_DATA, else a cache folder."""


@dataclass(frozen=True)
class Sample:
    """Draw images from a run."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of the run."""
    sampling: Sampling
    out: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="PATH")] = ()
    """Where to: .png, .gif, .webp, .mp4, .npz or a folder; may repeat. Without it RUN/samples.png."""
    batch_size: int = 64
    """Images at a time on a GPU, to suit its memory; a CPU takes its own number."""
    checkpoint: Literal["last", "best"] = "last"
    """Which checkpoint."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute."""


@dataclass(frozen=True)
class Forward:
    """Draw the forward process: real images at 0 to 100 % of it, and the schedule's curves."""

    target: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RECIPE|FOLDER")] = ""
    """A recipe, the folder of a run, or a folder of images; not needed for --schedules."""
    schedules: bool = False
    """Draw β, √ᾱ and √(1 − ᾱ) of the linear, cosine and sigmoid schedules side by side instead."""
    timesteps: int = 1000
    """T of --schedules."""
    out: Path = Path("forward.png")
    """The PNG to write."""
    images: int = 4
    """How many images."""
    seed: int = 0
    """Seed of the noise."""
    size: int | None = None
    """Side in pixels, for a folder of images of several sizes."""
    data_dir: Path | None = None
    """Folder of the data sets; None takes $INKWASH_DATA, else a cache folder."""


@dataclass(frozen=True)
class Info:
    """Tell what a run is: what was trained, on what, how far, how big, how good."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of the run."""
    out: Path | None = None
    """A PNG to draw the losses into."""


@dataclass(frozen=True)
class Recipes:
    """List the recipes, one line each."""


@dataclass(frozen=True)
class Evaluate:
    """Score a run's images against real ones: distances, fidelity, diversity, copies, losses, likelihood."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of the run."""
    sampler: Sampler
    scoring: Scoring
    likelihood: int = 0
    """Held-out images to also measure the likelihood of, in bits per dimension."""
    out: Path | None = None
    """Folder for the scores and figures; None takes RUN/evaluation."""
    jobs: int | None = None
    """Processes; None takes one for each processor core, or one on a GPU."""
    checkpoint: Literal["last", "best"] = "last"
    """Which checkpoint."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute."""
    data_dir: Path | None = None
    """Folder of the data sets; None takes where the run was trained from."""


@dataclass(frozen=True)
class Study:
    """Vary how images are drawn, measure what comes of it, and write a report that explains it."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN…")]
    """Folders of runs of the same images."""
    sweep: Sweep
    scoring: Scoring
    preset: Literal["quick", "lab06", "gaussian"] | None = None
    """A study made ready, which trains the runs it needs: the lab's questions on digits or MNIST, or a self-test."""
    out: Path | None = None
    """Folder of the study; None makes it runs/study-NAMES."""
    jobs: int | None = None
    """Processes; None takes one for each processor core, or one on a GPU."""
    checkpoint: Literal["last", "best"] = "last"
    """Which checkpoint."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute."""
    data_dir: Path | None = None
    """Folder of the data sets; None takes where the runs were trained from."""


@dataclass(frozen=True)
class Gallery:
    """Draw what a report shows: ten images, a hundred, their denoising, the forward process and the losses."""

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of the run."""
    sampler: Sampler
    seed: int = 0
    """Seed; the ten are the first of the hundred."""
    out: Path | None = None
    """Folder for the five files; None takes RUN/gallery."""
    checkpoint: Literal["last", "best"] = "last"
    """Which checkpoint."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute."""
    data_dir: Path | None = None
    """Folder of the data sets; None takes where the run was trained from."""


@dataclass(frozen=True)
class Race:
    """Train recipes for the same images in turn, and show how good each is after how much training."""

    recipes: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RECIPE…")]
    """Recipes for the same images."""
    scoring: Scoring
    until: Annotated[str | None, tyro.conf.arg(metavar="{None}|SCORE=VALUE")] = None
    """The race ends for a recipe that scores so well: frechet, kernel, precision, recall or coverage."""
    minutes: float | None = None
    """The race ends after so many minutes of training, and each recipe's learning rate falls to end with them."""
    every: float | None = None
    """Seconds of training between two scorings; None takes a tenth of --minutes, else 60."""
    sampler: Sampler = field(default_factory=lambda: Sampler(steps=25))
    out: Path | None = None
    """Folder of the race, with each recipe's run in it; None makes it runs/race-RECIPES."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute."""
    data_dir: Path | None = None
    """Folder of the data sets; None takes $INKWASH_DATA, else a cache folder."""


@dataclass(frozen=True)
class Replay:
    """Draw an artifact again from the provenance inside it, and compare the pixels."""

    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """A file or folder that sample or forward wrote."""
    out: Annotated[str | None, tyro.conf.arg(metavar="{None}|PATH")] = None
    """Where to, in the same form; None puts -replay into the name."""
    run: Path | None = None
    """Where the run is now, if it was moved."""


@dataclass(frozen=True)
class Import:
    """Make a run of a checkpoint that was trained elsewhere."""

    kind: Annotated[Literal["cs231n"], tyro.conf.Positional]
    """Whose: cs231n, of the assignment's trainer."""
    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """The checkpoint, model-….pt."""
    out: Path | None = None
    """Folder for the run; None makes it runs/NAME-OF-THE-FILE."""
    encoder: str = "clip"
    """What read its texts: clip, minilm, or a model's folder or name."""
    size: int = 32
    """Side of its images in pixels."""
    timesteps: int | None = None
    """T, where the checkpoint does not say."""
    schedule: Literal["linear", "cosine", "sigmoid"] | None = None
    """Noise schedule, where the checkpoint does not say."""
    objective: Literal["pred_noise", "pred_x_start"] | None = None
    """What its network predicts, where the checkpoint does not say."""


@dataclass(frozen=True)
class Demo:
    """Train on the embedded handwritten digits and draw new ones: what `make demo` runs."""

    out: Path = Path("runs/demo")
    """Folder for the run and its pictures."""


RUNS = Path("runs")  # where runs and studies go when --out does not say

_COMMANDS: dict[str, type] = {
    "train": Train, "sample": Sample, "evaluate": Evaluate, "study": Study, "race": Race, "gallery": Gallery,
    "forward": Forward, "info": Info, "recipes": Recipes, "replay": Replay, "import": Import,
    "demo": Demo,
}  # fmt: skip
_CONFIG = (tyro.conf.OmitArgPrefixes, tyro.conf.AvoidSubcommands, tyro.conf.OmitSubcommandPrefixes)


def main(argv: list[str] | None = None) -> None:
    """Runs the command line and exits: 0 done, 1 failed, 2 asked wrongly."""
    args = sys.argv[1:] if argv is None else argv
    _ready_streams()
    try:
        command = _parse(args)
        from inkwash import commands

        commands.run(command, _resume_line(args))
    except KeyboardInterrupt:
        print("\ninkwash: stopped.", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (InkwashError, OSError, MemoryError, RuntimeError, ImportError) as error:
        told = _told(error)
        if told is None:
            raise
        print(f"inkwash: {told}", file=sys.stderr)
        sys.exit(told.exit_code)


def _ready_streams() -> None:
    """Nothing stops because a terminal cannot show a sign, or because there is no terminal."""
    none = os.open(os.devnull, os.O_WRONLY) if sys.stdout is None or sys.stderr is None else 0
    sys.stdout, sys.stderr = (stream or os.fdopen(none, "w", closefd=False) for stream in (sys.stdout, sys.stderr))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _told(error: Exception) -> InkwashError | None:
    """An error in a sentence for the user; None where it is a mistake of inkwash's own."""
    words = str(error)
    if isinstance(error, InkwashError):
        return error
    if isinstance(error, OSError):
        return InkwashError(f"{error.filename or 'the system'}: {error.strerror or words}.")
    if isinstance(error, ImportError) and "shtab" in words:  # tyro's, for other shells
        return UsageError("completion can be had for bash and zsh.")
    if isinstance(error, MemoryError) or "out of memory" in words or "DefaultCPUAllocator" in words:
        return InkwashError("the memory ran out; try a smaller --batch-size, smaller images or a smaller network.")
    if "remote worker" in words or type(error).__name__ == "DistBackendError":  # gloo's, and NCCL's
        return InkwashError("another process of this training has ended, and says why; go on with --resume.")
    if "home directory" in words:  # pathlib's words
        return UsageError("there is no such home folder here; write paths in full, and give --data-dir.")
    return None


def _parse(args: list[str]) -> Any:
    """The command that the arguments ask for. tyro prints help and its own complaints, and exits."""
    if args[:1] == ["--version"]:
        print(f"inkwash {__version__}")
        sys.exit(0)
    name = args[0] if args else ""
    if not name or name.startswith("-"):
        return tyro.cli(_tree(), prog="inkwash", args=args or ["--help"], config=_CONFIG, description=_ABOUT)
    if name not in _COMMANDS:
        near = get_close_matches(name, _COMMANDS, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(f"there is no command {name!r}.{hint} The commands are {', '.join(_COMMANDS)}.")
    if name != "train":
        return tyro.cli(_COMMANDS[name], prog=f"inkwash {name}", args=args[1:], config=_CONFIG)
    recipe = args[1] if len(args) > 1 else ""
    if not recipe or recipe.startswith("-"):
        if recipe not in ("-h", "--help"):
            raise UsageError(f"train needs a recipe: inkwash train RECIPE. They are {', '.join(recipes.names())}.")
        return tyro.cli(_trainings(), prog="inkwash train", args=args[1:], config=_CONFIG)
    run = _run(recipe, args[2:])
    return tyro.cli(
        Train, prog=f"inkwash train {recipe}", args=args[2:], default=Train(run), config=_CONFIG,
        description=cleandoc(recipes.names()[run.recipe].__doc__ or ""),
    )  # fmt: skip


_ABOUT = "Train, sample and study diffusion models on your own images. Each command has a --help of its own."


def _run(recipe: str, rest: list[str]) -> Run:
    """What the flags of `train` start from: the recipe, or with --resume the run as it was begun."""
    run = recipes.find_or_folder(recipe)
    if "--resume" not in rest:
        return run
    from inkwash.runs.record import stored

    outs = [rest[i + 1] for i, flag in enumerate(rest[:-1]) if flag == "--out"]
    outs += [flag.removeprefix("--out=") for flag in rest if flag.startswith("--out=")]
    before = stored(Path(outs[-1]) if outs else default_out(run))
    if before is not None and before.recipe != run.recipe:
        raise UsageError(f"that run is of the recipe {before.recipe}, not {run.recipe}; choose another --out.")
    if before is not None and recipe not in recipes.names():  # a folder, which may be another one
        return replace(before, data=replace(before.data, source=run.data.source))
    return before or run


def default_out(run: Run) -> Path:
    """Where a recipe's run goes when --out does not say."""
    return RUNS / run.recipe


def _resume_line(args: list[str]) -> str:
    """The command that goes on with what was interrupted; a study needs only to be asked again."""
    each = os.environ.get("LOCAL_WORLD_SIZE")  # torchrun's
    start = ["inkwash"] if each is None else ["torchrun", "--nproc-per-node", each, "-m", "inkwash"]
    more = [] if "--resume" in args or args[0] != "train" else ["--resume"]
    return shlex.join([*start, *args, *more])


def _trainings() -> Any:
    """`train` as one subcommand a recipe, for its help and for shell completion."""
    return Union[tuple(  # noqa: UP007, the members are computed
        Annotated[Train, tyro.conf.subcommand(name, default=Train(recipe()), description=recipes.summary(recipe))]
        for name, recipe in recipes.names().items()
    )]  # fmt: skip


def _tree() -> Any:
    """All commands as one type, for the help of `inkwash` itself and for shell completion."""
    kinds: dict[str, Any] = {**_COMMANDS, "train": _trainings()}
    return Union[tuple(  # noqa: UP007, the members are computed
        Annotated[kind, tyro.conf.subcommand(name, description=cleandoc(_COMMANDS[name].__doc__ or ""))]
        for name, kind in kinds.items()
    )]  # fmt: skip
