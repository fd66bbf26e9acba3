"""The page of a training while it trains, in a process of its own that ends with it."""

import multiprocessing
import os
import signal
import socket
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from inkwash import own
from inkwash.foreign import say
from inkwash.play.serve import LOCAL, bound_socket, prepared, server
from inkwash.signals import belong_to_parent, postponing
from inkwash.training.checkpoint import FILES
from inkwash.training.metrics import METRICS

_POLL = 0.5  # seconds between looks for the first report of a training
_LEAST = 19  # the niceness of the page: it gets the time that the training leaves


@contextmanager
def page_beside(folder: Path, port: int, browser: bool) -> Iterator[str]:
    """Serves the page of the training in a folder until the block ends. Yields its address.

    The process of the page has the lowest priority, one thread and no GPU. If it fails, it says so, and the training
    does not notice. It ends with this process, also where that is killed. Raises UsageError for a port that is taken.
    """
    with bound_socket(LOCAL[0], port, "play_port") as bound:
        at = f"http://{LOCAL[0]}:{bound.getsockname()[1]}/#panel=training"
        bound.listen()  # so that no other takes the port, and a browser waits until the page is there
        context = multiprocessing.get_context("spawn")
        args = (bound, folder, own.permits(), at if browser else None)
        process = context.Process(target=_serve, args=args, daemon=True)
        with postponing(signal.SIGINT):
            process.start()
    try:
        yield at
    finally:
        process.terminate()
        process.join(2)
        if process.is_alive():
            process.kill()
            process.join()


def _serve(bound: socket.socket, folder: Path, permits: own.Permits, opened: str | None) -> None:
    """The main function of the page's process."""
    belong_to_parent()
    with suppress(OSError, AttributeError):
        os.nice(_LEAST)
    try:
        import torch

        torch.set_num_threads(1)
        own.adopt(permits)
        while not ((folder / METRICS).is_file() or (folder / FILES["last"]).is_file()):
            time.sleep(_POLL)
        listening = server(prepared([folder], device="cpu", logs=False))
        if opened is not None:
            webbrowser.open(opened)
        listening.run(sockets=[bound])
    except Exception as error:  # noqa: BLE001 whatever it is, the training goes on
        say(f"warning: the page of {folder} has ended: {error}")
