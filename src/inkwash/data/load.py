"""One name for every set: those that inkwash knows, and folders."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

from inkwash.data.cifar import cifar10
from inkwash.data.digits import digits
from inkwash.data.emoji import emoji
from inkwash.data.folder import Unreadable, folder
from inkwash.data.mnist import fashion_mnist, mnist
from inkwash.data.source import Images, Source, check_split
from inkwash.errors import UsageError

_KNOWN: dict[str, Callable[[str, str | Path | None], Images]] = {
    "digits": lambda split, _: digits(split),
    "mnist": mnist,
    "fashion-mnist": fashion_mnist,
    "cifar10": cifar10,
}
_DRAWN = "emoji"  # at any size, by a font


def load(
    name_or_path: str | Path,
    split: str,
    *,
    data_dir: str | Path | None = None,
    size: int | None = None,
    channels: int | None = None,
    unreadable: Unreadable = "refuse",
    font: str | Path | None = None,
    language: str = "en",
) -> Source:
    """The images of "digits", "mnist", "fashion-mnist", "cifar10" or "emoji", or of a folder.

    A folder of such a name is given as ./mnist. `split` is "train" or "test". A known set is padded with black to
    `size`, emoji are drawn at it (32 px without), and a folder's images are scaled and cut to it: see `folder` for
    this, `channels` and `unreadable`. `font` and `language` are for `emoji`. `data_dir` is where downloads lie: see
    `find_or_fetch`.

    Raises UsageError for a name that is neither known nor a folder, a known set's `size` below its own or
    `channels` other than its own; and what those functions raise.
    """
    check_split(split)
    name = str(name_or_path)
    if name not in (*_KNOWN, _DRAWN):
        if not Path(name_or_path).expanduser().exists():
            raise UsageError(_unknown(name))
        return folder(name_or_path, size, channels, unreadable, split=split)
    drawn = name == _DRAWN
    images = emoji(split, size or 32, font, language, data_dir) if drawn else _KNOWN[name](split, data_dir)
    if channels not in (None, images.shape[0]):
        several = "channel" if images.shape[0] == 1 else "channels"
        raise UsageError(f"{images.name} has {images.shape[0]} {several}; got channels={channels}. Leave it out.")
    return images if size is None or drawn else images.pad(size)


def is_folder(name_or_path: str | Path) -> bool:
    """Whether `load` takes this for a folder of images."""
    return str(name_or_path) not in ("", _DRAWN, *_KNOWN) and Path(name_or_path).expanduser().is_dir()


def _unknown(name: str) -> str:
    near = get_close_matches(name.lower(), [*_KNOWN, _DRAWN], n=1)
    guess = f" Did you mean {near[0]}?" if near else ""
    return f"{name!r} is neither a folder nor one of the sets {', '.join([*_KNOWN, _DRAWN])}.{guess}"
