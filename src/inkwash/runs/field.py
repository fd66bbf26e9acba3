"""The field of a run on points: at five levels the density, the score and the flow's paths; and the flow as frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inkwash import __version__
from inkwash.core import Level, Seeded, as_floats, prior, trailing
from inkwash.data import to_float
from inkwash.errors import UsageError
from inkwash.runs.model import TrainedModel, images
from inkwash.runs.provenance import place
from inkwash.runs.record import code, used
from inkwash.sample import DDIM, sample
from inkwash.view import check_out, needs_frames, write
from inkwash.view.field import Moment, field_figure, flow_frames

POINTS = (1, 1, 2)  # the shape of a point
STEPS, LEVELS, FRAMES = 96, 5, 48
BOX, GRID, ARROWS = 2.0, 90, 17  # half the side that is shown; points of the density and arrows along a side
PATHS, DOTS, DATA = 60, 600, 1000
BLUR = 0.05  # smooths the density of finitely many points


@dataclass(frozen=True)
class Flow:
    """The deterministic way of points from noise to data, divided by √(α² + σ²) so that all levels fit one box."""

    levels: list[Level]
    points: Tensor  # [levels,N,2]


def write_field(
    model: TrainedModel,
    outs: Sequence[Path] = (),
    folder: Path = Path(),
    seed: int = 0,
    data_dir: Path | None = None,
) -> Sequence[Path]:
    """Writes the figure to each path that ends in .png, and the flow of points to each animation; returns the paths.

    No `outs` are field.png and field.gif in `folder`.

    A conditional run is shown without a condition. Raises UsageError for a run whose images are no points, whose
    condition was never dropped, or whose paths cannot be written.
    """
    outs = outs or (folder / "field.png", folder / "field.gif")
    for out in outs:
        check_out(out)
        if not needs_frames(out) and out.suffix.lower() != ".png":
            raise UsageError(f"a field is drawn as a PNG or an animation; give `out` such an ending (got {out}).")
    if model.shape != POINTS:
        size = "×".join(map(str, model.shape[1:]))
        raise UsageError(
            f"a field is drawn of points in the plane; the images of {model.name} are {size}. Train one with "
            "`inkwash train toy-2d`."
        )
    if model.condition_never_dropped:
        raise UsageError(f"{model.name} has no unconditional field, as its condition was never dropped in training.")
    source = images(model, "train", data_dir)
    data = to_float(source.take(torch.arange(min(DATA, len(source))))).view(-1, 2).double()
    flow = walk(model, seed)
    about = {
        "inkwash": __version__, "command": "field", "run": place(model.folder), "checkpoint": model.digest,
        "seed": seed, **code(*used(model.run)),
    }  # fmt: skip
    title = f"{source.name}: {model.run.process.schedule} schedule, predicts {model.run.process.prediction}"
    for out in outs:
        if needs_frames(out):
            chosen = sorted({round(i * (len(flow.levels) - 1) / (FRAMES - 1)) for i in range(FRAMES)})
            captions = [_caption(flow.levels[i]) for i in chosen]
            frames = flow_frames(flow.points[chosen].numpy(), captions, BOX)
            write(out, frames[-1][None], about, frames)
        else:
            write(out, field_figure(moments(model, flow, data), BOX, title)[None], about)
    return outs


def walk(model: TrainedModel, seed: int) -> Flow:
    """The way of DOTS points by DDIM without noise, from the first level of the plan to the data."""
    plan = trailing(model.schedule, min(STEPS, model.schedule.num_timesteps or STEPS))
    noise = Seeded(seed, range(DOTS))
    x = prior(noise, plan[0], torch.empty(DOTS, *POINTS, device=model.device))
    levels, points = [], []
    for snapshot in sample(model.denoiser, x, plan, DDIM(), noise):
        levels.append(snapshot.level)
        points.append(snapshot.x.view(-1, 2).double().cpu() / _length(snapshot.level))
    return Flow(levels, torch.stack(points))


def moments(model: TrainedModel, flow: Flow, data: Tensor) -> list[Moment]:
    """What is shown of LEVELS levels, the last of which is the least noisy one at which the network is asked."""
    last = len(flow.levels) - 2
    shown = [round(i * last / (LEVELS - 1)) for i in range(LEVELS)]
    where, found = _square(ARROWS), []
    for i in shown:
        level = flow.levels[i]
        found.append(
            Moment(
                _caption(level),
                density(_square(GRID), data, level).view(GRID, GRID).numpy(),
                where.numpy(),
                score(model, where, level).numpy(),
                flow.points[: i + 1, :PATHS].numpy(),
            )
        )
    return found


def score(model: TrainedModel, points: Tensor, level: Level) -> Tensor:
    """∇ log p(x) = (α·x̂₀ − x)/σ² at points [N,2] of the box, up to a factor for the box's scale (Song et al. 2021b)."""
    alpha, sigma, _ = as_floats(level)
    x = points * _length(level)
    with torch.no_grad():
        x0 = model.denoiser(x.float().view(-1, *POINTS).to(model.device), level)
    found: Tensor = alpha * x0.view(-1, 2).double().cpu() - x
    return found / sigma**2


def density(points: Tensor, data: Tensor, level: Level) -> Tensor:
    """The density of noised data at points [N,2] of the box: a Gaussian round each of the data [M,2], and BLUR."""
    alpha, sigma, _ = as_floats(level)
    length = _length(level)
    variance = (sigma / length) ** 2 + (BLUR * alpha / length) ** 2
    apart = torch.cdist(points, data * (alpha / length)).square()
    return torch.exp(apart / (-2 * variance)).mean(1) / (2 * torch.pi * variance)


def _length(level: Level) -> float:
    alpha, sigma, _ = as_floats(level)
    return float((alpha**2 + sigma**2) ** 0.5)


def _square(side: int) -> Tensor:
    """side² points over the box, [side²,2], row by row from below."""
    line = torch.linspace(-BOX, BOX, side, dtype=torch.float64)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], 1)


def _caption(level: Any) -> str:
    alpha, sigma, _ = as_floats(level)
    return f"α = {alpha:.2f}, σ = {sigma:.2f}"
