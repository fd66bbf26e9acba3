"""The command line as tests use it: in this process, or in one of its own that can be limited and killed."""

import io
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import RLock
from typing import Any

from inkwash import own

# a network of 45,000 parameters: a step takes 10 ms
TINY = ("--channels", "8", "--batch-size", "16", "--precision", "float32", "--device", "cpu")


@dataclass(frozen=True)
class Done:
    """How a command ended: its exit code (or minus the signal), and what it printed."""

    code: int | None
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """What a command that failed said, after any bars: one sentence or more on a line, and no traceback."""
        assert "Traceback" not in self.err
        assert "Warning" not in self.err
        assert self.err.count("inkwash: ") == 1, self.err
        line = self.err.rstrip("\n").rpartition("\n")[2]
        assert line.startswith("inkwash: "), self.err
        return line.removeprefix("inkwash: ")


def inkwash(*args: object) -> Done:
    """Runs `inkwash ARGS` in this process, which may run no more code of a user's own than a new one might."""
    from inkwash.cli import main

    forget()
    out, err, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main(once(args))
        except SystemExit as ended:
            code = ended.code or 0
    return Done(code, out.getvalue(), err.getvalue())


def once(args: Sequence[object]) -> list[str]:
    """The arguments, without the flags of TINY and the steps that a test gives again: a flag may be given once."""
    words = [str(arg) for arg in args]
    for flag in (*TINY[::2], "--steps"):
        if words.count(flag) > 1:
            at = words.index(flag)
            del words[at : at + 2]
    return words


def forget() -> None:
    """Nothing is allowed, provided or loaded of a user's own code."""
    for held in (own._allowed, own._encoders, own._given, own._same, own._files, own._places):
        held.clear()


def did(*args: object) -> Done:
    """Runs `inkwash ARGS` in this process, which must succeed."""
    done = inkwash(*args)
    assert done.code == 0, done.err
    assert "Warning" not in done.err
    return done


def refused(*args: object) -> str:
    """Runs `inkwash ARGS` in this process, which must be asked wrongly: the sentence it says."""
    done = inkwash(*args)
    assert done.code == 2, done
    assert done.out == ""
    return done.sentence


@dataclass(frozen=True)
class Fuse:
    """Sends the process a signal just before, or `after`, the `count`-th call of a function."""

    function: str  # "package.module:name" or "package.module:Class.name"
    count: int
    after: bool = False
    number: int = signal.SIGKILL

    def install(self) -> None:
        module, names = self.function.split(":")
        *path, name = names.split(".")
        owner: Any = import_module(module)
        for step in path:
            owner = getattr(owner, step)
        setattr(owner, name, self._fused(getattr(owner, name)))

    def _fused(self, function: Callable[..., Any]) -> Callable[..., Any]:
        calls = 0

        def fused(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == self.count and not self.after:
                os.kill(os.getpid(), self.number)
            result = function(*args, **kwargs)
            if calls == self.count and self.after:
                os.kill(os.getpid(), self.number)
            return result

        return fused


@dataclass
class Command:
    """`inkwash ARGS` in a process of its own, forked from one that has imported torch already."""

    args: tuple[object, ...]
    folder: Path  # for what it prints
    fuse: Fuse | None = None
    limits: dict[int, int] = field(default_factory=dict)  # of resource.setrlimit
    env: dict[str, str] = field(default_factory=dict)
    daemon: bool = True  # ended with the tests; such a process can have none of its own

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.out, self.err = self.folder / "out", self.folder / "err"
        args = (once(self.args), self.out, self.err, self.fuse, self.limits, self.env)
        self.process: BaseProcess = _server().Process(target=_main, args=args, daemon=self.daemon)
        self.process.start()

    def send(self, number: int) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def wait(self) -> Done:
        self.process.join(120)
        return Done(self.process.exitcode, self.out.read_text(), self.err.read_text())


@cache
def _server() -> ForkServerContext:
    context = get_context("forkserver")
    slow_to_import = ["pytest", "inkwash.runs.artifacts", "torch._dynamo", "torch.distributed"]
    context.set_forkserver_preload(slow_to_import)
    return context


def _main(
    args: list[str], out: Path, err: Path, fuse: Fuse | None, limits: dict[int, int], env: dict[str, str]
) -> None:
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), number)
    os.environ.update(env)
    for what, most in limits.items():
        resource.setrlimit(what, (most, most))
    from tqdm import tqdm

    tqdm.set_lock(RLock())  # its own is a semaphore of the system, which a killed process would leak
    if fuse is not None:
        fuse.install()
    sys.argv = ["inkwash", *args]
    from inkwash.cli import main

    main()
