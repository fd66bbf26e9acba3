"""A pretrained text encoder that is loaded when it is first needed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

from torch import Tensor

from inkwash.errors import InkwashError
from inkwash.nets.condition import Embedder, Vector
from inkwash.text.encoder import TextEncoder, check_texts


@final
@dataclass(frozen=True, eq=False)
class Deferred:
    """An encoder of `width` numbers a text. `load` runs once, when rows or the digest are first asked for.

    So a run on texts opens without the encoder's files, and draws where no text is asked for. Rows and the digest
    raise what `load` raises, and InkwashError if the loaded encoder has another width.
    """

    name: str
    width: int
    load: Callable[[], TextEncoder]

    @cached_property
    def encoder(self) -> TextEncoder:
        loaded = self.load()
        found = loaded.embedder().vector
        if found != self.width:
            raise InkwashError(f"{self.name} gives {found} numbers a text, where {self.width} were expected.")
        return loaded

    @property
    def digest(self) -> str:
        return self.encoder.digest

    def __call__(self, texts: Sequence[str]) -> Tensor:
        texts = check_texts(texts)
        return self.encoder(texts)

    def embedder(self) -> Embedder:
        return Vector(self.width)
