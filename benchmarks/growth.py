"""Does cost grow as it should? Seconds against what they ought to be straight in; memory; images from files.

    python benchmarks/growth.py [time] [memory] [stream] [--quick] [--device cuda] [--out docs/images/growth.svg]

Without names all three parts are run. `time` measures a training step against batch, pixels, channels² and residual
blocks, and sampling by DPM++2M against steps and images, each at five points or more that take turns, fits a straight
line to the medians by least squares, and draws them. `memory` makes one training step of the network of the recipe
`folder` in a process of its own for each size and batch, and prints the most memory it held. `stream` trains a network
of 35 M parameters on the files of a folder and on the same images in memory, in turns.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

sys.path.append(sys.path.pop(0))  # this folder last: it has a profile.py, and so has the standard library

import numpy as np
import torch
from common import NETWORKS, Steps, medians, plain_run, seconds
from PIL import Image, ImageDraw

from inkwash import recipes
from inkwash.atomic import replacing
from inkwash.data import Batch, Batches, Images, Streamed, folder
from inkwash.networks import UNet
from inkwash.plots.figure import COLOURS, GREY, INK, LARGE, PLAIN, SMALL, add_text, new_axes, new_figure
from inkwash.plots.svg import drawing, to_svg
from inkwash.runs import machine
from inkwash.runs.draw import CPU_BATCH

BASE = UNet(64, (1, 2), blocks=2, patch=2)  # the recipe mnist's, with two blocks a level
PARTS = ("time", "memory", "stream")


@dataclass(frozen=True)
class Axis:
    """What is varied, and what seconds should be straight in."""

    title: str
    along: str
    points: tuple[int, ...]
    x: Callable[[int], float]
    work: Callable[[int], Callable[[], Any]]  # of a point


def axes(device: torch.device, precision: torch.dtype, quick: bool) -> list[Axis]:
    """The axes; larger on a GPU, which small work leaves idle."""
    k, batch = (16, 512) if device.type == "cuda" else (1, 8 if quick else 32)
    lanes = 64 if device.type == "cuda" else CPU_BATCH

    def steps(network: UNet = BASE, batch: int = batch, side: int = 28) -> Steps:
        return Steps(plain_run(network), (1, side, side), precision, device, batch, lanes)

    drawn = steps()

    def images(n: int) -> Callable[[], Any]:
        return lambda: [drawn.draw(5) for _ in range(n // lanes)]

    batches = (4, 8, 12, 16, 20) if quick else (16, 32, 64, 96, 128, 160)
    return [
        Axis("training", "batch", tuple(k * n for n in batches), float, lambda n: steps(batch=n).train),
        Axis(
            "training", "pixels of an image", (16, 24, 32, 40, 48) if quick else (16, 32, 40, 48, 56, 64),
            lambda side: float(side**2), lambda side: steps(side=side, batch=max(1, batch // 4)).train,
        ),
        Axis(
            "training", "channels²", (32, 64, 96, 128, 160), lambda c: float(c**2),
            lambda c: steps(replace(BASE, channels=c), max(1, batch // 2)).train,
        ),
        Axis(
            "training", "residual blocks a level, down", (1, 2, 3, 4, 5), float,
            lambda blocks: steps(replace(BASE, blocks=blocks)).train,
        ),
        Axis(
            "sampling", "steps of the sampler", (2, 3, 4, 5, 6) if quick else (5, 10, 20, 30, 40), float,
            lambda n: lambda: drawn.draw(n),
        ),
        Axis("sampling, 5 steps", "images", tuple(lanes * i for i in (1, 2, 3, 4, 6)), float, images),
    ]  # fmt: skip


@dataclass(frozen=True)
class Line:
    """A straight line through measurements."""

    at_zero: float
    slope: float
    r2: float
    off: float  # the largest distance from it, as a share of it

    @classmethod
    def through(cls, x: Sequence[float], y: Sequence[float]) -> "Line":
        xs, ys = np.asarray(x), np.asarray(y)
        slope, at_zero = np.polyfit(xs, ys, 1)
        fitted = at_zero + slope * xs
        r2 = 1 - ((ys - fitted) ** 2).sum() / ((ys - ys.mean()) ** 2).sum()
        return cls(float(at_zero), float(slope), float(r2), float(np.abs(ys / fitted - 1).max()))


def time_part(device: torch.device, precision: torch.dtype, quick: bool, out: Path) -> None:
    rounds = 3 if quick else 9
    found: list[tuple[Axis, list[float], list[float], Line]] = []
    print(f"## Time: medians of {rounds} rounds\n")
    print("| seconds of | against | points | ms there | fixed ms | ms for each | R² | furthest off |")
    print("|---|---|---|---|--:|--:|--:|--:|")
    for axis in axes(device, precision, quick):
        x = [axis.x(point) for point in axis.points]
        y = medians([axis.work(point) for point in axis.points], device, rounds, warm=1 if quick else 2)
        line = Line.through(x, y)
        found.append((axis, x, y, line))
        points, there = (", ".join(f"{value:g}" for value in each) for each in (x, [round(1e3 * s, 1) for s in y]))
        print(f"| {axis.title} | {axis.along} | {points} | {there} | {1e3 * line.at_zero:.1f}", end=" | ")
        print(f"{1e3 * line.slope:.3g} | {line.r2:.4f} | {line.off:.1%} |", flush=True)
    with replacing(out) as beside:
        beside.write_text(figure(found, f"{device}, {torch.get_num_threads()} threads"), "utf-8")
    print(f"\n{out}\n")


def figure(found: Sequence[tuple[Axis, list[float], list[float], Line]], where: str) -> str:
    """Six panels as SVG: the medians, and the line through them."""
    across, wide, high, left, gap = 3, 390, 300, 95, 85  # px
    with drawing():
        sheet = new_figure(left + across * (wide + gap), 2 * (high + 130) + 90)
        add_text(sheet, f"Seconds of work, and straight lines through them ({where})", 730, 900, 1400, LARGE, "bold")
        for i, (axis, x, y, line) in enumerate(found):
            row, column = divmod(i, across)
            panel = new_axes(sheet, left + column * (wide + gap), 90 + (1 - row) * (high + 130), wide, high)
            ends = [0.0, max(x)]
            panel.plot(ends, [line.at_zero + line.slope * end for end in ends], color=GREY, linewidth=1.2)
            panel.plot(x, y, "o", color=COLOURS[axis.title != "training"], markersize=5)
            panel.set_xlim(0, 1.05 * max(x))
            panel.set_ylim(0, 1.1 * max(y))
            panel.set_xlabel(axis.along, size=SMALL, color=GREY)
            panel.set_title(f"{axis.title}: R² = {line.r2:.4f}", loc="left", size=PLAIN, color=INK, pad=6)
        return to_svg(sheet)


def memory_part(device: torch.device, precision: torch.dtype, quick: bool) -> None:
    """One process a point, since what a process once held counts for ever."""
    print(f"## Memory: one training step of the recipe folder's network, {name_of(precision)}\n")
    print("| size | batch | MiB in all | without the step | of the step | MiB of it an image |")
    print("|--:|--:|--:|--:|--:|--:|")
    for side in (32, 64) if quick else (32, 64, 128, 256):
        for batch in (4, 16):
            point = json.dumps([side, batch, str(device), name_of(precision)])
            command = [sys.executable, __file__, "--point", point]
            told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            before, most = (value / 2**20 for value in json.loads(told))
            print(f"| {side} | {batch} | {most:,.0f} | {before:,.0f} | {most - before:,.0f}", end=" | ")
            print(f"{(most - before) / batch:,.1f} |", flush=True)
    print()


def memory_point(side: int, batch: int, device_name: str, precision: str) -> None:
    """Prints the most bytes held before the step, and after it."""
    device = torch.device(device_name)
    steps = Steps(recipes.find("folder"), (3, side, side), getattr(torch, precision), device, batch)
    before = most_held(device)
    steps.train()
    print(json.dumps([before, most_held(device)]))


def most_held(device: torch.device) -> int:
    """The most bytes that this process ever held: of the GPU's memory, or of the machine's."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if status.is_file():  # Linux's ru_maxrss counts what the parent held when it began this process
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def stream_part(device: torch.device, precision: torch.dtype, quick: bool) -> None:
    count, size = (2_000 if quick else 100_000), 32
    batch, several, rounds = (128, 20, 5) if device.type == "cuda" else (4 if quick else 16, 3 if quick else 10, 3)
    with tempfile.TemporaryDirectory(prefix="inkwash-growth-") as place:
        began = perf_counter()
        make_files(Path(place), count, size)
        made = perf_counter() - began
        streamed = folder(place, in_memory_bytes=0)
        listed = perf_counter() - began - made
        kept = folder(place, in_memory_bytes=1 << 40)
        decoded = perf_counter() - began - made - listed
        assert isinstance(streamed, Streamed)
        assert isinstance(kept, Images)
        steps = Steps(plain_run(NETWORKS["35 M"]), streamed.shape, precision, device, batch)
        print(f"## Images from files: {count:,} of {size}×{size}, {steps.parameters:,} parameters, batch {batch}\n")
        print(f"made in {made:.1f} s; looked through in {listed:.1f} s; all decoded in {decoded:.1f} s")
        walks = [Batches(source, batch, 0, device=device).walk() for source in (kept, streamed)]
        try:
            compare(steps, walks, device, several, rounds)
            alone(streamed, batch)
        finally:
            for walk in walks:
                walk.close()


