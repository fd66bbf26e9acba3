"""The units of work of a study. A unit is one draw of one cell; its images and its scores are a file each.

The name of a file is a hash of everything that its content depends on. An interrupted study therefore loses only the
units in progress, and a larger study computes only its new units. Each unit is computed on one thread, so the results
do not depend on the number of processes.
"""

import hashlib
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
from inkwash.data.regular import open_regular
from inkwash.data.sealed import seal
from inkwash.metrics.score import DRAWS, Scores, as_json, from_json
from inkwash.runs.draw import channels_first, draw
from inkwash.runs.record import code
from inkwash.study.cells import Cell
from inkwash.study.references import ReferenceSpec, reference
from inkwash.study.subject import condition_order, load_model, same_checkpoint

OnEvaluations = Callable[[int], object]  # called with the network evaluations, over all images, since the last call
VERSION = 2  # version of the sampling code: increase it when the images of a cell change


@dataclass(frozen=True)
class UnitImages:
    """The images of a unit, uint8 [n,H,W,C], and their cost; `evaluations` are network evaluations per image."""

    images: Any
    evaluations: int
    seconds: float


@dataclass(frozen=True)
class Unit:
    """Draw `draw` (0, 1, 2) of a cell: images draw·n to (draw + 1)·n − 1 of its seed. Stored in `folder`."""

    cell: Cell
    draw: int
    reference_spec: ReferenceSpec
    folder: Path
    checkpoint: str  # digest of the subject's model, which every process must find

    @property
    def cost(self) -> int:
        """Network evaluations, over all its images."""
        return self.cell.evaluations * self.cell.sampling.n

    @cached_property
    def key(self) -> str:
        """sha256 hex of everything that the images depend on."""
        model, order = load_model(self.cell.subject), condition_order(self.cell.subject)
        facts = {
            "version": VERSION,
            "checkpoint": self.checkpoint,
            "precision": str(model.denoiser.precision),
            "device": model.device.type,
            **({} if getattr(model, "weights", "ema") == "ema" else {"weights": "raw"}),
            "sampling": asdict(self.cell.sampling),
            "draw": self.draw,
            **({} if order is None else {"shown": order.digest}),
            **code(self.cell.sampling),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    @property
    def images_path(self) -> Path:
        return self.folder / f"{self.key[:32]}.npz"

    @property
    def scores_path(self) -> Path:
        return self.folder / f"{self.key[:32]}-{reference(self.reference_spec).digest[:16]}.json"

    def images(self) -> UnitImages | None:
        """The stored images; None if there are none, or the file is damaged or edited."""
        try:
            with open_regular(self.images_path) as file, np.load(file, allow_pickle=False) as saved:
                drawn = UnitImages(saved["images"], int(saved["evaluations"]), float(saved["seconds"]))
                return drawn if self._seal(drawn) == str(saved["sha256"]) else None
        except (OSError, ValueError, TypeError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error):
            return None  # all that a damaged file raises

    def scores(self) -> Scores | None:
        """The stored scores; None if there are none or one is missing, or the file is damaged or edited."""
        try:
            with open_regular(self.scores_path) as file:
                stored = json.loads(file.read())
            return from_json(stored) if stored.pop("sha256") == self._scores_seal(stored) else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    def _seal(self, drawn: UnitImages) -> str:
        return seal(self.key, drawn.images, drawn.evaluations, drawn.seconds)

    def _scores_seal(self, stored: dict[str, Any]) -> str:
        return seal(self.scores_path.name, json.dumps(stored, sort_keys=True))

    def done(self) -> bool:
        """Whether the unit is finished."""
        return self.scores() is not None and self.images() is not None


def units(cells: list[Cell], spec: ReferenceSpec, folder: Path) -> list[Unit]:
    """All units of the cells; the three draws of a cell are consecutive."""
    return [Unit(cell, i, spec, folder, load_model(cell.subject).digest) for cell in cells for i in range(DRAWS)]


def compute(unit: Unit, on_evaluations: OnEvaluations = lambda evaluations: None) -> None:
    """Computes the missing images and scores of a unit, and writes its files.

    Raises UsageError if this process finds another checkpoint than the one that began the study.
    """
    same_checkpoint(load_model(unit.cell.subject), unit.checkpoint)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        drawn = unit.images()
        if drawn is None:
            drawn = _draw(unit, on_evaluations)
            with replacing(unit.images_path) as temporary:
                np.savez_compressed(
                    temporary, images=drawn.images, evaluations=drawn.evaluations, seconds=drawn.seconds,
                    sha256=unit._seal(drawn),
                )  # fmt: skip
        if unit.scores() is None:
            order, n = condition_order(unit.cell.subject), unit.cell.sampling.n
            labels = None if order is None else order.labels(range(unit.draw * n, (unit.draw + 1) * n))
            scores = as_json(reference(unit.reference_spec).score(channels_first(drawn.images), labels))
            with replacing(unit.scores_path) as temporary:
                temporary.write_text(json.dumps({**scores, "sha256": unit._scores_seal(scores)}), encoding="utf-8")
    finally:
        torch.set_num_threads(threads)


def _draw(unit: Unit, on_evaluations: OnEvaluations) -> UnitImages:
    cell, cost = unit.cell, unit.cost
    n, steps = cell.sampling.n, cell.sampling.steps
    began, reported, image_steps = time.perf_counter(), 0, 0

    def on_step(images: int) -> None:
        nonlocal reported, image_steps
        image_steps += images
        done = image_steps * cost // (n * steps)
        on_evaluations(done - reported)
        reported = done

    order = condition_order(cell.subject)
    drawn = draw(load_model(cell.subject), cell.sampling, first=unit.draw * n, tick=on_step, asked=order)
    return UnitImages(drawn.images, drawn.evaluations, time.perf_counter() - began)
