"""The reports of a training for trackio, in its folder of this machine."""

import hashlib
import sys
from contextlib import redirect_stdout
from pathlib import Path

from inkwash.tracking.of_library import PROJECT, OfLibrary
from inkwash.tracking.tracker import SoFar, in_order


def name_of(folder: Path) -> str:
    """The name of a run there: that of its folder, and six digits of its path, since others may be called the same."""
    place = folder.resolve()
    return f"{place.name}-{hashlib.sha256(str(place).encode()).hexdigest()[:6]}"


class Trackio(OfLibrary):
    """Writes a run of the project inkwash. Nothing is sent; `trackio show --project inkwash` shows it."""

    name = "trackio"

    def begin(self, so_far: SoFar) -> None:
        """Removes the run that an earlier training of the folder logged, and logs all reports anew."""
        name = name_of(so_far.folder)
        with redirect_stdout(sys.stderr):  # it prints, and standard output is for results
            self._library.SQLiteStorage.delete_run(PROJECT, name)
            self._run = self._library.init(
                project=PROJECT, name=name, config=dict(so_far.settings), resume="never", embed=False,
                auto_log_gpu=False, auto_log_cpu=False,
            )  # fmt: skip
        in_order(self, so_far)

    def close(self) -> None:
        with redirect_stdout(sys.stderr):
            super().close()
