"""The queue of the server: requests wait in order, some walk at a time, and all share the batches of their network."""

import itertools
import json
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from inkwash.core import Plan, as_floats
from inkwash.denoise.guidance import is_active
from inkwash.errors import InkwashError, UsageError
from inkwash.foreign import say
from inkwash.play.batches import Batches, Stopped
from inkwash.play.request import ImagesRequest, Limits, sampling_of, turned
from inkwash.play.walk import Frame, walk
from inkwash.runs import build
from inkwash.runs.guidance import guided, interval, scale
from inkwash.runs.model import TrainedModel
from inkwash.sample import denoising_edges
from inkwash.sample.solver import fact
from inkwash.settings import Sampling

Push = Callable[[str, Any], None]  # (what happened, about it), called from other threads; frames are `Frame`s


class Full(InkwashError):
    """The queue is full; `seconds` is when to try again."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"as many requests wait as may; try again in {seconds} s.")
        self.seconds = seconds


@dataclass(eq=False)
class Ticket:
    """A request on its way: waiting, walking or done."""

    number: int
    name: str
    sampling: Sampling
    calls: int  # evaluations of its network
    rows: float  # of each call, on average
    push: Push
    turn: tuple[int, Sampling] | None = None
    made: float = field(default_factory=time.monotonic)
    step: int = 0
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def left(self) -> float:
        """The calls that are still to come, of those that were begun with or are waiting."""
        return self.calls * (1 - self.step / self.sampling.steps)


class Engine:
    """Models by name, a queue, and threads that walk. `logs` writes one JSON object a line and request to stderr."""

    def __init__(self, models: dict[str, TrainedModel], limits: Limits | None = None, logs: bool = True) -> None:
        self.models, self.limits, self._logs = models, limits or Limits(), logs
        self.batches = {name: Batches(model) for name, model in models.items()}
        self._waiting: deque[Ticket] = deque()
        self._active: set[Ticket] = set()
        self._changed, self._ended = threading.Condition(), False
        self._numbers = itertools.count(1)
        self.outcomes = {"done": 0, "refused": 0, "cancelled": 0, "failed": 0}
        self.images, self.seconds = 0, 0.0
        self._threads = [
            threading.Thread(target=self._serve, name=f"inkwash-walk-{i}", daemon=True)
            for i in range(self.limits.slots)
        ]  # fmt: skip
        for thread in self._threads:
            thread.start()

    # ---- asked by the server

    def put(self, name: str, model: TrainedModel) -> None:
        """Serves another model under a name, as when a training has saved again; walks that have begun keep theirs."""
        if name in self.models and self.models[name].digest == model.digest:
            return
        old = self.batches.get(name)
        self.batches = {**self.batches, name: Batches(model)}
        self.models = {**self.models, name: model}
        if old is not None:
            threading.Thread(target=old.retire, name="inkwash-retire", daemon=True).start()

    def model(self, name: str | None) -> tuple[str, TrainedModel]:
        """A model by its name, or the first. Raises UsageError if there is none of this name."""
        found = next(iter(self.models)) if name is None else name
        if found not in self.models:
            raise UsageError(f"there is no model {found!r} here; there are {', '.join(self.models)}.")
        return found, self.models[found]

    def check(self, asked: ImagesRequest) -> tuple[str, Sampling, Plan]:
        """Everything that can be wrong with a request, before it is queued. Raises UsageError."""
        name, model = self.model(asked.model)
        sampling = sampling_of(asked, model, self.limits)
        for each in (sampling, *((turn[1],) if (turn := turned(asked, sampling)) else ())):
            guided(model, each).denoiser_of(range(1))
        return name, sampling, build.plan(sampling, model.schedule)

    def submit(self, asked: ImagesRequest, push: Push) -> Ticket:
        """Queues a request. Its thread pushes ("queued" | "begun" | "frame" | "done" | "error", about it).

        Raises UsageError for a request that does not fit, and Full.
        """
        name, sampling, plan = self.check(asked)
        with self._changed:
            if self._ended or len(self._waiting) >= self.limits.queue:
                self.outcomes["refused"] += 1
                raise Full(max(1, math.ceil(self._until(1))))
            ticket = Ticket(next(self._numbers), name, sampling, *_work(self.models[name], sampling, plan), push)
            ticket.turn = turned(asked, sampling)
            self._waiting.append(ticket)
            self._tell()
            self._changed.notify()
        return ticket

    def cancel(self, ticket: Ticket) -> None:
        """Ends a request whose client has gone; nothing happens to one that is done."""
        ticket.cancelled.set()
        with self._changed:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
                self.outcomes["cancelled"] += 1
                self._tell()

    def state(self) -> dict[str, Any]:
        """Numbers for /health and /metrics."""
        with self._changed:
            waiting, active = len(self._waiting), len(self._active)
        each = self.batches.values()
        return {
            "waiting": waiting, "active": active, "outcomes": dict(self.outcomes), "images": self.images,
            "seconds": self.seconds, "rows": sum(b.evaluated for b in each), "padding": sum(b.padded for b in each),
            "busy": sum(b.busy for b in each), "ended": self._ended,
        }  # fmt: skip

    def end(self, grace: float = 10.0) -> None:
        """Refuses what comes, lets walks end for `grace` seconds, then cancels the rest."""
        with self._changed:
            self._ended = True
            waiting = list(self._waiting)
            self._waiting.clear()
            for ticket in waiting:
                ticket.push("error", "the server stops; ask again in a moment.")
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._active, grace)
            for ticket in self._active:
                ticket.cancelled.set()
        for batches in list(self.batches.values()):
            batches.end()
        for thread in self._threads:
            thread.join(5)

    # ---- threads

    def _until(self, place: int) -> float:
        """About how many seconds it takes until the request at a place of the queue begins.

        All walks go on together, a call of each in turn, and whenever one ends the next that waits begins.
        """
        walking = [(each.left, each.rows * self.batches[each.name].pace) for each in self._active]
        waiting = [(each.left, each.rows * self.batches[each.name].pace) for each in self._waiting]
        seconds, begun = 0.0, 0
        while begun < place and walking:
            if len(walking) >= self.limits.slots:
                calls = min(left for left, _ in walking)
                seconds += calls * sum(cost for _, cost in walking)
                walking = [(left - calls, cost) for left, cost in walking if left > calls]
            walking += waiting[begun : begun + 1]
            begun += 1
        return seconds

    def _tell(self) -> None:
        """Tells all that wait their place and time."""
        for place, ticket in enumerate(self._waiting, start=1):
            behind = place - (self.limits.slots - len(self._active))
            about = {"place": max(0, behind), "seconds": round(self._until(place), 1) if behind > 0 else 0.0}
            ticket.push("queued", about)

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended)
                if self._ended:
                    return
                ticket = self._waiting.popleft()
                self._active.add(ticket)
                self._tell()
            outcome = "failed"
            try:
                outcome = self._walk(ticket)
            finally:
                with self._changed:
                    self._active.discard(ticket)
                    self.outcomes[outcome] += 1
                    self.seconds += time.monotonic() - ticket.made
                    self._changed.notify_all()
                self._log(ticket, outcome)

    def _walk(self, ticket: Ticket) -> str:
        late = ticket.made + self.limits.seconds

        def stops() -> bool:
            return ticket.cancelled.is_set() or time.monotonic() > late

        try:
            ticket.push("begun", None)
            frame: Frame | None = None
            for frame in walk(self.batches[ticket.name], ticket.sampling, stops, ticket.turn):
                ticket.step = frame.step
                ticket.push("frame", frame)
        except Stopped:
            if not ticket.cancelled.is_set():
                ticket.push("error", f"this took longer than the {self.limits.seconds:g} s of one request.")
            return "cancelled"
        except InkwashError as error:
            ticket.push("error", str(error))
            return "failed"
        except Exception:  # noqa: BLE001  # a client never sees more than this sentence
            ticket.push("error", "the pictures could not be drawn; the server's log says why.")
            if self._logs:
                import traceback

                say(json.dumps({"request": ticket.number, "error": traceback.format_exc()}))
            return "failed"
        self.images += ticket.sampling.n
        ticket.push("done", frame)
        return "done"

    def _log(self, ticket: Ticket, outcome: str) -> None:
        if self._logs:
            row = {
                "time": round(time.time(), 3), "request": ticket.number, "model": ticket.name, "outcome": outcome,
                "n": ticket.sampling.n, "steps": ticket.sampling.steps, "solver": ticket.sampling.solver,
                "seconds": round(time.monotonic() - ticket.made, 3),
            }  # fmt: skip
            say(json.dumps(row))


def _work(model: TrainedModel, sampling: Sampling, plan: Plan) -> tuple[int, float]:
    """(evaluations of the network, rows of each on average) of a request; guidance doubles the rows where it acts."""
    solver, where = build.solver(sampling), interval(model, sampling)
    levels = [level for t, s in denoising_edges(plan) for level in fact(solver, "evaluated_at")(t, s)]
    guides = model.condition is not None and scale(model, sampling) not in (0, 1)
    twice = sum(guides and as_floats(level)[1] > 0 and is_active(level, where) for level in levels)
    return len(levels), sampling.n * (1 + twice / len(levels))
