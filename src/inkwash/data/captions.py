"""Captions of a folder's images, from a table such as captions.jsonl or metadata.csv or from a .txt file per image."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inkwash.data.listing import some
from inkwash.data.packed import is_member
from inkwash.data.tables import columns, csv_lines, json_lines, read_text
from inkwash.errors import UsageError

_TABLES = tuple(f"{name}.{ending}" for ending in ("jsonl", "csv", "tsv") for name in ("captions", "metadata"))
_IMAGE, _TEXT = ("file_name", "file", "image"), ("text", "caption", "captions")


@dataclass(frozen=True)
class Captions:
    """The captions found for a folder's images."""

    images: tuple[Path, ...]  # the files that are not caption files
    texts: Mapping[Path, tuple[str, ...]]  # image -> its captions; {} if the folder has none
    without: tuple[Path, ...] = ()  # images left out because they have no caption
    note: str = ""  # a sentence for the user


def find_captions(root: Path, files: Sequence[Path], unreadable: str) -> Captions:
    """Finds the captions of a folder's images.

    Captions are read from a table in the folder, or from one table in each of several subfolders; a table names images
    relative to its own folder (see `read_captions`). Without a table, they are read from a .txt file next to each
    image with the same name, one caption per line.

    If `unreadable` is "skip", images without a caption are left out. Raises UsageError for tables that are unreadable
    or ambiguous, and for images without a caption if other images have one.
    """
    tables = [file for file in files if file.name.casefold() in _TABLES]
    tables += [path for name in _TABLES if _is_file(path := root / name) and path not in tables]
    caption_tables, known = [], {}
    for table in tables:
        known[table] = columns(table)
        # a metadata table may have no captions, only classes for example; captions.jsonl is always read
        if table.name.casefold() == _TABLES[0] or any(key in known[table] for key in _TEXT):
            caption_tables.append(table)
    _check_one_each(root, caption_tables)
    others = [file for file in files if file not in tables]
    if caption_tables:
        return _from_tables(root, others, caption_tables, unreadable)
    found = _beside(root, others, unreadable)
    if not found.texts and tables:
        has = "; ".join(f"{table.name} has {some(known[table], 6) or 'nothing'}" for table in tables[:3])
        return Captions(found.images, {}, (), f"There are no captions: {has}, and none of {', '.join(_TEXT)}.")
    return found


def _is_file(path: Path) -> bool:
    return path.is_file() or is_member(path)


def _check_one_each(root: Path, tables: Sequence[Path]) -> None:
    """Raises UsageError if two tables could describe the same image."""
    for table in tables:
        if any(other != table and table.is_relative_to(other.parent) for other in tables):
            names = sorted((file.relative_to(root) for file in tables), key=lambda name: (len(name.parts), name))
            raise UsageError(
                f"{root} has {len(tables)} caption files where one was expected, or one in each folder of images: "
                f"{some(names, 4)}. Rename those that are not meant, or move them away."
            )


def read_captions(file: Path) -> dict[Path, tuple[str, ...]]:
    """Reads a table: image -> its captions, without duplicates, in the order of the file.

    A line has a "file_name" (or "file", "image"), relative to the table's folder, and a "text" (or "caption",
    "captions"), a string or a list of strings. An image may have several lines.

    Raises UsageError, naming file and line, for an invalid line, an empty caption, or a table without captions.
    """
    found: dict[Path, list[str]] = {}
    for line, row in json_lines(file) if file.suffix.lower() == ".jsonl" else csv_lines(file):
        image, texts = _wordings(row, f"{file}, line {line}")
        found.setdefault(Path(os.path.normpath(file.parent / image)), []).extend(texts)
    if not found:
        raise UsageError(f"{file} holds no captions. Write one line for each image, or move the file away.")
    return {image: tuple(dict.fromkeys(texts)) for image, texts in found.items()}


def _from_tables(root: Path, files: Sequence[Path], tables: Sequence[Path], unreadable: str) -> Captions:
    root = Path(os.path.normpath(root))
    read = {image: texts for table in tables for image, texts in read_captions(table).items()}
    image_of = _matched(read, {Path(os.path.normpath(file)): file for file in files})
    missing = [
        os.path.relpath(name, tables[0].parent)
        for name in read
        if name not in image_of and not (name.is_relative_to(root) and _is_file(name))  # of an unused split
    ]
    if missing:
        raise UsageError(
            f"{some(tables)}: {len(missing)} of the {len(read)} images named there do not exist in the folder: "
            f"{some(missing)}. Correct the names, which are relative to the folder of the file that has them, or add "
            "the images."
        )
    texts = {file: read[name] for name, file in image_of.items()}
    without = [file for file in files if file not in texts]
    if without and (unreadable == "refuse" or len(without) == len(files)):
        raise _uncaptioned(some(tables), "there", without, len(files), tables[0].parent)
    return Captions(tuple(file for file in files if file in texts), texts, tuple(without))


