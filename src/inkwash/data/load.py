"""One name for every set: those that inkwash knows, and folders."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

from inkwash.data.digits import digits
from inkwash.data.folder import Unreadable, folder
from inkwash.data.mnist import fashion_mnist, mnist
from inkwash.data.source import Images, Source, check_split
from inkwash.errors import AskedWrongly

_KNOWN: dict[str, Callable[[str, str | Path | None], Images]] = {
    "digits": lambda split, _: digits(split),
    "mnist": mnist,
    "fashion-mnist": fashion_mnist,
}


def load(
    name_or_path: str | Path,
    split: str,
    *,
    data_dir: str | Path | None = None,
    size: int | None = None,
    channels: int | None = None,
    unreadable: Unreadable = "refuse",
) -> Source:
    """The images of "digits", "mnist" or "fashion-mnist", or of a folder (./mnist for one of such a name).

    `split` is "train" or "test". A known set is padded with black to `size`; a folder's images are scaled and
    cut to it: see `folder` for this, `channels` and `unreadable`. `data_dir` is where downloads lie: see
    `find_or_fetch`.

    Raises AskedWrongly for a name that is neither known nor a folder, a known set's `size` below its own or
    `channels` other than its own; and what those functions raise.
    """
    check_split(split)
    if name_or_path not in _KNOWN:
        if not Path(name_or_path).expanduser().exists():
            raise AskedWrongly(_unknown(str(name_or_path)))
        return folder(name_or_path, size, channels, unreadable, split=split)
    images = _KNOWN[str(name_or_path)](split, data_dir)
    if channels not in (None, images.shape[0]):
        raise AskedWrongly(f"{images.name} has {images.shape[0]} channel; got channels={channels}. Leave it out.")
    return images if size is None else images.pad(size)


def is_folder(name_or_path: str | Path) -> bool:
    """Whether `load` takes this for a folder of images."""
    return str(name_or_path) not in ("", *_KNOWN) and Path(name_or_path).expanduser().is_dir()


def _unknown(name: str) -> str:
    near = get_close_matches(name.lower(), _KNOWN, n=1)
    guess = f" Did you mean {near[0]}?" if near else ""
    return f"{name!r} is neither a folder nor one of the sets {', '.join(_KNOWN)}.{guess}"
