"""The reports of a training for Weights & Biases, in RUN/wandb until they are sent."""

import os
import shutil
from typing import Any

import wandb

from inkwash.tracking.tracker import NAMES, Row, SoFar, in_order

PROJECT = "inkwash"


class Wandb:
    """Writes a run of wandb. It sends nothing unless $WANDB_MODE is "online"; `wandb sync` sends what was written."""

    _run: Any = None

    def begin(self, so_far: SoFar) -> None:
        """Begins the run anew under its former id, logs all reports, then removes the folders of earlier trainings."""
        before = sorted((so_far.folder / "wandb").glob("*run-*-*"))
        former = before[-1].name.rpartition("-")[2] if before else None
        self._run = wandb.init(
            project=PROJECT, name=so_far.folder.resolve().name, id=former,
            dir=str(so_far.folder), config=dict(so_far.settings), resume="allow",
            mode=os.environ.get("WANDB_MODE", "offline"),
            settings=wandb.Settings(silent=True, console="off", x_disable_stats=True, disable_git=True),
        )  # fmt: skip
        in_order(self, so_far)  # wandb drops steps that are lower than the last
        for folder in before:
            shutil.rmtree(folder, ignore_errors=True)

    def log(self, row: Row) -> None:
        """Logs a report."""
        self._run.log({name: row[name] for name in NAMES if name in row}, step=row["step"])

    def sheet(self, step: int, path: Any) -> None:
        """Logs a sheet."""
        self._run.log({"previews": wandb.Image(str(path))}, step=step)

    def close(self) -> None:
        """Writes what is left to write."""
        if self._run is not None:
            self._run.finish()
