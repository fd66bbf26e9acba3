"""One network evaluated for many walks at once: rows of different requests and levels share a batch.

The picture of a request must be the same, to the bit on a CPU, as when it is drawn alone (docs/design.md, numerics 5).
What matters for this is the number of rows that the network sees, not their places or what the other rows are. That is
no law of kernels, so it is tested on each network before it is relied upon; where it does not hold, nothing is shared.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, cast

import torch
from torch import Tensor, nn

from inkwash.nets import Condition, ConditionedNet
from inkwash.runs.draw import CPU_BATCH
from inkwash.runs.model import Model

_GPU_BATCH = 64
_PATIENCE = 0.004  # seconds that a batch waits for walks that are between two evaluations


class Stopped(Exception):
    """The batches have ended, or a walk was cancelled while it waited."""


@dataclass(eq=False)
class _Call:
    """Rows of one evaluation of one walk."""

    inputs: tuple[Tensor, ...]  # x, t and, for conditional networks, value and present
    size: int  # rows that the network must see
    done: threading.Event = field(default_factory=threading.Event)
    out: Tensor | None = None
    error: BaseException | None = None

    @property
    def kind(self) -> tuple[Any, ...]:
        return self.size, tuple((each.dtype, each.shape[1:]) for each in self.inputs)


class Batches:
    """A model's network in a thread of its own, which evaluates what the walks ask for, in batches of a fixed size."""

    def __init__(self, model: Model, share: bool = True) -> None:
        self.model, self.net, self._precision = model, model.denoiser.net, model.denoiser.precision
        self.size = CPU_BATCH if model.device.type == "cpu" else _GPU_BATCH
        self._calls: deque[_Call] = deque()
        self._walks, self._ended, self._wake = 0, False, threading.Condition()
        self.evaluated, self.padded, self.busy = 0, 0, 0.0  # rows asked for, rows that filled up, seconds
        self.shares = share and (model.device.type != "cpu" or _mixes(self, model))
        self._thread = threading.Thread(target=self._serve, name="inkwash-batches", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Ends the thread; evaluations that wait raise Stopped."""
        with self._wake:
            self._ended = True
            self._wake.notify_all()
        self._thread.join()

    @contextmanager
    def walk(self, rows: int) -> Iterator["Shared"]:
        """The network for a walk of `rows` images, in a model's place: a batch waits a moment for each open walk."""
        with self._wake:
            self._walks += 1
        try:
            yield Shared(self, rows)
        finally:
            with self._wake:
                self._walks -= 1
                self._wake.notify_all()

    def evaluate(self, inputs: tuple[Tensor, ...], size: int) -> Tensor:
        """The network's output for rows of x, t and perhaps a condition, as in a batch of `size`."""
        call = _Call(inputs, size)
        with self._wake:
            if self._ended:
                raise Stopped
            self._calls.append(call)
            self._wake.notify_all()
        call.done.wait()
        if call.error is not None:
            raise call.error
        return cast(Tensor, call.out)

    def direct(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """The network's output, computed in this thread with the batch as it is."""
        x, t, *condition = inputs
        with torch.autocast(x.device.type, self._precision, enabled=self._precision != torch.float32):
            return cast(Tensor, self.net(x, t, Condition(*condition) if condition else None))

    def _serve(self) -> None:
        while (calls := self._next()) is not None:
            began = time.perf_counter()
            try:
                self._compute(calls)
            except BaseException as error:  # noqa: BLE001  # whoever asked is told
                for call in calls:
                    call.error = error
            rows = sum(len(call.inputs[0]) for call in calls)
            self.busy += time.perf_counter() - began
            self.evaluated += rows
            self.padded += max(0, calls[0].size - rows)
            for call in calls:
                call.done.set()
        for call in self._calls:
            call.error = Stopped()
            call.done.set()

    def _next(self) -> list[_Call] | None:
        """The calls of the next batch, oldest first; None at the end."""
        with self._wake:
            self._wake.wait_for(lambda: self._calls or self._ended)
            if self.shares and not self._ended:
                self._wake.wait_for(self._is_full, _PATIENCE)
            if self._ended:
                return None
            taken: list[_Call] = []
            rows, kind = 0, self._calls[0].kind
            for call in list(self._calls):
                fits = call.kind == kind and rows + len(call.inputs[0]) <= call.size
                if fits or not taken:
                    taken.append(call)
                    rows += len(call.inputs[0])
                    self._calls.remove(call)
                if not self.shares:
                    break
            return taken

    def _is_full(self) -> bool:
        rows = sum(len(call.inputs[0]) for call in self._calls)
        return self._ended or len(self._calls) >= self._walks or rows >= self._calls[0].size

    @torch.no_grad()
    def _compute(self, calls: list[_Call]) -> None:
        inputs = [torch.cat(each) for each in zip(*(call.inputs for call in calls), strict=True)]
        rows, size = len(inputs[0]), calls[0].size
        if rows < size:
            inputs = [torch.cat([each, each[:1].expand(size - rows, *each.shape[1:])]) for each in inputs]
        out = self.direct(tuple(inputs))[:rows]
        for call, part in zip(calls, torch.split(out, [len(call.inputs[0]) for call in calls]), strict=True):
            call.out = part


def _mixes(batches: Batches, model: Model) -> bool:
    """Whether a row's output is the same bits at any place of a batch, among any others. Two sizes are tested."""
    generator = torch.Generator().manual_seed(0)
    for size in (batches.size, 2 * batches.size):  # guidance evaluates each image twice
        x = torch.randn(size, *model.shape, generator=generator)
        parts = [Fraction(i + 1, size) for i in range(size)]
        t = torch.tensor([model.schedule.at(model.schedule.time(part)).t for part in parts])
        inputs: tuple[Tensor, ...] = (x, t)
        if isinstance(batches.net, ConditionedNet):
            value, _ = batches.net.as_condition(x, None)
            inputs = (x, t, value, torch.arange(size) % 3 > 0)
        order = torch.randperm(size, generator=generator)
        half = torch.cat([order[: size // 2], order[:1].expand(size - size // 2)])  # others are repeated
        with torch.no_grad():
            whole, mixed, few = (
                batches.direct(tuple(each[rows] for each in inputs)) for rows in (torch.arange(size), order, half)
            )
        if not torch.equal(whole[order], mixed) or not torch.equal(whole[half], few):
            return False
    return True


class Shared(ConditionedNet):
    """A network as one walk sees it: net(x, t, cond), evaluated in batches with those of other walks."""

    def __init__(self, batches: Batches, rows: int) -> None:
        net = batches.net
        nn.Module.__init__(self)
        self._batches, self._rows, self.evaluations = batches, rows, 0
        self._conditional = isinstance(net, ConditionedNet)
        if isinstance(net, ConditionedNet):
            self.embedder = net.embedder
        self.cancelled: Callable[[], bool] = lambda: False

    def forward(self, x: Tensor, t: Tensor, cond: Condition | Tensor | None = None) -> Tensor:
        if self.cancelled():
            raise Stopped
        times = len(x) // self._rows  # 2 where guidance evaluates both halves as one batch
        self.evaluations += times
        inputs = (x, t, *self.as_condition(x, cond)) if self._conditional else (x, t)
        return self._batches.evaluate(tuple(inputs), times * self._batches.size)
