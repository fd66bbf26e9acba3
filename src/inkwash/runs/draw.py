"""Drawing images from a trained run."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from inkwash.core import Seeded, as_floats, marginal_std, prior
from inkwash.data import to_uint8
from inkwash.distributed import ALONE, Processes
from inkwash.errors import UsageError
from inkwash.runs import build, memory
from inkwash.runs.conditions import ConditionOf
from inkwash.runs.guidance import counting_evaluations, guided
from inkwash.runs.model import Model, computed_by
from inkwash.sample import Snapshot, denoising_edges, sample
from inkwash.settings import Sampling
from inkwash.view import grid, pick

# Kernels for different batch sizes may give results that differ in the last bits. So all batches of a drawing have the
# same size, including the last one, and on a CPU the size is always this.
CPU_BATCH = 16


@dataclass(frozen=True)
class Drawing:
    """images uint8 [N,H,W,C]; frames, if requested, are grids uint8 [H',W',C] of the first images."""

    images: Any
    frames: list[Any]
    evaluations: int  # network evaluations per image, as counted; their mean where a solver decides on its way
    guide: str | None = None  # digest of the checkpoint of a weaker run that guided
    moments: tuple[Any, ...] = ()  # with frames: the first `shown` images at each of them, uint8 [S,H,W,C]


def draw(
    model: Model,
    sampling: Sampling,
    batch_size: int = 64,
    first: int = 0,
    frames: int = 0,
    shown: int = 64,
    tick: Callable[[int], None] = lambda images: None,
    asked: ConditionOf | None = None,
    among: Processes = ALONE,
) -> Drawing:
    """Draws sampling.n images, from index `first`. Image i depends only on the model, `sampling` without n, and i.

    Args:
        batch_size: images per batch on a GPU; a different size may change the last bit of a pixel.
        frames: if above 1, the approximate number of grids of the first `shown` images recorded during sampling.
        tick: called after each sampling step of a batch with a number of images; the sum of all is images × steps.
        asked: maps image indices to their conditions; None derives them from `sampling`.
        among: the processes that share the batches. The main process gets all images, the others their own, and `tick`
            assumes that all processes are as far as this one.

    Raises:
        UsageError: for a plan or solver that does not fit the model.
        InkwashError: if another of the processes ends.
    """
    if batch_size < 1:
        raise UsageError(f"`batch_size` must be at least 1 (got {batch_size}).")
    memory.check(
        2 * math.prod(model.shape) * sampling.n, torch.device("cpu"), f"{sampling.n:,} images",
        "draw fewer at a time, with another `seed` each",
    )  # fmt: skip
    size = CPU_BATCH if model.device.type == "cpu" else batch_size
    at_once = 4 * 3 * math.prod(model.shape) * size  # float32: x, noise and x̂₀
    memory.check(
        at_once,
        model.device,
        f"{size} images of {model.shape[1]}×{model.shape[2]} at a time",
        "choose a smaller `batch_size`",
    )
    model = computed_by(model, sampling.engine)
    solver, plan = build.solver(sampling, model.schedule), build.plan(sampling, model.schedule)
    denoiser_of, networks, guide = guided(model, sampling, asked)
    moments = pick(len(plan), frames) if frames > 1 else []
    walked = denoising_edges(plan)
    starts = range(first - first % size, first + sampling.n, size)  # each image has a fixed position in its batch
    mine, last = among.share(starts), first + sampling.n
    own = min(last, mine[-1] + size) - max(first, mine[0]) if mine else 0
    tick = _for_all(tick, own, sampling.n)
    none = torch.empty(0, *model.shape, dtype=torch.uint8)
    images, films = [none], [[none] for _ in moments]
    with counting_evaluations(networks) as seen:
        for start in mine:
            wanted = slice(max(0, first - start), min(size, last - start))
            real, lanes = wanted.stop - wanted.start, range(start, start + size)
            noise, denoise = Seeded(sampling.seed, lanes), build.limit(sampling, denoiser_of(lanes))
            x = prior(noise, plan[0], torch.empty(size, *model.shape, device=model.device))
            for snapshot in sample(denoise, x, plan, solver, noise):
                if snapshot.step in moments and start < first + shown:
                    film = visible(snapshot, sampling.stretch)[wanted][: first + shown - max(start, first)]
                    films[moments.index(snapshot.step)].append(film)
                if snapshot.step and (plan[snapshot.step - 1], snapshot.level) in walked:
                    tick(real)
            images.append(pixels(snapshot.x[wanted], sampling.stretch))
    drawn, rolls = among.gather(torch.cat(images)), [among.gather(torch.cat(film)) for film in films]
    sheets = [sheet(roll) for roll in rolls if len(roll)]
    walk = tuple(channels_last(roll) for roll in rolls)
    return Drawing(channels_last(drawn), sheets, round(seen.images / max(1, len(mine) * size)), guide, walk)


def _for_all(tick: Callable[[int], None], own: int, n: int) -> Callable[[int], None]:
    """Scales a tick over `own` images to all n images."""
    done = 0

    def ticked(images: int) -> None:
        nonlocal done
        before, done = done, done + images
        tick(done * n // own - before * n // own)

    return ticked


def sheet(images: Tensor) -> Any:
    """A frame of an animation: the grid uint8 [H',W',C] of images uint8 [N,C,H,W]."""
    scale = max(1, 320 // (6 * max(images.shape[2:])))  # noise hardly compresses, so small grids keep files small
    return grid(channels_last(images), scale=scale)


def smooth(shape: build.Shape) -> bool:
    """Whether images are so small that they look better enlarged by smooth interpolation."""
    return max(shape[1:]) < 16


def visible(snapshot: Snapshot, stretch: bool) -> Tensor:
    """An intermediate x as uint8, divided by its standard deviation, so that noise of any scale is visible."""
    scale = float(marginal_std(snapshot.level)) if as_floats(snapshot.level)[1] > 0 else 1.0
    return pixels(snapshot.x / scale, stretch)


def pixels(x: Tensor, stretch: bool) -> Tensor:
    """Images [N,C,H,W] as uint8: clamped to [−1, 1], or each stretched from its own least to its own largest value."""
    if stretch:
        low, high = (end.view(-1, 1, 1, 1) for end in x.flatten(1).aminmax(dim=1))
        x = (2 * (x - low) / (high - low).clamp(min=1e-12) - 1).where(high > low, x)
    return to_uint8(x).cpu()


def channels_last(images: Tensor) -> Any:
    """Converts a tensor [N,C,H,W] to a numpy array [N,H,W,C], the layout of pictures and files."""
    return images.permute(0, 2, 3, 1).contiguous().numpy()


def channels_first(images: Any) -> Tensor:
    """Converts a numpy array [N,H,W,C] to a tensor [N,C,H,W], the layout of networks and scores."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)
