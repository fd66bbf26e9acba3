"""How fast do the recipes' networks train and sample on this machine, in float32 and in bfloat16?

    python benchmarks/speed.py [recipe …]

Runs both precisions in turn, so that a drifting machine slows them alike, and prints medians. Measure with nothing
else running.
"""

import argparse
import sys

sys.path.append(sys.path.pop(0))  # this folder last: it has a profile.py, and so has the standard library

import torch
from common import Steps, ledger, medians, shape_of

from inkwash import recipes

ROUNDS, BATCH = 7, 128


def main(names: list[str]) -> None:
    print(f"{torch.get_num_threads()} threads, batch {BATCH}; images/s, medians of {ROUNDS} rounds\n")
    print(f"{'recipe':14} {'parameters':>11} {'GFLOP':>6}  {'train f32':>9} {'bf16':>6} {'ratio':>6}", end="  ")
    print(f"{'denoise f32':>11} {'bf16':>6} {'ratio':>6}")
    for name in names:
        row(name)


def row(name: str) -> None:
    run, cpu = recipes.find(name), torch.device("cpu")
    kinds = [Steps(run, shape_of(run), kind, cpu, BATCH, BATCH) for kind in (torch.float32, torch.bfloat16)]
    train = [BATCH / took for took in medians([kind.train for kind in kinds], cpu, ROUNDS)]
    edges = [kind.edge() for kind in kinds]
    flop = sum(call.flop for call in ledger(edges[0]))
    draw = [BATCH / took for took in medians(edges, cpu, ROUNDS)]
    print(f"{name:14} {kinds[0].parameters:11,} {flop / BATCH / 1e9:6.3f}", end="  ")
    print(f"{train[0]:9.0f} {train[1]:6.0f} {train[1] / train[0]:6.2f}", end="  ")
    print(f"{draw[0]:11.0f} {draw[1]:6.0f} {draw[1] / draw[0]:6.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = list(recipes.names())
    parser.add_argument("recipes", nargs="*", metavar="recipe", help=", ".join(names))
    chosen = parser.parse_args().recipes or ["digits", "mnist", "lab06-eps", "sysu-mnist"]
    if unknown := set(chosen) - set(names):
        parser.error(f"there is no recipe {', '.join(sorted(unknown))}; they are {', '.join(names)}")
    main(chosen)
