"""The settings and facts recorded in the folder of a run, and the checks for resuming it."""

import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inkwash import __version__, choices, own
from inkwash.checked import references
from inkwash.data import class_counts, is_path
from inkwash.errors import UsageError
from inkwash.runs.facts import run_of
from inkwash.settings import Data, Process, RunSettings
from inkwash.training.checkpoint import LAST, facts

if TYPE_CHECKING:
    import torch

    from inkwash.data import Source
    from inkwash.runs.conditions import ConditionKind

TRAINING = "a training"  # what holds the lock of a run's folder while it trains
IMAGES = "images.npz"  # in a run's folder: the images passed from Python
_BESIDE = f"<run>/{IMAGES}"  # their name in a checkpoint, so that the folder can be moved

# settings that may change when a run is resumed: length, checkpoint interval and device
_FREE = {
    "steps", "epochs", "minutes", "save_every", "device", "precision", "accumulate", "layout", "compile", "recompute",
    "shard", "keep_early", "preview_every", "preview_images", "track",
}  # fmt: skip


def stored(folder: Path) -> RunSettings | None:
    """The settings of the run in a folder; None if there is no run."""
    if not (folder / LAST).exists():
        return None
    return described(folder / LAST, facts(folder / LAST))


def described(path: Path, about: dict[str, Any]) -> RunSettings:
    """The settings in a checkpoint's facts. Raises UsageError if any of the facts is invalid in this version."""
    try:
        run = run_of(about)
    except (ValueError, UsageError) as error:
        raise UsageError(
            f"{path} does not describe a run that inkwash {__version__} can make ({error}); train again."
        ) from error
    if about["format"] < 4:
        run = replace(run, process=_with_former_ends(run.process))
    return _with_source(run, str((path.parent / IMAGES).resolve())) if run.data.source == _BESIDE else run


# the default ends of β before format 4, for every T
_FORMER_ENDS = {"linear": (1e-4, 0.02), "scaled-linear": (0.00085, 0.012)}


def _with_former_ends(process: Process) -> Process:
    """The process with the ends that its schedule had before format 4, where it was given none."""
    low, high = _FORMER_ENDS.get(process.schedule, (None, None))
    if process.timesteps == 1000 or low is None:
        return process
    return replace(
        process,
        beta_low=low if process.beta_low is None else process.beta_low,
        beta_high=high if process.beta_high is None else process.beta_high,
    )


def code(*settings: Any) -> dict[str, dict[str, str]]:
    """The fact {"code": {reference: sha256}} for the user's own code that settings refer to; {} if there is none."""
    found = own.digests(references(*settings))
    return {"code": found} if found else {}


def used(run: RunSettings) -> tuple[Any, ...]:
    """The parts of a run's settings that are needed to open it for sampling."""
    return run.network, run.process, run.conditioning


def check_code(about: dict[str, Any], of: Path, *settings: Any) -> None:
    """Checks that the code that parts of a run refer to is allowed here and has not changed since it was recorded.

    `of` names the run or artifact in the message. Raises UsageError as `own.check_recorded` does.
    """
    recorded = about.get("code", {})
    own.check_recorded({name: recorded.get(name, "") for name in references(*settings)}, str(of))


def check_encoder(run: RunSettings, of: Path) -> None:
    """Raises UsageError if the run in a file, `of`, names a text encoder that is not inkwash's and was not allowed."""
    name = run.conditioning.encoder
    if name not in choices.ENCODERS and not own.is_reference(name):
        own.check_encoder(name, str(of))


def about(
    run: RunSettings,
    folder: Path,
    source: "Source",
    precision: "torch.dtype",
    condition: "ConditionKind | None" = None,
    data_dir: Path | None = None,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """The facts about a run in a checkpoint in `folder`, without the counters of its training. `described` reads them.

    `notes` are sentences about the images, for `inkwash info`.
    """
    beside = run.data.source == str((folder / IMAGES).resolve())
    return {
        "run": asdict(_with_source(run, _BESIDE) if beside else run), "shape": list(source.shape),
        "classes": list(source.classes), "images": len(source), "fingerprint": source.fingerprint,
        "precision": str(precision).removeprefix("torch."),
        "data_dir": None if data_dir is None else str(data_dir.absolute()),
        "data": {"notes": list(notes), "classes": class_counts(source), "place": os.environ.get("INKWASH_DATA")},
        **({} if condition is None else {"encoder": condition.digest}),
        **code(run),
    }  # fmt: skip


def settings_from(run: RunSettings, other: RunSettings) -> RunSettings:
    """The settings of a new run that begins with the weights of another: its network, process and sampler.

    A student's sampler suits its own objective alone; the new run keeps its recipe's.
    """
    sampler = other.sampler if other.distillation is None else run.sampler
    return replace(run, network=other.network, process=other.process, sampler=sampler, stretch=other.stretch)


def _with_source(run: RunSettings, source: str) -> RunSettings:
    return replace(run, data=replace(run.data, source=source))


def resolved(run: RunSettings) -> RunSettings:
    """The settings with absolute paths of the encoder's folder and the operator's file, so that the run can be opened
    from any folder.
    """
    told = run.conditioning
    folder = Path(told.encoder).expanduser()
    if told.encoder not in choices.ENCODERS and folder.is_dir():
        told = replace(told, encoder=str(folder.resolve()))
    name, colon, argument = (told.operator or "").partition(":")
    if name in choices.OPERATORS and Path(argument).is_file():
        told = replace(told, operator=f"{name}{colon}{Path(argument).resolve()}")
    return replace(run, conditioning=told)


def check_same(folder: Path, before: RunSettings, run: RunSettings, advice: str) -> None:
    """Raises UsageError, with the differences and the advice, unless the run in a folder can be resumed as `run`."""
    free = {name: getattr(run.training, name) for name in _FREE}
    if is_path(run.data.source) and before.data.source not in choices.SOURCES:
        before = replace(before, data=replace(before.data, source=run.data.source))  # moved, if its images are the same
    before = replace(before, sampler=run.sampler, stretch=run.stretch)  # training does not depend on them
    if replace(before, training=replace(before.training, **free)) != run:
        changed = ", ".join(_differences(asdict(before), asdict(run)))
        raise UsageError(f"{folder} was begun with other settings ({changed}); {advice}.")


def moved(data: Data, given: Path | None) -> Data:
    """The data settings with their current location: if a folder of images no longer exists, the given data folder."""
    return data if given is None or not gone(data) else replace(data, source=str(given.expanduser().absolute()))


def gone(data: Data) -> bool:
    """Whether the images were a folder or a file that is not there any more."""
    known = not data.source or data.source in choices.SOURCES or own.is_reference(data.source)
    return not known and not Path(data.source).expanduser().exists()


def whereabouts(facts: dict[str, Any]) -> Path | None:
    """The data folder of a run, if it still exists: the one given in training, or else that of $INKWASH_DATA.

    The current value of the variable takes precedence over its value in training.
    """
    before = facts["data_dir"]
    if before is None and "INKWASH_DATA" not in os.environ:
        before = facts.get("data", {}).get("place")
    place = None if before is None else Path(before).expanduser()
    return place if place is not None and place.is_dir() else None


def ended(folder: Path) -> bool:
    """Whether the run in a folder was trained to its end."""
    about = facts(folder / LAST)
    return bool(about["step"] >= about["steps"])


def _differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    found = []
    for name in sorted({*old, *new} - _FREE):
        a, b = old.get(name), new.get(name)
        if isinstance(a, dict) and isinstance(b, dict):
            found += _differences(a, b)
        elif a != b:
            found.append(f"{name}: {a} then, {b} now")
    return found
