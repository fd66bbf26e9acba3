"""How much of a run's recall comes from its misses? Its precision and recall again, of the images that are no misses.

    python benchmarks/recall.py RUN … [--n 350] [--steps 20]

A miss, far from all real images, has far neighbours, and so a large neighbourhood in which many real images lie: recall
grows with it (Naeem et al. 2020). So here only drawn images count that lie among n real ones, which are not those that
precision and recall are measured against. Rows are means over three sets of n real images, and over as many sets of n
drawn ones as there are: three of all, and what is left of 3·n of those among real ones.
"""

import argparse
from pathlib import Path
from statistics import mean

import torch
from torch import Tensor

from inkwash.metrics.manifold import manifold, radii
from inkwash.metrics.score import DRAWS, NEIGHBOURS
from inkwash.runs.draw import channels_first, draw
from inkwash.settings import Sampling, Scoring
from inkwash.study.references import ReferenceSpec, reference
from inkwash.study.subject import Trained, condition_order, load_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--n", type=int, default=350)
    parser.add_argument("--steps", type=int, default=20)
    asked = parser.parse_args()
    n, sampling = asked.n, Sampling(solver="dpmpp2m", steps=asked.steps, n=DRAWS * asked.n)
    print(f"| n = {n}, {asked.steps} steps of DPM++2M | sets | precision | recall |\n|---|--:|--:|--:|")
    for run in asked.runs:
        subject = Trained(run)
        ruler = reference(ReferenceSpec(subject, Scoring(n=n)))
        others, *real = ruler.features(ruler.some((1 + DRAWS) * n)).split(n)
        drawn = ruler.features(
            channels_first(draw(load_model(subject), sampling, asked=condition_order(subject)).images)
        )
        among = drawn[near(drawn, others)]
        for name, points in ((run.name, drawn), ("- those among real ones", among)):
            sets = [part for part in points.split(n) if len(part) == n]
            found = [manifold(each, part) for each in real for part in sets]
            precision, recall = (mean(getattr(each, kind) for each in found) for kind in ("precision", "recall"))
            print(f"| {name} | {len(sets)} | {precision:.3f} | {recall:.3f} |", flush=True)


def near(drawn: Tensor, real: Tensor) -> Tensor:
    """Which drawn images [N,D] lie in the neighbourhood of one of the real ones [M,D], bool [N]."""
    return (torch.cdist(drawn, real) <= radii(real, NEIGHBOURS)).any(1)


if __name__ == "__main__":
    main()
