"""Training from Python with a recipe, settings, or a user-defined network and images."""

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import fields, is_dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import torch

from inkwash import own, recipes
from inkwash.api import network as own_network
from inkwash.api.load import load
from inkwash.api.run import Run
from inkwash.data import Images, Source, is_path, to_uint8
from inkwash.errors import UsageError
from inkwash.networks import Inputs
from inkwash.progress import bar
from inkwash.runs import build
from inkwash.runs.conditions import condition
from inkwash.runs.fit import Fit, fit
from inkwash.runs.record import settings_from, stored
from inkwash.settings import Process, RunSettings, Sampler, Training
from inkwash.signals import finishing_step
from inkwash.training import Progress, Step, Untracked

PathLike = str | os.PathLike[str]
RUNS = Path("runs")  # folder of runs without `out`
MOST = 4 * 2**30  # largest size in bytes of images stored in a run's folder


def train(
    what: RunSettings | own_network.Own | PathLike,
    *,
    data: Any = None,
    labels: Any = None,
    network: own_network.Own | str | None = None,
    out: PathLike | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    resume: bool = False,
    from_run: PathLike | None = None,
    data_dir: PathLike | None = None,
    progress: bool = True,
    **changes: Any,
) -> Run:
    """Trains a run in a folder and opens it. An interrupt stops the training after the current step and saves it.

    Args:
        what: a recipe's name, a folder or .npz file of images, settings (`RunSettings`), or a network of your own: a
            torch.nn.Module, its class, or a function that builds it, called as net(x, t, cond) with x float32
            [B,C,H,W] scaled to unit variance, t [B] in [0, 1] (int64 indices for a discrete schedule) and cond None or
            a `inkwash.nets.CondEmbedding`. A class or a function is called with those fields of
            `inkwash.networks.Inputs` that it accepts. A module is copied, and the copy is trained.
        data: the images, in place of the recipe's: a data set's name, a folder, an .npz file, FILE.py:NAME, a
            `Source`, or an array or tensor [N,C,H,W] with C = 1, 3 or 4, uint8 or float in [−1, 1]. Images that are not
            on disk are written to the run's folder, so that every command can read them.
        labels: int [N], the classes of the images of an array.
        network: a network of your own, in place of the recipe's.
        out: the run's folder; None uses runs/RECIPE.
        steps, minutes: length of the training, in place of the recipe's; the shorter of both.
        resume: whether to resume the run in `out`.
        from_run: a run to begin with the weights of (fine-tuning). Its network and process replace the recipe's.
        data_dir: folder of the data sets; None uses $INKWASH_DATA, or else a cache folder.
        progress: whether to show a bar.
        changes: any other setting by the name of its flag: `batch_size=64, lr=1e-3, prediction="v", channels=32`.

    Raises:
        UsageError: for invalid arguments, before anything is written.
        InkwashError: if the loss is no longer finite.
    """
    stop = Event()
    job, folder = _begun(
        what, data, labels, network, out, steps, minutes, resume, from_run, data_dir, changes, stop.is_set
    )
    last: Step | None = None
    with finishing_step(stop), closing(job.progress), bar(0, "steps", not (progress and job.is_main)) as shown:
        shown.n = shown.initial = job.start
        for event in job.progress:
            if isinstance(event, Step):
                last, shown.total = event, event.steps
                shown.set_postfix_str(f"loss {event.loss:.4f}, {event.images_per_second:,.0f} images/s", refresh=False)
                shown.update(event.step - shown.n)
            elif isinstance(event, Untracked):
                warnings.warn(
                    f"not tracked by {event.tracker} after step {event.step:,}: {event.problem}.", stacklevel=2
                )
    if last is not None and last.step != last.steps:
        warnings.warn(
            f"stopped at step {last.step} of {last.steps or 'a number not chosen yet'}, and saved; go on with "
            "`resume=True`.",
            stacklevel=2,
        )
    return load(folder, device=job.device.type)


def train_steps(
    what: RunSettings | own_network.Own | PathLike,
    *,
    data: Any = None,
    labels: Any = None,
    network: own_network.Own | str | None = None,
    out: PathLike | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    resume: bool = False,
    from_run: PathLike | None = None,
    data_dir: PathLike | None = None,
    **changes: Any,
) -> Iterator[Progress]:
    """Like `train`, as an iterator over its progress.

    Yields a `Step` after the first optimiser step and after every tenth, and a `Saved` for each checkpoint. The
    training stops when the iteration stops; `load` opens the last checkpoint.
    """
    job, _ = _begun(
        what, data, labels, network, out, steps, minutes, resume, from_run, data_dir, changes, lambda: False
    )
    return job.progress


def _begun(
    what: Any,
    data: Any,
    labels: Any,
    network: own_network.Own | str | None,
    out: PathLike | None,
    steps: int | None,
    minutes: float | None,
    resume: bool,
    from_run: PathLike | None,
    data_dir: PathLike | None,
    changes: dict[str, Any],
    stop: Callable[[], bool],
) -> tuple[Fit, Path]:
    """Prepares the training. Returns it and its folder."""
    if own_network.is_own(what):
        if network is not None:
            raise UsageError("a network was given twice; leave out `network`.")
        what, network = _OWN, what
    run = what if isinstance(what, RunSettings) else recipes.find_or_folder(os.fspath(what))
    begun = None if from_run is None else Path(from_run)
    if begun is not None:
        other = stored(begun)
        if other is None:
            raise UsageError(f"there is no run in {begun} to begin from.")
        run = settings_from(run, other)
    lengths = {"steps": steps, "minutes": minutes, "epochs": changes.get("epochs")}
    run = changed(replace(run, training=run.training.lasting(**lengths)), changes)
    own.allow_encoder(run.conditioning.encoder)
    images: Images | None = None
    if data is not None:
        run, images = _with_data(run, data, labels)
    elif labels is not None:
        raise UsageError("`labels` are those of an array of images; give it as `data`.")
    elif what is _OWN:
        raise UsageError("a network needs images; give them as `data`, such as data='digits' or data='photos/'.")
    place = None if data_dir is None else Path(data_dir)
    if network is not None:
        source = images or build.images(run.data, "train", place)
        described, why = own_network.settings_for(network, _inputs(run, source))
        run = replace(run, network=described)
        if why:
            warnings.warn(
                f"{why}, so the command line cannot open this run; inkwash.load(PATH, network=…) can.", stacklevel=3
            )
    name = run.recipe if isinstance(what, RunSettings) else recipes.run_name(os.fspath(what))
    folder = RUNS / name if out is None else Path(out)
    return fit(run, folder, place, resume, stop, images, begun), folder


