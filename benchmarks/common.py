"""What the benchmarks share: a recipe's steps on made-up images, fair timing, and the machine's ceilings."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.profiler import record_function
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from inkwash.core import Denoise, Plan, Seeded, mix, prior, trailing
from inkwash.data import Images, to_float
from inkwash.denoise import Denoiser, clip, guide
from inkwash.denoise.guidance import ALWAYS
from inkwash.networks import UNet
from inkwash.runs import build
from inkwash.runs.conditions import ConditionKind, condition
from inkwash.runs.conditions.by_text import ByText
from inkwash.runs.draw import CPU_BATCH
from inkwash.sample import DPMpp2M, last, sample
from inkwash.settings import Data, Process, RunSettings, Training
from inkwash.training import State, StepRandomness
from inkwash.training.parts import Parts, one_thread

Shape = tuple[int, int, int]  # (C, H, W)

NETWORKS = {
    "1 M": UNet(32, (1, 2, 2), blocks=1, attention=(2,)),
    "35 M": UNet(128, (1, 2, 2, 2), blocks=2, attention=(1,), film=False),  # Ho et al.'s for CIFAR-10 (2020)
    "55 M": UNet(128, (1, 2, 2, 2), blocks=3, attention=(1, 2), heads=4),  # the recipe cifar10's
}  # without conditions
PHASE = "phase: "  # what the profiler's records of phases begin with
EDGES = 20  # of the plan that sampling steps are edges of
_SHAPES = {"digits": (1, 8, 8), "cifar10": (3, 32, 32), "emoji": (3, 32, 32), "": (3, 64, 64)}  # by source
_CLASSES = tuple("0123456789")
_TEXTS = ("red heart", "green book", "smiling face with open mouth", "flag of france")


def shape_of(run: RunSettings) -> Shape:
    """The shape of a recipe's images."""
    channels, height, width = _SHAPES.get(run.data.source, (1, 28, 28))
    return (channels, run.data.size or height, run.data.size or width)


def plain_run(network: UNet) -> RunSettings:
    """A run of a network as our own recipes train theirs, without conditions."""
    process, training = Process(schedule="continuous-cosine", prediction="v"), Training(draw="stratified")
    return RunSettings("benchmark", Data(""), network=network, process=process, training=training)


