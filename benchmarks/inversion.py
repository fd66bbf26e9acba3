"""How exactly does each inversion return the picture that it began with?

    python benchmarks/inversion.py [RUN] [--images 8] [--steps 20]

Each held-out image is encoded with its own class and drawn again from that noise with the same class, by the same
denoiser, without a limit. Errors are per pixel, of images in [−1, 1].
"""

import argparse
from pathlib import Path

import torch

from inkwash import choices
from inkwash.core import Seeded
from inkwash.data import to_float
from inkwash.models import find
from inkwash.runs import build
from inkwash.runs.guidance import guided
from inkwash.runs.model import images, open_model
from inkwash.settings import Sampling


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", default="mnist-class")
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    asked = parser.parse_args()
    model = open_model(find(Path(asked.run)), "last", "cpu")
    source = images(model, "test")
    assert source.labels is not None, "a run on classes"
    print("| inversion | guidance | mean error | largest error |\n|---|--:|--:|--:|")
    for name in choices.INVERSIONS.names:
        inversion = choices.INVERSIONS.load(name)()
        for scale in (1.0, 3.0):
            errors = []
            for i in range(asked.images):
                x0 = to_float(source.take(torch.tensor([i])))
                label = source.classes[int(source.labels[i])]
                sampling = Sampling(label=label, scale=scale, limit="none", spacing="karras", steps=asked.steps)
                plan, denoise = build.plan(sampling, model.schedule), guided(model, sampling).denoiser_of(range(1))
                noisy = inversion.encode(denoise, x0, plan)
                back = inversion.decode(denoise, noisy, plan, inversion.solver, Seeded(0, range(1)))
                errors.append((back - x0).abs())
            error = torch.stack(errors)
            print(f"| {name} | {scale:g} | {error.mean():.1e} | {error.max():.1e} |", flush=True)


if __name__ == "__main__":
    main()
