"""Objects of a user's own, named by where their code is: FILE.py:NAME or package.module:NAME.

Nothing is run because a file says so. A reference is loaded where it was allowed in this process: by a flag of the
command that runs, or by a Python caller. A checkpoint that needs one is refused until then, with its code's digest.
"""

import hashlib
import importlib
import importlib.util
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from inkwash.errors import UsageError

_FORM = re.compile(r"(?P<module>[^:]+\.py|[A-Za-z_]\w*(\.[A-Za-z_]\w*)*):(?P<name>[A-Za-z_]\w*(\.[A-Za-z_]\w*)*)")

_allowed: set[str] = set()
_given: dict[str, Any] = {}  # objects that a Python caller passed in place of a reference


def is_reference(word: str) -> bool:
    """Whether a word has the form FILE.py:NAME or package.module:NAME."""
    return _FORM.fullmatch(word) is not None


def allow(references: Iterable[str]) -> None:
    """From here on this process may run the code that these references name."""
    _allowed.update(references)


def allowed() -> tuple[str, ...]:
    """What was allowed, for the processes that this one starts."""
    return tuple(sorted(_allowed))


def provide(reference: str, thing: Any) -> None:
    """From here on the reference means this object, and no code is looked for."""
    _given[reference] = thing


def load(reference: str) -> Any:
    """The object that a reference names; the file, or the module, is imported.

    Raises UsageError where the reference was not allowed, or where there is no such file, module or name; whatever the
    code raises while it is imported goes through.
    """
    if reference in _given:
        return _given[reference]
    if reference not in _allowed:
        raise UsageError(_refusal(reference))
    module, name = _parts(reference)
    found: Any = _imported(module, path_of(reference))
    for part in name.split("."):
        if not hasattr(found, part):
            raise UsageError(f"there is no {name} in {module}.")
        found = getattr(found, part)
    return found


def path_of(reference: str) -> Path:
    """The file that holds the code of a reference, found without running any.

    Raises UsageError where there is none.
    """
    module, _ = _parts(reference)
    if module.endswith(".py"):
        path = Path(module).expanduser()
        if not path.is_file():
            raise UsageError(f"there is no file {path} (for {reference}); give its path from where the command is run.")
        return path
    parts = module.split(".")
    for folder in map(Path, sys.path):
        for path in (folder.joinpath(*parts).with_suffix(".py"), folder.joinpath(*parts, "__init__.py")):
            if path.is_file():
                return path
    raise UsageError(f"there is no module {module} (for {reference}) that Python can find as a file.")


def digest(reference: str) -> str:
    """sha256 hex of the file that holds the code, "" for an object that a Python caller passed."""
    if reference in _given:
        return ""
    return hashlib.sha256(path_of(reference).read_bytes()).hexdigest()


def check_recorded(recorded: dict[str, str], of: str) -> None:
    """Whether the code that something recorded may be run here, and is still what it was.

    `recorded` maps references to the digests of their files, and `of` names what recorded them. Raises UsageError for a
    reference that was not allowed, and for a file that was changed since.
    """
    for reference, sha256 in recorded.items():
        if reference in _given:
            continue
        if reference not in _allowed:
            raise UsageError(_refusal(reference, of, sha256))
        now = digest(reference)
        if sha256 and now != sha256:
            raise UsageError(
                f"{of} was made with {reference} of sha256 {sha256[:12]}, and {path_of(reference)} now has {now[:12]}; "
                "put the old file back."
            )


def _refusal(reference: str, of: str = "this", sha256: str = "") -> str:
    try:
        place = str(path_of(reference).absolute())
    except UsageError:
        place = "a file that is not there"
    which = f", sha256 {sha256[:12]}" if sha256 else ""
    return (
        f"{of} needs code that is not inkwash's: {reference} ({place}{which}). None of it was run. Read it, and "
        f"allow it with `code` {reference}."
    )


def _parts(reference: str) -> tuple[str, str]:
    found = _FORM.fullmatch(reference)
    if found is None:
        raise UsageError(f"{reference!r} is no reference; write FILE.py:NAME or package.module:NAME.")
    return found["module"], found["name"]


def _imported(module: str, path: Path) -> Any:
    if not module.endswith(".py"):
        return importlib.import_module(module)
    name = f"inkwash_own_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        made = importlib.util.module_from_spec(spec)
        sys.modules[name] = made  # dataclasses and pickles look their module up
        try:
            spec.loader.exec_module(made)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]
