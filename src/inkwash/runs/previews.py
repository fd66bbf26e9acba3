"""Sheets of samples that a training draws of itself, from the same noise each time, so that one sees it learn."""

import contextlib
import hashlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor

from inkwash import __version__, every, own
from inkwash.core import Seeded, prior
from inkwash.data import Source
from inkwash.errors import InkwashError, Stopped, UsageError
from inkwash.progress import duration
from inkwash.runs import build, machine
from inkwash.runs.conditions import ConditionKind
from inkwash.runs.draw import CPU_BATCH, draw, smooth
from inkwash.runs.guidance import guided
from inkwash.runs.model import TrainedModel, open_model
from inkwash.runs.provenance import places, provenance
from inkwash.runs.sheets import laid_out
from inkwash.sample import denoising_edges, sample
from inkwash.settings import RunSettings, Sampling
from inkwash.training import Previewed, State
from inkwash.training.checkpoint import FILES, facts, load
from inkwash.training.shard import gather_tensors
from inkwash.view import pick, read_provenance, write
from inkwash.view.grid import BACKGROUND
from inkwash.view.label import captioned

if TYPE_CHECKING:
    from inkwash.denoise import Denoiser

FOLDER = "previews"  # in that of the run
FRAMES, SECONDS = 100, 10  # of the animation, at most
BATCH = 64  # images at a time on a GPU, as `inkwash sample` has it


def file_of(folder: Path, step: int) -> Path:
    """The sheet of a step."""
    return folder / FOLDER / f"step-{step:08d}.png"


def found(folder: Path) -> dict[int, Path]:
    """The sheets of a run, by step."""
    paths = sorted((folder / FOLDER).glob("step-*.png"))
    return {int(path.stem[5:]): path for path in paths if path.stem[5:].isdecimal()}


def request(run: RunSettings, kind: ConditionKind | None, source: Source) -> Sampling:
    """The request for a sheet: by the run's own sampler, of all classes, or of captions of training images."""
    n = run.training.preview_images
    examples = getattr(kind, "examples", None)  # a kind of a user's own need have none
    asked = {} if examples is None else examples(source, n)
    return Sampling(**{**vars(run.default_sampler), "n": n, "stretch": run.stretch, **asked})


