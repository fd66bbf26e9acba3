"""Computes the units of a study in this process, in worker processes, or in the processes of torchrun."""

import multiprocessing
import os
import signal
import sys
import time
import traceback
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from typing import Any

from inkwash import own
from inkwash.checked import references
from inkwash.distributed import processes
from inkwash.errors import InkwashError, UsageError
from inkwash.signals import belong_to_parent, postponing
from inkwash.study.subject import load_model
from inkwash.study.units import OnEvaluations, Unit, compute

POLL_SECONDS = 0.3  # interval for checking the progress of the other processes


def compute_all(units: list[Unit], jobs: int | None, on_evaluations: OnEvaluations = lambda evaluations: None) -> None:
    """Computes all unfinished units, and returns when all are finished, by this or another process.

    `jobs` processes share the units; None uses one per processor core, or a single one if the models are on a GPU.
    Under torchrun each process computes its share and waits for the others. Raises UsageError for fewer than
    one process, and InkwashError if a process dies, or if the environment announces processes that torchrun did not
    start, since this process would wait for them forever.
    """
    if jobs is not None and jobs < 1:
        raise UsageError(f"`jobs` must be at least 1 (got {jobs}).")
    among = processes()
    rank, world = among.rank, among.world
    shared = sorted(units, key=lambda unit: -unit.cost)  # the most expensive first, in the same order in all processes
    mine = [unit for unit in shared[rank::world] if not unit.done()]
    here = own.bound_here(name for unit in mine for name in _code(unit))
    if here and (jobs or 1) > 1:
        raise UsageError(
            f"{', '.join(here)} exists in this process alone, so no other can draw with it; leave out `jobs`, "
            "or put its code into a file and name it as FILE.py:NAME."
        )
    if jobs is None:
        alone = here or world > 1 or any(load_model(unit.cell.subject).device.type != "cpu" for unit in mine)
        jobs = 1 if alone else _cores()
    jobs = min(jobs, len(mine))
    if jobs > 1:
        _compute_in_processes(mine, jobs, on_evaluations)
    else:
        for unit in mine:
            compute(unit, on_evaluations)
    for unit in shared:
        while world > 1 and not unit.done():  # if its process dies, torchrun ends this one too
            time.sleep(POLL_SECONDS)


def _code(unit: Unit) -> tuple[str, ...]:
    """References to the user's own code that a unit runs."""
    run = load_model(unit.cell.subject).run
    return references(unit.cell.sampling, unit.reference_spec.scoring, *(() if run is None else (run,)))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _compute_in_processes(units: list[Unit], jobs: int, on_evaluations: OnEvaluations) -> None:
    """Starts processes that each take the next free unit, and raises the error of a process that fails."""
    context = multiprocessing.get_context("spawn")
    taken, done = context.Value("q", 0), context.Value("q", 0)
    running: dict[Any, tuple[Any, Connection]] = {}  # by sentinel
    reported = 0
    try:
        with postponing(signal.SIGINT):  # only this process handles Ctrl-C, from the start of the workers
            for _ in range(jobs):
                receiver, sender = context.Pipe(duplex=False)
                process = context.Process(target=_worker, args=(units, own.permits(), taken, done, sender), daemon=True)
                process.start()
                sender.close()
                running[process.sentinel] = process, receiver
        while running:
            ended = wait_for(list(running), POLL_SECONDS)
            now = done.value
            on_evaluations(now - reported)
            reported = now
            for sentinel in ended:
                _join(*running.pop(sentinel))
    finally:
        for process, _ in running.values():
            process.terminate()  # after an error or Ctrl-C, do not wait for the current units


def _join(process: Any, receiver: Connection) -> None:
    """Raises the error that ended a process, if one did."""
    process.join()
    try:
        error = receiver.recv()
    except EOFError:
        raise InkwashError(
            "a process of this study was ended from outside, perhaps for want of memory; "
            "run the same command again to go on, with fewer `jobs`."
        ) from None
    if error is not None:
        raise error


def _worker(units: list[Unit], permits: own.Permits, taken: Any, done: Any, sender: Connection) -> None:
    """The main function of a worker: computes units until all are taken. Ends with its parent, and ignores Ctrl-C."""
    signal.signal(signal.SIGTERM, _exit)
    belong_to_parent()

    def on_evaluations(evaluations: int) -> None:
        with done.get_lock():
            done.value += evaluations

    try:
        own.adopt(permits)
        while (unit := _take(units, taken)) is not None:
            compute(unit, on_evaluations)
        sender.send(None)
    except Exception as error:  # noqa: BLE001 whatever it is, the first process raises it
        error.add_note(traceback.format_exc())  # where it was raised, which pickling would lose
        sender.send(own.blamed(error) or error)


def _exit(number: int, frame: object) -> None:
    """Exits so that partly written files are removed; a second signal must not interrupt that."""
    signal.signal(number, signal.SIG_IGN)  # at its exit multiprocessing terminates again what was terminated already
    sys.exit(1)


def _take(units: list[Unit], taken: Any) -> Unit | None:
    with taken.get_lock():
        taken.value += 1
        return units[taken.value - 1] if taken.value <= len(units) else None
