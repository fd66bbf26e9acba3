"""A figure of one-step denoising: pictures under more and more noise, what the network makes of them, and its error."""

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from inkwash import __version__
from inkwash.core import Level, Schedule, Seeded, as_floats
from inkwash.data import Source, to_float, to_uint8
from inkwash.errors import UsageError
from inkwash.runs.model import TrainedModel, images
from inkwash.runs.provenance import place
from inkwash.runs.record import code, used
from inkwash.view import check_out, forward_figure, write

SIGMAS = (0.0, 0.4, 0.8, 1.0, 1.2, 1.6, 2.0)  # those of CS180's project 5, for images in [−1, 1]
SHOWN, MEASURED = 3, 256  # pictures that are drawn, and those that the error is of
FITTED = 5000  # images to which the linear denoiser is fitted
LARGEST = 1024  # numbers of an image of which covariances are computed


def write_denoising(
    model: TrainedModel,
    outs: Sequence[Path] = (),
    folder: Path = Path(),
    seed: int = 0,
    data_dir: Path | None = None,
    sigma: Sequence[float] = (),
) -> Sequence[Path]:
    """Writes the figure to each of `outs`, or to denoise.png in `folder`; returns the paths.

    Held-out images under noise of each standard deviation in `sigma`, for images in [−1, 1], above what one evaluation
    makes of them. The network is told the level with this σ/α or, outside its schedule, the nearest one. Below, the
    root mean square error per pixel over MEASURED images, beside that of the noise itself and, for small images, that
    of the best linear denoiser in theory. Images and noise are those of `seed`; a run on conditions is given none.

    Raises UsageError for a file that is no PNG, a negative σ, and a run whose condition was never dropped.
    """
    outs = outs or (folder / "denoise.png",)
    for out in outs:
        check_out(out)
        if out.suffix.lower() != ".png":
            raise UsageError(f"denoising is drawn as a PNG; give `out` such an ending (got {out}).")
    sigmas = sorted({float(value) for value in sigma or SIGMAS})
    if not all(0 <= value < math.inf for value in sigmas) or len(sigmas) < 2:
        raise UsageError(f"`sigma` takes two or more numbers, 0 or above (got {', '.join(map(str, sigma))}).")
    if model.condition_never_dropped:
        raise UsageError(f"{model.name} needs its condition, which was never dropped in training.")
    source = images(model, "test", data_dir)
    x0 = to_float(source.take(torch.arange(min(MEASURED, len(source))))).to(model.device)
    eps = Seeded(seed, range(len(x0)))(x0)
    columns, errors = [], []
    for value in sigmas:
        noisy, clean = denoised(model, x0, eps, value)
        errors.append((clean - x0).square().mean().sqrt().item())
        shown = torch.stack([noisy[:SHOWN], clean[:SHOWN]], 1).flatten(0, 1)
        columns.append(to_uint8(shown).permute(0, 2, 3, 1).cpu().numpy())
    curves = {"error of x̂₀": (sigmas, errors), "error of the noisy image": (sigmas, sigmas)}
    if math.prod(model.shape) <= LARGEST:
        found = spectrum(images(model, "train", data_dir))
        curves["best linear denoiser (theory)"] = (sigmas, [linear_error(found, value) for value in sigmas])
    captions = [f"σ = {value:g}\nerror {error:.3f}" for value, error in zip(sigmas, errors, strict=True)]
    title = f"{source.name}: one evaluation, told {_told(model.schedule)}"
    figure = forward_figure(columns, captions, curves, title, "σ of the noise, for images in [−1, 1]")
    about = {
        "inkwash": __version__, "command": "denoise", "run": place(model.folder), "checkpoint": model.digest,
        "seed": seed, "sigma": sigmas, "errors": errors, **code(*used(model.run)),
    }  # fmt: skip
    for out in outs:
        write(out, figure[None], about)
    return outs


def denoised(model: TrainedModel, x0: Tensor, eps: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """(x₀ + σ·ε, x̂₀) for images x0 and noise eps [N,C,H,W]."""
    level = told(model.schedule, sigma)
    alpha, _, _ = as_floats(level)
    noisy = x0 + sigma * eps
    with torch.no_grad():
        return noisy, torch.cat([model.denoiser(alpha * part, level) for part in torch.split(noisy, 64)])


def told(schedule: Schedule, sigma: float) -> Level:
    """The level of a schedule with σ/α = `sigma`, or the nearest of its ends."""
    clean, noise = schedule.at(schedule.time(schedule.first)), schedule.at(schedule.time(Fraction(1)))
    wanted = math.inf if sigma == 0 else -2 * math.log(sigma)
    if wanted >= as_floats(clean)[2]:
        return clean
    return noise if wanted <= as_floats(noise)[2] else schedule.from_logsnr(wanted)


def spectrum(source: Source) -> Tensor:
    """The variances [D] of the images along their principal directions, for images in [−1, 1]."""
    x = to_float(source.take(torch.arange(min(FITTED, len(source))))).flatten(1).double().cpu()
    variances: Tensor = torch.linalg.eigvalsh(torch.cov(x.T))
    return variances.clamp(min=0)


def linear_error(variances: Tensor, sigma: float) -> float:
    """The root mean square error per pixel of the best linear denoiser: the Wiener filter's, Σ λσ²/(λ + σ²)."""
    if sigma == 0:
        return 0.0
    return float((variances * sigma**2 / (variances + sigma**2)).mean().sqrt())


def _told(schedule: Schedule) -> str:
    ends = [schedule.at(schedule.time(place)) for place in (schedule.first, Fraction(1))]
    low, high = (sigma / alpha if alpha else math.inf for alpha, sigma, _ in map(as_floats, ends))
    most = "∞" if math.isinf(high) else f"{high:.3g}"
    return f"σ/α = {low:.3g}" if low == high else f"σ/α from {low:.2g} to {most}"
