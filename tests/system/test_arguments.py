"""Random command lines: whatever is typed ends in a result or in one sentence, soon, and never in a traceback."""

import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cli_runner import TINY, did, inkwash
from inkwash import commands
from inkwash.commands._flags import _spellings

LONG = {"play", "race", "demo", "posterior", "distill"}  # that serve, or take minutes as they come
NUMBERS = (
    *("0", "1", "2", "3", "-1", "0.5", "nan", "inf", "-inf", "1e400", "99999999999999999999", "1_000", "0x10"),
    "\N{FULLWIDTH DIGIT ONE}",
)
WORDS = (
    *("", " ", "None", "all", "🦊", "\x1b[31mred", "a\nb", "../..", "/dev/null", "nothing.png", "x.gif", "x.npz", "x/"),
    *("-", "--", "mnist-class", "digits", "ddim", "heun", "karras", "clip", "eps", "true", "1,2", "2 3", "1,,2", "a=b"),
    *("%s", "{}", "FILE.py:NAME", "no.such.module:Thing", "é" * 300),
)
SECONDS = 60


@contextmanager
def soon(args: list[str]) -> Iterator[None]:
    """Fails if the block takes longer than SECONDS."""

    def late(*_: Any) -> None:
        pytest.fail(f"{args} did not end within {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def vector(rng: random.Random, runs: list[str]) -> list[str]:
    """A random command line: a command, sometimes a run, and a few of its flags and of values, sometimes of its own."""
    name = rng.choice([each for each in commands.names() if each not in LONG])
    args = [name]
    if rng.random() < 0.8:
        args.append(rng.choice([*runs, *runs, "digits", *WORDS]))
    flags = [flag for _, words in _spellings(commands.find(name)) for flag in words]
    for _ in range(rng.randint(0, 4)):
        args.append(rng.choice([*flags, *flags, "--nonsense", "-n", "--out"]) if flags else "--nonsense")
        if rng.random() < 0.85:
            args.append(rng.choice([*NUMBERS, *NUMBERS, *WORDS, *runs]))
    if name == "train":
        args += [word for word in map(str, (*TINY, "--steps", 1)) if word not in args]
    if name in ("sample", "evaluate", "study", "gallery", "edit", "restore", "figure") and "--steps" not in args:
        args += ["--steps", "2"]
    if name in ("evaluate", "study") and "-n" not in args:
        args += ["-n", "4", "--jobs", "1"]
    return args


def check(seed: int, count: int, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INKWASH_DATA", str(tmp_path))  # nothing is downloaded
    monkeypatch.setattr("inkwash.data.fetch._download", lambda *args, **rest: pytest.fail("a download"), raising=False)
    rng, codes = random.Random(seed), {0: 0, 1: 0, 2: 0}
    for i in range(count):
        args = vector(rng, [str(trained)])
        with soon(args):
            done = inkwash(*args)
        assert done.code in codes, (i, args, done)
        codes[done.code] += 1
        assert "Traceback" not in done.err + done.out, (i, args, done)
        if done.code:
            assert done.err.strip(), (i, args, done)
    assert codes[2] > count / 4  # most are wrong
    if count > 100:
        assert codes[0] > 0


def test_a_few_random_command_lines(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(1, 40, trained, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_500_random_command_lines(seed: int, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(100 + seed, 50, trained, tmp_path, monkeypatch)


def test_vectors_reach_what_runs(trained: Path) -> None:
    """The run that random lines name can be used."""
    assert did("info", trained).out
