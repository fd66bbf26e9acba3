"""inkwash beside its peers from the package index, on this machine: images a second, and quality at equal minutes.

    python benchmarks/peers.py [--peers diffusers,smalldiffusion] [--rounds 7] [--out speed.md]
    python benchmarks/peers.py --minutes 4 [--data fashion-mnist] [--out quality.md]

Without --minutes, inkwash's U-Net and each peer's network, equal in parameters and arithmetic, train and draw in turn,
one process computing at a time. A training step is everything from reading the batch to the average of the weights, by
each one's own loop; sampling is DDIM, or the peer's own sampler, for the same number of network evaluations. Ratios are
taken within each round. Peers run as they are written, and once more as they are when asked for bf16.

With --minutes, each recipe trains that long as its documentation has it, one after another, and 1,000 images of its
own sampler are scored in the features of inkwash's classifier. What is done is kept in --work, and not done again.

Each peer has an environment of its own in --envs, made at the first run (a few minutes) and kept. A peer that cannot be
had is named, and left out. torchvision, where the environment has none, is a stand-in of inkwash's (peers/standin).
Measure with nothing else running.
"""

import argparse
import os
import sys
from datetime import date
from pathlib import Path

from peers import environments, quality
from peers.environments import NotThere
from peers.sizes import PEERS, Peer
from peers.speed import speed
from peers.turns import Failed, Terms, ready

from inkwash.study.machine import machine_facts


def main() -> None:
    asked = arguments()
    peers = [peer for peer in PEERS if peer.name in asked.peers.split(",")]
    terms = ready(asked.data, asked.device, asked.threads, asked.envs)
    machine = ", ".join(f"{name} {value}" for name, value in machine_facts().items())
    lines = [
        f"# inkwash and its peers on {asked.data}", "",
        f"`python benchmarks/{Path(sys.argv[0]).name} {' '.join(sys.argv[1:])}`, {date.today()}, {asked.device}, "
        f"{asked.threads} threads. Machine: {machine}.", "",
    ]  # fmt: skip
    show(lines, asked.out)
    for section in (speeds if asked.minutes is None else qualities)(asked, peers, terms):
        lines += section
        show(section, asked.out)
    show(["## What was measured", "", *(f"- {peer.name}: {note}." for peer in peers for note in peer.notes)], asked.out)


def speeds(asked: argparse.Namespace, peers: list[Peer], terms: Terms):  # type: ignore[no-untyped-def]
    """A section a peer."""
    yield [
        f"Batch {asked.batch}, 28×28×1, {asked.steps} training steps a turn, {asked.evaluations} network evaluations "
        f"an image; medians of {asked.rounds} interleaved rounds (lower to upper quartile) after one that warms up.", ""
    ]  # fmt: skip
    for peer in peers:
        try:
            python = asked.python or environments.environment(peer, asked.envs)
            yield speed(
                peer, python, terms, asked.rounds, asked.batch, asked.width, asked.steps, asked.evaluations
            )  # fmt: skip
        except (NotThere, Failed) as error:
            yield [f"## {peer.package}", "", f"Not measured: {error}", ""]


def qualities(asked: argparse.Namespace, peers: list[Peer], terms: Terms):  # type: ignore[no-untyped-def]
    """A line a system, as soon as it is there."""
    judge = quality.Judge(asked.data, asked.n)
    out = (asked.work or asked.envs / "quality") / f"{asked.data}-{asked.minutes:g}-{asked.device}-{asked.n}"
    out = out if asked.recipe_batch is None else out.with_name(f"{out.name}-batch{asked.recipe_batch}")
    out.mkdir(parents=True, exist_ok=True)
    yield [
        f"{asked.minutes:g} minutes of training each, {asked.n:,} images against {judge.reference.compared:,} of the "
        f"training split, in classifier features {judge.reference.features.digest[:12]}. The seconds of sampling are "
        "those of drawing alone, and for inkwash of the whole command.",
        "", *quality.HEADER, judge.floor(),
    ]  # fmt: skip
    yield [quality.inkwash(judge, terms, asked.minutes, out)]
    for peer in peers:
        for bf16 in (False,) if asked.as_written else (False, True):
            try:
                python = asked.python or environments.environment(peer, asked.envs)
                yield [
                    quality.peer_row(judge, peer, python, terms, asked.minutes, bf16, asked.recipe_batch, out)
                ]  # fmt: skip
            except (NotThere, Failed) as error:
                yield [f"| {peer.name}, not measured: {error} |"]
    yield [""]


def show(lines: list[str], out: Path | None) -> None:
    """Prints lines, and adds them to the file."""
    print("\n".join(lines), flush=True)
    if out is not None:
        with out.open("w" if lines[0].startswith("# ") else "a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [peer.name for peer in PEERS]
    parser.add_argument("--peers", default=",".join(names), help=f"of {', '.join(names)}")
    parser.add_argument("--data", default="mnist", choices=["mnist", "fashion-mnist"])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the worker whose turn it is")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--width", type=int, default=1, choices=[1, 2], help="2 doubles all channels, for a GPU")
    parser.add_argument("--steps", type=int, default=10, help="training steps a turn, in tens")
    parser.add_argument("--evaluations", type=int, default=10, help="of the network for an image drawn")
    parser.add_argument("--minutes", type=float, help="compare quality after so much training instead")
    parser.add_argument("--n", type=int, default=1000, help="images drawn with --minutes")
    parser.add_argument("--recipe-batch", type=int, help="batch size of the peers with --minutes, for their own")
    parser.add_argument("--as-written", action="store_true", help="leave out bf16 with --minutes")
    parser.add_argument("--work", type=Path, help="where what --minutes made is kept")
    parser.add_argument("--envs", type=Path, default=environments.default_folder(), help="where environments are kept")
    parser.add_argument("--python", type=Path, help="an interpreter that has all peers, instead of environments")
    parser.add_argument("--out", type=Path, help="a markdown file to write as well")
    asked = parser.parse_args()
    unknown = set(asked.peers.split(",")) - set(names)
    if unknown or asked.steps % 10 or min(asked.rounds, asked.batch // 16) < 1:
        parser.error(f"peers are {', '.join(names)}; --steps in tens; --rounds at least 1; --batch at least 16")
    return asked


if __name__ == "__main__":
    main()
