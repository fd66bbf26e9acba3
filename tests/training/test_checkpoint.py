"""Checkpoints: whole or not at all, everything comes back, and nothing in them is ever run."""

import errno
import json
import os
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from inkwash.core import V
from inkwash.denoise import Denoiser
from inkwash.errors import InkwashError, UsageError
from inkwash.nets import UNet
from inkwash.settings import Training
from inkwash.training import Checkpoint, State, load, save
from inkwash.training.checkpoint import BEST, FORMAT, LAST, digest, facts

PARTS = {
    "model": {"net.first.weight": torch.randn(2, 3), "count": torch.tensor(7)},
    "ema": {"net.first.weight": torch.randn(2, 3).to(torch.bfloat16), "empty": torch.empty(0, 4)},
}
FACTS: dict[str, Any] = {
    "run": {"lr": 1e-3, "tiny": 5e-324, "third": 1 / 3, "none": None, "on": True, "text": "水墨 η\n\"'\\"},
    "history": [[10, 0.1], [20, float(torch.tensor(0.2))]],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save(tmp_path / LAST, Checkpoint(PARTS, FACTS))
    return tmp_path / LAST


def test_everything_comes_back(path: Path) -> None:
    back = load(path)
    assert back.parts.keys() == PARTS.keys()
    for part, named in PARTS.items():
        assert back.parts[part].keys() == named.keys()
        for name, tensor in named.items():
            assert back.parts[part][name].dtype == tensor.dtype
            assert torch.equal(back.parts[part][name], tensor)
    assert {name: back.facts[name] for name in FACTS} == FACTS
    assert back.facts["format"] == FORMAT


def test_facts_alone(path: Path) -> None:
    assert facts(path) == load(path).facts


def test_the_same_state_is_the_same_file(path: Path, tmp_path: Path) -> None:
    save(tmp_path / "again.safetensors", Checkpoint(PARTS, FACTS))
    assert digest(path) == digest(tmp_path / "again.safetensors")
    save(tmp_path / "other.safetensors", Checkpoint(PARTS, {**FACTS, "step": 1}))
    assert digest(path) != digest(tmp_path / "other.safetensors")


def test_it_is_plain_safetensors(path: Path) -> None:
    """What other tools read, with no pickle in it."""
    tensors = safetensors.torch.load_file(path)
    assert set(tensors) == {"model.net.first.weight", "model.count", "ema.net.first.weight", "ema.empty"}
    assert path.read_bytes()[8:9] == b"{"


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "sprung"),)

    for write in (lambda file: torch.save({"model": Trap()}, file), lambda file: pickle.dump(Trap(), file)):
        with (tmp_path / LAST).open("wb") as file:
            write(file)
        with pytest.raises(InkwashError, match="damaged or no checkpoint"):
            load(tmp_path / LAST)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_broken_off(share: float, path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    for read in (load, facts):
        with pytest.raises(InkwashError, match=r"last.safetensors is damaged .*; train again\.") as told:
            read(path)
        assert told.value.exit_code == 1
    save(path.with_name(BEST), Checkpoint(PARTS, {**FACTS, "step": 7}))
    with pytest.raises(
        InkwashError,
        match=r"best.safetensors beside it, of step 7, can take its place: open it with `checkpoint='best'`",
    ):
        load(path)


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {},
        {"format": "pt"},
        {"inkwash": ""},
        {"inkwash": "{"},
        {"inkwash": "[]"},
        {"inkwash": "null"},
        {"inkwash": "{}"},
        {"inkwash": '{"format": "one"}'},
    ],
)
def test_of_another_program(metadata: dict[str, str] | None, tmp_path: Path) -> None:
    safetensors.torch.save_file({"a.b": torch.zeros(1)}, tmp_path / LAST, metadata=metadata)
    with pytest.raises(InkwashError, match="damaged or no checkpoint of inkwash"):
        load(tmp_path / LAST)


@pytest.mark.parametrize(
    ("found", "advice"), [(FORMAT + 1, "Upgrade inkwash"), (1, "Its networks were others; train again")]
)
def test_of_another_format(found: int, advice: str, tmp_path: Path) -> None:
    about = json.dumps({"format": found, "version": "7.5.0"})
    safetensors.torch.save_file({"a.b": torch.zeros(1)}, tmp_path / LAST, metadata={"inkwash": about})
    said = rf"inkwash 7\.5\.0 in format {found}; .* reads formats 2 to {FORMAT}\. {advice}\."
    with pytest.raises(UsageError, match=said):
        load(tmp_path / LAST)


