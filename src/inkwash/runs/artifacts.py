"""Writing artifacts with their provenance, and reproducing artifacts from it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inkwash import __version__, own
from inkwash.core.noise import VERSION as NOISE_VERSION
from inkwash.data.arrays import read_arrays
from inkwash.distributed import ALONE, Processes
from inkwash.errors import InkwashError, UsageError
from inkwash.runs import degrade, edit, machine, previews, restore
from inkwash.runs import forward as forward_job
from inkwash.runs.draw import Drawing, draw, smooth
from inkwash.runs.model import TrainedModel, open_model
from inkwash.runs.provenance import find_guide, find_run, forward_provenance, provenance
from inkwash.runs.record import moved
from inkwash.runs.sheets import laid_out, strip_names, strips
from inkwash.settings import Sampling
from inkwash.training.checkpoint import FILES, PARTS
from inkwash.view import check_out, needs_frames, read_provenance, write
from inkwash.view.ffmpeg import ffmpeg
from inkwash.view.out import FOLDER, PathLike, array_name, form
from inkwash.view.provenance import ONLY_MP4

Walk = Callable[[Sampling], AbstractContextManager[Callable[[int], None]]]  # shows the progress of a drawing

FRAMES, SHOWN = 100, 36  # sheets of an animation, and images on each
MOST_MOMENTS, MOST_STRIPS = 50, 100  # of a sheet of strips

_REPLAYED = ("sample", "preview", "restore", "edit", "degrade", "forward")

_PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def write_samples(
    model: TrainedModel,
    sampling: Sampling,
    outs: Sequence[PathLike],
    batch_size: int,
    tick: Callable[[int], None] = lambda images: None,
    columns: int | None = None,
    among: Processes = ALONE,
    private: bool = False,
    strip: int | None = None,
) -> Drawing:
    """Draws once and writes all requested formats. Returns what was drawn, of which other processes have no images.

    With `strip`, a .png shows each image in a row, at so many moments from noise to the end.

    With several processes, all must call this function. Each draws its share, and the main process writes the same
    bytes as a single process would. Raises the errors of `draw`.
    """
    for out in outs if among.is_main else ():
        check_out(out)
    animated = any(needs_frames(out) for out in outs)
    if strip is not None:
        _check_strip(strip, outs, sampling)
    frames, shown = (FRAMES if animated else 0, SHOWN) if strip is None else (strip, sampling.n)
    drawn = draw(model, sampling, batch_size, frames=frames, shown=shown, tick=tick, among=among)
    for out in outs if among.is_main else ():
        write_drawn(out, drawn, model, sampling, batch_size, columns, private=private, strip=strip)
    return drawn


def write_drawn(
    out: PathLike,
    drawn: Drawing,
    model: TrainedModel,
    sampling: Sampling,
    batch_size: int,
    columns: int | None = None,
    chosen: Sequence[int] | None = None,
    private: bool = False,
    strip: int | None = None,
) -> None:
    """Writes the first sampling.n images of a drawing, or its frames, in the format given by the suffix of `out`.

    `private` leaves everything out of the provenance that a replay can do without.

    `columns` is the number of columns of a .png; None makes it nearly square, or uses one row per class if every class
    is drawn. `chosen` gives the indices of the images in `sampling`, if they are a selection.
    """
    about = provenance(model, sampling, batch_size, columns, chosen, drawn.guide, private)
    frames = drawn.frames if needs_frames(out) else None
    images, labels = drawn.images[: sampling.n], None
    if strip is not None:
        about["strip"] = strip
        images, columns, labels = strips(drawn.moments), len(drawn.moments), strip_names(model, sampling)
    elif form(out) == ".png" and chosen is None:
        images, columns, labels = laid_out(images, model, sampling, columns)
    write(out, images, about, frames, columns=columns, labels=labels, smooth=smooth(model.shape))


def _check_strip(strip: int, outs: Sequence[PathLike], sampling: Sampling) -> None:
    if not 2 <= strip <= MOST_MOMENTS:
        raise UsageError(
            f"`strip` is a number of moments from 2 to {MOST_MOMENTS}, noise and image included (got {strip})."
        )
    if wrong := [out for out in outs if form(out) != ".png"]:
        raise UsageError(f"`strip` draws a .png; leave it out for {wrong[0]}.")
    if sampling.n > MOST_STRIPS:
        raise UsageError(
            f"a sheet has at most {MOST_STRIPS} strips, one for each image (got `n={sampling.n}`); add -n 8."
        )


def write_schedules(timesteps: int, out: Path) -> None:
    """Draws the discrete schedules side by side and writes them as a PNG."""
    _check_png(out)
    figure, facts = forward_job.draw_schedules(timesteps)
    write(out, figure[None], {"inkwash": __version__, "command": "schedules", "schedules": facts})


def _check_png(out: Path) -> None:
    if needs_frames(out) or out.suffix.lower() != ".png":
        raise UsageError(f"the forward process is drawn as a PNG; give `out` a name ending in .png (got {out}).")
    check_out(out)


def write_forward(wanted: forward_job.Forward, out: Path, data_dir: Path | None) -> None:
    """Draws the forward process and writes it as a PNG."""
    _check_png(out)
    write_figure(out, *forward_job.draw_forward(wanted, data_dir))


def write_figure(out: Path, figure: Any, facts: dict[str, Any]) -> None:
    """Writes a figure of `draw_forward`, uint8 [H,W,3], with its provenance."""
    write(out, figure[None], forward_provenance(facts))


def replay(
    file: Path,
    out: PathLike,
    run: Path | None = None,
    walk: Walk = lambda sampling: nullcontext(lambda images: None),
    data_dir: Path | None = None,
    guide: Path | None = None,
) -> None:
    """Draws an artifact again from its provenance, writes it to `out` in the same format, and compares the pixels.

    `run` is the folder of the run, `guide` of the weaker run that guided it, and `data_dir` of the data sets or images,
    where they are not found from here.

    Raises UsageError if the run or its checkpoint no longer exists, and InkwashError if the pixels differ.
    """
    about = read_provenance(file)
    check_out(out)
    made = FOLDER if file.is_dir() else form(file)
    if form(out) != made:
        raise UsageError(f"{file} is drawn again as {made or 'a folder'}, to compare pixels; give such an `out`.")
    if Path(out).resolve() == file.resolve():
        raise UsageError(f"{out} is the file to compare with; give another `out`.")
    if about.get("command") not in (*_REPLAYED, "schedules"):
        raise UsageError(f"{file} does not say how it was made; it was not written by {', '.join(_REPLAYED)}.")
    if "index" in about:
        raise UsageError(f"{file} is one image of a folder that is drawn as a whole: replay {file.parent}.")
    before = about.get("noise", 1)
    if about["command"] != "schedules" and before != NOISE_VERSION:
        raise UsageError(
            f"{file} was drawn by inkwash {about.get('inkwash')} from noise of version {before}, and this inkwash "
            f"{__version__} draws version {NOISE_VERSION} for the same seed; replay it with that version."
        )
    if about["command"] == "schedules":
        with _reading(file):
            timesteps = int(about["schedules"]["timesteps"])
        write_schedules(timesteps, Path(out))
    elif about["command"] == "preview":
        with _reading(file):
            previews.again(about, file, Path(out), run)
    elif about["command"] == "degrade":
        with _reading(file):
            degrade.again(about, str(file), out)
    elif about["command"] in ("restore", "edit"):
        job = restore if about["command"] == "restore" else edit
        model = _opened(file, about, run)
        with _reading(file):
            job.again(about, str(file), out, model)
    elif about["command"] == "forward":
        with _reading(file):
            wanted, former = forward_job.again(about["forward"]), about.get("data_dir")  # of earlier versions
            code_of = dict(about.get("code", {}))
        own.check_recorded(code_of, str(file))
        place = Path(former) if data_dir is None and former is not None and Path(former).is_dir() else data_dir
        write_forward(replace(wanted, data=moved(wanted.data, place)), Path(out), place)
    else:
        _replay_samples(file, out, about, run, guide, walk)
    if not _same(file, Path(out)):
        raise InkwashError(
            f"{out} was drawn again, but differs from {file}. It was made by inkwash {about.get('inkwash')} (this is "
            f"{__version__}), perhaps on another kind of processor."
        )


def _replay_samples(
    file: Path,
    out: PathLike,
    about: dict[str, Any],
    run: Path | None,
    weaker: Path | None,
    walk: Walk,
) -> None:
    with _reading(file):
        sampling, batch_size = Sampling(**about["sampling"]), int(about["batch_size"])
        columns = None if about.get("columns") is None else int(about["columns"])
        chosen = None if "chosen" not in about else [int(i) for i in about["chosen"]]
        guide = None if sampling.guide is None else str(about["guide"])
        strip = None if "strip" not in about else int(about["strip"])
    model = _opened(file, about, run)
    if guide is not None:
        sampling = replace(sampling, guide=str(find_guide(weaker, str(sampling.guide), guide, file, model.folder)))
    private = "run" not in about
    with walk(sampling) as tick:
        if chosen is None:
            write_samples(model, sampling, [out], batch_size, tick, columns, private=private, strip=strip)
        else:
            drawn = draw(model, sampling, batch_size, tick=tick)
            few = replace(drawn, images=drawn.images[chosen])
            write_drawn(out, few, model, sampling, batch_size, columns, chosen, private)


def _opened(file: Path, about: dict[str, Any], run: Path | None) -> TrainedModel:
    """The run of an artifact, at the checkpoint that made it. Raises UsageError if it is not there or has changed."""
    with _reading(file):
        which, sha256, named = str(about["which"]), str(about["checkpoint"]), about.get("run")
        weights = about.get("weights", "ema")
        if weights not in PARTS:
            raise ValueError("which weights it was drawn with")
        if which not in FILES or not isinstance(named, str | None):
            raise ValueError("which checkpoint it was drawn from")
        precision, device = _PRECISIONS[about["precision"]], str(about["device"])
        code_of = dict(about.get("code", {}))
    own.check_recorded(code_of, str(file))
    if run is not None and not run.is_dir():
        raise UsageError(f"there is no folder {run}; give `run` the folder of the run that made {file}.")
    folder = find_run(named, which, sha256, file) if run is None else run
    model = open_model(folder, which, device if device in machine.devices() else "auto", precision, weights)
    if model.digest != sha256:
        raise UsageError(
            f"{file} was made from checkpoint {sha256[:12]} of {folder}, which now holds "
            f"{model.digest[:12]}: the checkpoint has changed since, as the run was trained further or anew. Give "
            "`run` a copy of the old one."
        )
    return model


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    """Converts errors from missing or unknown entries of the file's provenance to UsageError."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{file} has notes that inkwash {__version__} cannot follow ({error}).") from error


