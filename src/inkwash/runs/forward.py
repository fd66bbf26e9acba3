"""Figures of the forward process: real images at increasing noise, and the curves of the schedule."""

from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field

from inkwash import recipes
from inkwash.checked import Checked, Natural
from inkwash.core import CLEAN, Schedule, Seeded, as_floats, diffuse, marginal_std
from inkwash.data import to_float, to_uint8
from inkwash.runs import build
from inkwash.runs.record import check_code, code, stored
from inkwash.settings import Data, Process, RunSettings
from inkwash.training.checkpoint import LAST, facts
from inkwash.view import forward_figure, panels_figure

SHARES = (0, 25, 50, 75, 100)  # per cent of the forward process


@dataclass(frozen=True)
class Forward(Checked):
    """What a picture of the forward process depends on."""

    data: Data
    process: Process
    images: Annotated[int, Field(ge=1, le=100)] = 4
    seed: Natural = 0


def resolve_target(target: str) -> RunSettings:
    """The data and process of a recipe's name, a run's folder, or a folder of images."""
    run = None if target in recipes.names() else stored(Path(target))
    if run is None:
        return recipes.find_or_folder(target)
    check_code(facts(Path(target) / LAST), Path(target) / LAST, run.data, run.process)
    return run


def draw_forward(wanted: Forward, data_dir: Path | None = None) -> tuple[Any, dict[str, Any]]:
    """Returns the figure, uint8 [H,W,3], and the facts for its provenance."""
    schedule = build.schedule(wanted.process)
    source = build.images(wanted.data, "train", data_dir)
    count = min(wanted.images, len(source))
    x0 = to_float(source.take(torch.arange(count)))
    eps = Seeded(wanted.seed, range(count))(x0)
    columns, captions = [], []
    for share in SHARES:
        level = schedule.at(schedule.time(max(Fraction(share, 100), schedule.first))) if share else CLEAN
        scale = float(marginal_std(level)) if share else 1.0
        columns.append(to_uint8(diffuse(x0, eps, level) / scale).permute(0, 2, 3, 1).numpy())
        alpha, sigma, _ = as_floats(level)
        captions.append(f"{share} %\nα = {alpha:.3g}, σ = {sigma:.3g}")
    title = f"{source.name}: the forward process, {wanted.process.schedule} schedule"
    figure = forward_figure(columns, captions, curves(schedule), title)
    return figure, {**asdict(wanted), "fingerprint": source.fingerprint, **code(wanted)}


def draw_schedules(timesteps: int) -> tuple[Any, dict[str, Any]]:
    """Plots β, √ᾱ and √(1 − ᾱ) of the discrete schedules for T = `timesteps`. Returns the figure and its facts."""
    processes = [Process(name, timesteps) for name in ("linear", "cosine", "sigmoid")]
    panels: dict[str, dict[str, tuple[list[float], list[float]]]] = {"β": {}, "√ᾱ": {}, "√(1 − ᾱ)": {}}
    for process in processes:
        drawn = curves(build.schedule(process), timesteps)
        (t, alphas), sigmas = drawn["α"], drawn["σ"]
        betas = [1 - (now / last) ** 2 for now, last in zip(alphas, [1.0, *alphas[:-1]], strict=True)]
        for panel, curve in zip(panels.values(), ((t, betas), (t, alphas), sigmas), strict=True):
            panel[process.schedule] = curve
    return panels_figure(panels, "t", f"Noise schedules, T = {timesteps:,}"), {"timesteps": timesteps}


def curves(schedule: Schedule, points: int = 200) -> dict[str, tuple[list[float], list[float]]]:
    """α, σ and log SNR against t."""
    rows = schedule.num_timesteps
    places = [Fraction(i + 1, points) for i in range(points)] if rows is None else _rows(rows, points)
    levels = [schedule.at(schedule.time(max(place, schedule.first))) for place in places]
    t = [float(level.t) for level in levels]
    columns = list(zip(*(as_floats(level) for level in levels), strict=True))
    return {name: (t, list(column)) for name, column in zip(("α", "σ", "log SNR"), columns, strict=True)}


def _rows(rows: int, points: int) -> list[Fraction]:
    return [Fraction(round(1 + i * (rows - 1) / max(points - 1, 1)), rows) for i in range(min(points, rows))]


def again(stored_facts: dict[str, Any]) -> Forward:
    """The request recorded in the provenance of a figure."""
    data, process = Data(**stored_facts["data"]), Process(**stored_facts["process"])
    return Forward(data, process, stored_facts["images"], stored_facts["seed"])
