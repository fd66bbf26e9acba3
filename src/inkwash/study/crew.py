"""Who does the work: this process, several of its own, or those that torchrun started."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for
from typing import Any

from inkwash.errors import AskedWrongly, InkwashError
from inkwash.signals import handling
from inkwash.study.subject import opened
from inkwash.study.work import Unit, work

Tick = Callable[[int], object]  # network evaluations, over all images, that were done since the last call
BEAT = 0.3  # seconds between two looks at how far the others are


def do(units: list[Unit], jobs: int | None, tick: Tick = lambda evaluations: None) -> None:
    """Does all units that are not done yet, and returns when all are, whoever does them.

    `jobs` processes share them; None takes one for each processor core, or one where the models are on a GPU.
    Under torchrun each process takes its share, and waits for the others. Raises AskedWrongly for fewer than
    one process, and InkwashError when a process dies.
    """
    if jobs is not None and jobs < 1:
        raise AskedWrongly(f"--jobs must be at least 1 (got {jobs}).")
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    shared = sorted(units, key=lambda unit: -unit.cost)  # long ones first; alike in all processes
    mine = [unit for unit in shared[rank::world] if not unit.done()]
    if jobs is None:
        jobs = 1 if world > 1 or any(opened(unit.cell.subject).device.type != "cpu" for unit in mine) else _cores()
    jobs = min(jobs, len(mine))
    if jobs > 1:
        _share(mine, jobs, tick)
    else:
        for unit in mine:
            work(unit, tick)
    for unit in shared:
        while world > 1 and not unit.done():  # if its process dies, torchrun ends this one too
            time.sleep(BEAT)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _share(units: list[Unit], jobs: int, tick: Tick) -> None:
    context, others = multiprocessing.get_context("spawn"), multiprocessing.active_children()
    done = context.Value("q", 0)
    told = 0
    pool = ProcessPoolExecutor(jobs, context, _begin, (done,))
    try:
        with handling(signal.SIG_IGN, signal.SIGINT):  # they leave Ctrl-C to this process from their first moment
            coming: set[Future[None]] = {pool.submit(_one, unit) for unit in units}
        while coming:
            ended, coming = wait(coming, BEAT, FIRST_COMPLETED)
            now = done.value
            tick(now - told)
            told = now
            for future in ended:
                future.result()
    except BrokenProcessPool:
        raise InkwashError(
            "a process of this study was ended from outside, perhaps for want of memory; "
            "run the same command again to go on, with fewer --jobs."
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            if process not in others:
                process.terminate()  # after an error or Ctrl-C: what they are at is not waited for


_done: Any = None  # evaluations of all processes, a number that they share


def _begin(done: Any) -> None:
    """What a process does first: end with the parent, to whom it leaves Ctrl-C."""
    global _done
    _done = done
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))  # half-written files are removed on the way
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with(sentinel: int) -> None:
        wait_for([sentinel])
        os._exit(1)

    threading.Thread(target=end_with, args=(parent.sentinel,), daemon=True).start()


def _one(unit: Unit) -> None:
    def tick(evaluations: int) -> None:
        with _done.get_lock():
            _done.value += evaluations

    try:
        work(unit, tick)
    except SystemExit:  # the pool would take it for a unit that failed, and go on with the next
        os._exit(1)
