"""A walk from noise to images as the page shows it: x, x̂₀ and ε̂ at every level of the plan."""

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from inkwash.core import Denoise, Level, Plan, Seeded, as_floats, drift, prior
from inkwash.data import to_uint8
from inkwash.denoise import Denoiser
from inkwash.play.batches import Batches, Shared
from inkwash.runs import build
from inkwash.runs.draw import pixels, visible
from inkwash.runs.guidance import guided
from inkwash.runs.model import TrainedModel
from inkwash.sample import Snapshot, Solver, sample
from inkwash.sample.solver import fact
from inkwash.settings import Sampling

EPS_WHITE = 2.0  # ε̂ that is white on the page; −2 is black


@dataclass(frozen=True)
class Frame:
    """The images of a request at one level: x, x̂₀ and ε̂, uint8 [n,C,H,W]; at the last level all three are the image."""

    step: int
    level: Level
    x: Tensor
    x0: Tensor
    eps: Tensor
    evaluations: int


def walk(
    batches: Batches,
    sampling: Sampling,
    cancelled: Callable[[], bool] = lambda: False,
    turn: tuple[int, Sampling] | None = None,
) -> Iterator[Frame]:
    """Draws sampling.n images with shared batches, the same bits as `runs.draw.draw` draws, frame by frame.

    `turn` is (step, settings): from this step on the solver and the guidance are those of these settings, on the same
    levels. The solver then begins anew, without its memory.

    Raises Stopped when `cancelled` is true at an evaluation, and UsageError as `draw` does.
    """
    model = batches.model
    assert isinstance(model, TrainedModel)
    plan = build.plan(sampling, model.schedule)
    solvers = [build.solver(each) for each in (sampling, *(() if turn is None else (turn[1],)))]
    shares = batches.shares and all(fact(each, "per_image") for each in solvers)  # else the whole batch, as `draw` does
    with ExitStack() as stack:
        parts = []
        for first in range(0, sampling.n, batches.size):
            real = min(batches.size, sampling.n - first)
            lanes = range(first, first + (real if shares else batches.size))
            net = stack.enter_context(batches.walk(len(lanes)))
            net.cancelled = cancelled
            parts.append(_part(model, net, sampling, plan, lanes, real, turn))
        for frames in zip(*parts, strict=True):
            x, x0, eps = (torch.cat([getattr(frame, name) for frame in frames]) for name in ("x", "x0", "eps"))
            yield replace(frames[0], x=x, x0=x0, eps=eps)


def _part(
    model: TrainedModel,
    net: Shared,
    sampling: Sampling,
    plan: Plan,
    lanes: range,
    real: int,
    turn: tuple[int, Sampling] | None,
) -> Iterator[Frame]:
    """The frames of up to a batch of images, of which the first `real` are asked for."""
    whole = model.denoiser
    shared = replace(model, denoiser=Denoiser(net, whole.prediction, whole.sigma_data, whole.precision))

    def denoiser(of: Sampling) -> _Seen:
        return _Seen(build.limit(of, guided(shared, of).denoiser_of(lanes)))

    denoise, noise = denoiser(sampling), Seeded(sampling.seed, lanes)
    x = prior(noise, plan[0], torch.empty(len(lanes), *model.shape, device=model.device))
    walked = sample(denoise, x, plan, build.solver(sampling, model.schedule), noise)
    before: Snapshot | None = None
    for snapshot in walked if turn is None else _turning(walked, turn[0]):
        if before is not None:
            yield _frame(before, denoise.first(before.level), sampling, real, net.evaluations)
        before = snapshot
        denoise.asked = None
    if turn is not None:
        assert before is not None
        after = denoiser(turn[1])
        rest = sample(after, before.x, plan[turn[0] :], build.solver(turn[1], model.schedule), noise)
        next(rest)  # where the walk stands
        for snapshot in rest:
            yield _frame(before, after.first(before.level), sampling, real, net.evaluations)
            before = snapshot._replace(step=snapshot.step + turn[0])
            after.asked = None
    assert before is not None
    last = pixels(before.x[:real], sampling.stretch)
    yield Frame(before.step, before.level, last, last, last, net.evaluations)