def compare(
    steps: Steps, walks: Sequence[Generator[Batch, None, None]], device: torch.device, several: int, rounds: int
) -> None:
    """Blocks of steps in turns; the first of each is not counted, for what was decoded while the other trained."""
    speeds: list[list[float]] = [[] for _ in walks]
    for i in range(rounds + 1):
        for walk, mine in zip(walks, speeds, strict=True):
            steps.train(next(walk).images)

            def block(walk: Generator[Batch, None, None] = walk) -> None:
                for _ in range(several):
                    steps.train(next(walk).images)

            took = seconds(block, device)
            if i:
                mine.append(several * steps.batch / took)
    memory, files = (statistics.median(each) for each in speeds)
    share = statistics.median(b / a for a, b in zip(*speeds, strict=True))
    print(f"{rounds} rounds of {several} steps: {memory:.1f} images/s from memory, {files:.1f} from files", end=": ")
    print(f"{share:.1%} of the speed, the median of the rounds' ratios")


def alone(streamed: Streamed, batch: int) -> None:
    """How fast files are decoded with nothing else to do."""
    walk = Batches(streamed, batch, 1).walk()
    next(walk)
    began, n = perf_counter(), 20
    for _ in range(n):
        next(walk)
    print(f"decoding alone: {n * batch / (perf_counter() - began):,.0f} images/s\n")
    walk.close()


