"""Drawing images from a trained run."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inkwash.core import Schedule, Seeded, numbers, prior, spread
from inkwash.data import to_uint8
from inkwash.denoise import Denoiser
from inkwash.errors import AskedWrongly, InkwashError
from inkwash.jobs import build
from inkwash.jobs.fit import described
from inkwash.sample import Moment, sample
from inkwash.settings import Run, Sampling
from inkwash.train.checkpoint import BEST, LAST, digest
from inkwash.train.checkpoint import load as load_checkpoint
from inkwash.view import grid, pick

# The same image may differ in its last bits when the kernels for another batch size compute it. So all batches
# of a drawing are of one size, the last one too, and on a CPU that is always this.
LANES = 16


@dataclass(frozen=True)
class Model:
    """A trained model, ready to draw."""

    folder: Path
    which: str  # "last" or "best"
    digest: str  # of the checkpoint file, sha256
    run: Run
    shape: build.Shape
    facts: dict[str, Any]
    denoiser: Denoiser
    schedule: Schedule
    device: torch.device


@dataclass(frozen=True)
class Drawn:
    """images uint8 [N,H,W,C]; frames, if asked for, are whole sheets uint8 [H',W',C] of the first images."""

    images: Any
    frames: list[Any]
    evaluations: int  # of the network, for one image


def open_model(folder: Path, which: str = "last", device: str = "auto", precision: torch.dtype | None = None) -> Model:
    """The averaged weights of a run's checkpoint, "last" or "best".

    Raises AskedWrongly or InkwashError where the folder holds no run, or a damaged or a newer one.
    """
    path = folder / (BEST if which == "best" else LAST)
    saved = load_checkpoint(path)
    run = described(path, saved.facts)
    place = build.device(device)
    shape: build.Shape = tuple(saved.facts["shape"])
    kind = precision or getattr(torch, saved.facts["precision"])
    denoiser = build.denoiser(run, shape, kind)
    try:
        denoiser.load_state_dict(saved.parts["ema"])
    except (KeyError, RuntimeError) as error:
        raise InkwashError(f"{path} is of another network than it describes; train again.") from error
    denoiser = denoiser.to(place).requires_grad_(False).eval()
    return Model(folder, which, digest(path), run, shape, saved.facts, denoiser, build.schedule(run.process), place)


def draw(
    model: Model,
    sampling: Sampling,
    batch_size: int = 64,
    first: int = 0,
    frames: int = 0,
    shown: int = 64,
    tick: Callable[[int], None] = lambda images: None,
) -> Drawn:
    """Draws sampling.n images, i = `first` and on; image i depends on the model, `sampling` less n, and i alone.

    `batch_size` is for the memory of a GPU, where other batches may change the last bit of a pixel.
    `frames` > 1 asks for about so many sheets of the first `shown` images along the way. `tick` is called
    after each step with the share of images·steps done, in images. Raises AskedWrongly for a plan or solver
    that the model cannot have.
    """
    if batch_size < 1:
        raise AskedWrongly(f"--batch-size must be at least 1 (got {batch_size}).")
    solver, plan = build.solver(sampling), build.plan(sampling, model.schedule)
    calls = 0

    def counted(x: Tensor, level: Any) -> Tensor:
        nonlocal calls
        calls += 1
        return model.denoiser(x, level)  # type: ignore[no-any-return]

    denoise = build.limit(sampling, counted)
    moments = pick(len(plan), frames) if frames > 1 else []
    films: list[list[Tensor]] = [[] for _ in moments]
    images = []
    size = LANES if model.device.type == "cpu" else batch_size
    for start in range(first - first % size, first + sampling.n, size):  # each image keeps its place in its batch
        wanted = slice(max(0, first - start), min(size, first + sampling.n - start))
        real = wanted.stop - wanted.start
        noise = Seeded(sampling.seed, range(start, start + size))
        x = prior(noise, plan[0], torch.empty(size, *model.shape, device=model.device))
        calls = 0
        for moment in sample(denoise, x, plan, solver, noise):
            if moment.step in moments and start < first + shown:
                film = _visible(moment)[wanted][: first + shown - max(start, first)]
                films[moments.index(moment.step)].append(film)
            if moment.step:
                tick(real)
        images.append(to_uint8(moment.x[wanted]).cpu())
    scale = max(1, 320 // (6 * max(model.shape[1:])))  # noise hardly compresses: small sheets keep animations light
    sheets = [grid(channels_last(torch.cat(film)), scale=scale) for film in films]
    return Drawn(channels_last(torch.cat(images)), sheets, calls)


def smooth(shape: build.Shape) -> bool:
    """Whether pictures are so small that they are better looked at smoothly enlarged."""
    return max(shape[1:]) < 16


def _visible(moment: Moment) -> Tensor:
    """x on its way, as uint8: divided by its spread, so that noise of any size can be looked at."""
    scale = float(spread(moment.level)) if numbers(moment.level)[1] > 0 else 1.0
    return to_uint8(moment.x / scale).cpu()


def channels_last(images: Tensor) -> Any:
    """[N,C,H,W] of torch -> [N,H,W,C] of numpy, as pictures are written and kept."""
    return images.permute(0, 2, 3, 1).contiguous().numpy()


def channels_first(images: Any) -> Tensor:
    """[N,H,W,C] of numpy -> [N,C,H,W] of torch, as networks and scores take them."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def data_dir(model: Model, given: Path | None) -> Path | None:
    """Where a run's images are: as given, else where they were when it was trained, if that is still there."""
    told = model.facts["data_dir"]
    return Path(told) if given is None and told is not None and Path(told).is_dir() else given
