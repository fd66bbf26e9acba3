"""What do 2, 4 and 8 processes gain over one, at the same global batch?

    python benchmarks/scale.py [SIZE=BATCH …]        SIZE is 1M, 35M or 55M; a BATCH divides by 8

Two processes of one thread are started. Measured, in turns and as medians: a step of one process on the whole batch,
and of two on half of it each, by DDP and by FSDP2. The ratios are of throughput; they need two cores with nothing else
to do. From single parts, each measured alone, what N such cores and a link like gloo's would gain:

- bytes that each process sends in a step. DDP all-reduces P gradients in a ring, 2·(N−1)/N·4P bytes. FSDP2 gathers
  the weights for forward and backward and scatters the gradients, 3·(N−1)/N·4P (Rajbhandari et al. 2020, section 7).
- seconds of forward, backward and the rest on a share of the batch, and when in backward each gradient is ready.
- DDP sends a bucket (1 MiB first, then 25 MiB) once its last gradient is ready and the one before is sent. What ends
  after backward is waited for; the rest is hidden behind it.
- FSDP2 between its worst, nothing hidden, and its best, all hidden that fits behind forward and backward.
"""

import argparse
import os
import socket
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

if __name__ == "__main__":  # and not in a process that is spawned, which has this process's path
    sys.path.append(sys.path.pop(0))  # this folder last: it has a profile.py, and so has the standard library

import torch
import torch.distributed as dist
from common import NETWORKS, plain_run, update
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.multiprocessing.spawn import spawn
from torch.nn.parallel import DistributedDataParallel

from inkwash.core import mix
from inkwash.networks import UNet
from inkwash.runs import build
from inkwash.training import State, StepRandomness

SHAPE, WORLDS = (3, 32, 32), (2, 4, 8)
SIZES = {name.replace(" ", ""): name for name in NETWORKS}
ROUNDS, WARM = 5, 1
MIB = 2**20


class Trainee:
    """A network and its steps on made-up images; `how` is one, ddp or fsdp."""

    def __init__(self, network: UNet, batch: int, how: str = "one") -> None:
        run = plain_run(network)
        mesh = init_device_mesh("cpu", (dist.get_world_size(),)) if how == "fsdp" else None
        self.state = State.fresh(build.denoiser(run, SHAPE, torch.float32), run.training, mesh)
        self.model: nn.Module = self.state.denoiser
        self.model = DistributedDataParallel(self.model) if how == "ddp" else self.model
        self.objective, self.x0 = build.objective(run), torch.rand(batch, *SHAPE) * 2 - 1

    def loss(self) -> Tensor:
        return self.objective(
            self.model, self.x0, StepRandomness.of(mix(0, self.state.step), tuple(self.x0.shape))
        ).mean()

    def rest(self) -> None:
        update(self.state, 1.0)

    def step(self) -> None:
        self.loss().backward()  # type: ignore[no-untyped-call]
        self.rest()


@dataclass(frozen=True)
class Parts:
    """Seconds of the parts of a step without communication."""

    forward: float
    backward: float
    rest: float
    ready: list[tuple[float, int]]  # (seconds since backward began, bytes)

    @property
    def step(self) -> float:
        return self.forward + self.backward + self.rest