def _turning(snapshots: Iterator[Snapshot], step: int) -> Iterator[Snapshot]:
    """The snapshots up to a step."""
    for snapshot in snapshots:
        yield snapshot
        if snapshot.step == step:
            return


class _Seen:
    """A denoiser that remembers its first answer since `asked` was cleared."""

    def __init__(self, denoise: Denoise) -> None:
        self._denoise = denoise
        self.asked: tuple[Level, Tensor] | None = None

    def __call__(self, x: Tensor, level: Level) -> Tensor:
        x0 = self._denoise(x, level)
        self.asked = (level, x0) if self.asked is None else self.asked
        return x0

    def first(self, level: Level) -> Tensor | None:
        return None if self.asked is None or self.asked[0] != level else self.asked[1]


def _frame(snapshot: Snapshot, x0: Tensor | None, sampling: Sampling, real: int, evaluations: int) -> Frame:
    x, (alpha, sigma, _) = snapshot.x, as_floats(snapshot.level)
    x0 = x if x0 is None else x0  # a step that only adds noise asks nothing
    eps = (x - alpha * x0) / sigma
    return Frame(
        snapshot.step,
        snapshot.level,
        visible(snapshot, sampling.stretch)[:real],
        to_uint8(x0[:real]).cpu(),
        to_uint8(eps[:real] / EPS_WHITE).cpu(),
        evaluations,
    )


def coefficients(solver: Solver, plan: Plan) -> list[dict[str, float]]:
    """What each step does: x_s = x·x_t + x0·x̂₀ + z·noise, where x̂₀ is the solver's own estimate for the step.

    Read off the solver by asking it with numbers, so it holds for any whose steps are linear. For solvers of higher
    order x̂₀ is a mixture of the network's answers. The last step, to σ = 0, is x = x̂₀.
    """
    found = []
    for t, s in pairwise(plan):
        if as_floats(s)[1] == 0:
            found.append({"x": 0.0, "x0": 1.0, "z": 0.0})
            continue
        if as_floats(s)[2] <= as_floats(t)[2]:  # towards noise, by the forward kernel
            ratio = as_floats(s)[0] / as_floats(t)[0]
            found.append({"x": ratio, "x0": 0.0, "z": as_floats(s)[1] * math.sqrt(drift(t, s))})
            continue
        found.append({name: _answer(solver, t, s, name) for name in ("x", "x0", "z")})
    return found


def _answer(solver: Solver, t: Level, s: Level, name: str) -> float:
    draws: int = fact(solver, "draws")
    nil = torch.zeros(draws if name == "z" else 1, 1, 1, 1, dtype=torch.float64)
    x, x0 = (nil + (name == each) for each in ("x", "x0"))
    noises = iter(torch.eye(draws, dtype=torch.float64))  # of several noises, each has a row

    def noise(x: Tensor) -> Tensor:
        return next(noises).view(-1, 1, 1, 1) if name == "z" else torch.zeros_like(x)

    moved, _ = solver.step(lambda x, level: x0, x, t, s, None, noise)
    return float(moved) if len(moved) == 1 else float(moved.norm())  # independent noises add as their squares


def described(plan: Plan) -> list[dict[str, Any]]:
    """The levels of a plan as JSON; infinite log SNR is null."""
    rows = []
    for level in plan:
        alpha, sigma, logsnr = as_floats(level)
        t = float(level.t)
        rows.append({
            "t": None if t != t else t, "alpha": alpha, "sigma": sigma,
            "logsnr": logsnr if abs(logsnr) < 1e30 else None,
        })  # fmt: skip
    return rows
