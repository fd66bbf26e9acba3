"""How fast does a recipe train when another program takes one core, by how the threads of OpenMP wait for each other?

    python benchmarks/busy.py [recipe] [--rounds 3] [--steps 6] [--float32]

Each measurement is a process of its own, since waiting is chosen when torch is loaded. Quiet and busy take turns, so
that a drifting machine slows them alike; medians are printed. The fair share of a machine with c cores, of which one
other program wants one, is c/(c + 1) of the quiet speed: the scheduler divides c cores among c + 1 threads. Measure
with nothing else running.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

sys.path.append(sys.path.pop(0))  # this folder last: it has a profile.py, and so has the standard library

BATCH, LIMIT = 128, 240.0  # images a step; seconds until a measurement is given up
WAYS: dict[str, dict[str, str]] = {
    "parts": {},  # as `inkwash train` does
    "as torch": {},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    "spin 1,000": {"GOMP_SPINCOUNT": "1000"},
    "spin 10,000": {"GOMP_SPINCOUNT": "10000"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}


def work(recipe: str, steps: int, in_parts: bool, float32: bool) -> None:
    """Prints the images per second of a few steps, after two that warm up."""
    import torch
    from common import Steps, shape_of

    from inkwash import recipes
    from inkwash.runs.machine import precision
    from inkwash.training.parts import Parts

    run = recipes.find(recipe)
    cpu = torch.device("cpu")
    job = Steps(run, shape_of(run), torch.float32 if float32 else precision(run.training, cpu), cpu, BATCH)
    with Parts(torch.get_num_threads()) if in_parts else nullcontext() as parts:
        step = job.train if parts is None else partial(job.train_in, parts)
        for _ in range(2):
            step()
        began = time.perf_counter()
        for _ in range(steps):
            step()
        print(json.dumps(steps * BATCH / (time.perf_counter() - began)))


@contextmanager
def other_program(wanted: bool) -> Iterator[None]:
    """Another process that wants one core all the time, or none."""
    process = multiprocessing.Process(target=_spin, daemon=True)
    if wanted:
        process.start()
    try:
        yield
    finally:
        if wanted:
            process.kill()
            process.join()


def _spin() -> None:
    while True:
        pass


def speed(recipe: str, steps: int, way: str, busy: bool, float32: bool) -> float:
    """Images per second in a fresh process; 0 if it took longer than LIMIT."""
    chosen = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS"}
    env = {name: value for name, value in os.environ.items() if name not in chosen} | WAYS[way]
    command = [
        sys.executable,
        __file__,
        recipe,
        "--steps",
        str(steps),
        "--work",
        *["--parts"] * (way == "parts"),
        *["--float32"] * float32,
    ]
    with other_program(busy):
        try:
            done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            return 0.0
    return float(json.loads(done.stdout))


def main() -> None:
    """Measures all ways in turn and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?", default="mnist")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--float32", action="store_true", help="as on processors without bfloat16")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--parts", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.work:
        work(asked.recipe, asked.steps, asked.parts, asked.float32)
        return
    found: dict[tuple[str, bool], list[float]] = {(way, busy): [] for way in WAYS for busy in (False, True)}
    for _ in range(asked.rounds):
        for way, busy in found:
            found[way, busy].append(speed(asked.recipe, asked.steps, way, busy, asked.float32))
    medians = {key: statistics.median(each) for key, each in found.items()}
    cores = len(os.sched_getaffinity(0))
    quiet = medians["as torch", False]
    fair = quiet * cores / (cores + 1)
    print(f"{asked.recipe}, batches of {BATCH}, {cores} cores; images/s, medians of {asked.rounds} rounds")
    print(f"{'':12} {'quiet':>7} {'of today':>9} {'busy':>7} {'of the fair share':>18}")
    for way in WAYS:
        alone, beside = medians[way, False], medians[way, True]
        print(f"{way:12} {alone:7.1f} {alone / quiet:9.0%} {beside:7.1f} {beside / fair:18.0%}")


if __name__ == "__main__":
    main()
