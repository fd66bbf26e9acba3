"""Reads the text vectors that CS231n's assignment 3 hands out, text_embeddings.pt."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inkwash.errors import InkwashError, UsageError
from inkwash.importers.saved import read
from inkwash.text import Table

_HELP = "give the assignment's text_embeddings.pt"


def read_texts(path: Path, width: int, encoder: str) -> Table:
    """The texts of a course file and their vectors, for a network of `width` numbers a text.

    The file holds "idx_mapping", the place of each text, and "embs" [N,D]; where the assignment's
    `num_text_emb_pca` was given, also "mean" [D] and "pca_components" [D,D], and a text's vector is its first `width`
    principal components. `encoder` names what made the vectors. Only tensors, texts and numbers are read.

    Raises UsageError for a file of another kind or of vectors that do not fit, InkwashError for a damaged one.
    """
    saved = read(path, _HELP)
    places, rows = saved.get("idx_mapping"), saved.get("embs")
    if not isinstance(places, dict) or not isinstance(rows, Tensor) or rows.ndim != 2 or not _fits(places, len(rows)):
        raise UsageError(f'{path} holds no "idx_mapping" of texts and "embs" of as many vectors; {_HELP}.')
    if not bool(rows.isfinite().all()):
        raise InkwashError(f"{path} holds vectors that are no numbers; {_HELP}.")
    if rows.shape[1] != width:
        rows = _principal(path, rows, saved, width)
    return Table(encoder, tuple(places), rows[list(places.values())])


def _fits(places: dict[Any, Any], count: int) -> bool:
    known = all(isinstance(text, str) and isinstance(place, int) for text, place in places.items())
    return known and bool(places) and all(0 <= place < count for place in places.values())


def _principal(path: Path, rows: Tensor, saved: dict[str, Any], width: int) -> Tensor:
    mean: Any = saved.get("mean")
    components: Any = saved.get("pca_components")
    known = isinstance(mean, Tensor) and isinstance(components, Tensor)
    if not known or mean.shape != rows.shape[1:] or components.shape[1:] != rows.shape[1:]:
        raise UsageError(
            f"{path} has vectors of {rows.shape[1]} numbers and no principal components of them, and the network was "
            f"trained on vectors of {width}; give the file that it was trained with."
        )
    if len(components) < width:
        raise UsageError(
            f"{path} has {len(components)} principal components, and the network was trained on vectors of {width} "
            "numbers; give the file that it was trained with."
        )
    return torch.matmul(rows.float() - mean.float(), components[:width].float().T)
