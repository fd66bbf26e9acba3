"""UniPC: a predictor and a corrector of one order more that share a single evaluation per step."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from torch import Tensor

from inkwash.core import Denoise, Level, Noise
from inkwash.sample.exponential import Output, behind, falling, flow_x0, half_logsnr, interpolated, remember
from inkwash.sample.solver import Solver


class _Before(NamedTuple):
    x: Tensor
    level: Level
    past: tuple[Output, ...]  # newest first; the first is at `level`


@dataclass(frozen=True)
class UniPC(Solver):
    """UniPC-2 of Zhao et al. 2023 in x̂₀, with B(h) = eʰ − 1 (their bh2).

    A step evaluates at t, corrects x at t by UniC-2 (three outputs, the new one among them), and predicts x at s by
    UniP-2 (two outputs). The corrected x is not evaluated again. The corrector makes the order 3.

    With three outputs the coefficients are those of the exactly integrated parabola. With two, in UniP-2 and in the
    first correction, the paper sets the coefficient to 1/2, so that the integral of the line's slope is B(h)/2. Strides
    that grow are bounded as in `exponential.behind`.
    """

    order: ClassVar[int] = 3
    has_variance: ClassVar[bool] = False

    def step(
        self, denoise: Denoise, x: Tensor, t: Level, s: Level, memory: _Before | None, noise: Noise
    ) -> tuple[Tensor, _Before]:
        new = Output(half_logsnr(t), denoise(x, t))
        past: tuple[Output, ...] = ()
        if memory is not None and memory.past:
            past = memory.past
            x = _move(memory.x, memory.level, t, past, (new,))
        past = remember(new.place, new.value, past, 2)
        return _move(x, t, s, past or (new,), ()), _Before(x, t, past)


def _move(x: Tensor, t: Level, s: Level, past: tuple[Output, ...], ahead: tuple[Output, ...]) -> Tensor:
    """x at s from x at t, with the outputs at t and before, and the one at s if there is one."""
    now, stride = half_logsnr(t), half_logsnr(s) - half_logsnr(t)
    places = [0.0, *behind(now, past[1:], stride), *(1.0 for _ in ahead)]
    moments = falling(stride, len(places))
    if len(places) == 2:
        moments[1] = -math.expm1(-stride) / 2
    return flow_x0(x, t, s, interpolated(places, moments), [each.value for each in (*past, *ahead)])