def parts(trainee: Trainee) -> Parts:
    """The median step of several, by its length."""
    ready: list[tuple[float, int]] = []
    began = 0.0

    def note(p: Tensor) -> None:
        ready.append((time.perf_counter() - began, p.numel() * p.itemsize))

    for p in trainee.state.denoiser.parameters():
        p.register_post_accumulate_grad_hook(note)  # type: ignore[no-untyped-call]
    found = []
    for _ in range(WARM + ROUNDS):
        ready.clear()
        start = time.perf_counter()
        loss = trainee.loss()
        began = time.perf_counter()
        loss.backward()  # type: ignore[no-untyped-call]
        done = time.perf_counter()
        trainee.rest()
        found.append(Parts(began - start, done - began, time.perf_counter() - done, list(ready)))
    return sorted(found[WARM:], key=lambda each: each.step)[ROUNDS // 2]


def buckets(ready: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """(when it is full, bytes) of each of DDP's buckets."""
    found, held, limit = [], 0, MIB
    for i, (when, size) in enumerate(ready):
        held += size
        if held >= limit or i == len(ready) - 1:
            found.append((when, held))
            held, limit = 0, 25 * MIB
    return found


def waited(of: Parts, world: int, latency: float, speed: float) -> tuple[float, float]:
    """Seconds of DDP's communication in all, and those that backward does not hide."""
    end = total = 0.0
    for when, size in buckets(of.ready):
        took = latency + 2 * (world - 1) / world * size / speed
        end, total = max(end, when) + took, total + took
    return total, max(0.0, end - of.backward)


def link() -> tuple[float, float]:
    """Latency of an all-reduce in seconds, and bytes/s that each process sends in a large one."""

    def took(count: int) -> float:
        x = torch.zeros(count)
        return statistics.median(seconds(lambda: dist.all_reduce(x), True) for _ in range(WARM + ROUNDS))

    latency, size = took(1), 25 * MIB
    return latency, size / max(took(size // 4) - latency, 1e-9)  # of two processes, 2·(N − 1)/N = 1


def seconds(work: Callable[[], object], mine: bool) -> float:
    """How long a piece of work takes until all processes are done; who has no part in it waits."""
    dist.barrier()
    began = time.perf_counter()
    if mine:
        work()
    dist.barrier()
    return time.perf_counter() - began


def measure(rank: int, size: str, batch: int) -> None:
    """One network: what was measured of two processes, and what follows for more."""
    network = NETWORKS[SIZES[size]]
    taken: dict[str, list[float]] = {"one": [], "ddp": [], "fsdp": []}
    trainees = {how: Trainee(network, batch if how == "one" else batch // 2, how) for how in taken}
    for i in range(WARM + ROUNDS):
        for how, trainee in trainees.items():
            took = seconds(trainee.step, rank == 0 or how != "one")
            if i >= WARM:
                taken[how].append(took)
    latency, speed = link()
    if rank:
        return
    weights = 4 * sum(p.numel() for p in trainees["one"].state.denoiser.parameters())
    print(f"\n{size}: {weights // 4:,} parameters, global batch {batch} of 3×32×32, float32, one thread a process")
    print(f"gloo, two processes: {1e6 * latency:.0f} µs an all-reduce, {speed / 1e9:.2f} GB/s sent by each")
    for how in ("ddp", "fsdp"):
        ratios = [a / b for a, b in zip(taken["one"], taken[how], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
        print(f"measured, 2 processes by {how}: {middle:.2f} × one (quartiles {low:.2f} and {high:.2f})")
    print(f"{'N':>2} {'forward':>8} {'backward':>9} {'rest':>6} {'DDP sends':>10} {'hidden':>7} {'ratio':>6}", end="  ")
    print(f"{'FSDP2 sends':>11} {'ratio, worst':>12} {'best':>5}")
    one = parts(Trainee(network, batch))
    print(f" 1 {one.forward:7.3f}s {one.backward:8.3f}s {one.rest:5.3f}s")
    for world in WORLDS:
        of = parts(Trainee(network, batch // world))
        total, left = waited(of, world, latency, speed)
        sent, compute = (world - 1) / world * weights, of.forward + of.backward
        fsdp, rest = 3 * sent / speed, of.rest / world
        worst, best = one.step / (rest + compute + fsdp), one.step / (rest + max(compute, fsdp))
        print(f"{world:2} {of.forward:7.3f}s {of.backward:8.3f}s {of.rest:5.3f}s", end=" ")
        print(f"{2 * sent / 1e6:7.1f} MB {1 - left / total:7.0%} {one.step / (of.step + left):6.2f}", end="  ")
        print(f"{3 * sent / 1e6:8.1f} MB {worst:12.2f} {best:5.2f}")


def worker(rank: int, port: int, asked: list[tuple[str, int]]) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank), "WORLD_SIZE": "2"}
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    for size, batch in asked:
        measure(rank, size, batch)
        dist.barrier()
    dist.destroy_process_group()


def network_and_batch(word: str) -> tuple[str, int]:
    """What SIZE=BATCH means. Raises ValueError, which argparse makes a sentence of, for another form."""
    size, batch = word.split("=")
    if size not in SIZES or int(batch) < 8 or int(batch) % 8:
        raise ValueError
    return size, int(batch)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "asked", nargs="*", type=network_and_batch, metavar="SIZE=BATCH", default=[("1M", 64)],
        help=f"a size of {', '.join(SIZES)}, and a batch that 8 divides",
    )  # fmt: skip
    chosen = parser.parse_args().asked
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    spawn(worker, (free, chosen), nprocs=2)  # type: ignore[no-untyped-call]