def _matched(names: Mapping[Path, object], files: Mapping[Path, Path]) -> dict[Path, Path]:
    """The file that each name refers to: an exact match, else a match after normalisation.

    Normalisation covers Unicode forms (macOS writes é as two characters), backslashes, and letter case if no two
    files differ in case alone.
    """
    found = {name: files[name] for name in names if name in files}
    taken = set(found.values())
    for form in _FORMS:
        rest = [name for name in names if name not in found]
        if not rest:
            break
        by_form: dict[str, list[Path]] = {}
        for name, file in files.items():
            by_form.setdefault(form(name), []).append(file)
        for name in rest:
            if len(same := by_form.get(form(name), [])) == 1 and same[0] not in taken:
                found[name] = same[0]
                taken.add(same[0])
    return found


def _composed(name: Path) -> str:
    return unicodedata.normalize("NFC", os.path.normpath(name.as_posix().replace("\\", "/")))


_FORMS: tuple[Callable[[Path], str], ...] = (_composed, lambda name: _composed(name).casefold())


def _beside(root: Path, files: Sequence[Path], unreadable: str) -> Captions:
    """Captions from .txt files with the names of the images; none if these files are not text."""
    stems = {file.with_suffix("") for file in files if file.suffix.lower() != ".txt"}
    texts = {file: file.with_suffix("") for file in files if file.suffix.lower() == ".txt"}
    beside = {stem: file for file, stem in texts.items() if stem in stems}
    images = [file for file in files if file not in texts or texts[file] not in stems]
    if not beside:
        return Captions(tuple(files), {})
    said = {stem: _lines(file) for stem, file in beside.items()}
    if not any(letter.isalpha() for lines in said.values() for line in lines for letter in line):
        note = f"{len(beside)} .txt files beside images hold numbers alone: no captions, perhaps boxes of a detector."
        return Captions(tuple(images), {}, (), note)
    for stem, lines in said.items():
        if not lines:
            raise UsageError(f"{beside[stem]} is empty; a caption of the image beside it was expected. Write one.")
    captions = {file: said[stem] for file in images if (stem := file.with_suffix("")) in said}
    without = [file for file in images if file not in captions]
    if without and unreadable == "refuse":
        raise _uncaptioned("The .txt files beside the images", "of that kind", without, len(images), root)
    return Captions(tuple(file for file in images if file in captions), captions, tuple(without))


def _lines(file: Path) -> tuple[str, ...]:
    return tuple(dict.fromkeys(stripped for line in read_text(file).splitlines() if (stripped := line.strip())))


def _uncaptioned(who: str, where: str, without: Sequence[Path], count: int, root: Path) -> UsageError:
    return UsageError(
        f"{who}: {len(without)} of the {count} files beside have no caption {where}: "
        f"{some([os.path.relpath(image, root) for image in without])}. Add captions, or leave such files out with "
        "`unreadable='skip'`."
    )


def _wordings(row: Mapping[str, object], where: str) -> tuple[str, list[str]]:
    image, text = _value(row, _IMAGE, where), _value(row, _TEXT, where)
    if not isinstance(image, str) or not image.strip():
        raise UsageError(f"{where}: the name of an image file was expected; got {image!r}. Correct it.")
    texts = [text] if isinstance(text, str) else text
    if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
        raise UsageError(f"{where}: a caption is a text or a list of texts; got {text!r}. Correct it.")
    stripped = [one.strip() for one in texts]
    if any("\ud800" <= letter <= "\udfff" for one in (image, *stripped) for letter in one):
        raise UsageError(f"{where}: {image!r} or its caption holds half a character (a lone surrogate). Correct it.")
    if not stripped or not all(stripped):
        raise UsageError(f"{where}: the caption of {image} is empty. Write one.")
    return image, stripped


def _value(row: Mapping[str, object], keys: tuple[str, ...], where: str) -> object:
    for key in keys:
        if row.get(key) is not None:
            return row[key]
    known = ", ".join(str(key) for key in row) or "nothing"
    raise UsageError(f"{where} lacks {' or '.join(map(repr, keys))}; it has {known}. Add it, or rename a key.")
