"""`inkwash import denoising-diffusion`: the library's own walk, its schedules and objectives, and other files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cli_runner import did, inkwash, refused
from inkwash import core
from inkwash.foreign_networks import DenoisingDiffusionUNet
from inkwash.networks import Inputs
from inkwash.runs import build
from inkwash.runs.model import open_model
from inkwash.sample import DDIM, last, sample
from inkwash.settings import Sampler
from inkwash.training.checkpoint import LAST, facts

SMALL: dict[str, Any] = {"dim": 8, "dim_mults": (1, 2), "attn_dim_head": 8, "attn_heads": 2}
# the first row of the second image after 10 steps of its ddim_sample, by denoising-diffusion-pytorch 2.3.4
EXPECTED = [1.0, -0.95905, -1.0, 0.32548, 0.54761, -1.0, -1.0, 1.0]


def formula(shapes: dict[str, Any]) -> dict[str, Tensor]:
    """Weights that depend on their names and places alone, and look like chance, as initial ones do."""
    made = {}
    for name, shape in shapes.items():
        wide = np.prod(shape[1:]) if len(shape) > 1 and not name.endswith(".g") else 100
        values = np.sin(12.9898 * np.arange(int(np.prod(shape))) + len(name)) * 43758.5453
        values = (2 * (values % 1) - 1) / np.sqrt(wide)
        made[name] = torch.tensor((values + name.endswith(".g")).reshape(shape), dtype=torch.float32)
    return made


def tables(betas: Tensor, objective: str = "v", bounded: bool = False) -> dict[str, Tensor]:
    """What of a GaussianDiffusion's buffers says its schedule and objective."""
    abar = torch.cumprod(1 - betas.double(), 0)
    snr = abar / (1 - abar)
    weight = snr.clamp(max=5) if bounded else snr
    over = {"eps": snr, "x0": torch.ones_like(snr), "v": snr + 1}[objective]
    return {"betas": betas.float(), "loss_weight": (weight / over).float()}


def state(network: DenoisingDiffusionUNet, channels: int = 1) -> dict[str, Tensor]:
    net = network.build(Inputs(channels, 8, 8, 1000))
    return formula({name: tuple(tensor.shape) for name, tensor in net.state_dict().items()})


def write(file: Path, weights: dict[str, Tensor], of: dict[str, Tensor]) -> Path:
    """As the trainer does: the model is a GaussianDiffusion, and so is each half of the average."""
    nought = {name: torch.zeros_like(tensor) for name, tensor in weights.items()}
    model = {**{f"model.{name}": tensor for name, tensor in nought.items()}, **of}
    average = {f"ema_model.model.{name}": tensor for name, tensor in weights.items()}
    average |= {f"ema_model.{name}": tensor for name, tensor in of.items()} | {"initted": torch.tensor(True)}
    torch.save({"step": 700, "model": model, "opt": {}, "ema": average, "scaler": None, "version": "2.3.4"}, file)
    return file


def start() -> Tensor:
    return torch.sin(torch.arange(128) * 1.7).view(2, 1, 8, 8) * 1.4


def walk(run: Path, steps: int) -> Tensor:
    model = open_model(run, device="cpu")
    sampler = Sampler("ddim", steps, spacing="trailing")
    denoise = build.limit(sampler, model.denoiser.given(None))
    return last(sample(denoise, start(), build.plan(sampler, model.schedule), DDIM(), torch.zeros_like))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "model-1.pt", state(DenoisingDiffusionUNet(**SMALL)), tables(core.sigmoid(1000).betas))


def test_the_walk_without_the_library(file: Path, tmp_path: Path) -> None:
    done = did("import", "denoising-diffusion", file, "--size", 8, "--out", tmp_path / "run")
    assert "sigmoid schedule, T = 1000, predicts v" in done.out
    assert facts(tmp_path / "run" / LAST)["step"] == 700
    assert torch.allclose(walk(tmp_path / "run", 10)[1, 0, 0], torch.tensor(EXPECTED), atol=1e-4)
    did("sample", tmp_path / "run", "-n", 1, "--steps", 2, "--out", tmp_path / "a.png")


