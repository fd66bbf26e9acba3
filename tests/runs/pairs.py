"""A command run by two processes, as torchrun starts them."""

import signal
import socket
from pathlib import Path

from cli_runner import Command, Done, Fuse


def pair(
    args: tuple[object, ...], folder: Path, fuse: Fuse | None = None, limits: dict[int, int] | None = None
) -> list[Done]:
    """How both ended. What they say goes into `folder`; fuse and limits are the first's, whose SIGKILL takes both."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    env = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    first, second = (
        Command(
            args,
            folder / str(rank),
            None if rank else fuse,
            {} if rank else limits or {},
            {**env, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    )
    done = first.wait()
    if fuse is not None and fuse.number == signal.SIGKILL:
        second.send(signal.SIGKILL)
    return [done, second.wait()]
