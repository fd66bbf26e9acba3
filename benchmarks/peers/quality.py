"""What the same minutes of training are worth: every recipe as documented, scored by inkwash's own yardstick."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inkwash.data import load
from inkwash.metrics.classifier import classifier
from inkwash.metrics.score import Reference, Scores, summary
from inkwash.runs.draw import channels_first
from inkwash.training.checkpoint import LAST, facts
from peers.sizes import Peer
from peers.turns import Terms, theirs

SHOWN = ("frechet", "precision", "recall")
BATCH = 100  # images drawn at a time


@dataclass(frozen=True)
class Judge:
    """inkwash's scores in the classifier's features, for n images of a data set."""

    data: str
    n: int

    @cached_property
    def reference(self) -> Reference:
        train = load(self.data, "train")
        reader = classifier(train, load(self.data, "test"))
        return Reference(train, self.n, reader, reader)

    def row(self, title: str, told: dict[str, Any], file: Path) -> str:
        """A system's line of the table."""
        with np.load(file) as held:
            scores = self.reference.score(channels_first(held["images"]))
        done = f"{told['parameters']:,} | {told['steps']:,} | {told['images']:,} | {told['seconds']:.0f}"
        drawn = f"{told['sampler']} | {told['draw_seconds']:.0f}"
        return f"| {title} | {done} | {drawn} | {numbers(scores)} |"

    def floor(self) -> str:
        """What as many real images score: mean ± standard deviation of three draws."""
        known = summary(list(self.reference.floor))
        told = " | ".join(f"{known[name][0]:.3f} ± {known[name][1]:.3f}" for name in SHOWN)
        return f"| real images: the floor | | | | | | | {told} |"


def numbers(scores: Scores) -> str:
    return " | ".join(f"{getattr(scores, name):.3f}" for name in SHOWN)


HEADER = (
    "| system | parameters | steps | images | seconds | sampler | its seconds | Fréchet ↓ | precision ↑ | recall ↑ |",
    "|---|---|---|---|---|---|---|---|---|---|",
)


def inkwash(judge: Judge, terms: Terms, minutes: float, out: Path) -> str:
    """`inkwash train` of the data set's recipe and `inkwash sample`, as anybody would type them."""
    run, file, kept = out / "inkwash", out / "inkwash.npz", out / "inkwash.json"
    if not kept.is_file():
        train = ["train", terms.data, "--minutes", str(minutes), "--device", terms.device, "--out", str(run)]
        sample = ["sample", str(run), "-n", str(judge.n), "--device", terms.device, "--out", str(file)]
        if run.exists():
            train.append("--resume")
        for command in (train, sample):
            began = time.perf_counter()
            env = os.environ | {"OMP_NUM_THREADS": str(terms.threads)}
            subprocess.run([sys.executable, "-m", "inkwash", *command], env=env, check=True, stdout=sys.stderr)
        told = facts(run / LAST)
        parameters = sum(part.numel() for part in _weights(run))
        summed = {
            "parameters": parameters, "steps": told["step"], "images": told["images_seen"],
            "seconds": told["seconds"], "sampler": "its default", "draw_seconds": time.perf_counter() - began,
        }  # fmt: skip
        kept.write_text(json.dumps(summed), encoding="utf-8")
    return judge.row(f"inkwash, recipe {terms.data}", json.loads(kept.read_text(encoding="utf-8")), file)


def _weights(run: Path) -> Iterator[torch.Tensor]:
    from inkwash.runs.model import open_model

    return iter(open_model(run, device="cpu").denoiser.parameters())


def peer_row(
    judge: Judge, peer: Peer, python: Path, terms: Terms, minutes: float, bf16: bool, batch: int | None, out: Path
) -> str:
    """The peer's documented recipe for so many minutes, and images of its documented sampler."""
    title = f"{peer.name}, bf16" if bf16 else peer.name
    file, kept = out / f"{title}.npz", out / f"{title}.json"
    if not kept.is_file():
        size, many = peer.recipe, batch or peer.batch
        with theirs(title, peer, python, terms, size, many, bf16) as trial:  # how many steps will there be?
            trial.ask(do="train", steps=2)
            tried = trial.ask(do="train", steps=5)
        planned = max(1, round(60 * minutes * tried["steps"] / tried["seconds"]))
        print(f"{title}: about {planned} steps in {minutes:g} minutes", file=sys.stderr)
        with theirs(title, peer, python, terms, size, many, bf16, planned=planned) as worker:
            told = worker.ask(do="fit", seconds=60 * minutes)
            drawn = worker.ask(do="draw", n=judge.n, steps=peer.steps, batch=BATCH, out=str(file))
            summed = {
                "parameters": worker.facts["parameters"], **told,
                "sampler": f"{drawn['evaluations']:g} evaluations", "draw_seconds": drawn["seconds"],
            }  # fmt: skip
        kept.write_text(json.dumps(summed), encoding="utf-8")
    return judge.row(title, json.loads(kept.read_text(encoding="utf-8")), file)
