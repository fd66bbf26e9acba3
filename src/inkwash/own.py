"""Objects of a user's own, named by where their code is: FILE.py:NAME or package.module:NAME.

No code runs because a file names it. A reference is loaded only where this process was allowed to: by a flag of the
command that runs, or by a Python caller. A run or an artifact that needs another is refused, with the file and its
sha256. One process sees one version of a file: what is recorded is the digest of the very bytes that were run.

The digest covers the file alone, not what it imports.
"""

import hashlib
import importlib
import pickle
import re
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from inkwash.errors import UsageError

_FORM = re.compile(r"(?P<module>[^:]+\.py|[A-Za-z_]\w*(\.[A-Za-z_]\w*)*):(?P<name>[A-Za-z_]\w*(\.[A-Za-z_]\w*)*)")
_PREFIX = "inkwash_own_"  # of the names of modules made of files


@dataclass
class _File:
    """A file as it was first read in this process."""

    code: bytes
    sha256: str
    module: ModuleType | None = None


_allowed: set[str] = set()
_given: dict[str, Any] = {}  # objects that a Python caller passed in place of a reference
_same: dict[str, str] = {}  # a recorded reference -> the allowed one that names the same code from elsewhere
_files: dict[Path, _File] = {}
_places: set[str] = set()  # of all code that was run, as tracebacks name them


# ---- what a reference is


def is_reference(word: str) -> bool:
    """Whether a word has the form FILE.py:NAME or package.module:NAME."""
    return _FORM.fullmatch(word) is not None


def check(word: str) -> str:
    """The word, which must be a reference. Raises UsageError."""
    _parts(word)
    return word


def path_of(reference: str) -> Path:
    """The file that holds the code of a reference, in full, found without running any.

    Raises UsageError where there is none.
    """
    module, _ = _parts(_same.get(reference, reference))
    if not module.endswith(".py"):
        return _path_of_module(module, reference)
    path = Path(module).expanduser()
    if not path.is_file():
        raise UsageError(
            f"there is no file {path} (for {reference}) in {Path.cwd()}; give its path from where the command is run."
        )
    return path.resolve()


def digest(reference: str) -> str:
    """sha256 hex of the file that holds the code; "" for an object that a Python caller passed and no file holds."""
    reference = _same.get(reference, reference)
    try:
        path = path_of(reference)
    except UsageError:
        if reference in _given:
            return ""
        raise
    return _read(path).sha256


def digests(references: Iterable[str]) -> dict[str, str]:
    """The digest of each, in alphabetical order: what a checkpoint and an artifact record."""
    return {reference: digest(reference) for reference in sorted(set(references))}


# ---- what may be run


def allow(references: Iterable[str]) -> None:
    """From here on this process may run the code that these references name, as its files are now.

    Raises UsageError for what is no reference, or where there is no such file or module.
    """
    for reference in references:
        path = path_of(check(reference))
        held = _files.get(path)
        if held is not None and held.code != path.read_bytes():
            del _files[path]
        _read(path)
        _allowed.add(reference)


def provide(reference: str, thing: Any) -> None:
    """From here on the reference means this object, and no code is looked for.

    It should be one by which others find the same code; where there is none, `__main__:NAME`, which nobody finds.
    Raises UsageError for what is no reference.
    """
    _given[check(reference)] = thing


def check_recorded(recorded: dict[str, str], of: str) -> None:
    """Whether the code that something recorded may be run here, and is still what it was.

    `recorded` maps references to the digests of their files, and `of` names what recorded them. An allowed reference to
    the same name in a file of the same bytes will do, for what is opened from another folder.

    Raises UsageError for a reference that was not allowed, and for a file that was changed since.
    """
    for reference, sha256 in recorded.items():
        _same.pop(reference, None)
        if reference in _given or (reference in _allowed and sha256 in ("", digest(reference))):
            continue
        _, name = _parts(reference)
        equal = [each for each in sorted(_allowed) if _parts(each)[1] == name and digest(each) == sha256]
        if equal:
            _same[reference] = equal[0]
        elif reference in _allowed:
            raise UsageError(
                f"{of} was made with {reference} of sha256 {sha256[:12]}, and {path_of(reference)} now has "
                f"{digest(reference)[:12]}; put the old file back."
            )
        else:
            raise UsageError(_refusal(reference, of, sha256))


class Permits(NamedTuple):
    """What one process may run, for those that it starts."""

    allowed: dict[str, str]  # with the digests of their files
    same: dict[str, str]
    given: dict[str, Any]


def permits() -> Permits:
    """What was allowed and provided here, less the objects that no other process can have (see `bound_here`)."""
    given = {reference: thing for reference, thing in _given.items() if _can_travel(thing)}
    return Permits(digests(_allowed), dict(_same), given)


def adopt(granted: Permits) -> None:
    """Takes over what the process that started this one may run. Raises UsageError where a file was changed since."""
    _given.update(granted.given)
    _same.update(granted.same)
    allow(granted.allowed)
    for reference, sha256 in granted.allowed.items():
        if digest(reference) != sha256:
            raise UsageError(f"{path_of(reference)} was changed while it was used; run the same command again.")