_OWN = RunSettings(
    recipe="own",
    process=Process(schedule="continuous-cosine", prediction="v"),
    training=Training(draw="stratified"),
)  # the settings for a network without a recipe


def changed(run: RunSettings, changes: dict[str, Any]) -> RunSettings:
    """Returns the settings with some fields changed, by name. Raises UsageError for an unknown name."""
    values: dict[str, Any] = {part.name: getattr(run, part.name) for part in fields(run)}
    parts: dict[str, Any] = {
        name: part for name, part in values.items() if is_dataclass(part) and not isinstance(part, Sampler)
    }
    owner = {entry.name: part for part, value in parts.items() for entry in fields(value) if entry.name != "kind"}
    for name, value in changes.items():
        if name not in owner:
            near = get_close_matches(name, owner, n=1)
            hint = f"; did you mean `{near[0]}`?" if near else f"; there are {', '.join(owner)}."
            raise UsageError(f"the recipe {run.recipe} has no setting `{name}`{hint}")
        kept = tuple(value) if isinstance(value, list) else value
        parts[owner[name]] = replace(parts[owner[name]], **{name: kept})
    return replace(run, **parts)


def _inputs(run: RunSettings, source: Source) -> Inputs:
    """The inputs of the run's network for these images."""
    inputs = Inputs(*source.shape, build.schedule(run.process).num_timesteps)
    kind = condition(run, source.classes, shape=source.shape)
    if kind is None:
        return inputs
    embedder = kind.embedder()
    return inputs._replace(vector=embedder.vector, tokens=embedder.tokens, concat=embedder.concat)


def _with_data(run: RunSettings, data: Any, labels: Any) -> tuple[RunSettings, Images | None]:
    """Returns the settings for these images, and the images themselves if they are not on disk."""
    if isinstance(data, str | os.PathLike):
        if labels is not None:
            raise UsageError("`labels` are those of an array of images; a folder's are the names of its folders.")
        name = os.fspath(data)
        if is_path(name):
            name = str(Path(name).expanduser().resolve())
        return replace(run, data=replace(run.data, source=name)), None
    images = _from_source(data) if hasattr(data, "take") and hasattr(data, "fingerprint") else _from_array(data, labels)
    return run, images if run.data.size is None else images.pad(run.data.size)


def _from_source(source: Source) -> Images:
    """Reads all images of a source into memory. Raises UsageError if they are too large."""
    if isinstance(source, Images):
        return source
    channels, height, width = source.shape
    if len(source) * channels * height * width > MOST:
        raise UsageError(
            f"{source.name} is larger than {MOST / 2**30:.0f} GiB, too much to be written into the run's folder; "
            "give `data` the path of the images, or FILE.py:NAME of a function that makes the source."
        )
    parts = [torch.arange(i, min(i + 1024, len(source))) for i in range(0, len(source), 1024)]
    pixels = torch.cat([source.take(part).cpu() for part in parts])
    return Images(
        source.name, "train", pixels, source.labels, source.classes, captions=source.captions, kinds=source.kinds
    )


def _from_array(data: Any, labels: Any) -> Images:
    """Converts an array [N,C,H,W] to Images. Raises UsageError for any other shape or range."""
    try:
        pixels = data.detach().cpu() if isinstance(data, torch.Tensor) else torch.from_numpy(np.array(data))
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"`data` is a data set's name, a folder, an array [N,C,H,W] or a Source (got {type(data).__name__})."
        ) from error
    if pixels.ndim != 4 or pixels.shape[1] not in (1, 3, 4) or 0 in pixels.shape:
        hint = "; put the channels second" if pixels.ndim == 4 and pixels.shape[3] in (1, 3, 4) else ""
        raise UsageError(f"`data` must be [N,C,H,W] with C 1, 3 or 4 (got {list(pixels.shape)}){hint}.")
    if pixels.is_floating_point():
        low, high = pixels.min().item(), pixels.max().item()
        if not (low >= -1 and high <= 1):
            raise UsageError(f"images of floats lie in [−1, 1] (got {low:.3g} to {high:.3g}); rescale `data`.")
        if low >= 0:
            raise UsageError(
                f"images of floats lie in [−1, 1], and these in [{low:.3g}, {high:.3g}]; give 2 * `data` - 1."
            )
        pixels = to_uint8(pixels)
    if pixels.dtype != torch.uint8:
        raise UsageError(f"`data` is uint8, or float in [−1, 1] (got {str(pixels.dtype).removeprefix('torch.')}).")
    if labels is None:
        return Images("images", "train", pixels)
    classes: Sequence[int] = torch.as_tensor(np.asarray(labels), dtype=torch.int64).tolist()
    named = tuple(map(str, range(max(classes, default=0) + 1)))
    return Images("images", "train", pixels, torch.tensor(classes, dtype=torch.int64), named)
