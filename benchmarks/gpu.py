"""How fast does one GPU train and sample, and what share of its ceiling is that?

    python benchmarks/gpu.py [--sizes "1 M" "35 M"] [--sets mnist] [--ways bf16 …] [--batch 256] [--lanes 256]

Networks of 1 M, 35 M and 55 M parameters for images of MNIST's kind (1×32×32) and of CIFAR-10's (3×32×32), on made-up
images: steps of training as `inkwash train` makes them, and 20 steps of DPM++2M. Each in several ways: strict float32,
TF32 and bfloat16, as they are, compiled, and compiled into CUDA graphs. The ways take turns; medians of the rounds.

MFU is model FLOP utilisation: three times the forward pass's arithmetic for an image trained on, and once for each
evaluation in sampling, over the fastest bfloat16 matrix product measured here; after the stroke over the rate that the
card's maker states. Memory is the most that the way's training held. Compiling takes a minute a way at 55 M: leave
ways out with --ways. On a processor only `--device cpu --tiny` is of use, to see that the script runs.
"""

import argparse
import contextlib
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from time import perf_counter

sys.path.append(sys.path.pop(0))  # this folder last: it has a profile.py, and so has the standard library

import torch
from common import EDGES, NETWORKS, Shape, Steps, copying, gemm, interleaved, ledger, plain_run

from inkwash.networks import UNet

SETS: dict[str, Shape] = {"mnist": (1, 32, 32), "cifar10": (3, 32, 32)}
TINY = {name: UNet(8 * i, (1, 2), blocks=1) for i, name in enumerate(NETWORKS, start=1)}

# dense bfloat16 TFLOP/s with sums in float32, as the data sheets state them; the first name that fits counts
STATED = {
    "B200": 2250, "GH200": 989, "H200": 989, "H100 PCIe": 756, "H100 NVL": 835, "H100": 989, "H800": 989, "A100": 312,
    "A800": 312, "A30": 165, "A10G": 70, "A10": 125, "A40": 150, "A6000": 155, "L40S": 362, "L40": 181, "L4": 121,
    "RTX 5090": 210, "RTX 4090": 165, "RTX 3090": 71,
}  # fmt: skip


@dataclass(frozen=True)
class Way:
    """How the network's arithmetic is done."""

    precision: torch.dtype
    tf32: bool
    compiled: dict[str, str] | None = None  # what torch.compile is told


WAYS = {
    "float32": Way(torch.float32, False),
    "TF32": Way(torch.float32, True),
    "TF32, compiled": Way(torch.float32, True, {"mode": "default"}),
    "bf16": Way(torch.bfloat16, True),
    "bf16, compiled": Way(torch.bfloat16, True, {"mode": "default"}),
    "bf16, graphs": Way(torch.bfloat16, True, {"mode": "reduce-overhead"}),  # torch.compile's name for CUDA graphs
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--sizes", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--lanes", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=10, help="of training, timed together")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="networks and batches too small to mean anything")
    asked = parser.parse_args()
    if asked.device == "cuda" and not torch.cuda.is_available():
        sys.exit("this machine has no GPU that torch can use; to see that the script runs, add --device cpu --tiny.")
    if asked.tiny:  # compiled without a compiler of C++, which takes minutes
        for name, way in WAYS.items():
            WAYS[name] = replace(way, compiled=way.compiled and {"backend": "aot_eager"})
        asked = argparse.Namespace(**{**vars(asked), "batch": 4, "lanes": 4, "rounds": 2, "steps": 2})
    device = torch.device(asked.device)
    enough = 64  # compiled forms of one network's code; each way has its own, and torch would give up at 8
    for name in ("recompile_limit", "cache_size_limit"):  # of torch from 2.6 on, and before
        if hasattr(torch._dynamo.config, name):
            setattr(torch._dynamo.config, name, enough)
    peak, stated = ceilings(device)
    for kind in asked.sets:
        for size in asked.sizes:
            network = (TINY if asked.tiny else NETWORKS)[size]
            compare(f"{kind}, {size}", network, SETS[kind], asked, device, peak, stated)
            torch._dynamo.reset()
            if device.type == "cuda":
                torch.cuda.empty_cache()


