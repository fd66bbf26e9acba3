"""Pretrained models of transformers: from a folder, from the cache of Hugging Face, or downloaded from its hub.

Each caller words its own errors: what the model is for, and what the user can take instead.
"""

import hashlib
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from inkwash.errors import InkwashError

T = TypeVar("T")


class LoadError(Exception):
    """A model could not be loaded. The message is the reason, one line without a full stop at its end."""


def load(where: str, loader: Callable[[bool], T]) -> T:
    """`loader(True)`, which must not use the network; where that finds nothing, `loader(False)`, which may download.

    `where` is a folder, which is never looked for on the hub, or a hub id ("owner/name"). An InkwashError of the loader
    passes. Raises LoadError for any other error.
    """
    is_folder = Path(where).is_dir()
    try:
        try:
            return loader(True)
        except OSError:
            if is_folder:
                raise
        sys.stderr.write(f"{where} is not on this machine; trying to download it from huggingface.co.\n")
        return loader(False)
    except InkwashError:
        raise
    except Exception as error:
        raise LoadError(str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__) from error


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Inside, transformers and the packages on top of it log nothing, warn of nothing and show no bars, also while
    they are imported.

    Raises ImportError where transformers is not installed.
    """
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import transformers

            theirs = transformers.utils.logging
            bars = theirs.is_progress_bar_enabled()
            theirs.disable_progress_bar()
            try:
                yield
            finally:
                if bars:
                    theirs.enable_progress_bar()
    finally:
        logging.disable(before)


def missing_weights(report: Mapping[str, Any]) -> list[str]:
    """The names of parameters that the files lack or hold in other shapes, which transformers would draw at random.

    `report` is what `from_pretrained(…, output_loading_info=True, ignore_mismatched_sizes=True)` returns second.
    """
    return sorted({*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])})


def parameter_hashes(network: nn.Module) -> list[str]:
    """sha256 hex of each parameter's shape and values, sorted: names of parameters depend on transformers' version."""
    hashes = []
    for tensor in network.parameters():
        values = tensor.detach().cpu().contiguous().numpy()
        hashes.append(hashlib.sha256(repr(values.shape).encode() + values.tobytes()).hexdigest())
    return sorted(hashes)
