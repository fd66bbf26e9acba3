"""How often a run draws what a prompt names: the prompt's place among the rendered emoji nearest to its sample.

    python benchmarks/retrieval.py RUN [--n 200] [--scale 3] [--steps 25] [--seed 0] [--out sheet.png]

One image is drawn for each prompt, and all 3,770 rendered emoji are ordered by their distance to it, in the pixels in
[−1, 1]. Counted is how often the emoji that the prompt names is the nearest (top 1) or among the five nearest (top 5),
and the same for its kind: its name without a skin tone; and, in the mean over prompts, what share of all emoji is
nearer than the one that the prompt names: 50 % for images that have nothing to do with it. There are prompts that were
captions in training, and wordings that never were. The floor is the same images beside prompts dealt out anew, a
hundred times: mean ± standard deviation of the deals. What lies several of those away from it is no chance.
"""

import argparse
import re
from pathlib import Path

import torch
from torch import Tensor

from inkwash.data import emoji, to_float
from inkwash.data.emoji import held_out
from inkwash.runs.draw import channels_first, channels_last, draw
from inkwash.runs.model import Model, open_model
from inkwash.settings import Sampling
from inkwash.text import find
from inkwash.view import grid, write

SHOWN = ["red heart", "green book", "smiling face", "flag of france"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--scale", type=float, default=3.0)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--solver", default="dpmpp2m")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("retrieval.png"))
    asked = parser.parse_args()
    model = open_model(asked.run)
    size = model.shape[1]
    train, test = emoji("train", size), emoji("test", size)
    every = torch.cat([train.pixels, test.pixels])
    kinds = [re.sub(r" (medium )?(light|dark|medium) skin tone.*", "", each[0]) for each in train.captions]
    generator = torch.Generator().manual_seed(asked.seed)
    print(f"{asked.run}: {len(every):,} emoji, {asked.n} prompts each, scale {asked.scale:g}, {asked.steps} steps")
    print(f"{'':22}{'top 1':>14}{'top 5':>14}{'kind 1':>14}{'kind 5':>14}{'nearer':>14}")
    for name, wordings in (("captions", train.captions), ("held-out wordings", held_out("train", size))):
        pairs = [(i, text) for i, texts in enumerate(wordings) for text in texts]
        chosen = [pairs[i] for i in torch.randperm(len(pairs), generator=generator)[: asked.n].tolist()]
        sampling = Sampling(
            n=len(chosen), seed=asked.seed, steps=asked.steps, solver=asked.solver, scale=asked.scale, text="-"
        )
        places = order(drawn(model, sampling, [text for _, text in chosen]), every)
        of = torch.tensor([i for i, _ in chosen])
        print(f"{name:22}" + "".join(f"{share:14.1%}" for share in hits(places, of, kinds)))
        deals = torch.tensor(
            [hits(places, of[torch.randperm(len(of), generator=generator)], kinds) for _ in range(100)]
        )
        floor = [f"{mean:.1%} ± {std:.1%}" for mean, std in zip(deals.mean(0), deals.std(0), strict=True)]
        print(f"{'  floor':22}" + "".join(f"{share:>14}" for share in floor))
    sampling = Sampling(n=8, seed=asked.seed, steps=asked.steps, solver=asked.solver, scale=asked.scale, text="-")
    rows = [drawn(model, sampling, [text] * 8) for text in SHOWN]
    sheet = grid(channels_last(torch.cat(rows)), columns=8, labels=SHOWN)
    write(asked.out, sheet[None], {"made by": "benchmarks/retrieval.py", "checkpoint": model.digest})
    print(asked.out)


def drawn(model: Model, sampling: Sampling, texts: list[str]) -> Tensor:
    """One image a text, uint8 [N,C,H,W]."""
    rows = find(model.run.conditioning.encoder)(texts)
    wanted = draw(model, sampling, asked=lambda indices: rows[[min(i, len(texts) - 1) for i in indices]])
    return channels_first(wanted.images)


def order(images: Tensor, every: Tensor) -> Tensor:
    """The numbers of `every`, the nearest first, [N,M]."""
    return torch.cdist(to_float(images).flatten(1), to_float(every).flatten(1)).argsort(1)


def hits(places: Tensor, of: Tensor, kinds: list[str]) -> list[float]:
    """Shares: images whose emoji, and whose kind, is the nearest or among the five nearest; emoji that are nearer."""
    near = places[:, :5]
    exact = near == of[:, None]
    kind = [[j < len(kinds) and kinds[j] == kinds[i] for j in row] for row, i in zip(near.tolist(), of, strict=True)]
    alike = torch.tensor(kind)
    nearer = (places == of[:, None]).int().argmax(1) / places.shape[1]
    return [each.float().mean().item() for each in (exact[:, 0], exact.any(1), alike[:, 0], alike.any(1), nearer)]


if __name__ == "__main__":
    main()
