"""Drawing images from a trained run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from inkwash.core import Seeded, numbers, prior, spread
from inkwash.data import to_uint8
from inkwash.errors import AskedWrongly
from inkwash.jobs import build
from inkwash.jobs.conditions import Wanted
from inkwash.jobs.guide import counting, guided
from inkwash.jobs.model import Model
from inkwash.sample import Moment, sample
from inkwash.settings import Sampling
from inkwash.view import grid, pick

# The same image may differ in its last bits when the kernels for another batch size compute it. So all batches
# of a drawing are of one size, the last one too, and on a CPU that is always this.
LANES = 16


@dataclass(frozen=True)
class Drawn:
    """images uint8 [N,H,W,C]; frames, if asked for, are whole sheets uint8 [H',W',C] of the first images."""

    images: Any
    frames: list[Any]
    evaluations: int  # of the network, for one image


def draw(
    model: Model,
    sampling: Sampling,
    batch_size: int = 64,
    first: int = 0,
    frames: int = 0,
    shown: int = 64,
    tick: Callable[[int], None] = lambda images: None,
    asked: Wanted | None = None,
) -> Drawn:
    """Draws sampling.n images, i = `first` and on; image i depends on the model, `sampling` less n, and i alone.

    `asked` tells what images of some indices are to show; None takes what `sampling` asks for.

    `batch_size` is for the memory of a GPU, where other batches may change the last bit of a pixel.
    `frames` > 1 asks for about so many sheets of the first `shown` images along the way. `tick` is called
    after each step with the share of images·steps done, in images. Raises AskedWrongly for a plan or solver
    that the model cannot have.
    """
    if batch_size < 1:
        raise AskedWrongly(f"--batch-size must be at least 1 (got {batch_size}).")
    solver, plan = build.solver(sampling), build.plan(sampling, model.schedule)
    towards, networks = guided(model, sampling, asked)
    moments = pick(len(plan), frames) if frames > 1 else []
    films: list[list[Tensor]] = [[] for _ in moments]
    images, batches = [], 0
    size = LANES if model.device.type == "cpu" else batch_size
    with counting(networks) as seen:
        for start in range(first - first % size, first + sampling.n, size):  # each image keeps its place in its batch
            wanted = slice(max(0, first - start), min(size, first + sampling.n - start))
            real, lanes = wanted.stop - wanted.start, range(start, start + size)
            noise, denoise = Seeded(sampling.seed, lanes), build.limit(sampling, towards(lanes))
            x = prior(noise, plan[0], torch.empty(size, *model.shape, device=model.device))
            for moment in sample(denoise, x, plan, solver, noise):
                if moment.step in moments and start < first + shown:
                    film = _visible(moment)[wanted][: first + shown - max(start, first)]
                    films[moments.index(moment.step)].append(film)
                if moment.step:
                    tick(real)
            images.append(to_uint8(moment.x[wanted]).cpu())
            batches += 1
    scale = max(1, 320 // (6 * max(model.shape[1:])))  # noise hardly compresses: small sheets keep animations light
    sheets = [grid(channels_last(torch.cat(film)), scale=scale) for film in films]
    return Drawn(channels_last(torch.cat(images)), sheets, seen.images // (batches * size))


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
