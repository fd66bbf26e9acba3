"""The protocol of text encoders, which turn prompts into conditions of a model."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from inkwash.errors import UsageError
from inkwash.nets.condition import Embedder


class TextEncoder(Protocol):
    """Texts -> inputs of an embedder of `nets`, one row per text."""

    @property
    def name(self) -> str:
        """The name that users give and checkpoints store: "joint", "clip", "minilm", a folder or a hub id."""

    @property
    def digest(self) -> str:
        """sha256 hex of all that determines its outputs: weights and vocabulary, or the version of the code."""

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Returns float32 [N,width] or ids int64 [N,L,G], on the CPU. Raises UsageError if a text is blank."""

    def embedder(self) -> Embedder:
        """A new `nets.condition.Embedder` for these rows."""


def check_texts(texts: Sequence[str]) -> list[str]:
    """The texts as a list. Raises UsageError if one is blank, or if `texts` is a single string instead of a list."""
    if isinstance(texts, str):
        raise UsageError(f"One text was given ({texts!r}) where a list of texts is expected. Put it in a list.")
    for i, text in enumerate(texts):
        if not text.strip():
            raise UsageError(
                f"Text {i + 1} of {len(texts)} is blank ({text!r}). Say in words what the image shows, "
                "or give no text at all for an image of anything."
            )
        if any("\ud800" <= sign <= "\udfff" for sign in text):
            raise UsageError(f"Text {i + 1} of {len(texts)} is no proper Unicode ({text!r}). Write it as UTF-8.")
    return list(texts)
