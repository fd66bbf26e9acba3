"""Runs on huggingface.co, as hf://OWNER/NAME or hf://OWNER/NAME@REVISION. Does not import torch.

Files are fetched by huggingface_hub (the extra `hub`) into its cache, and opened as any run's: no code comes with them.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from inkwash.errors import InkwashError, UsageError

HELP = "pip install 'inkwash[hub]'"
CHECKPOINT = "last.safetensors"
_FORM = re.compile(r"hf:/{1,2}(\w[\w.-]*/\w[\w.-]*)(?:@([\w./-]+))?")  # a Path makes one slash of the two


class Place(NamedTuple):
    """A repository of models, and a branch, tag or commit of it; None is its main branch."""

    repo: str
    revision: str | None


def place(run: str | os.PathLike[str]) -> Place | None:
    """The place that hf://OWNER/NAME[@REVISION] names; None for what does not begin with hf:/.

    Raises UsageError for other words after hf:/.
    """
    word = os.fspath(run)
    if not word.startswith("hf:/"):
        return None
    match = _FORM.fullmatch(word)
    if match is None:
        raise UsageError(f"a run on a hub is written hf://OWNER/NAME or hf://OWNER/NAME@REVISION (got {word}).")
    return Place(match[1], match[2])


@cache
def run_folder(found: Place) -> Path:
    """The folder of a run on the hub, fetched if it has changed there or is not on this machine.

    Raises UsageError without huggingface_hub, and for a repository that is not there, closed, or without a run;
    InkwashError if the hub does not answer, or stops half way: then the cache holds no part of the file.
    """
    hub = library()
    with saying(found.repo):
        file = hub.hf_hub_download(found.repo, CHECKPOINT, revision=found.revision, endpoint=endpoint())
    return Path(file).parent


@cache
def model_folder(found: Place) -> Path:
    """The folder of all JSON files and weights of a repository. Raises as `run_folder`."""
    hub = library()
    patterns = ["*.json", "*.safetensors", "*.bin"]
    with saying(found.repo):
        return Path(hub.snapshot_download(
            found.repo, revision=found.revision, endpoint=endpoint(), allow_patterns=patterns,
            ignore_patterns=["*.fp16.*", "*.non_ema.*"],
        ))  # fmt: skip


def name_of(folder: Path) -> str | None:
    """OWNER--NAME of a folder in the cache of huggingface_hub; None for any other folder."""
    at = folder.parent.parent
    return at.name.removeprefix("models--") if at.name.startswith("models--") and (at / "blobs").is_dir() else None


def library() -> Any:
    """huggingface_hub. Raises UsageError where it is not installed."""
    try:
        import huggingface_hub
    except ImportError as error:
        raise UsageError(f"runs on a hub need the package huggingface_hub: {HELP}.") from error
    return huggingface_hub


def endpoint() -> str | None:
    """Another hub than huggingface.co, from $HF_ENDPOINT."""
    return os.environ.get("HF_ENDPOINT") or None


@contextmanager
def saying(repo: str) -> Iterator[None]:
    """Says in a sentence what a hub answered, or why it did not."""
    try:
        yield
    except InkwashError:
        raise
    except Exception as error:  # of requests, of the hub, of the disk
        where, status, chain = endpoint() or "huggingface.co", None, _causes(error)
        status = next((code for each in chain if (code := _status(each)) is not None), None)
        kinds = {type(each).__name__ for each in chain}
        if status in (401, 403) or "GatedRepoError" in kinds:
            raise UsageError(
                f"{where} does not show {repo} ({status}): it is not there, or private. Look at its name, or set "
                "HF_TOKEN to the token of an account that may."
            ) from error
        if "HFValidationError" in kinds:
            raise UsageError(f"{repo} is no name of a repository: {str(error).rstrip('.')}.") from error
        if "RevisionNotFoundError" in kinds:
            raise UsageError(
                f"{repo} has no such revision; leave out what follows @, or look at its commits."
            ) from error
        if "RemoteEntryNotFoundError" in kinds:
            raise UsageError(f"{repo} holds no run: it has no file {CHECKPOINT}.") from error
        if status == 404 or "RepositoryNotFoundError" in kinds:
            raise UsageError(f"{where} has no {repo}; look at its name.") from error
        if status == 429:
            raise InkwashError(f"{where} had too many requests (429); wait some minutes and try again.") from error
        if status is not None and status >= 500:
            raise InkwashError(f"{where} is out of order ({status}); try again later.") from error
        reason = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
        raise InkwashError(
            f"{repo} could not be reached at {where}, or stopped half way ({reason}); try again, with a network."
        ) from error


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _status(error: BaseException) -> int | None:
    code = getattr(getattr(error, "response", None), "status_code", None)
    return code if isinstance(code, int) else None
