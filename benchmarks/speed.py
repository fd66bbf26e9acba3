"""How fast do the recipes' networks train and sample on this machine, in float32 and in bfloat16?

    python benchmarks/speed.py [recipe …]

Runs both precisions in turn, so that a drifting machine slows them alike, and prints medians. Measure with nothing
else running.
"""

import statistics
import sys
import time
from collections.abc import Callable

import torch

from inkwash import recipes
from inkwash.core import Level
from inkwash.jobs import build
from inkwash.train import Chance, State

SHAPES = {"digits": (1, 8, 8), "lab06-eps": (1, 32, 32)}
ROUNDS, BATCH = 7, 128


def main(names: list[str]) -> None:
    print(f"{torch.get_num_threads()} threads, batch {BATCH}; images/s, medians of {ROUNDS} rounds\n")
    print(f"{'recipe':14} {'parameters':>11} {'GFLOP':>6}  {'train f32':>9} {'bf16':>6} {'ratio':>6}", end="  ")
    print(f"{'denoise f32':>11} {'bf16':>6} {'ratio':>6}")
    for name in names:
        row(name)


def row(name: str) -> None:
    run, shape = recipes.find(name), SHAPES.get(name, (1, 28, 28))
    kinds = (torch.float32, torch.bfloat16)
    states = [State.fresh(build.denoiser(run, shape, kind), run.training) for kind in kinds]
    objective = build.objective(run)
    x0, chance = torch.rand(BATCH, *shape) * 2 - 1, Chance.of(0, (BATCH, *shape))
    level: Level = objective.schedule.at(objective.schedule.time(objective.schedule.first * 500))

    def step(state: State) -> None:
        objective(state.denoiser, x0, chance).mean().backward()
        state.optimizer.step()
        state.optimizer.zero_grad()
        state.step += 1
        state.ema.update(state.denoiser, state.step)

    def denoise(state: State) -> None:
        with torch.no_grad():
            state.ema.model(x0, level)

    train, draw = timed(step, states), timed(denoise, states)
    count = sum(parameter.numel() for parameter in states[0].denoiser.parameters())
    print(f"{name:14} {count:11,} {flops(states[0], shape, level) / 1e9:6.3f}", end="  ")
    print(f"{train[0]:9.0f} {train[1]:6.0f} {train[1] / train[0]:6.2f}", end="  ")
    print(f"{draw[0]:11.0f} {draw[1]:6.0f} {draw[1] / draw[0]:6.2f}")


def timed(work: Callable[[State], None], states: list[State]) -> list[float]:
    """Images a second, for each state; the states take turns."""
    seconds: list[list[float]] = [[] for _ in states]
    for _ in range(ROUNDS + 2):
        for state, taken in zip(states, seconds, strict=True):
            began = time.perf_counter()
            work(state)
            taken.append(time.perf_counter() - began)
    return [BATCH / statistics.median(taken[2:]) for taken in seconds]


def flops(state: State, shape: tuple[int, ...], level: Level) -> float:
    """Floating-point operations of one image's forward pass."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        state.denoiser(torch.zeros(1, *shape), level)
    return counter.get_total_flops()


if __name__ == "__main__":
    main(sys.argv[1:] or ["digits", "mnist", "lab06-eps", "sysu-mnist"])