def _same(a: Path, b: Path) -> bool:
    if a.is_dir():
        names = sorted(path.name for path in a.glob("*.png"))
        return names == sorted(path.name for path in b.glob("*.png")) and all(_same(a / n, b / n) for n in names)
    if a.suffix.lower() == ".npz":
        first, second = (read_arrays(path) for path in (a, b))
        one, other = (each.get(array_name(path)) for each, path in ((first, a), (second, b)))
        return one is not None and other is not None and bool(np.array_equal(one, other))
    if a.suffix.lower() == ".mp4":  # the decoded frames: the file also holds where the run lay
        first_sum, second_sum = (ffmpeg([*ONLY_MP4, "-i", str(path.absolute()), "-f", "md5", "-"]) for path in (a, b))
        return first_sum == second_sum
    from PIL import Image, ImageSequence

    formats = [a.suffix[1:]]
    with Image.open(a, formats=formats) as first_image, Image.open(b, formats=formats) as second_image:
        if getattr(first_image, "n_frames", 1) != getattr(second_image, "n_frames", 1):
            return False
        pairs = zip(ImageSequence.Iterator(first_image), ImageSequence.Iterator(second_image), strict=True)
        return all(np.array_equal(np.asarray(x.convert("RGB")), np.asarray(y.convert("RGB"))) for x, y in pairs)