def test_format_2_had_other_names_for_some_modules(tmp_path: Path) -> None:
    """Those of a network with a vector and with tokens: every old name becomes one that the network has."""
    net = UNet(1, 8, (1, 2), 1, attention=(1,), vector=3, tokens=5)
    state = {f"ema.net.net.{name}": tensor.clone() for name, tensor in net.state_dict().items()}
    old = {
        re.sub(r"\.cross_attention\.|\.cond_embed\.", ".told.", name.replace(".key_value.", ".told.")): tensor
        for name, tensor in state.items()
    }
    assert len(old.keys() - state.keys()) == 4 + 4 * 8
    about = {"inkwash": json.dumps({"format": 2, "version": "0.1.0"})}
    safetensors.torch.save_file(old, tmp_path / LAST, metadata=about)
    read = load(tmp_path / LAST).parts["ema"]
    assert {f"ema.{name}" for name in read} == state.keys()
    assert all(torch.equal(read[name], state[f"ema.{name}"]) for name in read)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no checkpoint at"):
        load(tmp_path / LAST)
    with pytest.raises(UsageError, match="there is no checkpoint at"):
        load(tmp_path)


@pytest.mark.parametrize("function", ["os.fsync", "pathlib.Path.replace", "pathlib.Path.open"])
def test_a_write_that_fails_changes_nothing(function: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(function, full)
    with pytest.raises(InkwashError, match=r"could not be written: No space left on device\. Nothing was changed\."):
        save(path, Checkpoint(PARTS, {**FACTS, "step": 99}))
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [LAST]


# ---- all that training changes


def state(hidden: int = 4, seed: int = 0) -> State:
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(1, hidden, 3), nn.BatchNorm2d(hidden), nn.Conv2d(hidden, 1, 3))
    return State.fresh(Denoiser(net.to(memory_format=torch.channels_last), V()), Training(lr=0.1, device="cpu"))


def advance(of: State) -> None:
    of.denoiser.net(torch.ones(2, 1, 8, 8)).square().mean().backward()
    of.optimizer.step()
    of.optimizer.zero_grad()
    of.step += 1
    of.ema.update(of.denoiser, of.step)


def test_a_state_comes_back_and_goes_on_alike(tmp_path: Path) -> None:
    first, second = state(), state(seed=1)
    for _ in range(3):
        advance(first)
    first.seconds, first.best, first.history, first.held_out = 1.5, 0.25, [(3, 0.5)], [(0, 1.0), (3, 0.25)]
    save(tmp_path / LAST, first.checkpoint({}))
    second.restore(load(tmp_path / LAST))
    assert (second.step, second.seconds, second.best) == (3, 1.5, 0.25)
    assert (second.history, second.held_out) == (first.history, first.held_out)
    for _ in range(2):
        advance(first)
        advance(second)
    for a, b in zip(first.denoiser.state_dict().items(), second.denoiser.state_dict().items(), strict=True):
        assert a[0] == b[0]
        assert torch.equal(a[1], b[1]), a[0]
    for a, b in zip(first.denoiser.parameters(), second.denoiser.parameters(), strict=True):
        assert a.stride() == b.stride()
        for name, value in first.optimizer.state[a].items():
            assert torch.equal(value, second.optimizer.state[b][name]), name
    for a, b in zip(first.ema.model.parameters(), second.ema.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_state_of_no_steps_comes_back(tmp_path: Path) -> None:
    save(tmp_path / LAST, state().checkpoint({}))
    again = state(seed=1)
    again.restore(load(tmp_path / LAST))
    assert again.best == float("inf")
    assert not again.optimizer.state
    assert facts(tmp_path / LAST)["best"] is None  # JSON has no infinity


@pytest.mark.parametrize("change", ["another network", "no average", "no moments", "nothing"])
def test_a_checkpoint_of_another_network(change: str, tmp_path: Path) -> None:
    of = state(hidden=5 if change == "another network" else 4)
    advance(of)
    saved = of.checkpoint({})
    lost = {"no average": ["ema"], "no moments": ["exp_avg"], "nothing": list(saved.parts)}.get(change, [])
    for part in lost:
        del saved.parts[part]
    save(tmp_path / LAST, saved)
    with pytest.raises(InkwashError, match=r"^the checkpoint is of another network than it describes; train again\.$"):
        state().restore(load(tmp_path / LAST))
