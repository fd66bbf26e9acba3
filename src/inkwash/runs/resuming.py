"""Whether a training can begin in a folder, or go on there; checked before anything is made."""

from pathlib import Path

from inkwash.data import is_folder
from inkwash.errors import UsageError
from inkwash.runs.record import check_code, check_same
from inkwash.settings import RunSettings
from inkwash.training.checkpoint import LAST, Checkpoint


def check_place(run: RunSettings, folder: Path) -> None:
    """Raises UsageError if a run cannot lie there, before anything is made there."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file, and a run is a folder; choose another `out`.")
    if is_folder(run.data.source) and folder.resolve().is_relative_to(Path(run.data.source).expanduser().resolve()):
        raise UsageError(f"{folder} lies among the images of {run.data.source}; choose an `out` outside of it.")


def check_folder(
    run: RunSettings, before: RunSettings | None, saved: Checkpoint | None, folder: Path, resume: bool
) -> None:
    """Raises UsageError unless the folder has a run to go on with, just where that is wanted, of the same settings."""
    if before is None or saved is None:
        if resume:
            raise UsageError(f"there is no run to resume in {folder}; leave out `resume` to begin one.")
        return
    if not resume:
        step = saved.facts["step"]
        raise UsageError(
            f"{folder} already holds a run of {before.recipe}, {step} steps long; add `resume=True` to go on with it, "
            "or choose another `out`."
        )
    if "model" not in saved.parts:
        raise UsageError(
            f"{folder} holds averaged weights alone, as models in the box and imported ones do, so its training cannot "
            "go on; train anew, into another `out`."
        )
    check_same(folder, before, run, "a resumed run keeps its settings")
    check_code(saved.facts, folder / LAST, run)
