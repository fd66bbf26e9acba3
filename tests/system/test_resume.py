"""A training that was killed, at any moment, ends on the same bits as one that never was."""

import random
import re
import signal
import time
from pathlib import Path

import psutil
import pytest
import torch
from processes import TINY, finish, start

from inkwash.train.checkpoint import LAST, facts, load

RUN = ("train", "digits", *TINY, "--steps", 120, "--save-every", 5, "--dropout", 0.1, "--flip")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    parts = load(folder / LAST).parts
    return {f"{part}.{name}": tensor for part, named in parts.items() for name, tensor in named.items()}


def equal(a: Path, b: Path) -> bool:
    first, second = weights(a), weights(b)
    assert first.keys() == second.keys()
    assert any(name.startswith("exp_avg_sq.") for name in first)
    return all(torch.equal(first[name], second[name]) for name in first)


def killed(folder: Path, processes: int, chance: random.Random) -> None:
    """Trains, and kills all its processes some time after the first checkpoint."""
    process = start(*RUN, "--out", folder, torchrun=processes)
    while not (folder / LAST).exists():
        assert process.poll() is None, finish(process).stderr
        time.sleep(0.01)
    time.sleep(chance.uniform(0, 0.8))
    family = psutil.Process(process.pid)  # torchrun's workers are in groups of their own
    for member in [*family.children(recursive=True), family]:
        member.kill()
    finish(process)


@pytest.mark.parametrize("processes", [0, 2])
def test_killed_and_resumed_is_never_killed(tmp_path: Path, processes: int) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    done = finish(start(*RUN, "--out", whole, torchrun=processes))
    assert done.returncode == 0, done.stderr
    killed(broken, processes, random.Random(processes))
    assert facts(broken / LAST)["step"] < 120
    done = finish(start(*RUN, "--out", broken, "--resume", torchrun=processes))
    assert done.returncode == 0, done.stderr
    assert equal(whole, broken)


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert finish(start(*RUN, "--out", whole)).returncode == 0
    process = start(*RUN, "--out", broken)
    while not (broken / LAST).exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    step = facts(broken / LAST)["step"]
    assert f"stopped at step {step} of 120, and saved" in done.stderr
    line = re.search(r"Go on with: inkwash (.*)", done.stderr)
    assert line is not None
    assert finish(start(*line[1].split())).returncode == 0
    assert equal(whole, broken)


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    short = ("train", "digits", *TINY, "--steps", 10)
    assert finish(start(*short, "--out", one)).returncode == 0
    assert finish(start(*short, "--out", two, torchrun=2)).returncode == 0
    first, second = weights(one), weights(two)
    for name in first:
        assert torch.allclose(first[name], second[name], atol=2e-4), name
