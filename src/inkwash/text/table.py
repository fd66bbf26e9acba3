"""Texts whose vectors are known, such as the precomputed embeddings of a course."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Self, final

import numpy as np
import torch
from torch import Tensor

from inkwash.errors import UsageError
from inkwash.foreign import harmless
from inkwash.nets.condition import Embedder, Vector
from inkwash.text.encoder import check_texts


@final
@dataclass(frozen=True, eq=False)
class Table:
    """Texts -> their float32 rows [N,width] of a table; it reads no other text.

    `name` is the encoder that made the rows [N,width]; `texts` are N different texts. A checkpoint keeps the table
    as two tensors (`tensors`, `of`), so a run with one needs no encoder.
    """

    name: str
    texts: tuple[str, ...]
    rows: Tensor

    @classmethod
    def of(cls, name: str, tensors: Mapping[str, Tensor]) -> Self:
        """The table in these tensors of a checkpoint. Raises ValueError if they are not of a table."""
        texts = json.loads(tensors["words"].numpy().tobytes())
        rows = tensors["rows"]
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts) or len(rows) != len(texts):
            raise ValueError("its texts are not those of its vectors")
        return cls(name, tuple(texts), rows)

    def tensors(self) -> dict[str, Tensor]:
        """`words`, the bytes of a JSON list of the texts, and `rows` [N,width]."""
        words = np.frombuffer(json.dumps(self.texts).encode(), dtype=np.uint8)
        return {"words": torch.from_numpy(words.copy()), "rows": self.rows}

    @cached_property
    def digest(self) -> str:
        """sha256 hex of the texts and their rows."""
        words, rows = self.tensors().values()
        return hashlib.sha256(words.numpy().tobytes() + rows.float().numpy().tobytes()).hexdigest()

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Raises UsageError for a text that is blank or not in the table, with the nearest one that is."""
        place = {text: i for i, text in enumerate(self.texts)}
        for text in check_texts(texts):
            if text not in place:
                near = get_close_matches(text, self.texts, n=1, cutoff=0.3)
                hint = f" Did you mean {harmless(near[0])!r}?" if near else ""
                raise UsageError(
                    f"the run has the vectors of {len(place):,} texts, and {text!r} is not among them.{hint} Other "
                    f"texts need the encoder ({harmless(self.name)}): import the checkpoint without `embeddings`."
                )
        return self.rows[[place[text] for text in texts]].float()

    def embedder(self) -> Embedder:
        return Vector(self.rows.shape[1])
