"""The work of a study, in units that are kept: one draw of one cell, its images and its scores.

Every unit is a file named by all that it depends on. Who is interrupted loses the units in the making, and who asks
for more computes only what is new. Each unit is computed on one thread, so that the number of processes changes
nothing.
"""

import hashlib
import io
import json
import time
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inkwash.atomic import replacing
from inkwash.metrics.score import DRAWS, Scores, as_json, from_json
from inkwash.runs.draw import channels_first, draw
from inkwash.runs.record import code
from inkwash.study.cells import Cell
from inkwash.study.subject import Measure, opened, reference, shown

VERSION = 1  # of how images are drawn: raise it when the same cell would give others


@dataclass(frozen=True)
class UnitImages:
    """The images of a unit, uint8 [n,H,W,C], and what they took; `evaluations` of the network for one image."""

    images: Any
    evaluations: int
    seconds: float


@dataclass(frozen=True)
class Unit:
    """Draw `draw` (0, 1, 2) of a cell: images draw·n to (draw + 1)·n − 1 of its seed. Kept in `folder`."""

    cell: Cell
    draw: int
    measure: Measure
    folder: Path

    @property
    def cost(self) -> int:
        """Network evaluations, over all its images."""
        return self.cell.evaluations * self.cell.sampling.n

    @cached_property
    def key(self) -> str:
        """sha256 hex of all that the images depend on."""
        model, order = opened(self.cell.subject), shown(self.cell.subject)
        facts = {
            "version": VERSION,
            "checkpoint": model.digest,
            "precision": str(model.denoiser.precision),
            "device": model.device.type,
            "sampling": asdict(self.cell.sampling),
            "draw": self.draw,
            **({} if order is None else {"shown": order.digest}),
            **code(self.cell.sampling),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    @property
    def drawn_path(self) -> Path:
        return self.folder / f"{self.key[:32]}.npz"

    @property
    def scores_path(self) -> Path:
        return self.folder / f"{self.key[:32]}-{reference(self.measure).digest[:16]}.json"

    def drawn(self) -> UnitImages | None:
        """What was drawn before; None if it was not, or cannot be read."""
        try:
            with np.load(io.BytesIO(self.drawn_path.read_bytes()), allow_pickle=False) as held:
                return UnitImages(held["images"], int(held["evaluations"]), float(held["seconds"]))
        except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error):
            return None  # all that a damaged file raises

    def scores(self) -> Scores | None:
        """What it scored before; None if it was not scored yet."""
        try:
            return from_json(json.loads(self.scores_path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def done(self) -> bool:
        """Whether nothing is left to compute."""
        return self.scores() is not None and self.drawn() is not None


def units(cells: list[Cell], measure: Measure, folder: Path) -> list[Unit]:
    """All units of the cells, the three draws of a cell one after another."""
    return [Unit(cell, i, measure, folder) for cell in cells for i in range(DRAWS)]


def work(unit: Unit, tick: Callable[[int], object] = lambda evaluations: None) -> None:
    """Draws and scores what is missing of a unit, and keeps it.

    `tick` is called with network evaluations, over all images, as they are done.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        drawn = unit.drawn()
        if drawn is None:
            drawn = _draw(unit, tick)
            with replacing(unit.drawn_path) as temporary:
                np.savez_compressed(
                    temporary, images=drawn.images, evaluations=drawn.evaluations, seconds=drawn.seconds
                )
        if unit.scores() is None:
            order, n = shown(unit.cell.subject), unit.cell.sampling.n
            asked = None if order is None else order.labels(range(unit.draw * n, (unit.draw + 1) * n))
            scores = reference(unit.measure).score(channels_first(drawn.images), asked)
            with replacing(unit.scores_path) as temporary:
                temporary.write_text(json.dumps(as_json(scores)), encoding="utf-8")
    finally:
        torch.set_num_threads(threads)


def _draw(unit: Unit, tick: Callable[[int], object]) -> UnitImages:
    cell, cost = unit.cell, unit.cost
    n, steps = cell.sampling.n, cell.sampling.steps
    began, told, shares = time.perf_counter(), 0, 0

    def step(images: int) -> None:  # shares·cost/(n·steps) evaluations are done
        nonlocal told, shares
        shares += images
        now = shares * cost // (n * steps)
        tick(now - told)
        told = now

    drawn = draw(opened(cell.subject), cell.sampling, first=unit.draw * n, tick=step, asked=shown(cell.subject))
    return UnitImages(drawn.images, drawn.evaluations, time.perf_counter() - began)
