"""Puts a run into the box as a model that every command opens by name: its averaged weights alone, in float16.

    inkwash train mnist-class --epochs 4 --out RUN
    python benchmarks/box.py RUN mnist-class
    inkwash evaluate mnist-class --out build/scores
    python benchmarks/box.py RUN mnist-class --scores build/scores/scores.json

The scores are of the weights as they lie in the box; the second call writes them into the file.
"""

import argparse
from pathlib import Path

import torch

from inkwash import models
from inkwash.runs.box import make
from inkwash.runs.model import images, open_model
from inkwash.study.theory import IMAGES, stds

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("run", type=Path, help="folder of the run")
parser.add_argument("name", help="name in the box")
parser.add_argument("--scores", type=Path, help="scores.json of inkwash evaluate")

if __name__ == "__main__":
    given = parser.parse_args()
    source = images(open_model(given.run, device="cpu"), "train")
    spread = stds(source.take(torch.arange(min(len(source), IMAGES)))).tolist()
    made = make(given.run, models.folder(given.name), given.scores, spread)
    print(f"{made}: {made.stat().st_size:,} bytes")
