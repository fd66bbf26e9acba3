"""Parquet files of images, and data sets that Hugging Face's `datasets` saved to disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inkwash.data.collect import Asked, Entry, Found, collect
from inkwash.data.columns import Columns, labels_and_texts, name_of
from inkwash.data.labelled import named_classes
from inkwash.data.packed import opened
from inkwash.data.shards import divided, holds_only, shards_in
from inkwash.data.source import Source
from inkwash.errors import UsageError

_PARQUET = (".parquet",)


class Parquet:
    """A .parquet file, or a folder of them, as on Hugging Face's hub."""

    @staticmethod
    def recognises(path: Path) -> bool:
        return (path.is_file() and path.name.casefold().endswith(_PARQUET)) or holds_only(path, _PARQUET)

    @staticmethod
    def collect(path: Path, asked: Asked) -> Source:
        return _collected(path, shards_in(path, _PARQUET), asked)


class SavedDataset:
    """A folder that `save_to_disk` of `datasets` wrote: Arrow files of one set, or of a set for each split."""

    @staticmethod
    def recognises(path: Path) -> bool:
        return any((path / name).is_file() for name in ("dataset_dict.json", "state.json"))

    @staticmethod
    def collect(path: Path, asked: Asked) -> Source:
        if (path / "dataset_dict.json").is_file():
            folders = [path / name for name in _listed(path / "dataset_dict.json", "splits")]
        else:
            folders = [path]
        files = []
        for folder in folders:
            if _json(folder / "state.json").get("_indices_files"):
                raise UsageError(f"{folder} is a selection from its files; save it with `flatten_indices()` first.")
            files += [folder / name for name in _listed(folder / "state.json", "_data_files")]
        if missing := [file for file in files if file.suffix != ".arrow" or not file.is_file()]:
            raise UsageError(f"{path} names {missing[0].name}, which is not there, or no .arrow file.")
        return _collected(path, files, asked)


def _collected(path: Path, files: Sequence[Path], asked: Asked) -> Source:
    shards, notes = divided(path, files, asked.splits)
    entries: list[Entry] = []
    labels: list[str | int | None] = []
    classes: tuple[str, ...] = ()
    for shard, split in shards:
        table = opened(shard)
        assert isinstance(table, Columns)
        classes = classes or table.layout.classes
        kinds, texts = labels_and_texts(shard, table.layout)
        count = len(table.names)
        labels += kinds or [None] * count
        said = texts or [()] * count
        if (kinds and len(kinds) != count) or len(said) != count:
            raise UsageError(f"{shard} is damaged: its columns differ in length.")
        entries += [Entry(shard / name_of(row), "", said[row], split) for row in range(count)]
    entries, found = named_classes(path, entries, labels, asked, classes)
    return collect(Found(path.resolve().name.removesuffix(".parquet"), path, entries, found, (), tuple(notes)), asked)


def _listed(file: Path, key: str) -> list[str]:
    """The names in a file of `save_to_disk`. Raises UsageError for names that are paths."""
    found = _json(file).get(key)
    listed = found if isinstance(found, list) else []
    names = [str(each.get("filename") if isinstance(each, dict) else each) for each in listed]
    if not names or not all(Path(name).name == name and name != ".." for name in names):
        raise UsageError(f"{file} names no files of a data set under {key!r}.")
    return names


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{file} cannot be read ({error}).") from error
    return found if isinstance(found, dict) else {}
