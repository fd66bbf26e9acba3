"""Data sets in several files, and the splits that the names of these files tell."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from inkwash.data.listing import files_below, some
from inkwash.data.packed import is_junk
from inkwash.data.splits import Splits, role_of

_HELD_OUT = ("test", "validation", "held out")  # the first of these that exists is held out


def shards_in(path: Path, endings: Sequence[str]) -> list[Path]:
    """The files of these endings at any depth in a folder, sorted by name, or the file itself."""
    if path.is_file():
        return [path] if path.name.casefold().endswith(tuple(endings)) else []
    return [file for file in files_below(path)[0] if file.name.casefold().endswith(tuple(endings))]


def holds_only(path: Path, endings: Sequence[str], beside: Sequence[str] = (".json", ".md", ".txt")) -> bool:
    """Whether a folder holds shards of these endings, and otherwise nothing but notes about them."""
    found = False
    for _, _, names in os.walk(path):  # ends at the first image of a folder of images
        for name in (each.casefold() for each in names if not is_junk(each)):
            found = found or name.endswith(tuple(endings))
            if "." in name and not name.endswith((*endings, *beside)):
                return False
    return found


def divided(root: Path, shards: Sequence[Path], splits: Splits) -> tuple[list[tuple[Path, str]], list[str]]:
    """Each shard with its split ("train", "test", or "" for a set without splits), and sentences about what is used.

    A split is a word of the shard's name, or the name of a folder that it lies in, as in data-train-00000.tar.
    """
    roles = {shard: _role(root, shard) for shard in shards}
    held = next((role for role in _HELD_OUT if role in roles.values()), None)
    if splits == "none" or "train" not in roles.values() or len(set(roles.values())) == 1:
        return [(shard, "") for shard in shards], []
    used = {"train": "train", held: "test"} if held else {"train": ""}
    left = [shard for shard, role in roles.items() if role not in used]
    notes = ["The files of the split train are trained on, " + (f"{held} is held out." if held else "and are divided.")]
    if left:
        notes.append(f"Left out: {len(left)} file(s) of other splits ({some([each.name for each in left])}).")
    return [(shard, used[role]) for shard, role in roles.items() if role in used], notes


def _role(root: Path, shard: Path) -> str | None:
    inner = shard.relative_to(root).parts if shard != root else (shard.name,)
    words = [word for part in (*inner[:-1][::-1], inner[-1]) for word in re.split(r"[-_.\d]+", part)]
    return next((role for word in words if word and (role := role_of(word))), None)
