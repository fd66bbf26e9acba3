"""The field of a run on points: its score and density against each other, its way against the sampler's."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from cli_runner import did, refused
from inkwash.core import Flow, Seeded, prior, trailing
from inkwash.denoise import Dataset
from inkwash.runs import field
from inkwash.runs.model import open_model
from inkwash.sample import DDIM, last, sample
from inkwash.view import read_provenance


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("points") / "run"
    few = ("--width", 8, "--depth", 1, "--batch-size", 8, "--device", "cpu")
    did("train", "toy-2d", *few, "--steps", 3, "--condition", "class", "--out", folder)
    return folder


def test_the_score_is_the_gradient_of_the_density(points: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the exact denoiser of a few points, by central differences, at three levels."""
    monkeypatch.setattr(field, "BLUR", 0.0)
    data = torch.tensor([[0.5, -0.2], [-0.4, 0.3], [0.1, 0.7]], dtype=torch.float64)
    exact = Dataset(data.float().view(-1, 1, 1, 2))
    model = replace(open_model(points, device="cpu"), denoiser=exact)
    where, step = torch.randn(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)), 1e-5
    for t in (0.3, 0.6, 0.95):
        level = Flow().at(t)
        length = field._length(level)
        gradient = torch.stack(
            [
                (field.density(where + e, data, level).log() - field.density(where - e, data, level).log()) / (2 * step)
                for e in step * torch.eye(2, dtype=torch.float64)
            ],
            dim=1,
        )
        torch.testing.assert_close(field.score(model, where, level) * length, gradient, rtol=2e-4, atol=2e-4)


def test_the_density_sums_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    data = torch.tensor([[0.2, 0.1], [-0.3, 0.0]], dtype=torch.float64)
    found = field.density(field._square(field.GRID), data, Flow().at(0.2))
    assert found.sum() * (2 * field.BOX / (field.GRID - 1)) ** 2 == pytest.approx(1, abs=1e-3)


def test_the_way_is_the_samplers(points: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(field, "DOTS", 5)
    model = open_model(points, device="cpu")
    flow = field.walk(model, seed=3)
    plan, noise = trailing(model.schedule, field.STEPS), Seeded(3, range(5))
    x = last(sample(model.denoiser, prior(noise, plan[0], torch.empty(5, 1, 1, 2)), plan, DDIM(), noise))
    assert flow.points.shape == (field.STEPS + 1, 5, 2)
    torch.testing.assert_close(flow.points[-1].float(), x.view(5, 2))


def test_it_writes_a_figure_and_an_animation(
    points: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: Path
) -> None:
    for name, small in (("STEPS", 8), ("FRAMES", 3), ("GRID", 12), ("DATA", 50), ("DOTS", 9)):
        monkeypatch.setattr(field, name, small)
    png, gif = points / "field.png", points / "field.gif"
    assert did("figure", "field", points).out == f"{png}\n{gif}\n"
    with Image.open(png) as figure, Image.open(gif) as film:
        assert figure.size[0] > 1400
        assert film.n_frames == 3
    assert read_provenance(png)["command"] == "field"
    assert "are 8×8. Train one with `inkwash train toy-2d`" in refused("figure", "field", trained)
    assert "give --out such an ending" in refused("figure", "field", points, "--out", tmp_path / "a.npz")
    assert not (tmp_path / "a.npz").exists()


def test_an_mlp_is_for_points(tmp_path: Path) -> None:
    said = refused("train", "mnist", "--network", "mlp", "--source", "digits", "--size", 65, "--out", tmp_path / "run")
    assert "4225 numbers an image" in said