class Previews:
    """Draws a sheet whenever it is due, with the averaged weights. Nothing of the training's state changes.

    All processes must call it; the main one writes, and draws alone unless the network is divided among them.
    """

    def __init__(
        self, run: RunSettings, folder: Path, state: State, source: Source, kind: ConditionKind | None,
        about: dict[str, Any], accelerator: Accelerator, stop: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._model = TrainedModel(
            name=str(folder), shape=source.shape, denoiser=cast("Denoiser", state.ema.model),
            schedule=build.schedule(run.process), device=accelerator.device, digest="", condition=kind, folder=folder,
            which="last", run=run, facts=about,
        )  # fmt: skip
        self._sampling, self._state = request(run, kind, source), state
        self._stop, self._accelerator, self._every = stop, accelerator, run.training.preview_every
        self._begun = False

    def __call__(self) -> Previewed | None:
        """Draws the sheet of the state's step if it is due; at the first call, only one that is missing."""
        step, first, self._begun = self._state.step, not self._begun, True
        path = file_of(self._model.folder, step)
        is_main = self._accelerator.is_main_process
        if first and is_main:
            self._sweep(step)
        training = self._model.run.training
        if not every.is_due(self._every, step, self._model.facts["images"], training.batch_size):
            return None
        if first and path.exists():
            return None
        began, problem = time.perf_counter(), ""
        if is_main or self._state.sharded:
            try:
                self._draw(path, step)
            except Stopped:  # it is drawn when the training goes on
                return None
            except InkwashError as error:
                problem = str(error)
        self._accelerator.wait_for_everyone()
        return Previewed(path, step, time.perf_counter() - began, problem)

    def cost(self) -> str:
        """A sentence on how many sheets there will be and how long one takes, by two timed evaluations.

        Raises UsageError for a sampler that the model cannot have.
        """
        plan = build.plan(self._sampling, self._model.schedule)
        size = CPU_BATCH if self._model.device.type == "cpu" else min(BATCH, self._sampling.n)
        seconds = self._timed(plan, size) * len(denoising_edges(plan)) * math.ceil(self._sampling.n / size)
        steps, training = self._state.steps, self._model.run.training
        words = f"previews: {self._sampling.n} images by {self._sampling.solver} in {self._sampling.steps} steps"
        words += f", about {duration(seconds)} a sheet"
        if self._state.planned:
            left = every.times(self._every, steps, self._model.facts["images"], training.batch_size)
            left -= every.times(self._every, self._state.step, self._model.facts["images"], training.batch_size)
            words += (
                f"; {left:,} sheet{'' if left == 1 else 's'} take{'s' if left == 1 else ''} {duration(left * seconds)}"
            )
        return f"{words}, on top of the training."

    def _timed(self, plan: Any, size: int) -> float:
        """Seconds of one step of a batch. The first is not counted, if there is another."""
        denoise = build.limit(self._sampling, guided(self._model, self._sampling).denoiser_of(range(size)))
        noise = Seeded(self._sampling.seed, range(size))
        x = prior(noise, plan[0], torch.empty(size, *self._model.shape, device=self._model.device))
        marks = []
        for _ in islice(sample(denoise, x, plan, build.solver(self._sampling, self._model.schedule), noise), 3):
            if self._model.device.type == "cuda":
                torch.cuda.synchronize()
            marks.append(time.perf_counter())
        return marks[-1] - marks[-2]

    def _draw(self, path: Path, step: int) -> None:
        model = replace(self._model, digest=weights_digest(gather_tensors(self._state.ema.model.state_dict(), True)))
        drawn = draw(model, self._sampling, BATCH, tick=self._tick)
        if self._accelerator.is_main_process:
            write_sheet(path, drawn.images, model, self._sampling, step)

    def _tick(self, images: int) -> None:
        if self._accelerator.num_processes == 1 and self._stop():
            raise Stopped("the training was stopped.")

    def _sweep(self, step: int) -> None:
        """Removes the sheets of steps after this one, of a training that was killed or begun anew."""
        for at, path in found(self._model.folder).items():
            if at > step:
                with contextlib.suppress(OSError):
                    path.unlink()


def write_learning(folder: Path, out: Path) -> bool:
    """Writes the sheets of a run as an animation, each under its step, and says whether there are any.

    Sheets of other requests than the last one's, as after a resume with other settings, are left out.
    """
    sheets = {step: (path, read_provenance(path)) for step, path in found(folder).items()}
    if not sheets:
        return False
    last = sheets[max(sheets)][1]
    steps = [step for step, (_, about) in sheets.items() if about.get("sampling") == last.get("sampling")]
    steps = [steps[i] for i in pick(len(steps), FRAMES)]
    frames = [captioned(_pixels(sheets[step][0]), f"step {step:,}", BACKGROUND) for step in steps]
    about = {"inkwash": __version__, "command": "learning", "run": last.get("run"), "steps": steps}
    write(out, frames[-1][None], about, frames, fps=min(20.0, max(1.0, len(frames) / SECONDS)))
    return True


def _pixels(path: Path) -> Any:
    with Image.open(path, formats=["PNG"]) as picture:
        pixels = np.asarray(picture)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def write_sheet(path: Path, images: Any, model: TrainedModel, sampling: Sampling, step: int) -> None:
    """Writes a sheet with its provenance, which names the weights by their digest: no file need hold them."""
    about = provenance(model, sampling, BATCH)
    about |= {"command": "preview", "step": step}
    sheet, columns, labels = laid_out(images, model, sampling, None)
    write(path, sheet, about, columns=columns, labels=labels, smooth=smooth(model.shape))


def weights_digest(weights: Mapping[str, Tensor]) -> str:
    """The sha256 of named weights, in hexadecimal."""
    hashed = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        hashed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        hashed.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return hashed.hexdigest()


def again(about: dict[str, Any], file: Path, out: Path, run: Path | None) -> None:
    """Draws a sheet again from a checkpoint that has its weights. Raises UsageError if there is none any more."""
    step, digest, sampling = int(about["step"]), str(about["checkpoint"]), Sampling(**about["sampling"])
    own.check_recorded(dict(about.get("code", {})), str(file))
    folders: Iterable[Path] = [run] if run is not None else places(about.get("run"), file)
    for folder, which in _of_step(folders, step):
        if weights_digest(load(folder / FILES[which]).parts["ema"]) == digest:
            device = str(about["device"])
            precision = getattr(torch, str(about["precision"]))
            model = open_model(folder, which, device if device in machine.devices() else "auto", precision)
            write_sheet(out, draw(model, sampling, BATCH).images, replace(model, digest=digest), sampling, step)
            return
    raise UsageError(
        f"{file} was drawn after step {step:,} of a training, and no checkpoint found from here has the weights of "
        "that step; a run keeps its last and its best. Give `run` a folder with a copy, or train again to that step."
    )


def _of_step(folders: Iterable[Path], step: int) -> Iterator[tuple[Path, str]]:
    for folder in dict.fromkeys(folders):
        for which, name in FILES.items():
            if (folder / name).is_file() and facts(folder / name)["step"] == step:
                yield folder, which