@pytest.mark.parametrize("full", [None, (True, False)])
@pytest.mark.parametrize("steps", [10, 50])
def test_its_own_walk(full: Any, steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainer's file, and the samples of its ddim_sample from the same noise."""
    library = pytest.importorskip("denoising_diffusion_pytorch")
    unet = library.Unet(**SMALL, channels=1, full_attn=full, init_dim=12 if full else None)
    unet.load_state_dict(formula({name: tuple(tensor.shape) for name, tensor in unet.state_dict().items()}))
    theirs = library.GaussianDiffusion(unet, image_size=8, sampling_timesteps=steps).eval()
    average = {f"ema_model.{name}": tensor for name, tensor in theirs.state_dict().items()}
    torch.save({"step": 1, "model": theirs.state_dict(), "ema": average}, tmp_path / "m.pt")
    did("import", "denoising-diffusion", tmp_path / "m.pt", "--size", 8, "--out", tmp_path / "run")
    with monkeypatch.context() as patched:
        patched.setattr(torch, "randn", lambda *shape, **kwargs: start())
        x = 2 * theirs.sample(batch_size=2) - 1
    assert (walk(tmp_path / "run", steps) - x).abs().max() < 1e-4
    if steps == 10 and full is None:
        assert torch.allclose(x[1, 0, 0], torch.tensor(EXPECTED), atol=1e-5), x[1, 0, 0].tolist()


@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("objective", ["eps", "x0", "v"])
@pytest.mark.parametrize("schedule", ["linear", "cosine", "sigmoid"])
def test_schedule_and_objective_are_in_its_tables(schedule: str, objective: str, bounded: bool, tmp_path: Path) -> None:
    from inkwash.importers.denoising_diffusion import _objective
    from inkwash.importers.saved import schedule_of

    made = {"linear": core.linear, "cosine": core.cosine, "sigmoid": core.sigmoid}[schedule](200)
    of = tables(made.betas, objective, bounded)
    assert schedule_of(of["betas"], tmp_path)[0] == schedule
    assert _objective(of["betas"], of["loss_weight"], tmp_path) == objective


def test_the_network_trains(tmp_path: Path) -> None:
    few = ("--network", "denoising-diffusion-unet", "--dim", 8, "--dim-mults", "1,2", "--attn-dim-head", 8)
    did("train", "digits", *few, "--steps", 2, "--batch-size", 16, "--device", "cpu", "--out", tmp_path / "run")
    said = refused("train", "digits", *few, "--size", 9, "--out", tmp_path / "b")
    assert "sides that are multiples of 2 (got 9×9)" in said
    assert "takes no condition" in refused("train", "digits", *few, "--condition", "class", "--out", tmp_path / "b")
    assert "--full-attn asks for levels" in refused("train", "digits", *few, "--full-attn", 3, "--out", tmp_path / "b")


def test_refusals(file: Path, tmp_path: Path) -> None:
    out = ("--size", 8, "--out", tmp_path / "run")
    weights, of = state(DenoisingDiffusionUNet(**SMALL)), tables(core.sigmoid(1000).betas)
    assert "give --size" in refused("import", "denoising-diffusion", file, "--out", tmp_path / "run")
    content = file.read_bytes()
    for share in (0.0, 0.5, 0.99):
        file.write_bytes(content[: int(share * len(content))])
        done = inkwash("import", "denoising-diffusion", file, *out)
        assert "damaged" in done.sentence or "no checkpoint" in done.sentence

    def said(change: dict[str, Any], also: dict[str, Any] | None = None) -> str:
        write(file, {**weights, **change}, {**of, **(also or {})})
        return refused("import", "denoising-diffusion", file, *out)

    assert "downs.0.0.block1.proj.weight is [9, 8, 3, 3] and not [8, 8, 3, 3]" in said(
        {"downs.0.0.block1.proj.weight": torch.zeros(9, 8, 3, 3)}
    )
    assert "self-conditioning" in said({"init_conv.weight": torch.zeros(8, 2, 7, 7)})
    assert "a learned variance" in said({"final_conv.weight": torch.zeros(2, 8, 1, 1)})
    assert "learned or random sinusoids" in said({"time_mlp.0.weights": torch.zeros(8)})
    assert "of no schedule which inkwash has" in said({}, {"betas": torch.linspace(0.1, 0.5, 1000) ** 3})
    assert "a loss weight of its own" in said({}, {"loss_weight": torch.full((1000,), 0.3)})
    assert "of the shape [3, 3]" in said({}, {"betas": torch.zeros(3, 3)})
    torch.save({"a": torch.ones(2)}, file)
    assert "holds no GaussianDiffusion" in refused("import", "denoising-diffusion", file, *out)
    assert not (tmp_path / "run" / LAST).exists()
