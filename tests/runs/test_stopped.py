"""A training that is stopped, at whatever moment and in whatever way, ends in the weights of one never stopped."""

import os
import random
import resource
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from pairs import pair

from cli_runner import TINY, Command, Done, Fuse, did, inkwash, once
from inkwash.training.checkpoint import BEST, LAST, load
from inkwash.training.metrics import METRICS

Whole = Callable[[str], Path]

STEPS = ("--steps", 12, "--save-every", 4)
FLAGS = {
    "plain": (),
    "dropout": ("--dropout", 0.3),
    "accumulate": ("--accumulate", 2),
    "flip": ("--flip",),
    "class": ("--condition", "class", "--condition-dropout", 0.5, "--accumulate", 2),
    "bfloat16": ("--precision", "bfloat16"),
    "many": ("--dropout", 0.2, "--accumulate", 3, "--flip", "--mults", 1, 2, "--attention", 1, "--draw", "log-normal"),
}


def train(name: str, out: Path) -> tuple[object, ...]:
    return ("train", "digits", *TINY, *STEPS, *FLAGS[name], "--out", out)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """The run that was never stopped, by the name of its flags."""

    @cache
    def made(name: str) -> Path:
        out = tmp_path_factory.mktemp(name) / "run"
        did(*train(name, out))
        return out

    return made


def tensors(path: Path) -> dict[str, torch.Tensor]:
    parts = load(path).parts
    assert {"model", "ema", "exp_avg", "exp_avg_sq"} <= parts.keys()
    return {f"{part}.{name}": tensor for part, named in parts.items() for name, tensor in named.items()}


def assert_same(a: Path, b: Path) -> None:
    """Bit for bit: the weights, their average, and Adam's moments."""
    first, second = tensors(a), tensors(b)
    assert first.keys() == second.keys()
    different = [name for name in first if not torch.equal(first[name], second[name])]
    assert different == []


def assert_same_runs(a: Path, b: Path) -> None:
    assert_same(a / LAST, b / LAST)
    assert_same(a / BEST, b / BEST)
    for fact in ("step", "images_seen", "held_out", "best", "fingerprint"):
        assert load(a / LAST).facts[fact] == load(b / LAST).facts[fact]


def some(names: Iterable[str], *fast: str) -> list[Any]:
    """All names, of which only the `fast` ones are for every run of the tests."""
    return [pytest.param(name, marks=() if name in fast else pytest.mark.slow) for name in names]


MOMENTS = {
    "in a step": Fuse("inkwash.training.loop:_update", 6),
    "between the average and the checkpoint": Fuse("inkwash.training.loop:_saved", 3),
    "before the best checkpoint is written": Fuse("inkwash.training.checkpoint:replacing", 5),
    "before the best checkpoint is on disk": Fuse("inkwash.atomic:_to_disk", 6),
    "between best and last": Fuse("pathlib:Path.replace", 6, after=True),
    "between best and last, at the end": Fuse("pathlib:Path.replace", 8, after=True),
    "before the last checkpoint is renamed": Fuse("pathlib:Path.replace", 7),
    "after the last checkpoint": Fuse("pathlib:Path.replace", 7, after=True),
    "after the last step": Fuse("inkwash.training.loop:_update", 12, after=True),
}


@pytest.mark.parametrize("snapshot", some(MOMENTS, "in a step", "between best and last"))
def test_killed_at_a_moment(snapshot: str, tmp_path: Path, whole: Whole) -> None:
    out = tmp_path / "run"
    assert Command(train("plain", out), tmp_path, MOMENTS[snapshot]).wait().code == -signal.SIGKILL
    assert load(out / LAST).facts["step"] in (4, 8)
    did(*train("plain", out), "--resume")
    assert_same_runs(out, whole("plain"))
    assert sorted(path.name for path in out.iterdir()) == [BEST, LAST, METRICS]  # no half-written file


@pytest.mark.parametrize("flags", some(FLAGS, "class", "many"))
def test_killed_with(flags: str, tmp_path: Path, whole: Whole) -> None:
    out = tmp_path / "run"
    killed = Command(train(flags, out), tmp_path, Fuse("inkwash.training.loop:_update", 7)).wait()
    assert killed.code == -signal.SIGKILL
    did(*train(flags, out), "--resume")
    assert_same_runs(out, whole(flags))


def test_killed_while_writing(tmp_path: Path) -> None:
    """A file that breaks off in the middle never bears the checkpoint's name."""
    out = tmp_path / "run"
    did(*train("plain", out), "--steps", 4)
    half = out / ".inkwash-0123456789ab.safetensors"  # as a killed process leaves it
    half.write_bytes((out / LAST).read_bytes()[:10_000])
    did(*train("plain", out), "--resume")
    assert not half.exists()


