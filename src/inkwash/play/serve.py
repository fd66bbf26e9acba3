"""Opening the models and listening, until Ctrl-C."""

import os
import socket
import webbrowser
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from inkwash import models
from inkwash.errors import InkwashError, UsageError
from inkwash.foreign import say, show
from inkwash.play.about import Watched
from inkwash.play.app import Served, make_app
from inkwash.play.engine import Engine
from inkwash.play.request import Limits
from inkwash.runs.model import TrainedModel, open_model
from inkwash.training.checkpoint import FILES
from inkwash.training.metrics import METRICS

LOCAL = ("127.0.0.1", "localhost", "::1")
_SHORTEST = 16  # characters of a token


def serve(
    runs: Sequence[Path],
    host: str = "127.0.0.1",
    port: int = 7860,
    token: str | None = None,
    browser: bool = False,
    queue: int = 64,
    checkpoint: str = "last",
    device: str = "auto",
) -> None:
    """Serves the page of runs, or of the models in the box, until it is interrupted.

    Raises UsageError for a run that cannot be opened, an address of others without a token, or a port that is taken.
    """
    token = token or os.environ.get("INKWASH_TOKEN") or None
    if host not in LOCAL and token is None:
        raise UsageError(
            f"at {host} others can reach this server, so it wants a token: give `token`, or $INKWASH_TOKEN, "
            f"of {_SHORTEST} characters or more."
        )
    if token is not None and (len(token) < _SHORTEST or not token.isascii() or not token.isprintable()):
        raise UsageError(f"a token has {_SHORTEST} or more characters of ASCII; this one does not.")
    if queue < 1:
        raise UsageError(f"`queue` must be at least 1 (got {queue}).")
    with bound_socket(host, port) as bound:
        served = prepared(runs, token, Limits(queue=queue), checkpoint, device)
        at = f"http://{f'[{host}]' if ':' in host else host}:{bound.getsockname()[1]}/"
        at = at if token is None else f"{at}#token={token}"
        show(at)
        say("Ctrl-C stops it.")
        if browser and host in LOCAL:
            webbrowser.open(at)
        server(served).run(sockets=[bound])


def server(served: Served) -> uvicorn.Server:
    """The HTTP server, which does not listen yet."""
    config = uvicorn.Config(
        make_app(served), log_level="warning", access_log=False, server_header=False, ws="none",
        timeout_graceful_shutdown=10, timeout_keep_alive=30, limit_concurrency=1000,
    )  # fmt: skip
    return uvicorn.Server(config)


def prepared(
    runs: Sequence[Path], token: str | None = None, limits: Limits | None = None, checkpoint: str = "last",
    device: str = "auto", logs: bool = True,
) -> Served:  # fmt: skip
    """Opens the runs. A folder where a training has not yet saved is only watched.

    Raises UsageError where there is neither a run nor a training, and if two runs have the same name.
    """
    found: dict[str, TrainedModel] = {}
    watched: dict[str, Watched] = {}
    for folder in runs or [models.folder(name) for name in models.names()]:
        name = models.name_of(folder) or models.title(folder)
        if name in watched or name in found:
            raise UsageError(f"two of the runs are called {name}; rename one of their folders.")
        if (folder / METRICS).is_file():
            watched[name] = Watched(folder, checkpoint, device)
        if (folder / FILES[checkpoint]).is_file() or name not in watched:
            seen = watched[name].changed() if name in watched else None
            found[name] = seen or open_model(folder, checkpoint, device)
    if not found:
        box = models.names()
        found = {name: open_model(models.folder(name), device=device) for name in box if name not in watched}
    if not found:
        raise InkwashError("there is no model to draw from yet; wait until the training has saved once.")
    return Served(Engine(found, limits, logs), watched, token)


def bound_socket(host: str, port: int, called: str = "port") -> socket.socket:
    """A bound socket, so that a port that is taken is told before models are opened. `called` names the argument."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except (OSError, OverflowError) as error:
        bound.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"{host} port {port} cannot be listened at ({reason}); choose another `{called}`, or 0."
        ) from error
    return bound
