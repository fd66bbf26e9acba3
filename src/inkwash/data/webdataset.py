"""WebDataset: samples in tar files (shards), each the files of one name, such as 000017.jpg, 000017.cls and 000017.txt.

Images are read in place, at any place of any shard, so every epoch is shuffled as a whole and a training that was
stopped goes on with the very next image.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from inkwash.data.collect import Asked, Entry, Found, collect
from inkwash.data.labelled import named_classes
from inkwash.data.packed import Identity, identity, members_below, open_file
from inkwash.data.shards import divided, holds_only, shards_in
from inkwash.data.source import Source
from inkwash.errors import UsageError

_SHARDS = (".tar", ".tar.gz", ".tgz")
_IMAGES = (
    "jpg", "jpeg", "png", "webp", "ppm", "pgm", "pbm", "bmp", "gif", "tif", "tiff", "avif", "heic", "jp2", "img",
)  # fmt: skip
_LABELS, _TEXTS = ("cls", "label"), ("txt", "caption", "text")
_JSON_LABELS, _JSON_TEXTS = ("label_name", "class_name", "label", "cls", "class"), ("caption", "text", "captions")
_LONGEST = 2**20  # bytes of a label or a caption

Sample = dict[str, Path]  # the files of a sample by what stands after the first dot of their names


class WebDataset:
    """A tar of samples with labels (.cls, .json), or a folder of tars."""

    @staticmethod
    def recognises(path: Path) -> bool:
        if path.is_dir():
            return holds_only(path, _SHARDS)
        if not path.name.casefold().endswith(_SHARDS) or not path.is_file():
            return False
        try:
            names = [file.name for file in members_below(path)[0]]
        except UsageError:
            return False  # told when it is read as an archive
        return any(name.endswith((".cls", ".json")) for name in names[:20])

    @staticmethod
    def collect(path: Path, asked: Asked) -> Source:
        shards, notes = divided(path, shards_in(path, _SHARDS), asked.splits)
        entries: list[Entry] = []
        labels: list[str | int | None] = []
        without: list[Path] = []
        for shard, split in shards:
            for file, label, texts, is_image in _contents(shard, identity(shard)[0]):
                if is_image:
                    labels.append(label)
                    entries.append(Entry(file, "", texts, split))
                else:
                    without.append(file)
        if without:
            notes.append(f"Left out: {len(without)} sample(s) without an image, such as {without[0].name}.")
        entries, classes = named_classes(path, entries, labels, asked)
        name = path.resolve().name.partition(".")[0] if path.is_file() else path.resolve().name
        return collect(Found(name, path, entries, classes, (), tuple(notes)), asked)


@lru_cache(maxsize=4096)  # both splits of a set read all shards
def _contents(shard: Path, facts: Identity) -> list[tuple[Path, str | int | None, tuple[str, ...], bool]]:
    """Of each sample its image, label and captions, and whether there is an image; else another of its files."""
    found: list[tuple[Path, str | int | None, tuple[str, ...], bool]] = []
    for sample in _samples(shard):
        image = _image(sample)
        said = _json(sample["json"]) if "json" in sample else {}
        if image is None:
            found.append((next(iter(sample.values())), None, (), False))
        else:
            found.append((image, _label(sample, said), _texts(sample, said), True))
    return found


def _samples(shard: Path) -> list[Sample]:
    found: dict[Path, Sample] = {}
    for file in members_below(shard)[0]:
        stem, _, kind = file.name.partition(".")
        found.setdefault(file.parent / stem, {})[kind.casefold()] = file
    return list(found.values())


def _image(sample: Sample) -> Path | None:
    """The image of a sample; None if there is none. Raises UsageError if there are several."""
    images = [file for kind, file in sample.items() if kind.rpartition(".")[2] in _IMAGES]
    plain = [sample[kind] for kind in _IMAGES if kind in sample]
    if len(images) > 1 and len(plain) != 1:
        raise UsageError(f"{images[0]} is a sample of {len(images)} images; one was expected.")
    return next(iter(plain or images), None)


def _label(sample: Sample, said: dict[str, Any]) -> str | int | None:
    for kind in _LABELS:
        if kind in sample:
            word = _read(sample[kind]).strip()
            return int(word) if word.isascii() and word.isdecimal() and len(word) < 10 else word
    found = next((said[key] for key in _JSON_LABELS if isinstance(said.get(key), str | int)), None)
    return None if isinstance(found, bool) else found


def _texts(sample: Sample, said: dict[str, Any]) -> tuple[str, ...]:
    for kind in _TEXTS:
        if kind in sample:
            lines = [line.strip() for line in _read(sample[kind]).splitlines()]
            return tuple(dict.fromkeys(line for line in lines if line))
    found = next((said[key] for key in _JSON_TEXTS if isinstance(said.get(key), str | list)), ())
    texts: Sequence[Any] = [found] if isinstance(found, str) else found
    return tuple(dict.fromkeys(text.strip() for text in texts if isinstance(text, str) and text.strip()))


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(_read(file))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file} is no JSON ({error}).") from error
    return found if isinstance(found, dict) else {}


def _read(file: Path) -> str:
    try:
        with open_file(file) as opened:
            return opened.read(_LONGEST).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is no text in UTF-8 ({error}).") from error
