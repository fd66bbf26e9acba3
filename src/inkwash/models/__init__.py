"""Models in the box: small trained models that inkwash carries, each opened by its name wherever a run is asked for.

A model is a folder of this package that holds one checkpoint, as a run's folder does; the folder's name is the model's.
"""

import os
from functools import cache
from pathlib import Path

from inkwash import remote
from inkwash.foreign import say

_BOX = Path(__file__).parent
_CHECKPOINT = "last.safetensors"


def names() -> tuple[str, ...]:
    """The names of the models in the box."""
    return tuple(sorted(file.parent.name for file in _BOX.glob(f"*/{_CHECKPOINT}")))


def folder(name: str) -> Path:
    """Where the model called `name` is, or would be."""
    return _BOX / name


def find(run: str | os.PathLike[str]) -> Path:
    """The folder of a run: as given, or of the model in the box that has this name, or of hf://OWNER/NAME[@REVISION].

    A run on a hub is fetched into the cache of huggingface_hub; raises as `remote.run_folder`.

    A folder of that name in the working folder comes first, and a line on standard error says that there are two.
    """
    if (there := remote.place(run)) is not None:
        return remote.run_folder(there)
    given = Path(run)
    if os.fspath(run) not in names():
        return given
    if not given.is_dir():
        return folder(given.name)
    _say_both(given.name)
    return given


def name_of(run: Path) -> str | None:
    """The name of the model whose folder in the box `run` is; None if it is any other folder."""
    found = run.resolve()
    return found.name if found.parent == _BOX.resolve() and found.name in names() else None


def title(run: Path) -> str:
    """What a run is called in tables and names of files: its folder's name; OWNER--NAME of one on a hub."""
    return remote.name_of(run) or run.resolve().name


def files_of(run: Path) -> Path:
    """The folder for files made of a run, where no other is given: the run's own, or runs/NAME-in-the-box.

    Of a run on a hub it is runs/OWNER--NAME.
    """
    name = name_of(run)
    if name is None:
        far = remote.name_of(run)
        return run if far is None else Path("runs") / far
    return Path("runs") / f"{name}-in-the-box"


@cache
def _say_both(name: str) -> None:
    say(f"{name} is a folder here and a model in the box; this takes the folder ({folder(name)} is the other).")
