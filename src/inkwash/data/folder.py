"""Finds the images, classes, captions and splits of a folder or of an archive."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from inkwash.data.captions import find_captions
from inkwash.data.collect import Asked, Entry, Found, Pages, Unreadable, collect, named
from inkwash.data.listing import class_of, files_below, files_in, folders_in, some
from inkwash.data.packed import ending_of, is_archive_of_files
from inkwash.data.picture import Fit, UnreadableError, quiet_pillow, read_header
from inkwash.data.source import Images
from inkwash.data.splits import Found as Splitting
from inkwash.data.splits import Splits, find_splits
from inkwash.data.streamed import Streamed
from inkwash.errors import UsageError

_LOOKED_AT = 20  # files of a folder that are examined to decide whether it holds images


def folder(
    path: str | Path,
    size: int | None = None,
    channels: int | None = None,
    unreadable: Unreadable = "refuse",
    *,
    split: str | None = None,
    splits: Splits = "auto",
    held_out: str = "auto",
    background: str = "white",
    fit: Fit = "cut",
    pages: Pages = "first",
    in_memory_bytes: int = 1 << 30,
) -> Images | Streamed:
    """Loads the images below a folder, uint8 [N,C,H,W]: decoded into memory if they fit, else decoded on demand.

    `path` may be a zip or tar archive, which is read as the folder that it was made from: see `packed`. If `size` is
    given, each image is fitted to size × size pixels as `fit` says (see `decode`); otherwise all images must have the
    same size. `channels` is 1, 3 or 4 (RGBA); by default 1 if every image is grey, else 3. Direct subfolders are
    classes, sorted by name, with images at any depth. Hidden files are ignored and links are followed. Transparent
    images are composited on `background`: "white", "black" or "#rrggbb", unless there are 4 channels. Files of more
    than 8 bits are scaled by a white value derived from the largest value in the whole folder: see `white_of`.

    Captions come from a captions.jsonl, metadata.jsonl or metadata.csv (see `find_captions`) in the folder or in
    several subfolders, or from a .txt file next to each image. With captions, images may lie outside subfolders; if
    any do, there are no classes.

    With `pages` "all", each frame or page of a file is an image; with "first" only the first one is taken.

    `unreadable` controls files that are damaged, are not images, or have no caption although others have one:
    "refuse" raises UsageError, "skip" leaves them out and lists them in `.skipped`. If images are decoded on demand,
    "refuse" detects damage only when an image is decoded (`take` then raises InkwashError); "skip" decodes everything
    once beforehand, before images are held out.

    `split` "train" or "test" selects the folder train/ or test/ (or training/, val/ etc.: see `find_splits`, also for
    `splits`) if these exist, else the part that `divide` returns for `held_out`; both splits have the same classes,
    channels and size. Without `split`, all images are one set. `.notes` states what was found and left out.

    Raises UsageError, stating what to change, for a folder or arguments that cannot be used.
    """
    root = Path(path).expanduser()
    _check(root)
    asked = Asked(split, size, channels, unreadable, splits, held_out, background, fit, pages, in_memory_bytes)
    return read_folder(root, asked)


def read_folder(root: Path, asked: Asked) -> Images | Streamed:
    """As `folder`."""
    name, notes = root.resolve().name, []
    if (ending := ending_of(root)) is not None and root.is_file():
        name = name[: -len(ending)] or name
        root = _top(root)
        if ending_of(root) is None:
            notes.append(f"{root.name}/ is the only folder of the archive, and is taken for its top.")
    with quiet_pillow():
        splitting = find_splits(root, asked.splits, _holds_images) if asked.split else Splitting()
    found = _found(root, name, splitting, asked.unreadable)
    if splitting.train and splitting.test and asked.held_out != "auto":
        raise UsageError(f"{root} has a split {splitting.test.name}/ to hold out; leave out `held_out`.")
    return collect(replace(found, notes=(*notes, *found.notes, *_about_splits(root, splitting))), asked)


def _check(root: Path) -> None:
    if not root.exists():
        raise UsageError(f"{root} does not exist; a folder of images was expected.")
    if not root.is_dir() and not is_archive_of_files(root):
        raise UsageError(f"{root} is a file; a folder of images was expected. If it is an archive, unpack it.")


def _top(archive: Path) -> Path:
    """The folder in an archive that all its files lie in, such as photos/ in photos.zip; else the archive."""
    files, top = files_below(archive)[0], archive
    while len(folders := folders_in(top)) == 1 and all(file.is_relative_to(folders[0]) for file in files):
        top = folders[0]
    return top


def _holds_images(folder: Path) -> bool:
    """Whether one of the first files in a folder is an image."""
    for file in files_below(folder)[0][:_LOOKED_AT]:
        try:
            read_header(file)
            return True
        except UnreadableError:
            continue
    return False


def _found(root: Path, name: str, splitting: Splitting, unreadable: str) -> Found:
    """The files of a folder with their classes and captions."""
    bases = [base for base in (splitting.train, splitting.test) if base] or [root]
    split_of = dict(zip(bases, ("train", "test"), strict=False)) if len(bases) == 2 else {}
    base_of: dict[Path, Path] = {}
    others: list[Path] = []
    for base in bases:
        files, odd = files_below(base)
        base_of.update(dict.fromkeys(files, base))
        others += odd
    found = find_captions(root, list(base_of), unreadable)
    names = {file: class_of(file, base_of[file]) for file in found.images}
    entries = [
        Entry(file, names[file], tuple(found.texts.get(file, ())), split_of.get(base_of[file], ""))
        for file in found.images
    ]
    notes = [note for note in (found.note,) if note]
    if found.without:
        notes.append(f"Left out: {named(root, found.without)} without a caption.")
    if others:
        kinds = "links or devices" if is_archive_of_files(root) else "pipes, sockets or devices"
        notes.append(f"Left out: {named(root, others)}, no regular files ({kinds}).")
    return Found(name, root, entries, None, tuple(found.without), tuple(notes))


def _about_splits(root: Path, found: Splitting) -> list[str]:
    """Sentences that state how the folders of splits are used."""
    if not found.train:
        return []
    test = f"{found.test.name}/ is held out" if found.test else "a part of it is held out"
    notes = [f"{found.train.name}/ is trained on, {test}; `splits='none'` would take folders as classes."]
    if found.unused:
        notes.append(f"Left out: the images in {some([f'{each.name}/' for each in found.unused])}.")
    beside = len(files_in(root))
    if beside:
        notes.append(f"Left out: {beside} file(s) in {root.name}/ beside {found.train.name}/.")
    return notes
