"""`inkwash info RUN --network`: every parameter is listed once, with the shape of what its layer computes."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from cli_runner import did, refused
from inkwash import recipes
from inkwash.runs import build
from inkwash.runs.layers import layers, lines, tables
from inkwash.runs.model import Model, open_model
from inkwash.settings import RunSettings

SHAPES = {"sysu-mnist": (1, 28, 28), "abarankab-cifar10": (3, 32, 32), "digits": (1, 8, 8), "toy-2d": (1, 1, 2)}


def model(name: str) -> Model:
    run: RunSettings = recipes.find(name)
    denoiser = build.denoiser(run, SHAPES[name], torch.float32)
    return Model(
        name=name, shape=SHAPES[name], denoiser=denoiser, schedule=build.schedule(run.process),
        device=torch.device("cpu"), digest="",
    )  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_every_parameter_is_listed_once(name: str) -> None:
    of = model(name)
    found = layers(of)
    assert sum(layer.parameters for layer in found) == sum(p.numel() for p in of.denoiser.parameters())
    assert len({layer.name for layer in found}) == len(found)
    assert all(layer.shape is not None for layer in found)


def test_shapes_are_those_of_the_outputs() -> None:
    found = layers(model("digits"))
    images = [layer.shape for layer in found if layer.shape and len(layer.shape) == 3]
    assert images[0][1:] == images[-1][1:] == max(shape[1:] for shape in images)  # down and up again
    first = next(layer for layer in found if layer.kind == "Conv2d")
    assert first.shape[0] > 1


def test_a_layer_that_is_never_called_says_so() -> None:
    of = model("sysu-mnist")
    of.denoiser.net.idle = torch.nn.Linear(3, 4)
    assert (layers(of)[-1].name, layers(of)[-1].shape, layers(of)[-1].parameters) == ("idle", None, 16)
    assert "never called" in lines(of)[-1 - len(tables(of)) - 1]


def test_the_reports_count_is_explained() -> None:
    """Trained are 491,172; the report also counts a fixed table, and 15,680 of a layer that is never called."""
    of = model("sysu-mnist")
    assert sum(layer.parameters for layer in layers(of)) == 491_172
    assert sum(torch.Size(shape).numel() for _, shape in tables(of)) == 100_000
    assert 491_172 + 100_000 + 15_680 == 606_852


def test_the_command(trained: Path, tmp_path: Path) -> None:
    picture = tmp_path / "net.png"
    done = did("info", trained, "--network", "--out", picture)
    count = sum(p.numel() for p in open_model(trained).denoiser.parameters())
    assert f"{count:,}" in done.out.splitlines()[-2]
    assert str(picture) in done.out
    with Image.open(picture) as opened:
        assert opened.size[0] == 1500
    assert "give one of them" in refused("info", trained, "--network", "--verify")
