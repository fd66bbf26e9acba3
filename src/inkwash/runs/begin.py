"""A new run that begins with the weights of another one: fine-tuning on other images, sizes or classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from inkwash.data.listing import some
from inkwash.denoise import Denoiser
from inkwash.errors import UsageError
from inkwash.foreign import harmless
from inkwash.models import title
from inkwash.networks import OwnNetwork
from inkwash.runs import build
from inkwash.runs.conditions import ConditionKind, condition
from inkwash.runs.record import check_code, check_encoder, described, used
from inkwash.settings import RunSettings
from inkwash.training.checkpoint import LAST, Checkpoint, load

_LEAST = 0.5  # share of the new network's weights that must come from the other run


@dataclass(frozen=True)
class Begun:
    """Where the weights of a new run come from: the fact for its checkpoints, and sentences for the user."""

    fact: dict[str, str | int]  # "run", "sha256" of the checkpoint, "step"
    notes: tuple[str, ...]


def begin(
    folder: Path, denoiser: Denoiser, run: RunSettings, shape: build.Shape, kind: ConditionKind | None,
    classes: Sequence[str],
) -> Begun:  # fmt: skip
    """Loads the averaged weights of the last checkpoint in `folder` into a newly built denoiser.

    A class of the same name keeps its column of the class table. Layers that the other run lacks, or that have another
    shape there, stay as they were initialised, which the notes say.

    Raises UsageError if there is no run, or if less than half of the weights fit; what `load` raises.
    """
    path = folder / LAST
    saved = load(path)
    before = described(path, saved.facts)
    check_code(saved.facts, path, *used(before))
    check_encoder(before, path)
    there, mine = _plain(saved.parts["ema"], before), denoiser.state_dict()
    tables = _class_tables(run, shape, kind, classes)
    new: dict[str, Tensor] = {}
    anew: list[str] = []
    kept: tuple[str, ...] = ()
    for name, tensor in mine.items():
        old = there.get(_plain_name(name, run))
        if name in tables and old is not None:
            found, kept = _by_name(tensor, old, tables[name], saved.facts["classes"], classes)
            old = found if kept else None
        if old is None or old.shape != tensor.shape:
            anew.append(name)
        else:
            new[name] = old.to(tensor.dtype)
    taken = sum(new[name].numel() for name in new) / max(1, sum(tensor.numel() for tensor in mine.values()))
    if taken < _LEAST:
        raise UsageError(
            f"{folder} has another network: {taken:.0%} of the weights fit, where half were expected; "
            f"{some(anew)} do not. Leave out the flags of the network, or `from_run`."
        )
    denoiser.load_state_dict({**mine, **new})
    of = f"{harmless(str(folder))}, step {saved.facts['step']:,}, averaged"
    notes = [f"The weights are those of {of}; {taken:.1%} of this network's."]
    notes += _said(anew, kept, classes if tables else (), sorted({*there} - {_plain_name(name, run) for name in mine}))
    notes += _changed(before, run)
    return Begun({"run": title(folder), "sha256": saved.sha256, "step": saved.facts["step"]}, tuple(notes))


def carried(saved: Checkpoint | None, given: Path | None, out: Path) -> dict[str, str | int] | None:
    """The fact that a resumed run records; None for other runs. Raises UsageError if it did not begin as `given`."""
    fact: dict[str, str | int] | None = None if saved is None else saved.facts.get("begun_from")
    if saved is not None and given is not None and (fact is None or fact["run"] != title(given)):
        from_what = "new weights" if fact is None else f"the weights of {fact['run']}"
        raise UsageError(f"{out} began with {from_what}; leave out `from_run` to resume it, or choose another `out`.")
    return fact


def _plain_name(name: str, run: RunSettings) -> str:
    """A weight's name in the network without its embedder."""
    return name.replace("net.net.", "net.", 1) if run.conditioning.condition != "none" else name


def _plain(weights: Mapping[str, Tensor], run: RunSettings) -> dict[str, Tensor]:
    return {_plain_name(name, run): tensor for name, tensor in weights.items()}


def _class_tables(
    run: RunSettings, shape: build.Shape, kind: ConditionKind | None, classes: Sequence[str]
) -> dict[str, int]:
    """The weights with an axis of classes, and this axis: those whose shape another class would change."""
    if run.conditioning.condition != "class" or kind is None or isinstance(run.network, OwnNetwork):
        return {}
    more = condition(run, [*classes, "another class"])
    one, other = build.shapes(run, shape, kind), build.shapes(run, shape, more)
    pairs = {name: (one[name], other[name]) for name in one if one[name] != other[name]}
    return {name: next(i for i, (a, b) in enumerate(zip(*pair, strict=True)) if a != b) for name, pair in pairs.items()}


def _by_name(
    mine: Tensor, old: Tensor, axis: int, there: Sequence[str], here: Sequence[str]
) -> tuple[Tensor, tuple[str, ...]]:
    """A class table with the entries of the classes that both runs have, and these classes."""
    both = tuple(name for name in here if name in there)
    if old.ndim != mine.ndim or old.shape[axis] != len(there):
        return mine, ()
    made = mine.clone()
    if [*old.movedim(axis, 0)[0].shape] != [*made.movedim(axis, 0)[0].shape]:
        return mine, ()
    for name in both:
        made.select(axis, list(here).index(name)).copy_(old.select(axis, list(there).index(name)))
    return made, both


def _said(anew: Sequence[str], kept: Sequence[str], classes: Sequence[str], left: Sequence[str]) -> list[str]:
    lines = []
    if anew:
        lines.append(f"Begun anew, since they do not fit: {some([_short(name) for name in anew], 6)}.")
    if kept and len(kept) < len(classes):
        others = [name for name in classes if name not in kept]
        lines.append(f"The classes {some(kept, 6)} keep what was learned of them; {some(others, 6)} begin anew.")
    if left:
        lines.append(f"Not taken over, since this network lacks them: {some([_short(name) for name in left], 6)}.")
    return lines


def _short(name: str) -> str:
    return name.removeprefix("net.").removeprefix("net.")


def _changed(before: RunSettings, run: RunSettings) -> list[str]:
    """Warnings about a process or a text encoder that gives the weights another meaning."""
    names = [
        name for name in ("prediction", "schedule", "timesteps")
        if getattr(before.process, name) != getattr(run.process, name)
    ]  # fmt: skip
    changes = [f"{name} {getattr(before.process, name)} there, {getattr(run.process, name)} here" for name in names]
    if before.conditioning.condition == run.conditioning.condition == "text":
        there, here = before.conditioning.encoder, run.conditioning.encoder
        changes += [] if there == here else [f"encoder {there} there, {here} here"]
    return [f"warning: the weights were trained for something else ({', '.join(changes)})."] if changes else []