def ceilings(device: torch.device) -> tuple[float, float | None]:
    """Prints the machine and what it can do; FLOP/s of bfloat16 matrix products, measured and as stated."""
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else "processor"
    stated = next((1e12 * rate for name, rate in STATED.items() if name in card), None)
    print(f"torch {torch.__version__}, {card}\n\nCeilings: ", end="")
    for name, tf32, dtype in (("float32", False, torch.float32), ("TF32", True, torch.float32)):
        with allowing(tf32):
            print(f"{name} {gemm(dtype, device) / 1e12:,.2f} TFLOP/s", end=", ")
    peak = gemm(torch.bfloat16, device)
    print(f"bfloat16 {peak / 1e12:,.2f}", end="")
    print(f" (its maker states {stated / 1e12:,.0f})" if stated else "", end="")
    print(f"; copying {copying(device) / 1e9:,.0f} GB/s.")
    return peak, stated


@contextlib.contextmanager
def allowing(tf32: bool) -> Iterator[None]:
    """Whether float32 products may be made in TF32. Compiled code belongs to one of the two."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = False, True  # as torch begins


@dataclass
class Entrant:
    """A network in one way, ready: what is timed, the most bytes that training held, and seconds until ready."""

    way: Way
    steps: Steps
    many: int  # steps of training that are timed together
    memory: int = 0
    ready: float = 0.0

    def train(self) -> None:
        with allowing(self.way.tf32):
            for _ in range(self.many):
                self.steps.train()

    def draw(self) -> None:
        with allowing(self.way.tf32):
            self.steps.draw()


def compare(
    title: str,
    network: UNet,
    shape: Shape,
    asked: argparse.Namespace,
    device: torch.device,
    peak: float,
    stated: float | None,
) -> None:
    """Prints a table of the ways for one network."""
    entrants = {name: entrant(WAYS[name], network, shape, asked, device) for name in asked.ways}
    first = next(iter(entrants.values())).steps
    flop = forward_flop(network, shape, device)
    print(f"\n## {title}: {first.parameters:,} parameters, {flop / 1e9:.3f} GFLOP forward, batch {asked.batch}\n")
    print("| way | trains, images/s | spread | MFU | GiB | ready after, s | draws, images/s | spread | MFU |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    trained = speeds([each.train for each in entrants.values()], asked.batch * asked.steps, asked.rounds, device)
    drawn = speeds([each.draw for each in entrants.values()], asked.lanes, asked.rounds, device)
    for (name, each), train, draw in zip(entrants.items(), trained, drawn, strict=True):
        print(f"| {name} | {train.told} | {share(3 * flop * train.median, peak, stated)}", end=" | ")
        print(f"{each.memory / 2**30:.2f} | {each.ready:.0f}", end=" | ")
        print(f"{draw.told} | {share(EDGES * flop * draw.median, peak, stated)} |", flush=True)


def entrant(way: Way, network: UNet, shape: Shape, asked: argparse.Namespace, device: torch.device) -> Entrant:
    """Builds a network, and makes its first steps, which compile it. Beside it lie those of other ways."""
    on_gpu, began = device.type == "cuda", perf_counter()
    before = torch.cuda.memory_allocated(device) if on_gpu else 0
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    run = plain_run(network)
    steps = Steps(run, shape, way.precision, device, asked.batch, asked.lanes, way.compiled)
    ready = Entrant(way, steps, asked.steps)
    ready.train()
    if on_gpu:
        ready.memory = torch.cuda.max_memory_allocated(device) - before
    ready.draw()
    if on_gpu:
        torch.cuda.synchronize(device)
    ready.ready = perf_counter() - began
    return ready


@dataclass(frozen=True)
class Speed:
    """Images a second in each round."""

    rounds: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def told(self) -> str:
        """The median, and how far the rounds lie apart as a share of it."""
        return f"{self.median:,.1f} | {(max(self.rounds) - min(self.rounds)) / self.median:.1%}"


def speeds(works: list[Callable[[], None]], images: int, rounds: int, device: torch.device) -> list[Speed]:
    """Images a second of works of so many images each, in turns."""
    return [Speed([images / each for each in taken]) for taken in interleaved(works, device, rounds)]


def forward_flop(network: UNet, shape: Shape, device: torch.device) -> int:
    """The arithmetic of one image's forward pass, by the shapes of its operations."""
    steps = Steps(plain_run(network), shape, torch.float32, device, 1)
    level = steps.plan()[EDGES // 2]

    def forward() -> None:
        with torch.no_grad():
            steps.state.denoiser(torch.zeros(1, *shape, device=device), level)

    return sum(call.flop for call in ledger(forward))


def share(rate: float, peak: float, stated: float | None) -> str:
    return f"{rate / peak:.1%}" + (f" / {rate / stated:.1%}" if stated else "")


if __name__ == "__main__":
    main()
