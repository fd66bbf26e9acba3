"""The objective of a run: its recipe's or, for a distilled one, that of its method and its teacher."""

from typing import TYPE_CHECKING

import torch

from inkwash import choices, own
from inkwash.core import Denoise
from inkwash.denoise.guidance import ALWAYS
from inkwash.errors import UsageError
from inkwash.runs import build
from inkwash.runs.model import TrainedModel, open_model
from inkwash.settings import Distillation, RunSettings, Sampling

if TYPE_CHECKING:
    from inkwash.training.objective import Loss


def objective(run: RunSettings, device: torch.device) -> "Loss":
    """What a training of the run minimises.

    Raises UsageError if the teacher of a distilled run is no longer there, or its checkpoint has changed.
    """
    made = run.distillation
    if made is None:
        return build.objective(run)
    teacher = open_model(made.teacher, device=device.type)
    if teacher.digest != made.sha256:
        raise UsageError(
            f"the checkpoint of {made.teacher} is {teacher.digest[:12]}, and was {made.sha256[:12]} when the "
            "distillation began; put the old one back, or begin again with another `out`."
        )
    return method_of(made, run, teacher)


def method_of(made: Distillation, run: RunSettings, teacher: TrainedModel) -> "Loss":
    """The objective of a method. Raises UsageError for a run that it cannot take."""
    from inkwash.distill import Teacher

    def limited(denoise: Denoise) -> Denoise:
        return build.limit(Sampling(limit=made.limit), denoise)

    model = Teacher(teacher.denoiser, made.scale, made.interval or ALWAYS, limited)
    method = choices.DISTILLATIONS.load(made.method)
    members = ("stages", "sampler", "check_sampler", "__call__")
    choices.expect(method, f"the method {made.method}", *members)
    schedule, prediction = build.schedule(run.process), build.prediction(run.process)
    if own.is_reference(made.method) and not choices.takes(method, "amount"):
        raise UsageError(f"the method {made.method} is called with schedule, prediction, teacher and amount.")
    found: Loss = method(schedule, prediction, model, made.amount)
    return found
