"""Making a model of the box from a run: its averaged weights alone, in float16, with its scores."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from inkwash.errors import InkwashError, UsageError
from inkwash.runs.record import described
from inkwash.training.checkpoint import FILES, LAST, Checkpoint, load, save

LARGEST = 6_000_000  # bytes of a model in the box
_HALF = 65_504.0  # the largest float16


def make(run: Path, out: Path, scores: Path | None = None, stds: Iterable[float] = (), which: str = "last") -> Path:
    """Writes the model of a run's checkpoint into the folder `out`, and returns the file.

    `scores` is the scores.json of `inkwash evaluate`, and `stds` are the data's standard deviations, as
    `study.theory.stds` has them. The file computes in float32, so that any processor draws from it; it names no folder
    of this machine. Raises UsageError for a run that is too large or needs code or images of the user's own, or for
    scores of another kind, and InkwashError if a weight is too large for float16.
    """
    path = run / FILES[which]
    saved = load(path)
    settings = described(path, saved.facts)
    if saved.facts.get("code") or settings.data.source != settings.recipe.removesuffix("-class"):
        raise UsageError(f"{run} is of images or code that others do not have; a model in the box is of a recipe.")
    weights = {name: tensor.to(torch.float16) for name, tensor in saved.parts["ema"].items()}
    if any(float(tensor.abs().max()) > _HALF for tensor in saved.parts["ema"].values()):
        raise InkwashError(f"{run} has weights above {_HALF:,.0f}, the largest of float16.")
    facts = {
        **saved.facts,
        "precision": "float32",
        "data_dir": None,
        "data": {**saved.facts.get("data", {}), "place": None},
        "box": {
            "weights": "float16",
            "of": saved.sha256,
            "stds": [float(f"{std:.4g}") for std in stds],
            **({} if scores is None else _measured(scores)),
        },
    }
    target = out / LAST
    save(target, Checkpoint({"ema": weights}, facts))
    size = target.stat().st_size
    if size > LARGEST:
        target.unlink()
        raise UsageError(f"the model would take {size:,} bytes, above the {LARGEST:,} of the box; make it smaller.")
    return target


def _measured(scores: Path) -> dict[str, Any]:
    """What a model's facts say of its scores: the scores, and what they were measured with."""
    try:
        found = json.loads(scores.read_text(encoding="utf-8"))
        return {"scores": found["scores"], "sampling": found["sampling"], "floor": found["floor"]}
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{scores} is no scores.json of `inkwash evaluate` ({error}).") from error
