"""Images a second of training and of sampling, inkwash beside one peer, at equal parameters and arithmetic."""

import statistics
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from peers.sizes import Peer
from peers.turns import Terms, Worker, ours, theirs

OURS, OURS32, THEIRS, THEIRS16 = "inkwash", "inkwash, float32", "as written", "asked for bf16"
RATIOS = ((OURS, THEIRS), (OURS, THEIRS16), (OURS32, THEIRS))
Rates = dict[str, dict[str, list[float]]]  # what -> title -> images a second, a round each


def speed(
    peer: Peer, python: Path, terms: Terms, rounds: int, batch: int, width: int, steps: int, evaluations: int
) -> list[str]:
    """A section of markdown: the sizes, the medians, and the ratios within each round."""
    title16 = {THEIRS: f"{peer.name}, {THEIRS}", THEIRS16: f"{peer.name}, {THEIRS16}"}
    with ExitStack() as stack:
        workers = {
            OURS: stack.enter_context(ours(OURS, peer, terms, width, batch, "auto")),
            OURS32: stack.enter_context(ours(OURS32, peer, terms, width, batch, "float32")),
            **{
                kind: stack.enter_context(
                    theirs(title, peer, python, terms, peer.theirs[width], batch, bf16=kind == THEIRS16)
                )
                for kind, title in title16.items()
            },
        }
        rates = measured(workers, rounds, batch, steps, evaluations)
        facts = {kind: worker.facts for kind, worker in workers.items()}
    return [f"## {peer.package.replace('==', ' ')}", "", *table(peer, facts, rates), "", *ratios(peer, rates), ""]


def measured(workers: dict[str, Worker], rounds: int, batch: int, steps: int, evaluations: int) -> Rates:
    """Rounds in which every worker trains and then draws, in turn, to and fro; the first warms up and is dropped."""
    rates: Rates = {what: {kind: [] for kind in workers} for what in ("train", "draw")}
    for i in range(rounds + 1):
        for what in rates:
            for kind in list(workers)[:: 1 if i % 2 else -1]:
                command: dict[str, Any] = {"do": "train", "steps": steps}
                if what == "draw":
                    command = {"do": "draw", "n": batch, "steps": evaluations, "batch": batch}
                told = workers[kind].ask(**command)
                if what == "draw" and told["evaluations"] != evaluations:
                    print(f"{kind}: {told['evaluations']} evaluations an image, not {evaluations}", file=sys.stderr)
                rate = told["images"] / told["seconds"] * (told.get("evaluations", evaluations) / evaluations)
                if i:
                    rates[what][kind].append(rate)
                title = f"round {i} of {rounds}: {workers[kind].title}, {what}"
                print(f"{title}: {rate:.1f} images/s on {told['cores']:.2f} cores", file=sys.stderr)
    return rates


def table(peer: Peer, facts: dict[str, dict[str, Any]], rates: Rates) -> list[str]:
    """What each system is, and how fast it was."""
    lines = [
        "| system | precision | parameters | MFLOP forward | training, images/s | sampling, images/s |",
        "|---|---|---|---|---|---|",
    ]
    for kind, of in facts.items():
        name = kind if "inkwash" in kind else f"{peer.name}, {kind}"
        precision = of["precision"] or {THEIRS: "its own, float32", THEIRS16: "bf16 autocast"}[kind]
        spreads = " | ".join(spread(rates[what][kind], 1) for what in rates)
        lines.append(f"| {name} | {precision} | {of['parameters']:,} | {of['flops'] / 1e6:.1f} | {spreads} |")
    mine, other = facts[OURS], facts[THEIRS]
    apart = [mine[name] / other[name] - 1 for name in ("parameters", "flops")]
    versions = ", ".join(f"{name} {version}" for name, version in other["versions"].items())
    lines += ["", f"Sizes: inkwash has {apart[0]:+.2%} parameters and {apart[1]:+.2%} arithmetic."]
    if max(map(abs, apart)) > 0.03:
        lines.append("**More than 3 % apart: not an equal comparison.**")
    standin = " torchvision is not there: inkwash's stand-in for its transforms." if other["standin"] else ""
    torches = sorted({of["torch"] for of in facts.values()})
    return [*lines, f"Versions: {versions}, torch {', '.join(torches)}.{standin}"]


def ratios(peer: Peer, rates: Rates) -> list[str]:
    """inkwash's speed over the peer's, within each round."""
    lines = ["| ratio | training | sampling |", "|---|---|---|"]
    for mine, other in RATIOS:
        each = [
            [a / b for a, b in zip(rates[what][mine], rates[what][other], strict=True)] for what in ("train", "draw")
        ]
        lines.append(f"| {mine} / {peer.name} {other} | " + " | ".join(spread(values, 2) for values in each) + " |")
    return lines


def spread(values: list[float], digits: int) -> str:
    """Median (lower quartile to upper quartile)."""
    if len(values) < 2:
        return f"{values[0]:.{digits}f}"
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