def test_killed_before_the_first_checkpoint(tmp_path: Path, whole: Whole) -> None:
    out = tmp_path / "run"
    Command(train("plain", out), tmp_path, Fuse("pathlib:Path.replace", 1)).wait()
    assert inkwash(*train("plain", out), "--resume").code == 2
    did(*train("plain", out))
    assert_same_runs(out, whole("plain"))


@pytest.mark.slow
def test_killed_again_and_again_at_random(tmp_path: Path) -> None:
    """With a checkpoint at each step, most of the time goes into writing them."""
    often = ("train", "digits", *TINY, "--steps", 24, "--save-every", 1, "--out")
    did(*often, tmp_path / "whole")
    out, delays = tmp_path / "run", random.Random(0)
    resume: tuple[str, ...] = ()
    for _ in range(3):
        command = Command((*often, out, *resume), tmp_path)
        while command.process.is_alive() and "into" not in (command.err.read_text() if command.err.exists() else ""):
            time.sleep(0.005)
        time.sleep(delays.uniform(0.02, 0.2))
        command.send(signal.SIGKILL)
        command.wait()
        resume = ("--resume",) if (out / LAST).exists() else ()
    did(*often, out, *resume)
    assert_same_runs(out, tmp_path / "whole")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted(number: int, tmp_path: Path, whole: Whole) -> None:
    """Ctrl-C, and the other signals to end, ends the step, saves, and says what to type to go on."""
    out = tmp_path / "a run"  # the space must be quoted
    fuse = Fuse("inkwash.training.loop:_update", 6, number=number)
    done = Command(train("dropout", out), tmp_path, fuse).wait()
    assert done.code == 1
    assert "stopped at step 6 of 12, and saved." in done.sentence
    assert load(out / LAST).facts["step"] == 6
    name, *args = shlex.split(done.sentence.partition("Go on with: ")[2])
    assert name == "inkwash"
    did(*args)
    assert_same(out / LAST, whole("dropout") / LAST)


def test_interrupted_twice(tmp_path: Path) -> None:
    """A second Ctrl-C does not wait, and the checkpoint is still the last whole one."""
    out = tmp_path / "run"
    command = Command((*train("plain", out), "--steps", 100_000), tmp_path)
    while not (out / LAST).exists() or load(out / LAST).facts["step"] < 8:
        time.sleep(0.02)
    command.send(signal.SIGINT)
    time.sleep(0.001)
    command.send(signal.SIGINT)
    done = command.wait()
    assert done.code in (1, 130)  # 1 where the system delivers the two as one
    assert "Traceback" not in done.err
    assert load(out / LAST).facts["step"] >= 8


def test_a_finished_run_has_nothing_left(trained: Path) -> None:
    before = (trained / LAST).read_bytes()
    assert "already trained" in did(*train("plain", trained), "--resume").out
    assert (trained / LAST).read_bytes() == before


def test_a_run_goes_on_for_longer(tmp_path: Path) -> None:
    """A constant learning rate makes 8 + 4 steps the same as 12."""
    constant = ("train", "digits", *TINY, "--save-every", 4, "--decay", "none", "--out")
    did(*constant, tmp_path / "a", "--steps", 8)
    did(*constant, tmp_path / "a", "--steps", 12, "--resume")
    did(*constant, tmp_path / "b", "--steps", 12)
    assert_same_runs(tmp_path / "a", tmp_path / "b")


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path, whole: Whole) -> None:
    out = tmp_path / "run"
    did(*train("plain", out), "--steps", 4)
    before = {path: path.read_bytes() for path in out.glob("*.safetensors")}
    assert all(len(content) > 200_000 for content in before.values())
    full = {resource.RLIMIT_FSIZE: 200_000}
    done = Command((*train("plain", out), "--resume"), tmp_path, limits=full).wait()
    assert done.code == 1
    assert "could not be written: File too large. Nothing was changed." in done.sentence
    assert {path: path.read_bytes() for path in out.glob("*.safetensors")} == before
    did(*train("plain", out), "--resume")
    assert_same_runs(out, whole("plain"))


# ---- two processes


def two(name: str, out: Path, folder: Path, *more: object, **how: Any) -> list[Done]:
    return pair((*train(name, out), *more), folder, **how)


