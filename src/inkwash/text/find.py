"""Finds a text encoder by name."""

import re
from pathlib import Path

import torch

from inkwash import choices, own
from inkwash.text.encoder import TextEncoder


def find(name: str, device: str | torch.device = "cpu") -> TextEncoder:
    """The encoder of this name. Pretrained encoders run on `device`.

    `name` is a name of `choices.ENCODERS`, a reference to a user-defined encoder, a folder, an installed package that
    holds a model of sentence-transformers, or a model on huggingface.co, which is read from the cache or downloaded
    once. A model is a CLIP model if its config.json says so, otherwise one of sentence-transformers.

    Raises UsageError if there is no such encoder, or the packages of the extra "text" are not installed;
    InkwashError if its files are damaged.
    """
    if name in choices.ENCODERS or own.is_reference(name):
        named: TextEncoder = choices.call(choices.ENCODERS.load(name), name=name, device=device)
        if own.is_reference(name):
            choices.expect(named, f"the text encoder {name}", "name", "digest", "embedder", "__call__")
        return named
    from inkwash.text import clip, pretrained, sentences  # these need optional packages

    where = sentences.package_folder(name) or name
    folder = Path(where).expanduser()
    if where and folder.is_dir():
        where = str(folder)
    elif not re.fullmatch(r"[\w.-]+/[\w.-]+", where):
        reason = f"it is neither a folder ({folder.absolute()}) nor an installed package with a model"
        raise pretrained.no_such_encoder(name, reason)
    load = clip.load if pretrained.model_type(name, where) in clip.MODEL_TYPES else sentences.load
    return load(name, where, device)
