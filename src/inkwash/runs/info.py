"""The description of a run, read from its checkpoint only."""

import math
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from inkwash import __version__, choices, own
from inkwash.errors import InkwashError, UsageError
from inkwash.foreign import harmless
from inkwash.lock import holder
from inkwash.models import name_of
from inkwash.networks import OwnNetwork
from inkwash.progress import duration
from inkwash.runs.conditions.kind import Unconditional
from inkwash.runs.record import TRAINING, described
from inkwash.settings import RunSettings, Sampler
from inkwash.training.checkpoint import BEST, FILES, LAST, facts, load
from inkwash.training.history import mean_loss
from inkwash.training.metrics import METRICS, UNKNOWN, reports
from inkwash.view import check_out, loss_figure, write

SHOWN = 3  # of the first and of the last epochs whose losses are told


def _distilled(run: RunSettings) -> list[tuple[str, str]]:
    made = run.distillation
    if made is None:
        return []
    many = "1 step" if made.steps == 1 else f"{made.steps} steps"
    guided = "" if made.scale == 1 else f", guidance scale {made.scale:g} included"
    return [("distilled", f"for {many} by {made.method}, from {made.teacher} ({made.sha256[:12]}){guided}")]


def run_facts(folder: Path) -> list[tuple[str, str]]:
    """Returns (name, value) pairs that describe a run. Raises UsageError or InkwashError if there is none."""
    saved = load(folder / LAST)
    about, run = saved.facts, described(folder / LAST, saved.facts)
    parameters = sum(tensor.numel() for tensor in saved.parts["ema"].values())
    channels, height, width = about["shape"]
    losses, held_out = about["history"], about["held_out"]
    best = min(held_out, key=lambda pair: pair[1], default=(0, math.nan))
    kept = _step(folder / BEST) if (folder / BEST).is_file() else None
    return [
        ("recipe", run.recipe),
        ("data", f"{_source(about, run)}, {about['images']:,} images of {height}×{width}, {channels} channel(s)"),
        (
            "network",
            f"{_network(run)}, {parameters:,} parameters ({parameters * 4 / 2**20:.1f} MiB)",
        ),
        ("condition", _condition(run, about["classes"])),
        ("process", f"{run.process.schedule} schedule, predicts {run.process.prediction}"),
        ("sampler", _sampler(run.default_sampler) + " --stretch" * run.stretch),
        ("trained", f"{about['step']:,}{_of(about['steps'])} steps, {about['images_seen']:,} images seen"),
        *_live(folder),
        *_begun_from(about),
        *_distilled(run),
        ("time", f"{timedelta(seconds=round(about['seconds']))} in {about['precision']}"),
        ("loss", f"{losses[-1][1]:.4f} in training" if losses else "none yet"),
        *_epochs(losses, about["images"], run.training.batch_size),
        (
            "held out",
            f"{held_out[-1][1]:.4f} now, {best[1]:.4f} at its lowest (step {best[0]:,})" if held_out else "none yet",
        ),
        ("checkpoints", f"last (step {about['step']:,})" + _best(kept, run.training.best)),
        ("sha256", saved.sha256),
        *_measured(about),
        *(("code", f"{name}, sha256 {sha256 or 'unknown'}") for name, sha256 in about.get("code", {}).items()),
        ("made by", f"inkwash {about['version']}"),
        *(("images", str(note)) for note in about.get("data", {}).get("notes", ())),
    ]


def _best(step: int | None, by: str) -> str:
    """What is said of the best checkpoint, and by which loss it was chosen."""
    return "" if step is None else f", best by {'training' if by == 'train' else by} loss (step {step:,})"


def _epochs(losses: Sequence[tuple[int, float]], images: int, batch: int) -> list[tuple[str, str]]:
    """The mean training loss of each whole pass over the images: the first, the last few, and the lowest."""
    if not losses or not images:
        return []
    ends = [round(epoch * images / batch) for epoch in range(int(losses[-1][0] * batch / images) + 1)]
    means = [mean_loss(losses, first, last) for first, last in pairwise(ends)]
    if not means:
        return []
    shown = [(i, mean) for i, mean in enumerate(means, 1) if i <= SHOWN or i > len(means) - SHOWN]
    told = ", ".join(f"{i}: {mean:.4f}" for i, mean in shown)
    low = min(means)
    return [("epochs", f"{len(means)}, mean loss {told}; lowest {low:.4f} in epoch {means.index(low) + 1}")]


def _begun_from(about: dict[str, Any]) -> list[tuple[str, str]]:
    fact = about.get("begun_from")
    if fact is None:
        return []
    return [("begun from", f"the weights of {harmless(fact['run'])}, step {fact['step']:,}, sha256 {fact['sha256']}")]


def _measured(about: dict[str, Any]) -> list[tuple[str, str]]:
    """The scores that a model in the box carries."""
    try:
        scores = {str(name): (float(each["mean"]), float(each["sd"])) for name, each in about["box"]["scores"].items()}
        return [("scores", ", ".join(f"{name} {mean:.4g} ± {sd:.1g}" for name, (mean, sd) in scores.items()))]
    except (KeyError, TypeError, ValueError, AttributeError):
        return []


