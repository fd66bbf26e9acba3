"""The reports of a training for Weights & Biases, in RUN/wandb until they are sent."""

import os
import shutil

from inkwash.tracking.of_library import PROJECT, OfLibrary
from inkwash.tracking.tracker import SoFar, in_order


class Wandb(OfLibrary):
    """Writes a run of wandb. It sends nothing unless $WANDB_MODE is "online"; `wandb sync` sends what was written."""

    name = "wandb"

    def begin(self, so_far: SoFar) -> None:
        """Begins the run anew under its former id, logs all reports, then removes the folders of earlier trainings."""
        before = sorted((so_far.folder / "wandb").glob("*run-*-*"))
        former = before[-1].name.rpartition("-")[2] if before else None
        self._run = self._library.init(
            project=PROJECT, name=so_far.folder.resolve().name, id=former,
            dir=str(so_far.folder), config=dict(so_far.settings), resume="allow",
            mode=os.environ.get("WANDB_MODE", "offline"),
            settings=self._library.Settings(silent=True, console="off", x_disable_stats=True, disable_git=True),
        )  # fmt: skip
        in_order(self, so_far)  # wandb drops steps that are lower than the last
        for folder in before:
            shutil.rmtree(folder, ignore_errors=True)
