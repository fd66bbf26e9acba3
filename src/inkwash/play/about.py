"""What the server says of its models, its trainings and itself."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inkwash import choices
from inkwash.core import Plan, Schedule
from inkwash.data.fetch import data_folder
from inkwash.errors import InkwashError
from inkwash.play.walk import described
from inkwash.runs import build
from inkwash.runs.model import TrainedModel, data_dir, images, open_model
from inkwash.runs.trained import methods_without
from inkwash.sample.solver import fact
from inkwash.settings import Sampling
from inkwash.study.theory import IMAGES, predict, stds
from inkwash.training.checkpoint import FILES
from inkwash.training.metrics import reports

CURVE = 128  # points of a schedule's curve


def described_model(name: str, model: TrainedModel) -> dict[str, Any]:
    """A model as JSON: what can be asked of it, with the defaults of its recipe."""
    run, kind = model.run, model.condition
    sampler = run.default_sampler
    guided = kind is not None and not model.condition_never_dropped
    return {
        "name": name,
        "recipe": run.recipe,
        "shape": list(model.shape),
        "condition": run.conditioning.condition,
        "classes": list(model.facts["classes"]) if run.conditioning.condition == "class" else [],
        "must_be_told": model.condition_never_dropped,
        "guided": guided,
        "scale": run.conditioning.scale if guided else None,
        "interval": None if run.conditioning.interval is None else list(run.conditioning.interval),
        "prediction": run.process.prediction,
        "schedule": run.process.schedule,
        "timesteps": run.process.timesteps,
        "curve": described(_curve(model.schedule)),
        "sampler": {**vars(sampler), "spacing": build.spacing(sampler)},
        "solvers": [_solver(row.name, row.help) for row in choices.SOLVERS],
        "spacings": list(choices.SPACINGS.names),
        "limits": list(choices.LIMITS.names),
        "methods": methods_without(),
        "step": model.facts["step"],
        "digest": model.digest,
        "scores": model.facts.get("box", {}).get("scores"),
        "stretch": run.stretch,
    }


def _curve(schedule: Schedule) -> Plan:
    """Levels from the noisiest to the cleanest that have a place in the schedule."""
    first = max(schedule.first, Fraction(1, 10 * CURVE))
    places = [first + (1 - first) * Fraction(i, CURVE - 1) for i in reversed(range(CURVE))]
    return [schedule.at(schedule.time(place)) for place in places]


def _solver(name: str, words: str) -> dict[str, Any]:
    made = choices.call(choices.SOLVERS.load(name), eta=0.0, large=0.0)
    return {
        "name": name, "help": words, "has_eta": fact(made, "has_eta"), "order": fact(made, "order"),
        "spacing": fact(made, "default_spacing"), "starts_at_pure_noise": fact(made, "starts_at_pure_noise"),
    }  # fmt: skip


_data: dict[str, Tensor | None] = {}  # the standard deviations of a model's data, by its digest


def theory(model: TrainedModel, sampling: Sampling, plan: Plan) -> dict[str, Any]:
    """The spread of what a sampler draws for Gaussian data with the principal directions of a model's images.

    All is null where the images that the model was trained on are not on this machine.
    """
    if model.digest not in _data:
        _data[model.digest] = _stds(model)
    data = _data[model.digest]
    if data is None:
        return dict.fromkeys(("spread", "data", "unit_error", "frechet"))
    found, total = predict(build.solver(sampling), plan, data), float(data.square().sum().sqrt())
    return {"spread": found.spread, "data": total, "unit_error": found.unit_error, "frechet": found.frechet}


def _stds(model: TrainedModel) -> Tensor | None:
    carried = model.facts.get("box", {}).get("stds", ())
    if carried:
        return torch.tensor([float(std) for std in carried], dtype=torch.float64)
    source_of = model.run.data.source
    reads = source_of in choices.SOURCES and choices.takes(choices.SOURCES.load(source_of), "data_dir")
    if reads and not (data_folder(data_dir(model, None)) / source_of).is_dir():
        return None  # nothing is downloaded for a page
    try:
        source = images(model, "train")
    except InkwashError:
        return None
    return stds(source.take(torch.arange(min(len(source), IMAGES))))


class Watched:
    """A training that is watched: its folder, and its newest checkpoint, which is opened when it has changed."""

    def __init__(self, folder: Path, checkpoint: str, device: str) -> None:
        self.folder, self._checkpoint, self._device = folder, checkpoint, device
        self._stamp: tuple[int, int] | None = None

    def changed(self) -> TrainedModel | None:
        """The model, if its file is another than at the last call; None also while there is none."""
        try:
            found = (self.folder / FILES[self._checkpoint]).stat()
            stamp = (found.st_mtime_ns, found.st_size)
            if stamp == self._stamp:
                return None
            model = open_model(self.folder, self._checkpoint, self._device)
        except (OSError, InkwashError):
            return None
        self._stamp = stamp
        return model


def watched(name: str, folder: Path) -> dict[str, Any]:
    """The reports of a training, thinned to at most 1,000, and whether it is going on."""
    from inkwash.lock import holder
    from inkwash.runs.record import TRAINING

    rows = reports(folder)
    every = max(1, len(rows) // 1000)
    who = holder(folder)
    keep = [row for i, row in enumerate(rows) if i % every == 0 or "held_out" in row or i == len(rows) - 1]
    return {"name": name, "running": who is not None and who.doing == TRAINING, "reports": keep}


def metrics_text(state: dict[str, Any]) -> str:
    """The state of an engine in Prometheus' text format."""
    rows = [
        ("inkwash_requests_waiting", "gauge", "Requests in the queue.", [("", state["waiting"])]),
        ("inkwash_requests_active", "gauge", "Requests that are being drawn.", [("", state["active"])]),
        (
            "inkwash_requests_total", "counter", "Requests by how they ended.",
            [(f'{{outcome="{name}"}}', count) for name, count in state["outcomes"].items()],
        ),
        ("inkwash_request_seconds_total", "counter", "Seconds from request to end.", [("", state["seconds"])]),
        ("inkwash_images_total", "counter", "Images drawn.", [("", state["images"])]),
        ("inkwash_network_rows_total", "counter", "Rows that the networks were asked for.", [("", state["rows"])]),
        ("inkwash_network_padding_total", "counter", "Rows that only filled up a batch.", [("", state["padding"])]),
        ("inkwash_network_seconds_total", "counter", "Seconds that the networks computed.", [("", state["busy"])]),
    ]  # fmt: skip
    text = ""
    for name, kind, words, values in rows:
        text += f"# HELP {name} {words}\n# TYPE {name} {kind}\n"
        text += "".join(f"{name}{labels} {value}\n" for labels, value in values)
    return text
