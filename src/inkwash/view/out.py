"""Output paths: the suffix of the name selects the format."""

import os
from pathlib import Path

from inkwash.errors import UsageError

PathLike = str | os.PathLike[str]

ANIMATIONS = (".gif", ".webp", ".mp4")
ENDINGS = (".png", *ANIMATIONS, ".npz")
FOLDER = ""
POSSIBLE = (
    "Possible are .png (one grid of the images), .gif, .webp and .mp4 (an animation of how they came about), "
    ".npz (the images as an array; .adm.npz calls it arr_0, as ADM's evaluator expects), "
    "and a name without an ending or with a slash after it (a folder of PNGs)"
)


def form(path: PathLike) -> str:
    """The format that a name selects: one of ENDINGS, in lower case, or FOLDER.

    Raises:
        UsageError: for any other ending; the sentence names the possible ones.
    """
    name = os.fspath(path)
    if name.endswith(("/", os.sep)):
        return FOLDER
    last = Path(name).name.lower()
    ending = last if last in ENDINGS else Path(last).suffix  # ".png" alone is no name for a folder
    if ending == last != "":
        raise UsageError(f"{name} has an ending and no name before it. Write, for example, samples{ending}.")
    if ending not in (*ENDINGS, FOLDER):
        raise UsageError(f"{name} ends in {ending}, which cannot be written. {POSSIBLE}.")
    return ending


def array_name(path: PathLike) -> str:
    """The name of the images' array in an .npz: "images"; "arr_0" in NAME.adm.npz, as ADM's evaluator reads."""
    return "arr_0" if Path(path).name.lower().endswith(".adm.npz") else "images"


def needs_frames(path: PathLike) -> bool:
    """Whether `path` selects an animation, which needs frames. Raises UsageError as `form` does."""
    return form(path) in ANIMATIONS


def check_out(path: PathLike) -> None:
    """Check, before anything is computed, that `path` can be written. Changes nothing.

    Raises:
        UsageError: for an unknown ending; for a file's name that is a folder, or a folder's that is a file;
            for a folder that is not empty; for a parent that is no folder or may not be written in.
    """
    name, ending = os.fspath(path), form(path)
    target = Path(name).absolute()
    try:
        target.lstat()
    except (FileNotFoundError, NotADirectoryError):
        pass  # the ordinary case; what is wrong with a parent is said below
    except OSError as error:
        raise UsageError(f"{name} cannot be written: {error.strerror}.") from error
    else:
        _check_existing(name, target, ending)

    parent = next(above for above in target.parents if os.path.lexists(above))
    if not parent.is_dir():
        raise UsageError(f"{name} cannot be written: {parent} is not a folder.")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise UsageError(f"{name} cannot be written: you may not write in {parent}.")


def _check_existing(name: str, target: Path, ending: str) -> None:
    if ending != FOLDER and target.is_dir():
        raise UsageError(
            f"{name} is a folder, and its ending asks for a file. Choose another name, "
            f"or put a slash after it to write a folder of PNGs."
        )
    if ending == FOLDER and not target.is_dir():
        raise UsageError(f"{name} is a file, and its name asks for a folder of PNGs. Add an ending. {POSSIBLE}.")
    if ending == FOLDER and (target == Path.cwd() or any(target.iterdir())):
        raise UsageError(f"The folder {name} is in use. Name one that is empty or not there yet.")
