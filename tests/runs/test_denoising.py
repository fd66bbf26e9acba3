"""inkwash figure denoise: the levels that are told, the error of a known denoiser, the Wiener filter, and refusals."""

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from PIL import Image

from cli_runner import TINY, did, refused
from inkwash import core
from inkwash.core import as_floats
from inkwash.data import Images
from inkwash.denoise import Gaussian
from inkwash.runs import denoising
from inkwash.runs.model import open_model
from inkwash.view import read_provenance


@pytest.mark.parametrize("schedule", [core.linear(1000), core.Cosine(), core.Flow(), core.VE(), core.linear(20)])
def test_the_level_has_the_noise_of_the_picture(schedule: core.Schedule) -> None:
    for sigma in (0.3, 1.0, 2.0):
        alpha, noise, _ = as_floats(denoising.told(schedule, sigma))
        assert noise / alpha == pytest.approx(sigma, rel=1e-6)
    assert denoising.told(schedule, 0.0) == schedule.at(schedule.time(schedule.first))
    last = schedule.at(schedule.time(Fraction(1)))  # the noisiest level; some schedules have no end to their noise
    told = denoising.told(schedule, 1e9)
    assert told == last if last.alpha and as_floats(last)[1] / as_floats(last)[0] < 1e9 else told.t <= last.t


def test_a_schedule_of_one_level_is_always_told_it() -> None:
    schedule = core.linear(1, 0.5, 0.5)
    for sigma in (0.0, 0.7, 1.0, 2.0):
        level = denoising.told(schedule, sigma)
        assert as_floats(level)[0] == pytest.approx(0.5**0.5)
        assert level.t == 0


def test_the_error_of_an_exact_denoiser_is_theorys(trained: Path) -> None:
    """Gaussian data with variances 1/(1+i): the denoiser's error is Σ λσ²/(λ + σ²), which the spectrum gives too."""
    torch.manual_seed(0)
    variances = 0.04 / (1 + torch.arange(64.0))
    x0 = (torch.randn(4000, 64) * variances.sqrt()).view(-1, 1, 8, 8)
    exact = Gaussian(torch.zeros(1, 8, 8), variances.sqrt().view(1, 8, 8))
    model = replace(open_model(trained, device="cpu"), denoiser=exact)
    for sigma in (0.05, 0.3, 1.0):
        noisy, clean = denoising.denoised(model, x0, torch.randn_like(x0), sigma)
        found = (clean - x0).square().mean().sqrt().item()
        expected = denoising.linear_error(variances.double(), sigma)
        assert found == pytest.approx(expected, rel=0.02)
        assert (noisy - x0).std().item() == pytest.approx(sigma, rel=0.02)
    pixels = ((x0 + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    measured = denoising.spectrum(Images("a", "train", pixels, None, ()))
    assert measured.sum().item() == pytest.approx(variances.sum().item(), rel=0.05)
    assert denoising.linear_error(measured, 0.3) == pytest.approx(denoising.linear_error(variances, 0.3), rel=0.05)
    assert denoising.linear_error(measured, 0.0) == 0.0


def test_the_command(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.png"
    did("figure", "denoise", trained, "--sigma", "0,0.5,1", "--out", out)
    about = read_provenance(out)
    assert about["sigma"] == [0.0, 0.5, 1.0]
    assert about["errors"] == sorted(about["errors"])
    assert all(0 < error < 2 for error in about["errors"])
    with Image.open(out) as figure:
        assert figure.width > 1000
    did("figure", "denoise", trained, "--sigma", "1", "0", "0.5", "--out", tmp_path / "b.png")
    assert (tmp_path / "b.png").read_bytes() == out.read_bytes()
    did("figure", "denoise", trained, "--sigma", "0,1", "--seed", 1, "--out", tmp_path / "c.png")
    assert not math.isclose(read_provenance(tmp_path / "c.png")["errors"][1], about["errors"][2], rel_tol=1e-6)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--sigma", "-1,2"), "--sigma takes two or more numbers, 0 or above"),
        (("--sigma", "1"), "--sigma takes two or more numbers"),
        (("--sigma", "1,inf"), "--sigma takes two or more numbers"),
        (("--out", "x.gif"), "give --out such an ending (got x.gif)"),
    ],
)
def test_bad_input(trained: Path, args: tuple[str, ...], said: str) -> None:
    assert said in refused("figure", "denoise", trained, *args)


def test_what_has_no_such_figure(trained: Path, tmp_path: Path) -> None:
    assert "--sigma is not for the figure field" in refused("figure", "field", trained, "--sigma", "1,2")
    assert "there is no figure 'denoised'. Did you mean denoise?" in refused("figure", "denoised", trained)
    run = tmp_path / "run"
    did("train", "digits", *TINY, "--steps", 1, "--condition", "class", "--condition-dropout", 0, "--out", run)
    assert "was never dropped in training" in refused("figure", "denoise", run)
