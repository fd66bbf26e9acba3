"""One network evaluated for many walks at once: rows of different requests and levels share a batch.

The picture of a request must be the same, to the bit on a CPU, as when it is drawn alone (docs/design.md, numerics 5).
What matters for this is the number of rows that the network sees, not their places or what the other rows are, and
mostly 32 rows, which guidance evaluates, are twice 16. Neither is a law of kernels, so both are tested on each network
before they are relied upon; where the first does not hold, nothing is shared.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple, cast

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
    out: list[Tensor] = field(default_factory=list)
    taken: int = 0  # rows that are computed, or in a batch
    error: BaseException | None = None

    @property
    def rows(self) -> int:
        return len(self.inputs[0])

    @property
    def kind(self) -> tuple[Any, ...]:
        return self.size, tuple((each.dtype, each.shape[1:]) for each in self.inputs)


class _Part(NamedTuple):
    """Rows of a call in a batch."""

    call: _Call
    start: int
    stop: int


class Batches:
    """A model's network in a thread of its own, which evaluates what the walks ask for, in batches of a fixed size."""

    def __init__(self, model: Model, share: bool = True) -> None:
        self.model, self.net, self._precision = model, model.denoiser.net, model.denoiser.precision
        self.size = CPU_BATCH if model.device.type == "cpu" else _GPU_BATCH
        self._calls: deque[_Call] = deque()
        self._walks, self._ended, self._wake = 0, False, threading.Condition()
        self.evaluated, self.padded, self.busy = 0, 0, 0.0  # rows asked for, rows that filled up, seconds
        self.shares = share and (model.device.type != "cpu" or _mixes(self, model))
        # whether two batches give the bits of one of twice the size, so that guidance needs no batches of its own
        self._halves = self.shares and (model.device.type != "cpu" or _halves(self, model))
        self.pace = self._first_pace()  # seconds of a row of a full batch, of late
        self._thread = threading.Thread(target=self._serve, name="inkwash-batches", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Ends the thread; evaluations that wait raise Stopped."""
        with self._wake:
            self._ended = True
            self._wake.notify_all()
        self._thread.join()

    def _first_pace(self) -> float:
        """The pace of one batch, after another that warms up."""
        inputs, rows = _trial(self, self.model, self.size), torch.arange(self.size, device=self.model.device)
        for _ in range(2):
            began = time.perf_counter()
            _rows(self, inputs, rows)
        return (time.perf_counter() - began) / self.size

    def retire(self, grace: float = 5.0) -> None:
        """Ends the thread once no walk needs it; those that begin within `grace` seconds still do."""
        time.sleep(grace)
        with self._wake:
            self._wake.wait_for(lambda: not self._walks or self._ended)
        self.end()

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
        call = _Call(inputs, self.size if self._halves else size)
        with self._wake:
            if self._ended:
                raise Stopped
            self._calls.append(call)
            self._wake.notify_all()
        call.done.wait()
        if call.error is not None:
            raise call.error
        return torch.cat(call.out)

    def direct(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """The network's output, computed in this thread with the batch as it is."""
        x, t, *condition = inputs
        with torch.autocast(x.device.type, self._precision, enabled=self._precision != torch.float32):
            return cast(Tensor, self.net(x, t, Condition(*condition) if condition else None))

    def _serve(self) -> None:
        while (parts := self._next()) is not None:
            began = time.perf_counter()
            try:
                self._compute(parts)
            except BaseException as error:  # noqa: BLE001  # whoever asked is told
                with self._wake:
                    for call in {part.call for part in parts}:
                        call.error, call.taken = error, call.rows
                        if call in self._calls:
                            self._calls.remove(call)
            rows, took = sum(part.stop - part.start for part in parts), time.perf_counter() - began
            self.busy += took
            self.pace += 0.1 * (took / max(rows, parts[0].call.size) - self.pace)
            self.evaluated += rows
            self.padded += max(0, parts[0].call.size - rows)
            for call in {part.call for part in parts}:
                if call.error is not None or sum(map(len, call.out)) == call.rows:
                    call.done.set()
        for call in self._calls:
            call.error = Stopped()
            call.done.set()

    def _next(self) -> list[_Part] | None:
        """The rows of the next batch, oldest first; None at the end."""
        with self._wake:
            self._wake.wait_for(lambda: self._calls or self._ended)
            if self.shares and not self._ended:
                self._wake.wait_for(self._is_full, _PATIENCE)
            if self._ended:
                return None
            first = self._calls[0]
            parts: list[_Part] = []
            free = max(first.size, first.rows if not self._halves else 0)
            for call in [each for each in self._calls if each.kind == first.kind] if self.shares else [first]:
                take = min(free, call.rows - call.taken)
                if take < call.rows and not self._halves:
                    continue  # a call is evaluated as a whole
                parts.append(_Part(call, call.taken, call.taken + take))
                call.taken += take
                free -= take
                if call.taken == call.rows:
                    self._calls.remove(call)
                if not free:
                    break
            return parts

    def _is_full(self) -> bool:
        rows = sum(call.rows - call.taken for call in self._calls)
        return self._ended or len(self._calls) >= self._walks or rows >= self._calls[0].size

    @torch.no_grad()
    def _compute(self, parts: list[_Part]) -> None:
        columns = zip(*([each[start:stop] for each in call.inputs] for call, start, stop in parts), strict=True)
        inputs = [torch.cat(each) for each in columns]
        rows, size = len(inputs[0]), parts[0].call.size
        if rows < size:
            inputs = [torch.cat([each, each[:1].expand(size - rows, *each.shape[1:])]) for each in inputs]
        out = self.direct(tuple(inputs))[:rows]
        for part, found in zip(parts, torch.split(out, [part.stop - part.start for part in parts]), strict=True):
            part.call.out.append(found)


def _mixes(batches: Batches, model: Model) -> bool:
    """Whether a row's output is the same bits at any place of a batch, among any others. Two sizes are tested."""
    generator = torch.Generator().manual_seed(0)
    for size in (batches.size, 2 * batches.size):  # guidance evaluates each image twice
        inputs = _trial(batches, model, size)
        order = torch.randperm(size, generator=generator)
        half = torch.cat([order[: size // 2], order[:1].expand(size - size // 2)])  # others are repeated
        whole, mixed, few = (_rows(batches, inputs, rows) for rows in (torch.arange(size), order, half))
        if not torch.equal(whole[order], mixed) or not torch.equal(whole[half], few):
            return False
    return True


def _halves(batches: Batches, model: Model) -> bool:
    """Whether a batch of twice the size gives the bits of two batches."""
    inputs, rows = _trial(batches, model, 2 * batches.size), torch.arange(2 * batches.size)
    parts = [_rows(batches, inputs, part) for part in rows.chunk(2)]
    return torch.equal(_rows(batches, inputs, rows), torch.cat(parts))


def _trial(batches: Batches, model: Model, size: int) -> tuple[Tensor, ...]:
    """Inputs of `size` rows at as many levels, some with a condition."""
    x = torch.randn(size, *model.shape, generator=torch.Generator().manual_seed(size)).to(model.device)
    parts = [Fraction(i + 1, size) for i in range(size)]
    t = torch.tensor([model.schedule.at(model.schedule.time(part)).t for part in parts], device=x.device)
    if not isinstance(batches.net, ConditionedNet):
        return x, t
    value, _ = batches.net.as_condition(x, None)
    return x, t, value, torch.arange(size, device=x.device) % 3 > 0


@torch.no_grad()
def _rows(batches: Batches, inputs: tuple[Tensor, ...], rows: Tensor) -> Tensor:
    return batches.direct(tuple(each[rows] for each in inputs))


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
