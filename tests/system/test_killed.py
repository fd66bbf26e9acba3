"""kill -9 at random moments: no bit is lost, no process is left, and the next start leaves no temporary file."""

import hashlib
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from cli_runner import TINY, Command, did
from inkwash.atomic import TEMPORARY
from inkwash.training.checkpoint import BEST, LAST, load

Args = tuple[object, ...]

TRAIN = ("train", "digits", *TINY, "--steps", 24, "--save-every", 1)
SAMPLE = ("-n", 48, "--steps", 6, "--device", "cpu")
STUDY = ("--steps", "2,4", "-n", 12, "--features", "pixels", "--jobs", 2, "--device", "cpu")


def temporary(folder: Path) -> list[Path]:
    return list(folder.rglob(f"{TEMPORARY}*"))


def left_over(command: Command, before: set[int]) -> list[psutil.Process]:
    """The processes of a killed command that are still there: those that have come and belong to no other test."""
    found = []
    for process in psutil.process_iter(["pid", "ppid", "cmdline"]):
        if process.pid in before or process.pid == command.process.pid:
            continue
        if "multiprocessing" in " ".join(process.info["cmdline"] or ()) and process.info["ppid"] in (1, None):
            found.append(process)
    return found


def kill_at_random(args: Args, folder: Path, seconds: float, rng: random.Random) -> None:
    """Starts a command, kills it after up to so many seconds, and waits for the processes that it began to end."""
    before = set(psutil.pids())
    command = Command(args, folder, daemon=False)
    command.process.join(rng.uniform(0, seconds))
    if command.process.is_alive():
        command.send(signal.SIGKILL)
    code = command.wait().code
    assert code in (0, -signal.SIGKILL), command.err.read_text()
    ends = time.monotonic() + 20
    while left_over(command, before) and time.monotonic() < ends:
        time.sleep(0.05)
    assert left_over(command, before) == []


def weights(run: Path) -> str:
    """The hash of all tensors, and of what the training has counted, but for its seconds."""
    hashed = hashlib.sha256()
    for name in (LAST, BEST):
        saved = load(run / name)
        for part, named in sorted(saved.parts.items()):
            for key, tensor in sorted(named.items()):
                hashed.update(f"{part}.{key}".encode() + tensor.numpy().tobytes())
        hashed.update(repr([saved.facts[fact] for fact in ("step", "held_out", "best")]).encode())
    return hashed.hexdigest()


def kills(count: int) -> range:
    """As many as $INKWASH_KILLS says, if it does, on a machine with little time."""
    return range(int(os.environ.get("INKWASH_KILLS", count)))


@pytest.mark.slow
def test_trainings(tmp_path: Path) -> None:
    did(*TRAIN, "--out", tmp_path / "whole")
    rng, expected = random.Random(0), weights(tmp_path / "whole")
    for i in kills(40):
        out = tmp_path / str(i)
        kill_at_random((*TRAIN, "--out", out), tmp_path / "said", 2.5, rng)
        did(*TRAIN, "--out", out, *(("--resume",) if (out / LAST).exists() else ()))
        assert weights(out) == expected
        assert temporary(out) == []


@pytest.mark.slow
def test_samples(tmp_path: Path, trained: Path) -> None:
    did("sample", trained, *SAMPLE, "--out", tmp_path / "whole.npz", "--out", tmp_path / "whole/")
    rng = random.Random(1)
    expected = np.load(tmp_path / "whole.npz")["images"]
    for i in kills(25):
        folder = tmp_path / str(i)
        outs = ("--out", folder / "a.npz", "--out", folder / "many/")
        kill_at_random(("sample", trained, *SAMPLE, *outs), tmp_path / "said", 1.5, rng)
        if (folder / "many").exists():  # whole, or not there
            assert len(list((folder / "many").glob("*.png"))) == 48
            outs = outs[:2]
        did("sample", trained, *SAMPLE, *outs)
        assert np.array_equal(np.load(folder / "a.npz")["images"], expected)
        did("sample", trained, *SAMPLE, "--out", folder / "b.npz")
        assert temporary(folder) == []


def table_of(out: Path) -> list[list[str]]:
    """cells.csv without the seconds, which are its last column."""
    return [line.split(",")[:-1] for line in (out / "cells.csv").read_text().splitlines()]


@pytest.mark.slow
def test_studies(tmp_path: Path, trained: Path) -> None:
    study = ("study", trained, *STUDY)
    did(*study, "--out", tmp_path / "whole")
    rng, expected = random.Random(2), table_of(tmp_path / "whole")
    for i in kills(20):
        out = tmp_path / str(i)
        kill_at_random((*study, "--out", out), tmp_path / "said", 6.0, rng)
        did(*study, "--out", out)
        assert table_of(out) == expected
        assert temporary(out) == []


@pytest.mark.slow
def test_races(tmp_path: Path) -> None:
    """What they train depends on the clock; nothing that was saved is lost."""
    race = ("race", "digits", "--minutes", 0.02, "-n", 8, "--features", "pixels", "--device", "cpu")
    rng = random.Random(3)
    for i in kills(15):
        out = tmp_path / str(i)
        kill_at_random((*race, "--out", out), tmp_path / "said", 5.0, rng)
        before = load(out / "digits" / LAST).facts["step"] if (out / "digits" / LAST).exists() else 0
        did(*race, "--out", out)
        assert load(out / "digits" / LAST).facts["step"] >= before
        assert (out / "race.csv").exists()
        assert temporary(out) == []


KILLED: dict[str, Callable[[Path, Path], Args]] = {
    "train": lambda out, trained: (*TRAIN, "--out", out / "run"),
    "sample": lambda out, trained: ("sample", trained, *SAMPLE, "--out", out / "a.npz"),
}


@pytest.mark.parametrize("name", KILLED)
def test_a_sample_of_them(name: str, tmp_path: Path, trained: Path) -> None:
    kill_at_random(KILLED[name](tmp_path, trained), tmp_path / "said", 0.5, random.Random(0))
    resume = ("--resume",) if (tmp_path / "run" / LAST).exists() else ()
    did(*KILLED[name](tmp_path, trained), *resume)
    assert temporary(tmp_path) == []
