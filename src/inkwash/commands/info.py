"""inkwash info."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from inkwash.commands._base import Command, RunFolder
from inkwash.errors import UsageError
from inkwash.foreign import show


@dataclass(frozen=True)
class Info(Command):
    """Describe a run: its network, data, training progress, size and losses."""

    order: ClassVar[int] = 80

    folder: RunFolder
    out: Path | None = None
    """PNG file to plot the losses to; with --network, the network."""
    network: bool = False
    """List the layers of the network in the order of calls, with the shapes of their outputs and their parameters."""
    verify: bool = False
    """Read every checkpoint of the run, and check that its content has the digest that it records."""

    def run(self) -> None:
        from inkwash.commands._flags import in_flags
        from inkwash.commands.train import Train
        from inkwash.runs.info import draw_losses, run_facts, verified

        if self.verify and self.network:
            raise UsageError("--verify reads checkpoints and --network one network; give one of them.")
        if self.verify:
            for name, result in verified(self.folder):
                show(f"{name:12} {result}")
            return
        if self.network:
            self._network()
            return
        for name, value in run_facts(self.folder):
            show(f"{name:12} {in_flags(value, Train)}")
        if self.out is not None:
            draw_losses(self.folder, self.out)
            show(self.out)

    def _network(self) -> None:
        from inkwash.runs.layers import draw_network, lines
        from inkwash.runs.model import open_model

        model = open_model(self.folder, "last", "cpu")
        for line in lines(model):
            show(line)
        if self.out is not None:
            draw_network(model, self.out)
            show(self.out)
