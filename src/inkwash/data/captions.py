"""Captions beside images: a captions.jsonl, or the metadata.jsonl or metadata.csv that Hugging Face's tools write."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from inkwash.data.listing import some
from inkwash.errors import UsageError

NAMES = ("captions.jsonl", "metadata.jsonl", "metadata.csv")
_FOLDERS = ("", "train", "test", "val")  # where one may lie
_IMAGE, _TEXT = ("file_name", "file", "image"), ("text", "caption", "captions")


def metadata_files(root: Path) -> tuple[Path, ...]:
    """Files of such names in a folder of images, whatever they hold: they are no images."""
    return tuple(file for name in NAMES for folder in _FOLDERS if (file := root / folder / name).is_file())


def caption_files(root: Path) -> tuple[Path, ...]:
    """The caption files of a folder of images: one in it, or one in each of train/, test/ and val/, or none.

    Raises UsageError when an image could be in two.
    """
    found = [[file for name in NAMES if _tells(file := root / folder / name)] for folder in _FOLDERS]
    files = tuple(file for some_files in found for file in some_files)
    if any(len(some_files) > 1 for some_files in found) or (found[0] and len(files) > 1):
        raise UsageError(
            f"{root} has {len(files)} caption files where one was expected, or one in each of train/ and test/: "
            f"{some([file.relative_to(root) for file in files], 4)}. Remove or rename what is not meant."
        )
    return files


def _tells(file: Path) -> bool:
    """Whether it is a file of captions: a metadata file may hold other things alone, such as classes."""
    if not file.is_file():
        return False
    if file.name == NAMES[0]:
        return True
    with file.open(encoding="utf-8-sig", errors="replace") as lines:
        first = lines.readline()
    keys = [word.strip(' "{\t\r\n') for word in first.replace(":", ",").split(",")]
    return any(key in keys for key in _TEXT)


def read_captions(file: Path) -> dict[Path, tuple[str, ...]]:
    """Of each image that the file names, its wordings, each once, in the order of the file.

    A line has a "file_name", relative to the folder of the file, and a "text", one or a list of several; "file"
    and "image", "caption" and "captions" do as well. An image may have several lines.

    Raises UsageError, naming file and line, for what cannot be read so, an empty caption, or no captions.
    """
    found: dict[Path, list[str]] = {}
    try:
        for line, row in _csv(file) if file.suffix == ".csv" else _jsonl(file):
            image, texts = _wordings(row, f"{file}, line {line}")
            found.setdefault(Path(os.path.normpath(file.parent / image)), []).extend(texts)
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror}). Make it readable, or remove it.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 ({error.reason}). Save it as UTF-8.") from error
    if not found:
        raise UsageError(f"{file} holds no captions. Write one line for each image, or remove it.")
    return {image: tuple(dict.fromkeys(texts)) for image, texts in found.items()}


def captions_of(images: Sequence[Path], files: Sequence[Path], unreadable: str) -> dict[Path, tuple[str, ...]]:
    """Of each of the images its captions, as caption files tell them; with `unreadable` "skip" not of all.

    Raises UsageError when these name images that do not exist, when an image has no caption and is not to be
    skipped, when none has one, and as `read_captions` does.
    """
    read = {image: texts for file in files for image, texts in read_captions(file).items()}
    there = {Path(os.path.normpath(image)) for image in images}
    missing = [os.path.relpath(image, files[0].parent) for image in read if image not in there]
    if missing:
        raise UsageError(
            f"{some(files)}: {len(missing)} of the {len(read)} images named there do not exist in the folder: "
            f"{some(missing)}. Add them, or remove their lines; names are relative to the folder of the file that "
            "names them."
        )
    plain = {image: Path(os.path.normpath(image)) for image in images}
    without = [os.path.relpath(image, files[0].parent) for image in images if plain[image] not in read]
    if without and (unreadable == "refuse" or len(without) == len(images)):
        raise UsageError(
            f"{some(files)}: {len(without)} of the {len(images)} files beside have no caption there: "
            f"{some(without)}. Add captions, remove the files, or leave such files out with `unreadable='skip'`."
        )
    return {image: read[name] for image, name in plain.items() if name in read}


def _jsonl(file: Path) -> Iterator[tuple[int, Mapping[str, object]]]:
    with file.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UsageError(
                    f'{file}, line {number} is no JSON ({error}); a line such as {{"file_name": "1.png", "text": "a '
                    'red boat"}} was expected. Correct it.'
                ) from error
            if not isinstance(row, dict):
                raise UsageError(
                    f'{file}, line {number} is no JSON object; a line such as {{"file_name": "1.png", "text": "a red '
                    'boat"}} was expected. Correct it.'
                )
            yield number, row


def _csv(file: Path) -> Iterator[tuple[int, Mapping[str, object]]]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.DictReader(lines, strict=True)
        try:
            for row in rows:
                yield rows.line_num, row
        except csv.Error as error:
            raise UsageError(f"{file}, line {rows.line_num} is no CSV ({error}). Correct it.") from error


def _wordings(row: Mapping[str, object], where: str) -> tuple[str, list[str]]:
    image, text = _value(row, _IMAGE, where), _value(row, _TEXT, where)
    if not isinstance(image, str) or not image.strip():
        raise UsageError(f"{where}: the name of an image file was expected; got {image!r}. Correct it.")
    texts = [text] if isinstance(text, str) else text
    if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
        raise UsageError(f"{where}: a caption is a text or a list of texts; got {text!r}. Correct it.")
    stripped = [one.strip() for one in texts]
    if not stripped or not all(stripped):
        raise UsageError(f"{where}: the caption of {image} is empty. Write one, or remove the line and the image.")
    return image, stripped


def _value(row: Mapping[str, object], keys: tuple[str, ...], where: str) -> object:
    for key in keys:
        if row.get(key) is not None:
            return row[key]
    known = ", ".join(str(key) for key in row) or "nothing"
    raise UsageError(f"{where} lacks {' or '.join(map(repr, keys))}; it has {known}. Add it, or rename a key.")
