"""Orthogonal updates: what the iteration makes of a matrix, what a step does, and that a training can be resumed."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from inkwash.core import Cosine, V
from inkwash.data import Batch, Batches, digits, to_float
from inkwash.denoise import Denoiser
from inkwash.errors import InkwashError
from inkwash.nets import UNet
from inkwash.settings import Training
from inkwash.training import Objective, Plain, State, Uniform, load, train
from inkwash.training.checkpoint import LAST
from inkwash.training.muon import Muon, orthogonal

SHAPES = [(8, 8), (5, 40), (40, 5), (1, 7), (7, 1), (64, 576)]


def matrix(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("shape", SHAPES)
def test_singular_vectors_stay_and_values_become_alike(shape: tuple[int, int]) -> None:
    """For singular values that lie as far apart as 1 and 200."""
    u, _, vt = torch.linalg.svd(matrix(*shape), full_matrices=False)
    values = torch.logspace(0, -math.log10(200), len(vt), dtype=torch.float64)
    found = u.T @ orthogonal(u * values @ vt, torch.float64) @ vt.T
    assert (found - found.diag().diag()).abs().max() < 1e-8
    assert found.diag().min() > 0.65
    assert found.diag().max() < 1.25


@pytest.mark.parametrize("shape", SHAPES)
def test_it_does_not_know_the_axes_or_the_size(shape: tuple[int, int]) -> None:
    m, (left, _), (right, _) = matrix(*shape), *(torch.linalg.qr(matrix(n, n, seed=1)) for n in shape)
    made = orthogonal(m, torch.float64)
    for same in (
        orthogonal(left @ m @ right, torch.float64) - left @ made @ right,
        orthogonal(m.T, torch.float64).T - made,
        orthogonal(1e-9 * m, torch.float64) - made,
    ):
        assert same.abs().max() < 1e-9


def test_nothing_stays_nothing() -> None:
    assert not orthogonal(torch.zeros(3, 4)).any()


@pytest.mark.parametrize("shape", SHAPES)
def test_in_bfloat16(shape: tuple[int, int]) -> None:
    """Where no singular value is tiny, arithmetic of 8 bits changes a fiftieth of the matrix."""
    u, _, vt = torch.linalg.svd(matrix(*shape), full_matrices=False)
    m = (u * torch.linspace(1, 3, len(vt), dtype=torch.float64) @ vt).float()
    exact, rough = orthogonal(m), orthogonal(m, torch.bfloat16)
    assert rough.dtype == torch.float32
    assert (exact - rough).norm() < 0.05 * exact.norm()


# ---- steps


class Net(nn.Module):
    """A layer of each kind, and parameters that are in none."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm, self.linear = nn.Conv2d(3, 16, 3), nn.GroupNorm(1, 16), nn.Linear(16, 5)
        self.table = nn.Parameter(torch.randn(9, 5))


def stepped(net: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> nn.Module:
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        for parameter in net.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step()
        optimizer.zero_grad()
    return net


SETTINGS = Training(optimizer="muon", lr=0.02, weight_decay=0.1)


def test_matrices_move_as_pytorchs_muon_moves_them() -> None:
    """Which knows no convolutions, and computes in bfloat16."""
    ours, theirs = Net(), Net()
    stepped(ours, Muon(ours, SETTINGS, torch.bfloat16), 4)
    weights = {name: nn.Parameter(getattr(theirs, name).weight.detach().flatten(1)) for name in ("conv", "linear")}
    generator = torch.Generator().manual_seed(1)
    optimizer = torch.optim.Muon(weights.values(), lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for _ in range(4):
        drawn = {name: torch.randn(p.shape, generator=generator) for name, p in theirs.named_parameters()}
        for name, weight in weights.items():
            weight.grad = drawn[f"{name}.weight"].flatten(1)
        optimizer.step()
    for name, weight in weights.items():
        torch.testing.assert_close(getattr(ours, name).weight.flatten(1), weight, rtol=0, atol=0.02 * 4 * 0.02)


def test_all_else_moves_as_adamw_moves_it() -> None:
    ours, theirs = Net(), Net()
    stepped(ours, Muon(ours, SETTINGS), 4)
    stepped(theirs, torch.optim.AdamW(theirs.parameters(), 0.02, (0.9, SETTINGS.beta2), weight_decay=0.1), 4)
    for name, parameter in theirs.named_parameters():
        same = torch.allclose(dict(ours.named_parameters())[name], parameter, rtol=1e-5, atol=1e-7)
        assert same == (name not in ("conv.weight", "linear.weight")), name


def test_a_step_is_as_large_as_adamws() -> None:
    """The root mean square of an update is about 0.2 of the learning rate, whatever the matrix's shape."""
    net = nn.ModuleList([nn.Linear(64, 64), nn.Linear(300, 20), nn.Conv2d(32, 64, 3)])
    before = [layer.weight.clone() for layer in net]
    stepped(net, Muon(net, replace(SETTINGS, weight_decay=0.0)), 1)
    for layer, old in zip(net, before, strict=True):
        assert 0.13 * 0.02 < (layer.weight - old).square().mean().sqrt() < 0.25 * 0.02


# ---- trainings


def trained(folder: Path, steps: int, first: int | None = None, optimizer: str = "muon") -> State:
    """A training of so many steps; stopped and gone on with after `first`, where that is given."""
    settings = Training(
        steps=steps, batch_size=8, lr=1e-2, ema=0.9, device="cpu", optimizer=optimizer, decay="none", save_every=100
    )
    objective, first_images = Objective(Cosine(), V(), Uniform(), Plain()), torch.arange(8)
    for last in (steps,) if first is None else (first, steps):
        torch.manual_seed(0)
        state = State.fresh(Denoiser(UNet(channels=16, mults=(1, 2), blocks=1), V()), settings)
        if last != first and first is not None:
            state.restore(load(folder / LAST))
        held_out = Batch(to_float(digits("test").take(first_images)), None, first_images)
        state.steps = last
        for _ in train(state, objective, Batches(digits("train"), 8, 0), held_out, settings, folder, {}, Accelerator(
            cpu=True
        )):  # fmt: skip
            pass
    return state


def test_a_resumed_training_ends_on_the_same_bits(tmp_path: Path) -> None:
    whole, resumed = trained(tmp_path / "a", 6), trained(tmp_path / "b", 6, first=3)
    for a, b in zip(whole.denoiser.parameters(), resumed.denoiser.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_checkpoint_keeps_one_moment_of_a_matrix(tmp_path: Path) -> None:
    state = trained(tmp_path, 2)
    parts = load(tmp_path / LAST).parts
    matrices = {name for name, p in state.denoiser.named_parameters() if p in state.optimizer.matrices}
    assert {"net.first.weight", "net.last.weight", "net.embed.layers.0.weight"} & matrices
    assert set(parts["exp_avg"]) == set(dict(state.denoiser.named_parameters()))
    assert set(parts["exp_avg_sq"]) == set(parts["exp_avg"]) - matrices
    assert not any(name.endswith("bias") for name in matrices)


def test_a_checkpoint_of_the_other_optimizer_is_none_of_this_training(tmp_path: Path) -> None:
    """AdamW needs a moment that Muon does not keep."""
    trained(tmp_path, 2)
    state = State.fresh(Denoiser(UNet(channels=16, mults=(1, 2), blocks=1), V()), Training(optimizer="adamw"))
    with pytest.raises(InkwashError, match="train again"):
        state.restore(load(tmp_path / LAST))
