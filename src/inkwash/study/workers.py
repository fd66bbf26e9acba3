"""Who does the work: this process, several of its own, or those that torchrun started."""

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from typing import Any

from inkwash import own
from inkwash.checked import references
from inkwash.distributed import processes
from inkwash.errors import InkwashError, UsageError
from inkwash.signals import postponing
from inkwash.study.subject import opened
from inkwash.study.units import Unit, work

OnEvaluations = Callable[[int], object]  # network evaluations, over all images, that were done since the last call
BEAT = 0.3  # seconds between two looks at how far the others are


def do(units: list[Unit], jobs: int | None, tick: OnEvaluations = lambda evaluations: None) -> None:
    """Does all units that are not done yet, and returns when all are, whoever does them.

    `jobs` processes share them; None takes one for each processor core, or one where the models are on a GPU.
    Under torchrun each process takes its share, and waits for the others. Raises UsageError for fewer than
    one process, and InkwashError when a process dies, or where torchrun did not start the processes that its
    variables announce: this one would wait for them for ever.
    """
    if jobs is not None and jobs < 1:
        raise UsageError(f"`jobs` must be at least 1 (got {jobs}).")
    among = processes()
    rank, world = among.rank, among.world
    shared = sorted(units, key=lambda unit: -unit.cost)  # long ones first; alike in all processes
    mine = [unit for unit in shared[rank::world] if not unit.done()]
    here = own.bound_here({name for unit in mine for name in _code(unit)})
    if here and (jobs or 1) > 1:
        raise UsageError(
            f"{', '.join(sorted(here))} exists in this process alone, so no other can draw with it; leave out `jobs`, "
            "or put its code into a file and name it as FILE.py:NAME."
        )
    if jobs is None:
        jobs = (
            1 if here or world > 1 or any(opened(unit.cell.subject).device.type != "cpu" for unit in mine) else _cores()
        )
    jobs = min(jobs, len(mine))
    if jobs > 1:
        _share(mine, jobs, tick)
    else:
        for unit in mine:
            work(unit, tick)
    for unit in shared:
        while world > 1 and not unit.done():  # if its process dies, torchrun ends this one too
            time.sleep(BEAT)


def _code(unit: Unit) -> tuple[str, ...]:
    return references(unit.cell.sampling, opened(unit.cell.subject).run, unit.measure.scoring)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _share(units: list[Unit], jobs: int, tick: OnEvaluations) -> None:
    """Each process takes the next unit that none has taken, and says what went wrong, if anything did."""
    context = multiprocessing.get_context("spawn")
    taken, done = context.Value("q", 0), context.Value("q", 0)
    crew: dict[Any, tuple[Any, Connection]] = {}  # by sentinel
    told = 0
    try:
        with postponing(signal.SIGINT):  # they leave Ctrl-C to this process from their first moment
            for _ in range(jobs):
                heard, said = context.Pipe(duplex=False)
                process = context.Process(target=_serve, args=(units, taken, done, said, own.permits()), daemon=True)
                process.start()
                said.close()
                crew[process.sentinel] = process, heard
        while crew:
            ended = wait_for(list(crew), BEAT)
            now = done.value
            tick(now - told)
            told = now
            for sentinel in ended:
                _take_leave(*crew.pop(sentinel))
    finally:
        for process, _ in crew.values():
            process.terminate()  # after an error or Ctrl-C: what they are at is not waited for


def _take_leave(process: Any, heard: Connection) -> None:
    """Raises what ended a process, where it was anything but the end of the work."""
    process.join()
    try:
        error = heard.recv()
    except EOFError:
        raise InkwashError(
            "a process of this study was ended from outside, perhaps for want of memory; "
            "run the same command again to go on, with fewer `jobs`."
        ) from None
    if error is not None:
        raise error


def _serve(units: list[Unit], taken: Any, done: Any, said: Connection, granted: own.Permits) -> None:
    """What one of the processes does: units, until all are taken. It ends with the parent, and leaves it Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with(sentinel: int) -> None:
        wait_for([sentinel])
        os._exit(1)

    threading.Thread(target=end_with, args=(parent.sentinel,), daemon=True).start()

    def tick(evaluations: int) -> None:
        with done.get_lock():
            done.value += evaluations

    try:
        own.adopt(granted)
        while (unit := _next(units, taken)) is not None:
            work(unit, tick)
        said.send(None)
    except Exception as error:  # noqa: BLE001 whatever it is, the first process says it
        error.add_note(traceback.format_exc())  # where it was raised, which pickling would lose
        said.send(own.blamed(error) or error)


def _leave(number: int, frame: object) -> None:
    """Ends a process, which removes half-written files on its way and is not to be stopped once more there."""
    signal.signal(number, signal.SIG_IGN)  # multiprocessing terminates at its exit whom `_share` has terminated already
    sys.exit(1)


def _next(units: list[Unit], taken: Any) -> Unit | None:
    with taken.get_lock():
        taken.value += 1
        return units[taken.value - 1] if taken.value <= len(units) else None
