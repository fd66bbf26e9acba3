"""Do a dozen evaluations of the network draw what DDPM draws in 1,000, and how much sooner?

    python benchmarks/few.py RUN [--steps 6,8,10,12] [--eta 0] [--spacing trailing] [--n 200] [--rounds 3]

A study scores three draws of n images each of DDPM with 1,000 steps and of DPM++2M with few, draw by draw from the
same noise. Where the run has conditions, both draw at its own guidance, which costs more than an evaluation a step.
Then one lane of 16 images is drawn in turns by both, and the ratio of images a second is taken within each round. What
was drawn is kept in --out, and not drawn again.
"""

import argparse
import statistics
import sys
from dataclasses import replace
from pathlib import Path

sys.path.append(sys.path.pop(0))  # this folder last: it has a profile.py, and so has the standard library

import torch
from common import interleaved

from inkwash import choices
from inkwash.runs.draw import CPU_BATCH, draw
from inkwash.settings import Scoring
from inkwash.study import session
from inkwash.study.axes import Sweep
from inkwash.study.compare import improvement
from inkwash.study.subject import Trained, load_model

SCORES = ("frechet", "kernel", "precision", "recall", "coverage")
DDPM = 1000  # steps


def main() -> None:
    asked = arguments()
    steps = tuple(map(int, asked.steps.split(",")))
    few = Sweep(steps=steps, solver=("dpmpp2m",), eta=(asked.eta,), spacing=(asked.spacing,))
    many = Sweep(steps=(DDPM,), solver=("ddpm",))
    subject = Trained(asked.run)
    job = session.begin([subject], (few, many), Scoring(n=asked.n), asked.out, asked.n)
    print(f"{job.left:,} evaluations left", file=sys.stderr)
    done = job.finish(asked.jobs)
    *others, ddpm = done.rows
    print(f"{asked.run.name}: three draws of n = {asked.n}; gains over DDPM's {DDPM} steps ± their standard error\n")
    print(f"| drawn by | evaluations | {' | '.join(SCORES)} |\n|---|--:|{'--:|' * len(SCORES)}")
    for row in done.rows:
        sampling = row.cell.sampling
        print(f"| {sampling.solver} {sampling.steps} | {row.evaluations} | {told(row.scores)} |")
    for row in others:
        gains = [improvement(row, ddpm, name) for name in SCORES]
        known = [f"{each.mean:+.3f} ± {each.error:.3f}{' surely' if each.significant else ''}" for each in gains]
        print(f"| {row.cell.sampling.steps} steps over DDPM | | {' | '.join(known)} |")
    print(f"| real images | | {told(done.floor_scores)} |\n")
    ways = [replace(row.cell.sampling, n=CPU_BATCH) for row in (ddpm, *others)]
    works = [lambda way=way: draw(load_model(subject), way) for way in ways]
    slow, *fast = interleaved(works, torch.device("cpu"), asked.rounds, warm=0)
    for way, taken in zip(ways[1:], fast, strict=True):
        ratios = [a / b for a, b in zip(slow, taken, strict=True)]
        ours, ddpm_s = (CPU_BATCH / statistics.median(each) for each in (taken, slow))
        spread = f"{statistics.median(ratios):.1f} times as fast ({min(ratios):.1f} to {max(ratios):.1f})"
        print(f"{way.steps} steps: {ours:.1f} images/s, DDPM {ddpm_s:.3f}: {spread}")


def told(scores: dict[str, tuple[float, float]]) -> str:
    """Mean ± standard deviation of each score."""
    return " | ".join(f"{scores[name][0]:.3f} ± {scores[name][1]:.3f}" for name in SCORES)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--steps", default="6,8,10,12")
    parser.add_argument("--eta", type=float, default=0.0)
    parser.add_argument("--spacing", default="trailing", choices=choices.SPACINGS.names)
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, help="processes that draw for the study; one a core unless told")
    parser.add_argument("--out", type=Path, default=Path("runs/few"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
