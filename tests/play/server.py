"""Servers in this process."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from inkwash.play.app import Served, make_app
from inkwash.play.request import Limits
from inkwash.play.serve import bound_socket, prepared


@contextmanager
def serving(
    *runs: Path, token: str | None = None, limits: Limits | None = None, port: int = 0
) -> Iterator[tuple[str, Served]]:
    """A server of runs at a free port: its address, and what it serves."""
    served = prepared(runs, token, limits, device="cpu", logs=False)
    bound = bound_socket("127.0.0.1", port)
    server = uvicorn.Server(uvicorn.Config(make_app(served), log_level="error", access_log=False, ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}", served
    finally:
        server.should_exit = True
        thread.join(30)
        bound.close()
