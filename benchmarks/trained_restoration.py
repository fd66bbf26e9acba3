"""Trained and training-free restoration beside enlargement without a prior, on the same held-out images.

    python benchmarks/trained_restoration.py runs/sr3-mnist mnist-class --method moment:3 --images 8 -n 4 --steps 30

The first run was trained to restore from downsampled images (`--condition image --operator downsample:N`); the second
is a prior, without its condition, for the training-free method. Prints a table: mean over the images.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from inkwash.data import to_uint8
from inkwash.metrics.classifier import Classifier, classifier
from inkwash.metrics.restoration import psnr, scores_of, ssim
from inkwash.models import find
from inkwash.runs.conditions import ReadsMeasurements
from inkwash.runs.degrade import Measured, measurements
from inkwash.runs.model import TrainedModel, images, open_model
from inkwash.runs.restore import restore
from inkwash.runs.trained import settled
from inkwash.settings import RESTORING_SAMPLER, Restoring

NAMES = ("psnr of the mean", "psnr of one", "ssim of the mean", "ssim of one", "coverage", "class agreement")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trained")
    parser.add_argument("prior")
    parser.add_argument("--method", default="moment:3")
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("-n", type=int, default=4)
    parser.add_argument("--steps", type=int, default=30)
    told = parser.parse_args()
    trained, prior = open_model(find(told.trained)), open_model(find(told.prior))
    kind = trained.condition
    assert isinstance(kind, ReadsMeasurements)
    asked = settled(trained, Restoring())
    pictures = [f"test:{i}" for i in range(told.images)]
    found = measurements(pictures, asked, 0, trained.shape, trained, False, (kind.operator, kind.noise))
    reader = classifier(images(trained, "train"), images(trained, "test"))
    print(f"{told.images} images, {told.n} restorations each, {kind.spec}, noise {kind.noise:g}")
    print("| | " + " | ".join(NAMES) + " | evaluations | seconds |\n|---|" + "--:|" * (len(NAMES) + 2))
    for name, enlarge in {"bicubic": bicubic, "A⁺y": pseudo_inverse}.items():
        print(_line(name, [without_prior(each, enlarge, reader) for each in found], 0, 0.0))
    _restored("trained", trained, found, asked, told, reader, None)
    _restored(told.method, prior, found, replace(asked, method=told.method), told, reader, 0.0)


def bicubic(of: Measured) -> Tensor:
    """y enlarged to the size of the picture."""
    assert of.truth is not None
    return F.interpolate(of.measurement.y, tuple(of.truth.shape[2:]), mode="bicubic", align_corners=False)


def pseudo_inverse(of: Measured) -> Tensor:
    """A⁺y."""
    return of.measurement.operator.pinv(of.measurement.y)


def without_prior(of: Measured, enlarge: Callable[[Measured], Tensor], reader: Classifier) -> dict[str, float]:
    """The scores of one picture, which are those of the mean and of one alike."""
    assert of.truth is not None
    made = enlarge(of)
    read = reader.read(reader(to_uint8(torch.cat([of.truth, made]))))
    p, s = psnr(made[0], of.truth[0]), ssim(made[0], of.truth[0])
    return {
        "psnr of the mean": p, "psnr of one": p, "ssim of the mean": s, "ssim of one": s,
        "class agreement": float(read[0] == read[1]),
    }  # fmt: skip


def _restored(
    name: str,
    model: TrainedModel,
    found: list[Measured],
    asked: Restoring,
    told: argparse.Namespace,
    reader: Classifier,
    scale: float | None,
) -> None:
    sampling = replace(RESTORING_SAMPLER, n=told.n, steps=told.steps, scale=scale)
    results = restore(model, found, asked, sampling)
    scores = [scores_of(each.scored(reader, reader)) for each in results]
    print(_line(name, scores, results[0].evaluations, sum(each.seconds for each in results)))


def _line(name: str, scores: list[dict[str, float]], evaluations: int, seconds: float) -> str:
    cells = []
    for score in NAMES:
        values = [each[score] for each in scores if score in each]
        cells.append(f"{sum(values) / len(values):.3g}" if values else "–")
    return f"| {name} | {' | '.join(cells)} | {evaluations} | {seconds:.0f} |"


if __name__ == "__main__":
    main()
