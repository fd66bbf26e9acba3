"""The training state, and its conversion to and from a checkpoint."""

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh

from inkwash import choices
from inkwash.denoise import Denoiser
from inkwash.errors import InkwashError
from inkwash.settings import Training
from inkwash.training.adamw import AdamW
from inkwash.training.checkpoint import Checkpoint
from inkwash.training.ema import Ema
from inkwash.training.metrics import UNKNOWN
from inkwash.training.shard import gather_tensors, local_part, shard


@dataclass
class State:
    """The model, the moving average of its weights, the optimiser, and the counters."""

    denoiser: Denoiser
    ema: Ema
    optimizer: AdamW
    steps: int  # planned in total
    step: int = 0  # completed
    seconds: float = 0.0
    best: float = math.inf  # lowest held-out loss so far
    history: list[tuple[int, float]] = field(default_factory=list)  # (step, mean loss since the last)
    held_out: list[tuple[int, float]] = field(default_factory=list)  # (step, loss of the averaged model)
    minutes: float | None = None  # that `steps` is to fill
    planned: bool = True  # whether `steps` was chosen so
    sharded: bool = False  # whether each process holds a shard of every parameter

    @classmethod
    def fresh(cls, denoiser: Denoiser, settings: Training, mesh: DeviceMesh | None = None) -> "State":
        """The state before the first step. With a mesh of processes, the models are sharded over its devices."""
        ema = Ema(denoiser, settings.ema, settings.ema_start, settings.ema_every)
        if mesh is not None:
            shard(denoiser, mesh)
            shard(ema.model, mesh)
        optimizer: AdamW = choices.OPTIMIZERS.load(settings.optimizer)(denoiser, settings, denoiser.precision)
        members = ("step", "zero_grad", "param_groups", "state", "moments")
        choices.expect(optimizer, f"the optimizer {settings.optimizer}", *members)
        steps = UNKNOWN if settings.steps is None else settings.steps
        return cls(
            denoiser, ema, optimizer, steps, minutes=settings.minutes, planned=settings.minutes is None,
            sharded=mesh is not None,
        )  # fmt: skip

    def checkpoint(self, about: dict[str, Any], needed: bool = True) -> Checkpoint:
        """A checkpoint of the whole state; its facts are `about` and the counters.

        If the state is sharded, all processes must call it together; those with `needed` = False get no tensors.
        """
        parts = {"model": self.denoiser.state_dict(), "ema": self.ema.model.state_dict()}
        for name, p in self.denoiser.named_parameters() if self.step else ():
            for moment in self.optimizer.moments(p) if p in self.optimizer.state else ():  # no state: no gradient yet
                parts.setdefault(moment, {})[name] = self.optimizer.state[p][moment]
        parts = {part: gather_tensors(named, needed) for part, named in parts.items()}
        counters = ("step", "steps", "seconds", "history", "held_out")
        facts = {name: getattr(self, name) for name in counters}
        facts["minutes"] = self.minutes if self.planned else None
        return Checkpoint(parts, {**about, **facts, "best": None if math.isinf(self.best) else self.best})

    def restore(self, saved: Checkpoint) -> None:
        """Restores the state from a checkpoint. Raises InkwashError if it belongs to another network."""
        try:
            for part, model in (("model", self.denoiser), ("ema", self.ema.model)):
                own = model.state_dict()
                model.load_state_dict(
                    {name: local_part(tensor, own.get(name)) for name, tensor in saved.parts[part].items()}
                )
            begun = self.denoiser.named_parameters() if saved.facts["step"] else ()
            moments = {p: self._moments(saved, name, p) for name, p in begun}
        except (KeyError, RuntimeError) as error:  # torch's own message runs over many lines
            raise InkwashError("the checkpoint is of another network than it describes; train again.") from error
        facts = saved.facts
        self.step, self.seconds = facts["step"], facts["seconds"]
        if self.minutes is not None and facts.get("minutes") == self.minutes:  # as the training began, to the same bits
            self.steps, self.planned = min(self.steps, facts["steps"]), True
        self.best = math.inf if facts["best"] is None else facts["best"]
        self.history = [(step, loss) for step, loss in facts["history"]]
        self.held_out = [(step, loss) for step, loss in facts["held_out"]]
        for p, stored in moments.items():
            if not stored:
                continue
            state: dict[str, Tensor] = {"step": torch.tensor(float(self.step), device=p.device)}
            for moment, tensor in stored.items():
                # the fused optimiser assumes that moments have the parameter's memory layout
                state[moment] = torch.empty_like(p).copy_(local_part(tensor, p))
            self.optimizer.state[p] = state

    def _moments(self, saved: Checkpoint, name: str, p: Tensor) -> dict[str, Tensor]:
        """The moments of a parameter in a checkpoint; {} if the parameter never had a gradient."""
        names = self.optimizer.moments(p)
        return {m: saved.parts[m][name] for m in names} if any(name in saved.parts[m] for m in names) else {}
