"""How far samples move when they are computed faster: in bfloat16, compiled, by ONNX Runtime, in other batches."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from cli_runner import TINY, did
from inkwash.denoise import Denoiser
from inkwash.errors import UsageError
from inkwash.runs import draw as drawing
from inkwash.runs.draw import draw
from inkwash.runs.machine import compile_network
from inkwash.runs.model import Model, computed_by, open_model
from inkwash.settings import Sampling
from inkwash.training.checkpoint import LAST, load

TWENTY = Sampling(n=16, steps=20, solver="dpmpp2m")


def drawn(model: Model, sampling: Sampling = TWENTY) -> Tensor:
    return torch.from_numpy(draw(model, sampling).images).float()


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has learned enough for rounding to show."""
    folder = tmp_path_factory.mktemp("learned")
    small = ("--channels", 16, "--batch-size", 32, "--precision", "float32", "--device", "cpu", "--lr", 4e-3)
    did("train", "digits", *small, "--steps", 150, "--out", folder)
    return folder


@pytest.fixture(scope="module")
def exact(learned: Path) -> Tensor:
    """The samples of float32, in 0..255."""
    images = drawn(open_model(learned, precision=torch.float32))
    assert images.std() > 30  # something is drawn
    return images


def test_bfloat16_moves_a_pixel_by_half_a_level_in_the_mean(learned: Path, exact: Tensor) -> None:
    apart = (drawn(open_model(learned, precision=torch.bfloat16)) - exact).abs()
    assert 0 < apart.mean() < 0.5
    assert apart.quantile(0.99) <= 4


@pytest.mark.parametrize("more", [(), ("--condition", "class")])
def test_weights_kept_in_bfloat16_give_the_same_bits_as_autocast(more: tuple[str, ...], tmp_path: Path) -> None:
    did("train", "digits", *TINY, "--attention", "1", "--steps", 4, *more, "--out", tmp_path)
    model = open_model(tmp_path, precision=torch.bfloat16)
    kinds = {p.dtype for p in model.denoiser.parameters()}
    assert kinds == {torch.bfloat16, torch.float32}  # norms are computed in float32
    whole = open_model(tmp_path, precision=torch.float32)
    cast = replace(whole, denoiser=Denoiser(whole.denoiser.net, whole.denoiser.prediction, 1.0, torch.bfloat16))
    assert torch.equal(drawn(model), drawn(cast))


def test_onnx_runtime_moves_no_pixel_by_more_than_a_level(learned: Path, exact: Tensor) -> None:
    apart = (drawn(open_model(learned, precision=torch.float32), replace(TWENTY, engine="onnx")) - exact).abs()
    assert apart.max() <= 1
    assert apart.mean() < 0.01


@pytest.mark.slow
def test_onnx_runtime_is_told_conditions(tmp_path: Path) -> None:
    did("train", "digits", *TINY, "--steps", 4, "--condition", "class", "--out", tmp_path)
    model = open_model(tmp_path, precision=torch.float32)
    asked = Sampling(n=10, steps=3, label="all", scale=2.0)
    assert (drawn(model, replace(asked, engine="onnx")) - drawn(model, asked)).abs().max() <= 1


def test_the_batch_moves_no_pixel_by_more_than_a_level(
    learned: Path, exact: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = open_model(learned, precision=torch.float32)
    for lanes in (1, 5, 64):
        monkeypatch.setattr(drawing, "CPU_BATCH", lanes)
        assert (drawn(model) - exact).abs().max() <= 1


@pytest.mark.slow
def test_compiling_moves_no_pixel_by_more_than_a_level(learned: Path, exact: Tensor) -> None:
    names = list(open_model(learned).denoiser.state_dict())
    compiled = computed_by(open_model(learned, precision=torch.float32), "compiled")
    assert list(compiled.denoiser.state_dict()) == names
    assert (drawn(compiled) - exact).abs().max() <= 1


def test_what_engines_need(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_model(trained)
    with pytest.raises(
        UsageError, match=r"`compile='graphs'` needs a CUDA device \(this is cpu\); take `compile='yes'`"
    ):
        compile_network(model.denoiser.net, "graphs", torch.device("cpu"))
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(UsageError, match=r"needs a C\+\+ compiler, such as g\+\+; install one, or leave it out"):
        computed_by(model, "compiled")
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(UsageError, match=r"`engine='onnx'` needs the package onnxruntime; install inkwash\[onnx\]"):
        computed_by(model, "onnx")


def test_keeping_less_of_the_forward_pass_trains_the_same_bits(tmp_path: Path) -> None:
    for name, more in (("kept", ()), ("again", ("--recompute",))):
        did("train", "digits", *TINY, "--dropout", 0.2, "--steps", 3, *more, "--out", tmp_path / name)
    kept, again = (load(tmp_path / name / LAST).parts for name in ("kept", "again"))
    assert kept.keys() == again.keys()
    assert all(torch.equal(kept[part][name], again[part][name]) for part in kept for name in kept[part])


@pytest.mark.slow
def test_a_compiled_training_learns_the_same_to_rounding_and_resumes_without(tmp_path: Path) -> None:
    for name, more in (("plain", ()), ("compiled", ("--compile", "yes"))):
        did("train", "digits", *TINY, "--steps", 3, *more, "--out", tmp_path / name)
    plain, compiled = (load(tmp_path / name / LAST).parts["model"] for name in ("plain", "compiled"))
    assert plain.keys() == compiled.keys()
    for name, weights in plain.items():
        assert (weights - compiled[name]).abs().max() < 1e-4, name
    did("train", "digits", *TINY, "--steps", 4, "--out", tmp_path / "compiled", "--resume")
