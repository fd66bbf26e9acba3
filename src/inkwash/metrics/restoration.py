"""Scores of restorations: how well they fit y, how near they are to the truth, and whether their spread is right."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, final

import torch
import torch.nn.functional as F
from torch import Tensor

from inkwash.data import to_uint8
from inkwash.inverse import Measurement
from inkwash.metrics.classifier import Classifier
from inkwash.metrics.features import Features

WINDOW, WIDTH = 11, 1.5  # px: the side and the standard deviation of SSIM's window
SAME = 1 / 255  # half a grey level: pixels that y determines differ by less
TAIL = 1 / 8  # the share of the samples, with the truth among them, that lies on each side of an interval


@final
@dataclass(frozen=True, eq=False)
class Restorations:
    """Restorations float32 [n,C,H,W] of one measurement, with the truth [C,H,W] where it is known.

    `features` and `reader` are those of `metrics.score.Reference`, for the scores that need them.
    """

    images: Tensor
    measurement: Measurement
    truth: Tensor | None = None
    features: Features | None = None
    reader: Classifier | None = None

    @cached_property
    def mean(self) -> Tensor:
        """[C,H,W]."""
        return self.images.mean(0)

    def of_mean(self, score: Callable[[Tensor, Tensor], float]) -> float | None:
        """A score of the mean of the restorations against the truth."""
        return None if self.truth is None else score(self.mean, self.truth)

    def of_one(self, score: Callable[[Tensor, Tensor], float]) -> float | None:
        """The average score of a restoration against the truth."""
        truth = self.truth
        return None if truth is None else sum(score(image, truth) for image in self.images) / len(self.images)

    def of_pinv(self, score: Callable[[Tensor, Tensor], float]) -> float | None:
        """A score of the pseudo-inverse A⁺y: what there is without a prior."""
        operator = self.measurement.operator
        if self.truth is None or not operator.linear:
            return None
        return score(operator.pinv(self.measurement.y)[0], self.truth)

    @property
    def misfit(self) -> float:
        """Root mean square of y − A(x) over all restorations."""
        return float(self.measurement.misfit(self.images).square().mean().sqrt())

    @property
    def feature_distance(self) -> float | None:
        """Root mean square over restorations and features of their difference from the truth's."""
        if self.features is None or self.truth is None:
            return None
        found = self.features(to_uint8(torch.cat([self.truth[None], self.images]).cpu()))
        return float((found[1:] - found[0]).square().mean().sqrt())

    @property
    def agreement(self) -> float | None:
        """Share of the restorations in which the classifier reads what it reads in the truth."""
        if self.reader is None or self.truth is None:
            return None
        read = self.reader.read(self.reader(to_uint8(torch.cat([self.truth[None], self.images]).cpu())))
        return float((read[1:] == read[0]).double().mean())


def psnr(x: Tensor, truth: Tensor) -> float:
    """Peak signal-to-noise ratio in dB, of images in [−1, 1]."""
    error = float((x.clamp(-1, 1) - truth).square().mean())
    return 10 * torch.log10(torch.tensor(4 / max(error, 1e-20))).item()


def ssim(x: Tensor, truth: Tensor) -> float:
    """Structural similarity (Wang et al. 2004, eq. 13) of images [C,H,W] in [−1, 1], mean over channels and windows.

    Their Gaussian window of 11×11 pixels, at all places where it fits, K₁ = 0.01, K₂ = 0.03. Where an image is
    smaller, the window is its largest odd part that fits.
    """
    x, truth = x.double().clamp(-1, 1), truth.double().to(x.device)
    side = min(WINDOW, *(size - 1 + size % 2 for size in x.shape[1:]))
    line = torch.exp(-((torch.arange(side, dtype=torch.float64, device=x.device) - side // 2) ** 2) / (2 * WIDTH**2))
    window = (line[:, None] * line / line.sum() ** 2)[None, None]

    def local(z: Tensor) -> Tensor:
        return F.conv2d(z[:, None], window)

    a, b = local(x), local(truth)
    spread_a, spread_b, shared = local(x * x) - a * a, local(truth * truth) - b * b, local(x * truth) - a * b
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    return float(((2 * a * b + c1) * (2 * shared + c2) / ((a * a + b * b + c1) * (spread_a + spread_b + c2))).mean())


def _tail(n: int) -> int:
    """How many of n samples lie outside of an interval on each side, plus one."""
    return max(1, round(TAIL * (n + 1)))


def nominal(n: int) -> float | None:
    """How often the truth lies inside the interval of n exact samples of the posterior; None for one sample."""
    return (n + 1 - 2 * _tail(n)) / (n + 1) if n > 1 else None


def coverage(images: Tensor, truth: Tensor) -> float | None:
    """Share of the pixels whose truth lies inside the interval between two order statistics of the n samples.

    If the samples are of the posterior, the truth is as likely to have any rank among them, so this is `nominal(n)` in
    expectation, for any posterior. Below it, the samples vary too little or are off; above, they vary too much. Equal
    values share their ranks. Pixels in which truth and samples are the same to half a grey level say nothing, and are
    left out; None if none is left, or there is one sample.
    """
    n = len(images)
    everything = torch.cat([images, truth[None]])
    counted = everything.amax(0) - everything.amin(0) > SAME
    if n < 2 or not counted.any():
        return None
    below, equal = (images < truth).sum(0)[counted], (images == truth).sum(0)[counted]
    low, high = _tail(n), n - _tail(n)
    ranks = (torch.minimum(below + equal, torch.tensor(high)) - torch.maximum(below, torch.tensor(low)) + 1).clamp(0)
    return float((ranks / (equal + 1)).double().mean())


@dataclass(frozen=True)
class Score:
    """One score of restorations, with all that tables need."""

    title: str
    better: Literal["lower", "higher"] | None  # None if the best value is the expected one
    compute: Callable[[Restorations], float | None]  # None if it cannot be computed
    expected: Callable[[Restorations], float | None] = lambda of: None  # what samples of the posterior score


RESTORATION_SCORES: dict[str, Score] = {  # add a row to add a score
    "misfit": Score("misfit", None, lambda of: of.misfit, lambda of: of.measurement.std),
    "psnr of the mean": Score("PSNR of the mean, dB", "higher", lambda of: of.of_mean(psnr)),
    "psnr of one": Score("PSNR of one, dB", "higher", lambda of: of.of_one(psnr)),
    "psnr of A⁺y": Score("PSNR of A⁺y, dB", None, lambda of: of.of_pinv(psnr)),
    "ssim of the mean": Score("SSIM of the mean", "higher", lambda of: of.of_mean(ssim)),
    "ssim of one": Score("SSIM of one", "higher", lambda of: of.of_one(ssim)),
    "coverage": Score(
        "coverage",
        None,
        lambda of: None if of.truth is None else coverage(of.images, of.truth),
        lambda of: nominal(len(of.images)),
    ),
    "feature distance": Score("distance in features", "lower", lambda of: of.feature_distance),
    "class agreement": Score("class agreement", "higher", lambda of: of.agreement),
}


def scores_of(of: Restorations) -> dict[str, float]:
    """All scores that apply, by name."""
    found = {name: score.compute(of) for name, score in RESTORATION_SCORES.items()}
    return {name: value for name, value in found.items() if value is not None}


def expected_of(of: Restorations) -> dict[str, float]:
    """What samples of the posterior would score, for the scores where that is known."""
    found = {name: score.expected(of) for name, score in RESTORATION_SCORES.items()}
    return {name: value for name, value in found.items() if value is not None}
