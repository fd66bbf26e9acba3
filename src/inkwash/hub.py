"""Loading pretrained transformers models from a folder, the Hugging Face cache, or the Hugging Face hub.

Callers write their own error messages, which say what the model is needed for and what can be used instead.
"""

import hashlib
import io
import logging
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from inkwash.errors import InkwashError
from inkwash.foreign import say

T = TypeVar("T")


class LoadError(Exception):
    """A model could not be loaded. The message is the reason, one line without a full stop at its end."""


def load(where: str, loader: Callable[[bool], T]) -> T:
    """Calls `loader(True)`, which must not use the network, and if it finds no model, `loader(False)`, which may.

    `where` is a folder, which is never looked up on the hub, or a hub id ("owner/name"). An InkwashError raised by the
    loader propagates. Raises LoadError for any other error.
    """
    is_folder = Path(where).is_dir()
    try:
        try:
            return loader(True)
        except OSError:
            if is_folder:
                raise
        say(f"{where} is not on this machine; trying to download it from huggingface.co.")
        return loader(False)
    except InkwashError:
        raise
    except Exception as error:
        raise LoadError(str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__) from error


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silences logging, warnings and progress bars of transformers and packages built on it inside the block, also
    while they are imported.

    Raises ImportError if transformers is not installed.
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


def unpickled(content: bytes) -> Any:
    """The tensors, numbers and texts in a file of `torch.save`, on the CPU. No code of the file is run.

    Raises ValueError if the file would take more memory than its own size, as by packed entries or by tensors that
    repeat their values; UnpicklingError if it holds anything else; and other errors if it is damaged.
    """
    if content.startswith(b"PK"):  # files of torch before 1.6 are no archives
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > len(content):
            raise ValueError(f"it unpacks from {len(content):,} to {unpacked:,} bytes")
    with warnings.catch_warnings(action="ignore"):  # warnings about pickles that torch did not write
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    left = 2 * len(content)  # twice, since tensors may share their memory
    for tensor in _tensors(found):
        left -= tensor.numel() * tensor.element_size()
        if left < 0:
            raise ValueError("its tensors are larger than the file")
    return found


def _tensors(value: Any, depth: int = 0) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping | list | tuple) and depth < 8:
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _tensors(each, depth + 1)


def missing_weights(report: Mapping[str, Any]) -> list[str]:
    """The names of parameters that are missing from the files or have another shape there; transformers initialises
    these at random.

    `report` is the second result of `from_pretrained(…, output_loading_info=True, ignore_mismatched_sizes=True)`.
    """
    return sorted({*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])})


def parameter_hashes(network: nn.Module) -> list[str]:
    """The sorted sha256 hex digests of each parameter's shape and values. Parameter names are left out, since they
    depend on the version of transformers.
    """
    hashes = []
    for tensor in network.parameters():
        values = tensor.detach().cpu().contiguous().numpy()
        hashes.append(hashlib.sha256(repr(values.shape).encode() + values.tobytes()).hexdigest())
    return sorted(hashes)
