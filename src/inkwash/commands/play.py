"""inkwash play."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from inkwash.commands._base import RUN, Checkpoint, Code, Command, Device, Encoder, needing_play


@dataclass(frozen=True)
class Play(Command):
    """Open a page in the browser that shows how a model draws, and serve it to programs as well."""

    order: ClassVar[int] = 22

    runs: Annotated[tuple[Annotated[Path, RUN], ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN…")] = ()
    """Folders of runs, also of trainings that are going on, or models in the box. Default: the models in the box."""
    host: str = "127.0.0.1"
    """Address to listen at. Any other than this machine's own wants a token."""
    port: int = 7860
    """Port to listen at; 0 takes a free one."""
    token: Annotated[str | None, tyro.conf.arg(metavar="TOKEN")] = None
    """What clients must send; required with another --host. None reads $INKWASH_TOKEN."""
    open: bool = True
    """Open the page in the browser."""
    queue: int = 64
    """Number of requests that may wait; more are refused with a Retry-After."""
    checkpoint: Checkpoint = "last"
    device: Device = "auto"
    encoder: Encoder = None
    code: Code = ()

    def run(self) -> None:
        """Serves until Ctrl-C; walks that have begun may end first."""
        with needing_play():
            from inkwash.play.serve import serve
        serve(self.runs, self.host, self.port, self.token, self.open, self.queue, self.checkpoint, self.device)