def bound_here(references: Iterable[str]) -> list[str]:
    """Those of the references that mean objects which another process cannot be given, as those of a notebook."""
    bound = {reference for reference, thing in _given.items() if not _can_travel(thing)}
    return sorted(bound.intersection(references)) if bound else []


# ---- running it


def load(reference: str) -> Any:
    """The object that a reference names; the file, or the module, is imported once.

    Raises UsageError where the reference was not allowed, or where there is no such file, module or name; whatever the
    code raises while it is imported goes through (`blamed` puts that in a sentence).
    """
    reference = _same.get(reference, reference)
    if reference in _given:
        return _given[reference]
    path = path_of(reference)
    if reference not in _allowed:
        raise UsageError(_refusal(reference, "this", ""))
    module, name = _parts(reference)
    try:
        found: Any = _imported(module, path)
    except SystemExit as error:
        raise UsageError(f"{path} ended the program (exit code {error.code}) when imported.") from error
    for part in name.split("."):
        if not hasattr(found, part):
            near = get_close_matches(part, vars(found), n=1)
            raise UsageError(f"there is no {name} in {module}.{f' Did you mean {near[0]}?' if near else ''}")
        found = getattr(found, part)
    return found


def blamed(error: BaseException) -> UsageError | None:
    """An error of code that a reference named, in a sentence with file and line; None where none of it took part."""
    place = None
    if isinstance(error, SyntaxError) and error.filename in _places:
        place = error.filename, error.lineno
    for frame, line in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename in _places:
            place = frame.f_code.co_filename, line
    if place is None:
        return None
    words = error.msg if isinstance(error, SyntaxError) else str(error)
    first = next(iter(words.strip().splitlines()), "").rstrip(".")
    return UsageError(f"{place[0]}, line {place[1]}: {type(error).__name__}{f': {first}' if first else ''}.")


def _imported(module: str, path: Path) -> ModuleType:
    if not module.endswith(".py"):
        _places.add(str(path))
        found = importlib.import_module(module)
        _places.add(getattr(found, "__file__", None) or str(path))
        return found
    held = _read(path)
    if held.module is None:
        _places.add(str(path))
        name = _PREFIX + hashlib.sha256(f"{path} {held.sha256}".encode()).hexdigest()[:16]
        made = ModuleType(name)
        made.__file__ = str(path)
        sys.modules[name] = made  # dataclasses and pickles look their module up
        try:
            exec(compile(held.code, str(path), "exec"), made.__dict__)  # the bytes whose digest is recorded
        except BaseException:
            del sys.modules[name]
            raise
        held.module = made
    return held.module


def _read(path: Path) -> _File:
    if path not in _files:
        code = path.read_bytes()
        _files[path] = _File(code, hashlib.sha256(code).hexdigest())
    return _files[path]


def _parts(reference: str) -> tuple[str, str]:
    found = _FORM.fullmatch(reference)
    if found is None:
        raise UsageError(f"{reference!r} is no reference to code; write FILE.py:NAME or package.module:NAME.")
    return found["module"], found["name"]


def _path_of_module(module: str, reference: str) -> Path:
    """As importlib.util.find_spec, which however would run the packages that a module is in."""
    if module == "__main__":
        raise UsageError(f"{reference} was an object of another Python program; pass it from Python again.")
    where, spec, parts = None, None, module.split(".")
    for end in range(1, len(parts) + 1):
        spec = _spec(".".join(parts[:end]), where)
        where = None if spec is None else spec.submodule_search_locations
        if spec is None or (where is None and end < len(parts)):
            raise UsageError(
                f"there is no module {module} (for {reference}) that Python can find; for a file, write FILE.py:NAME."
            )
    origin = None if spec is None else spec.origin
    if origin is None or not Path(origin).is_file():
        raise UsageError(f"the module {module} (for {reference}) is no file; name one that is.")
    return Path(origin).resolve()


def _spec(name: str, where: Any) -> ModuleSpec | None:
    for finder in sys.meta_path:
        spec = finder.find_spec(name, where) if hasattr(finder, "find_spec") else None
        if spec is not None:
            return spec
    return None


def _can_travel(thing: Any) -> bool:
    """Whether another process can be given it: pickles name classes, and must find them there."""
    try:
        packed = pickle.dumps(thing)
    except Exception:  # noqa: BLE001 whatever a thing of a user's raises
        return False
    return b"__main__" not in packed and _PREFIX.encode() not in packed


def _refusal(reference: str, of: str, sha256: str) -> str:
    try:
        path, now = path_of(reference), digest(reference)
    except UsageError:
        path, now = None, ""
    if path is None and not sha256:
        return (
            f"{of} needs code that is not inkwash's: {reference}, an object of a Python program, of which no file is "
            "known. Pass the object from Python again."
        )
    place = f"of sha256 {sha256[:12]}, which is not there now" if path is None else f"{path}, sha256 {now[:12]}"
    changed = f", changed since: it had {sha256[:12]}" if path is not None and sha256 not in ("", now) else ""
    return (
        f"{of} needs code that is not inkwash's: {reference} ({place}{changed}). None of it was run. Read it, and "
        f"allow it with `code={reference!r}`."
    )