def _step(path: Path) -> int:
    about = facts(path)
    described(path, about)
    return int(about["step"])


def one_line(folder: Path) -> str:
    """What a run is, from the header of its checkpoint. Raises UsageError or InkwashError if there is none."""
    about = facts(folder / LAST)
    run = described(folder / LAST, about)
    channels, height, width = about["shape"]
    classes = f", {len(about['classes'])} classes" if run.conditioning.condition == "class" else ""
    boxed = ", in the box" if name_of(folder) else ""
    size = (folder / LAST).stat().st_size / 1e6
    return (
        f"{run.recipe}, {height}×{width}, {channels} channel(s){classes}, {about['step']:,} steps, {size:.1f} MB{boxed}"
    )


def verified(folder: Path) -> list[tuple[str, str]]:
    """(name, result) of each checkpoint of a run, all of which are read: whether its content has its digest.

    Raises UsageError if there is none, and InkwashError, after all are read, if one is damaged.
    """
    found: list[tuple[str, str]] = []
    damaged: list[str] = []
    for name, file in FILES.items():
        if not (folder / file).exists() and (found or damaged):
            continue  # `load` says that there is no run
        try:
            saved = load(folder / file)
            described(folder / file, saved.facts)
        except UsageError:
            raise
        except InkwashError as error:
            damaged.append(str(error))
            continue
        older = f"no digest: format {saved.facts['format']} has none; sha256 of the file {saved.sha256}"
        found.append((name, f"whole, sha256 {saved.sha256}" if saved.checked else older))
    if damaged:
        raise InkwashError(" ".join([*damaged, *(f"{name} is {result}." for name, result in found)]))
    return found


def _of(steps: int) -> str:
    return "" if steps >= UNKNOWN else f" of {steps:,}"


def _live(folder: Path) -> list[tuple[str, str]]:
    """How far a training is that is going on in a folder: its step, speed and the time left."""
    who, told = holder(folder), [row for row in reports(folder) if "images_per_second" in row]
    if who is None or who.doing != TRAINING:
        return []
    if not told:
        return [("now", f"begun, process {who.pid} on {who.host}")]
    now = told[-1]
    try:
        step, steps, speed = now["step"], now.get("steps", UNKNOWN), float(now["images_per_second"])
        words = f"step {step:,}{_of(steps)}, {speed:,.0f} images/s"
        if step and steps < UNKNOWN:
            words += f", {duration((steps - step) * now['images_seen'] / step / speed)} left"
        return [("now", f"{words}, loss {float(now['loss']):.4f}, process {who.pid} on {who.host}")]
    except (ValueError, TypeError, KeyError, ZeroDivisionError, OverflowError):
        return [("now", f"process {who.pid} on {who.host}; {folder / METRICS} is damaged")]


def _sampler(sampler: Sampler) -> str:
    """A sampler as the flags that select it."""
    values = {name: value for name, value in vars(sampler).items() if value is not None}
    return " ".join(
        f"--{name} {value:g}" if isinstance(value, float) else f"--{name} {value}" for name, value in values.items()
    )


def _source(about: dict[str, Any], run: RunSettings) -> str:
    """The name of the images; of an imported run without one, what the importer noted."""
    return run.data.source or str(about["fingerprint"])


def _network(run: RunSettings) -> str:
    return run.network.reference if isinstance(run.network, OwnNetwork) else type(run.network).__name__


def _condition(run: RunSettings, classes: Sequence[str]) -> str:
    given = run.conditioning
    if own.is_reference(given.condition):
        return given.condition  # user code is not executed to describe it
    kind = choices.CONDITIONS.load(given.condition)
    what = kind.describe(given, classes)
    if kind is Unconditional:
        return str(what)
    where = "" if given.interval is None else " where σ/α lies between {:g} and {:g}".format(*given.interval)
    scale = getattr(kind, "scale", given.scale)
    return f"{what}; withheld from {given.condition_dropout:.0%} of the images, guidance scale {scale:g}{where}"


def draw_losses(folder: Path, out: Path) -> None:
    """Plots the losses of a run over images seen, as a PNG. Raises UsageError if there are none yet."""
    if out.suffix.lower() != ".png":
        raise UsageError(f"the losses are drawn as a PNG; give `out` a name ending in .png (got {out}).")
    check_out(out)
    saved = load(folder / LAST)
    described(folder / LAST, saved.facts)
    about = saved.facts
    batch = about["run"]["training"]["batch_size"]

    def curve(pairs: list[tuple[int, float]]) -> tuple[list[int], list[float]]:
        return [step * batch for step, _ in pairs], [loss for _, loss in pairs]

    figure = loss_figure(*curve(about["history"]), curve(about["held_out"][1:] or about["held_out"]))
    write(out, figure[None], {"inkwash": __version__, "command": "info", "checkpoint": saved.sha256})
