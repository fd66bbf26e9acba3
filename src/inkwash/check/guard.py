"""Checks a page in a process of its own, with limits on time, memory and what it prints.

The limits protect from mistakes, such as an endless loop. They are no sandbox: a page can still read and write files.
"""

import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

from inkwash.check.finding import Finding
from inkwash.errors import InkwashError, UsageError

MEGABYTE = 2**20
START_SECONDS = 120.0  # for Python and torch to start
RESULTS = 4 * MEGABYTE  # of findings, at most


@dataclass(frozen=True)
class Limits:
    """What a page may use."""

    seconds: float = 60.0
    """Time for all of its functions."""
    memory: int = 2048
    """Megabytes beyond what torch needs itself."""
    output: int = 1
    """Megabytes that it may print."""


@dataclass
class _Watched:
    """What is known of the process so far."""

    findings: list[Finding]
    refusal: str = ""
    now: str = ""  # what is being checked
    ready: bool = False
    done: bool = False
    printed: int = 0


def check_file(path: Path, named: Mapping[str, str] | None = None, limits: Limits | None = None) -> list[Finding]:
    """The findings on the page `path`. `named` maps kinds of functions to names on the page.

    Raises UsageError for a page that is no Python file, that does not parse, or that fails, hangs or ends while it is
    loaded, and if nothing on it is recognised. A function that hangs or ends the process is wrong, and what comes after
    it is not checked.
    """
    limits = limits or Limits()
    _check_source(path)
    context = _context()
    news, tell = context.Pipe(duplex=False)
    read, write = os.pipe()
    with os.fdopen(read, "rb", buffering=0) as printed:
        output = Connection(write)
        args = (str(path), dict(named or {}), limits, tell, output)
        process = context.Process(target=_child, args=args)  # type: ignore[attr-defined]
        process.start()
        tell.close()
        output.close()
        try:
            return _watch(path, process, news, printed, limits)
        finally:
            _end(process)
            news.close()


def _context() -> BaseContext:
    """How the process is started; tests start it faster."""
    return multiprocessing.get_context("spawn")


def _check_source(path: Path) -> None:
    if path.suffix != ".py" or not path.is_file():
        what = "is no Python file" if path.exists() else "does not exist"
        raise UsageError(f"{path} {what}; give a file that ends in .py.")
    if path.stat().st_size > MEGABYTE:
        raise UsageError(f"{path} is larger than a megabyte; give a file of code.")
    try:
        source = path.read_bytes()
        if not source.strip():
            raise UsageError(f"{path} is empty.")
        compile(source, str(path), "exec")
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        says = getattr(error, "msg", None) or str(error)
        raise UsageError(f"{path}{f', line {line}' if line else ''}: {type(error).__name__}: {says}.") from error


def _watch(path: Path, process: Any, news: Connection, printed: Any, limits: Limits) -> list[Finding]:
    seen, deadline = _Watched([]), time.monotonic() + START_SECONDS
    listening: list[Any] = [news, printed, process.sentinel]
    while not seen.done:
        left = deadline - time.monotonic()
        ready = wait_for(listening, max(left, 0)) if left > 0 else []
        if not ready:
            what = f"took longer than {limits.seconds:g} s" if seen.ready else f"did not start in {START_SECONDS:g} s"
            return _stopped(path, seen, f"{what} and was stopped; look for a loop that does not end")
        if printed in ready:
            text = os.read(printed.fileno(), 65536)
            seen.printed += len(text)
            if not text:
                listening.remove(printed)
            if seen.printed > limits.output * MEGABYTE:
                return _stopped(path, seen, f"printed more than {limits.output} MB and was stopped; print less")
        if news in ready:
            was_ready = seen.ready
            if not _hear(news, seen):
                listening.remove(news)
            if seen.ready and not was_ready:
                deadline = time.monotonic() + limits.seconds
        elif ready == [process.sentinel]:
            _end_group(process)
            process.join()
            return _stopped(path, seen, _how(process.exitcode))
    if seen.refusal:
        raise UsageError(seen.refusal)
    return seen.findings


def _hear(news: Connection, seen: _Watched) -> bool:
    """One message of the process; False where there are no more."""
    try:
        kind, what = json.loads(news.recv_bytes(RESULTS))
    except (EOFError, OSError):
        return False
    except ValueError as error:
        raise InkwashError("the process of the page sent what is no finding; the page interferes with it.") from error
    if kind == "ready":
        seen.ready = True
    elif kind == "now":
        seen.now = what
    elif kind == "finding":
        seen.findings.append(Finding(**{**what, "mistakes": tuple(what["mistakes"])}))
    elif kind == "refusal":
        seen.refusal = what
    seen.done = kind in ("done", "refusal")
    return True


def _stopped(path: Path, seen: _Watched, how: str) -> list[Finding]:
    """The findings so far, and that of the function that was running. Raises UsageError if that was no function."""
    if not seen.ready:
        raise InkwashError(f"the process that checks {path} {how}.")
    if not seen.now:
        raise UsageError(
            f"{path} {how}. That was while it was imported; put what runs under `if __name__ == '__main__':`."
        )
    says = f"it {how}. What comes after it was not checked."
    return [*seen.findings, Finding(seen.now, "process", "wrong", says)]


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        with suppress(ValueError):
            return f"crashed ({signal.Signals(-code).name})"
    return f"ended the process (exit code {code})"


def _end(process: Any) -> None:
    """Ends the process and those it started, which are in its group."""
    _end_group(process)
    if process.is_alive():
        process.kill()
    process.join()


def _end_group(process: Any) -> None:
    """To be called before the process is waited for, since its number then belongs to it alone."""
    with suppress(ProcessLookupError, PermissionError, AttributeError):
        if os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, signal.SIGKILL)


# ---- in the process


def _child(path: str, named: dict[str, str], limits: Limits, tell: Connection, output: Connection) -> None:
    def say(kind: str, what: Any = None) -> None:
        tell.send_bytes(json.dumps([kind, what]).encode())

    with suppress(OSError, AttributeError):
        os.setsid()
    for stream in (1, 2):
        os.dup2(output.fileno(), stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout, sys.stderr, sys.stdin = (os.fdopen(n, "r" if n == 0 else "w", closefd=False) for n in (1, 2, 0))
    from inkwash.check.examine import examine  # imports torch, before the clock starts

    _limit(limits)
    say("ready")
    try:
        for finding in examine(Path(path), named, lambda name: say("now", name)):
            say("finding", finding.as_json())
    except InkwashError as error:
        say("refusal", str(error))
    except MemoryError:
        os._exit(1)
    else:
        say("done")
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    os._exit(0)  # threads of the page do not keep the process


def _limit(limits: Limits) -> None:
    """Limits memory beyond what is in use, and forbids core files; where the system can."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + limits.memory * MEGABYTE
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
