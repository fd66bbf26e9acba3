"""The reports of a training for TensorBoard, in RUN/tensorboard."""

import json
import time
from pathlib import Path

import numpy as np
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

from inkwash.tracking.tracker import Row, SoFar, values

FOLDER = "tensorboard"
_FILES = "events.out.tfevents.*"
_DELAY = 10  # seconds after which a report is on disk


class TensorBoard:
    """Writes scalars and images into a file of events. `tensorboard --logdir RUN` shows it."""

    _writer: SummaryWriter | None = None

    def begin(self, so_far: SoFar) -> None:
        """Writes a new file with all reports, then removes the files of earlier trainings of the folder.

        Killed between the two, both are there; TensorBoard then drops the older events, since the new file says that it
        begins at step 0.
        """
        folder = so_far.folder / FOLDER
        before = set(folder.glob(_FILES))
        self._writer = SummaryWriter(str(folder), purge_step=0, flush_secs=_DELAY)
        settings = json.dumps(so_far.settings, indent=2, ensure_ascii=False)
        self._writer.add_text("settings", f"```\n{settings}\n```")
        last = max((row.get("seconds", 0.0) for row in so_far.rows), default=0.0)
        began = time.time() - last  # as if it had never stopped, so that the axis of relative time is right
        for row in so_far.rows:
            self._scalars(row, began + row["seconds"] if "seconds" in row else None)
        for step, path in so_far.sheets.items():
            self.sheet(step, path)
        self._writer.flush()
        for file in before:
            file.unlink(missing_ok=True)

    def log(self, row: Row) -> None:
        """Adds a report."""
        self._scalars(row, None)

    def sheet(self, step: int, path: Path) -> None:
        """Adds a sheet, with its pixels as they are."""
        assert self._writer is not None
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        self._writer.add_image("previews", pixels, step, dataformats="HWC")

    def close(self) -> None:
        """Writes what is left to write."""
        if self._writer is not None:
            self._writer.close()

    def _scalars(self, row: Row, moment: float | None) -> None:
        assert self._writer is not None
        for name, value in values(row).items():
            self._writer.add_scalar(name, value, row["step"], moment)