class Steps:
    """The steps that `inkwash train` and `inkwash sample` make, of a fresh network on made-up images.

    Conditions are made up as well: classes in turn, or four texts in turn. `compiled` is what torch.compile is told,
    or None for none.
    """

    def __init__(
        self,
        run: RunSettings,
        shape: Shape,
        precision: torch.dtype,
        device: torch.device,
        batch: int,
        lanes: int = CPU_BATCH,
        compiled: dict[str, str] | None = None,
    ) -> None:
        self.run, self.shape, self.device, self.batch, self.lanes = run, shape, device, batch, lanes
        told = condition(run, _CLASSES)
        self.state = State.fresh(build.denoiser(run, shape, precision, told).to(device), run.training)
        self.objective = build.objective(run)
        pixels = torch.randint(0, 256, (4 * batch, *shape), dtype=torch.uint8)
        self.images = Images("made up", "train", pixels).to(device)
        self.asked = None if told is None else _asked(told, batch).to(device)
        self.lane = None if told is None else _asked(told, lanes).to(device)
        if compiled is not None:
            for denoiser in (self.state.denoiser, self.average):
                denoiser.net.compile(**compiled)

    @property
    def average(self) -> Denoiser:
        """What is sampled from."""
        return cast(Denoiser, self.state.ema.model)

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.state.denoiser.parameters())

    def batch_of(self, step: int) -> Tensor:
        """Images of a step, float32 [B,C,H,W] in [−1, 1]."""
        return to_float(self.images.take(torch.arange(self.batch) + step % 4 * self.batch))

    def train_in(self, parts: Parts) -> None:
        """One step of training as `inkwash train` makes it on a CPU, with a thread for each part of the batch."""
        with one_thread():
            x0 = self.batch_of(self.state.step)
            randomness = StepRandomness.of(mix(self.run.training.seed, self.state.step), tuple(x0.shape), self.device)

            def loss(which: slice) -> Tensor:
                asked = None if self.asked is None else self.asked[which]
                return self.objective(self.state.denoiser, x0[which], randomness.part(which), asked).sum() / len(x0)

            parts.backward(self.state.denoiser, loss, slice(0, len(x0)))
            update(self.state, self.run.training.clip)

    def train(self, images: Tensor | None = None) -> None:
        """One step of training; the parts are phases. `images` [B,C,H,W] take the place of made-up ones."""
        state, training = self.state, self.run.training
        with phase("batch"):
            x0 = self.batch_of(state.step) if images is None else images
        with phase("chance"):
            torch.manual_seed(mix(training.seed, state.step))
            randomness = StepRandomness.of(mix(training.seed, state.step), tuple(x0.shape), self.device)
        with phase("forward"):
            loss = self.objective(state.denoiser, x0, randomness, self.asked).mean()
        with phase("backward"):
            loss.backward()  # type: ignore[no-untyped-call]
        update(state, training.clip)

    def denoise(self) -> Denoise:
        """What samplers see of the average, with guidance as the recipe's."""
        model, told = self.average, self.run.conditioning
        if self.lane is None:
            return clip(model.given(None))
        if told.scale == 1 or not told.condition_dropout:
            return clip(model.given(self.lane))
        return clip(guide(model.given(self.lane), model.given(None), told.scale, told.interval or ALWAYS))

    def plan(self, steps: int = EDGES) -> Plan:
        return trailing(self.objective.schedule, steps)

    def draw(self, steps: int = EDGES) -> Tensor:
        """One batch of lanes drawn by DPM++2M."""
        noise, plan = Seeded(0, range(self.lanes)), self.plan(steps)
        x = prior(noise, plan[0], torch.empty(self.lanes, *self.shape, device=self.device))
        return last(sample(self.denoise(), x, plan, DPMpp2M(), noise))

    def edge(self) -> Callable[[], None]:
        """One step of DPM++2M in the middle of its plan, one phase, ready to be made again and again."""
        denoise, plan, noise = self.denoise(), self.plan(), Seeded(0, range(self.lanes))
        r, t, s = plan[EDGES // 2 - 1 : EDGES // 2 + 2]
        x = prior(noise, plan[0], torch.empty(self.lanes, *self.shape, device=self.device))
        with torch.no_grad():
            x, memory = DPMpp2M().step(denoise, x, r, t, None, noise)

        def step() -> None:
            with torch.no_grad(), phase("forward"):
                DPMpp2M().step(denoise, x, t, s, memory, noise)

        return step


def update(state: State, clip: float | None) -> None:
    """What follows the gradient in a step of training; the parts are phases."""
    with phase("clip"):
        if clip is not None:
            nn.utils.clip_grad_norm_(state.denoiser.parameters(), clip)
    with phase("optimiser"):
        state.optimizer.step()
        state.optimizer.zero_grad()
    state.step += 1
    with phase("EMA"):
        state.ema.update(state.denoiser, state.step)


def _asked(told: ConditionKind, count: int) -> Tensor:
    """Rows [count,…] as the condition's embedder takes them."""
    if isinstance(told, ByText):
        return told.encoder([_TEXTS[i % len(_TEXTS)] for i in range(count)])
    return torch.arange(count) % len(_CLASSES)


def synchronise(device: torch.device) -> None:
    """Wait for all that the device was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(work: Callable[[], Any], device: torch.device) -> float:
    """How long one call takes, until the device is done."""
    synchronise(device)
    began = time.perf_counter()
    work()
    synchronise(device)
    return time.perf_counter() - began


def interleaved(
    works: Sequence[Callable[[], Any]], device: torch.device, rounds: int, warm: int = 2
) -> list[list[float]]:
    """Seconds of each work in each round. They take turns, so that a drifting machine slows them alike."""
    taken: list[list[float]] = [[] for _ in works]
    for i in range(warm + rounds):
        for work, mine in zip(works, taken, strict=True):
            took = seconds(work, device)
            if i >= warm:
                mine.append(took)
    return taken


def medians(works: Sequence[Callable[[], Any]], device: torch.device, rounds: int, warm: int = 2) -> list[float]:
    """The median seconds of each work, measured in turns."""
    return [statistics.median(each) for each in interleaved(works, device, rounds, warm)]


def best(work: Callable[[], Any], device: torch.device, rounds: int = 9) -> float:
    """The least seconds of several calls: for ceilings, which others on the machine can only lower."""
    return min(interleaved([work], device, rounds)[0])


def gemm(dtype: torch.dtype, device: torch.device) -> float:
    """FLOP/s of a matrix product, large enough to be at its best."""
    n = 8192 if device.type == "cuda" else 1024
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(a)
    return 2 * n**3 / best(lambda: torch.mm(a, b, out=out), device)


def copying(device: torch.device) -> float:
    """Bytes/s read and written by copying what no cache holds."""
    source = torch.zeros(1 << 26, device=device)  # 256 MiB of float32
    target = torch.empty_like(source)
    return 2 * source.numel() * source.itemsize / best(lambda: target.copy_(source), device)


_phase = ""


@contextmanager
def phase(name: str) -> Iterator[None]:
    """A part of a step, for the profiler and for `Ledger`."""
    global _phase
    _phase = name
    with record_function(PHASE + name):
        yield
    _phase = ""


@dataclass(frozen=True)
class Call:
    """One call of an operation."""

    name: str  # "aten::convolution"
    phase: str
    flop: int
    bytes: int  # read and written, were every operand touched once
    dtype: torch.dtype
    args: tuple[Any, ...]  # of convolutions: shapes of input and weight, stride, padding, dilation, groups


class Ledger(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the calls of operations made inside it, with the arithmetic and the bytes of their operands."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[Call] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        packet = func._overloadpacket
        flop = flop_registry[packet](*args, **kwargs, out_val=out) if packet in flop_registry else 0
        name = func._schema.name
        convolution = name == "aten::convolution"
        kept = (tuple(args[0].shape), tuple(args[1].shape), *map(_frozen, args[3:9])) if convolution else ()
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        dtype = given[0].dtype if given else torch.float32
        self.calls.append(Call(name, _phase, int(flop), _moved(func, args, kwargs, out), dtype, kept))
        return out


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


_WRITERS = ("copy_", "fill_", "zero_", "normal_", "uniform_", "random_")  # what they write they do not read


def _moved(func: Any, args: Any, kwargs: Any, out: Any) -> int:
    """Bytes that are read and written, each operand once. Views and what is not filled cost nothing."""
    schema = func._schema
    name = schema.name.removeprefix("aten::")
    read, written = 0, 0
    storages = set()
    for i, spec in enumerate(schema.arguments):
        value = args[i] if i < len(args) else kwargs.get(spec.name)
        for tensor in tree_leaves(value):
            if isinstance(tensor, Tensor):
                storages.add(tensor.untyped_storage().data_ptr())
                writes = spec.alias_info is not None and spec.alias_info.is_write
                written += _bytes(tensor) if writes else 0
                read += 0 if writes and name in _WRITERS else _bytes(tensor)
    if schema.is_mutable:
        return read + written
    fresh = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
    if name.startswith(("empty", "new_empty")):
        return 0
    if fresh and all(tensor.untyped_storage().data_ptr() in storages for tensor in fresh):
        return 0  # a view
    return read + sum(_bytes(tensor) for tensor in fresh)


def _bytes(tensor: Tensor) -> int:
    """Of the elements that there are; what was expanded is there once."""
    sides = [n for n, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride or not n]
    return prod(sides) * tensor.itemsize


def ledger(work: Callable[[], Any]) -> list[Call]:
    """The calls that a piece of work makes."""
    noted = Ledger()
    with noted:
        work()
    return noted.calls
