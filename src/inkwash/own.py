"""References to the user's own code: FILE.py:NAME or package.module:NAME.

A reference that is merely stored in a file is never executed. A process loads a reference only after it was allowed,
by a flag of the command or by a Python caller. A run or an artifact that needs any other reference is refused, with
the path of the file and its sha256. A process reads each file once, and records the digest of the bytes it executed.

The digest covers the file itself, not the modules that it imports.
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
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from inkwash.errors import UsageError
from inkwash.modules import path_of_module

_FORM = re.compile(r"(?P<module>[^:]+\.py|[A-Za-z_]\w*(\.[A-Za-z_]\w*)*):(?P<name>[A-Za-z_]\w*(\.[A-Za-z_]\w*)*)")
_PREFIX = "inkwash_own_"  # prefix of the names of modules created from files


@dataclass
class _File:
    """The content of a file when this process first read it."""

    code: bytes
    sha256: str
    module: ModuleType | None = None


_allowed: set[str] = set()
_given: dict[str, Any] = {}  # objects that a Python caller passed in place of a reference
_same: dict[str, str] = {}  # a recorded reference -> the allowed reference to the same code at another path
_files: dict[Path, _File] = {}
_encoders: set[str] = set()  # pretrained text encoders that a flag or a Python caller named
_places: set[str] = set()  # file names of all executed user code, as they appear in tracebacks


def is_reference(word: str) -> bool:
    """Whether a word has the form FILE.py:NAME or package.module:NAME."""
    return _FORM.fullmatch(word) is not None


def check(word: str) -> str:
    """Returns `word` if it is a reference; raises UsageError otherwise."""
    _parts(word)
    return word


def path_of(reference: str) -> Path:
    """The absolute path of the file that contains the code of a reference. Executes no code.

    Raises UsageError if there is no such file.
    """
    module, _ = _parts(_same.get(reference, reference))
    if not module.endswith(".py"):
        return path_of_module(module, reference)
    path = Path(module).expanduser()
    if not path.is_file():
        raise UsageError(
            f"there is no file {path} (for {reference}) in {Path.cwd()}; give its path from where the command is run."
        )
    return path.resolve()


def digest(reference: str) -> str:
    """The sha256 of the file with the code, in hex; "" for an object passed from Python that no file contains."""
    reference = _same.get(reference, reference)
    try:
        path = path_of(reference)
    except UsageError:
        if reference in _given:
            return ""
        raise
    return _read(path).sha256


def digests(references: Iterable[str]) -> dict[str, str]:
    """The digest of each reference, in alphabetical order, as checkpoints and artifacts record them."""
    return {reference: digest(reference) for reference in sorted(set(references))}


def allow(references: Iterable[str]) -> None:
    """Allows this process to execute the code of these references, in the current version of their files.

    Raises UsageError if a string is not a reference, or if its file or module does not exist.
    """
    for reference in references:
        path = path_of(check(reference))
        held = _files.get(path)
        if held is not None and held.code != path.read_bytes():
            del _files[path]
        _read(path)
        _allowed.add(reference)


def provide(reference: str, thing: Any) -> None:
    """Binds the reference to an object for the rest of this process, so that no code is loaded for it.

    The reference should lead other processes to the same code. If there is none that does, use `__main__:NAME`, which
    cannot be loaded. Raises UsageError if the string is not a reference.
    """
    _given[check(reference)] = thing


def check_recorded(recorded: dict[str, str], of: str) -> None:
    """Checks that recorded references are allowed in this process and that their files have not changed.

    `recorded` maps references to the digests of their files, and `of` names the run or artifact that recorded them. An
    allowed reference to the same name in a file with the same bytes is accepted too, since a run may be opened from
    another folder.

    Raises UsageError for a reference that was not allowed, or whose file has changed.
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


def allow_encoder(name: str) -> None:
    """Allows this process to open a text encoder that a run names: a folder, or the name of a published model."""
    _encoders.update((name, _resolved(name)))


def check_encoder(name: str, of: str) -> None:
    """Raises UsageError unless a text encoder that is stored in a file, `of`, was allowed in this process.

    A file from elsewhere could name any folder or download; loading a model is more than reading its weights.
    """
    if not {name, _resolved(name)} & _encoders:
        raise UsageError(
            f"{of} reads texts with {name!r}, a text encoder that is not inkwash's. It was not opened, and nothing was "
            f"downloaded. If you know it, allow it with `encoder={name!r}`."
        )


def _resolved(name: str) -> str:
    return str(folder.resolve()) if (folder := Path(name).expanduser()).is_dir() else name


class Permits(NamedTuple):
    """The permissions of a process, in a form that it can pass to the processes it starts."""

    allowed: dict[str, str]  # with the digests of their files
    same: dict[str, str]
    given: dict[str, Any]
    encoders: frozenset[str]


def permits() -> Permits:
    """The permissions of this process, without the objects that cannot be sent to another one (see `bound_here`)."""
    given = {reference: thing for reference, thing in _given.items() if _can_travel(thing)}
    return Permits(digests(_allowed), dict(_same), given, frozenset(_encoders))


def adopt(granted: Permits) -> None:
    """Adopts the permissions of the parent process. Raises UsageError if a file has changed since."""
    _given.update(granted.given)
    _same.update(granted.same)
    _encoders.update(granted.encoders)
    allow(granted.allowed)
    for reference, sha256 in granted.allowed.items():
        if digest(reference) != sha256:
            raise UsageError(f"{path_of(reference)} was changed while it was used; run the same command again.")


def bound_here(references: Iterable[str]) -> list[str]:
    """Those of the references that are bound to objects which cannot be sent to another process, as in a notebook."""
    bound = {reference for reference, thing in _given.items() if not _can_travel(thing)}
    return sorted(bound.intersection(references)) if bound else []


def load(reference: str) -> Any:
    """Returns the object that a reference names. Each file or module is imported once.

    Raises UsageError if the reference was not allowed, or if its file, module or name does not exist. An error that the
    code raises while it is imported propagates; `blamed` converts it to a message.
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
    """Converts an error raised in the user's code to a UsageError with file and line; None for any other error."""
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
        if path.exists() and not path.is_file():  # reading a pipe may never end
            raise OSError(0, "not a regular file", str(path))
        code = path.read_bytes()
        _files[path] = _File(code, hashlib.sha256(code).hexdigest())
    return _files[path]


def _parts(reference: str) -> tuple[str, str]:
    found = _FORM.fullmatch(reference)
    if found is None:
        raise UsageError(f"{reference!r} is no reference to code; write FILE.py:NAME or package.module:NAME.")
    return found["module"], found["name"]


def _can_travel(thing: Any) -> bool:
    """Whether an object can be sent to another process: it must pickle, and its class must be importable there."""
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