@pytest.fixture(scope="session")
def whole_of_two(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """As `whole`, by two processes."""

    @cache
    def made(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        assert [done.code for done in two(name, folder / "run", folder)] == [0, 0]
        return folder / "run"

    return made


@pytest.mark.parametrize("name", ["plain", pytest.param("many", marks=pytest.mark.slow)])
def test_two_processes_killed(name: str, tmp_path: Path, whole_of_two: Whole) -> None:
    out = tmp_path / "run"
    killed = two(name, out, tmp_path, fuse=Fuse("inkwash.training.loop:_update", 7))
    assert killed[0].code == -signal.SIGKILL
    assert killed[1].code in (-signal.SIGKILL, 1)  # killed, or it had noticed already that it is alone
    assert load(out / LAST).facts["step"] == 4
    resumed = two(name, out, tmp_path, "--resume")
    assert [done.code for done in resumed] == [0, 0]
    assert "Warning" not in resumed[0].err + resumed[1].err
    assert_same_runs(out, whole_of_two(name))


@pytest.mark.parametrize("flags", ["plain", "class"])
def test_two_processes_make_what_one_makes(flags: str, whole: Whole, whole_of_two: Whole) -> None:
    """The global batch, its levels, noise and withheld conditions are the same; sums differ in their rounding."""
    one, both = tensors(whole(flags) / LAST), tensors(whole_of_two(flags) / LAST)
    for name, tensor in one.items():
        torch.testing.assert_close(both[name], tensor, atol=3e-5, rtol=1e-4)
    facts, others = load(whole(flags) / LAST).facts, load(whole_of_two(flags) / LAST).facts
    assert others["images_seen"] == 12 * 16
    for (step, loss), (same, other) in zip(facts["held_out"], others["held_out"], strict=True):
        assert step == same
        assert other == pytest.approx(loss, rel=1e-4)
    assert [loss for _, loss in others["history"]] == pytest.approx([loss for _, loss in facts["history"]], rel=1e-4)


def test_two_processes_interrupted(tmp_path: Path, whole_of_two: Whole) -> None:
    """One is asked to stop; both stop together, at their next report."""
    out = tmp_path / "run"
    stopped = two("plain", out, tmp_path, fuse=Fuse("inkwash.training.loop:_update", 6, number=signal.SIGINT))
    assert [done.code for done in stopped] == [1, 0]
    assert "stopped at step 10 of 12, and saved." in stopped[0].sentence
    assert "Go on with: torchrun --nproc-per-node 2 -m inkwash train digits" in stopped[0].sentence
    assert load(out / LAST).facts["step"] == 10
    two("plain", out, tmp_path, "--resume")
    assert_same(out / LAST, whole_of_two("plain") / LAST)


def test_one_of_two_processes_fails(tmp_path: Path) -> None:
    """The one that failed says why, the other that it is alone."""
    full = {resource.RLIMIT_FSIZE: 200_000}
    first, second = two("plain", tmp_path / "run", tmp_path, limits=full)
    assert (first.code, second.code) == (1, 1)
    assert "could not be written: File too large" in first.sentence
    assert second.sentence == "another process of this training has ended, and says why; go on with --resume."


def test_both_of_two_processes_fail(tmp_path: Path) -> None:
    for done in two("plain", tmp_path / "run", tmp_path, "--lr", 1e30, "--clip", "None"):
        assert done.code == 1
        assert "the loss was no longer a number" in done.sentence


def test_a_batch_that_does_not_divide(tmp_path: Path) -> None:
    done = two("plain", tmp_path / "run", tmp_path, "--batch-size", 15)
    assert [one.code for one in done] == [2, 2]
    assert "15 does not divide among 2" in done[0].sentence
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_torchrun_killed(tmp_path: Path) -> None:
    """The real thing: torchrun, and kill -9 of it and its workers, which are in sessions of their own."""
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "inkwash")
    env = {**os.environ, "OMP_NUM_THREADS": "1"}

    def start(out: Path, *more: str) -> subprocess.Popen[bytes]:
        args = [*torchrun, *once((*train("many", out), "--steps", 60, *more))]
        return subprocess.Popen(args, start_new_session=True, env=env, stderr=subprocess.DEVNULL)

    assert start(tmp_path / "whole").wait() == 0
    out = tmp_path / "run"
    killed = start(out)
    while not (out / LAST).exists() or load(out / LAST).facts["step"] < 20:
        time.sleep(0.02)
    family = [psutil.Process(killed.pid), *psutil.Process(killed.pid).children(recursive=True)]
    assert len(family) >= 3
    for each in family:
        each.kill()
    psutil.wait_procs(family[1:], timeout=30)
    killed.wait()
    assert start(out, "--resume").wait() == 0
    assert_same_runs(out, tmp_path / "whole")
