"""How much sooner do distilled students draw than the run that they come from?

    python benchmarks/students.py RUN STUDENT… [--rounds 3] [--sheet sheet.png]

One lane of 16 images is drawn in turns by DDPM with 1,000 steps, by the run's own sampler and by each student; the
ratios of images a second are taken within each round, and their median is told with the lowest and the highest. --sheet
draws the same images by the run in as few steps, by each student, and by the run's own sampler, a row each.
"""

import argparse
import statistics
import sys
from dataclasses import replace
from pathlib import Path

sys.path.append(sys.path.pop(0))  # this folder last: it has a profile.py, and so has the standard library

import numpy as np
import torch
from common import interleaved

from inkwash.models import find
from inkwash.runs.draw import CPU_BATCH, draw
from inkwash.runs.model import TrainedModel, open_model
from inkwash.settings import Sampling
from inkwash.view import grid, write

DDPM = 1000  # steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("students", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sheet", type=Path)
    asked = parser.parse_args()
    teacher = open_model(find(asked.run))
    own = replace(Sampling(**vars(teacher.run.sampler)), n=CPU_BATCH)
    ways = [(teacher, replace(own, solver="ddpm", steps=DDPM, eta=None, spacing=None)), (teacher, own)]
    for folder in asked.students:
        student = open_model(folder)
        ways.append((student, replace(Sampling(**vars(student.run.sampler)), n=CPU_BATCH)))
    if asked.sheet is not None:
        draw_sheet(asked.sheet, ways)
    works = [lambda model=model, sampling=sampling: draw(model, sampling) for model, sampling in ways]
    slow, *others = interleaved(works, torch.device("cpu"), asked.rounds, warm=0)
    print(f"| drawn by | steps | images/s | times DDPM's {DDPM} steps |\n|---|--:|--:|--:|")
    print(told(*ways[0], slow, slow))
    for way, taken in zip(ways[1:], others, strict=True):
        print(told(*way, taken, slow))


def draw_sheet(out: Path, ways: list[tuple[TrainedModel, Sampling]]) -> None:
    """The first 14 images of the run in the students' steps, of each student and of the run, from the same noise."""
    _, (teacher, own), *students = ways
    rows = [(f"run, {sampling.steps}", teacher, replace(own, steps=sampling.steps)) for _, sampling in students]
    rows += [(f"student, {sampling.steps}", student, sampling) for student, sampling in students]
    rows.append((f"run, {own.steps}", teacher, own))
    images = [draw(model, replace(sampling, n=14)).images for _, model, sampling in rows]
    sheet = grid(np.concatenate(images), columns=14, scale=2, labels=[label for label, *_ in rows])
    write(out, sheet[None], {"runs": [model.digest for _, model, _ in rows]})


def told(model: TrainedModel, sampling: Sampling, taken: list[float], slow: list[float]) -> str:
    """A row of the table."""
    ratios = [a / b for a, b in zip(slow, taken, strict=True)]
    spread = f"{statistics.median(ratios):.0f} ({min(ratios):.0f} to {max(ratios):.0f})"
    return f"| {Path(model.name).name} | {sampling.steps} | {CPU_BATCH / statistics.median(taken):.1f} | {spread} |"


if __name__ == "__main__":
    main()