def make_files(place: Path, count: int, size: int) -> None:
    """JPEGs of coloured shapes, at most 10,000 different ones; the others are links to them."""
    randomness = np.random.default_rng(0)
    different = min(count, 10_000)
    for i in range(different):
        image = Image.new("RGB", (size, size), tuple(randomness.integers(0, 256, 3).tolist()))
        (x, y), r = randomness.integers(4, size - 4, 2).tolist(), int(randomness.integers(3, size // 2))
        pen = ImageDraw.Draw(image)
        (pen.ellipse if i % 2 else pen.rectangle)(
            (x - r, y - r, x + r, y + r), fill=tuple(randomness.integers(0, 256, 3).tolist())
        )
        image.save(place / f"{i:06}.jpg", quality=90)
    for i in range(different, count):
        os.link(place / f"{i % different:06}.jpg", place / f"{i:06}.jpg")


def name_of(precision: torch.dtype) -> str:
    return str(precision).removeprefix("torch.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=PARTS, metavar="part", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="little work, to see that it runs")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto")
    parser.add_argument("--out", type=Path, default=Path("docs/images/growth.svg"))
    parser.add_argument("--point", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.point:
        memory_point(*json.loads(asked.point))
        return
    if wrong := set(asked.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(wrong))}; there are {', '.join(PARTS)}.")
    device = machine.device(asked.device)
    precision = machine.precision(replace(recipes.find("mnist").training, precision=asked.precision), device)
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads, {name_of(precision)}\n")
    if "memory" in asked.parts:
        memory_part(device, precision, asked.quick)
    if "time" in asked.parts:
        time_part(device, precision, asked.quick, asked.out)
    if "stream" in asked.parts:
        stream_part(device, precision, asked.quick)


if __name__ == "__main__":
    main()
