"""A tokenizer that hashes words and their trigrams to ids, without a vocabulary."""

import hashlib
import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import final

import torch
from torch import Tensor

from inkwash.errors import UsageError
from inkwash.nets.condition import Embedder
from inkwash.nets.text import BUCKETS, IDS, WORDS, TextEmbedder
from inkwash.text.encoder import check_texts

VERSION = 1  # of the mapping from texts to ids; checkpoints depend on it


@final
@dataclass(frozen=True)
class Joint:
    """Texts -> int64 [N,24,12]: up to 24 words of up to 12 ids in 1..8191 each, padded with 0. Later words are dropped.

    The ids of a word are hashes of the word and of its character trigrams, so that related words share ids
    (Bojanowski et al. 2017, section 3.2, with trigrams only). All learned parameters are in the embedder, which is
    trained with the model.
    """

    name: str = "joint"
    digest: str = hashlib.sha256(f"joint {VERSION} {WORDS} {IDS} {BUCKETS}".encode()).hexdigest()

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Raises UsageError if a text is blank or has no words."""
        rows = torch.zeros(len(texts), WORDS, IDS, dtype=torch.int64)
        for row, text in zip(rows, check_texts(texts), strict=True):
            found = words(text)
            if not found:
                raise UsageError(f"There is no word in {text!r}. Say in words what the image shows.")
            for place, word in zip(row, found, strict=False):
                ids = _ids(word)
                place[: len(ids)] = torch.tensor(ids)
        return rows

    def embedder(self) -> Embedder:
        return TextEmbedder(BUCKETS)


def words(text: str) -> list[str]:
    """The words in lower case: runs of letters and digits, and single Chinese or Japanese characters and symbols.

    Characters are normalised (NFKC), apostrophes are dropped, and other punctuation separates words.
    """
    found: list[str] = []
    open_ = False  # whether the next letter continues the last word
    for c in unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower()):
        kind = _kind(c)
        if kind == "letter" and open_:
            found[-1] += c
        elif kind in ("letter", "alone"):
            found.append(c)
        if kind != "dropped":
            open_ = kind == "letter"
    return found


@lru_cache(4096)
def _kind(c: str) -> str:
    category = unicodedata.category(c)
    if c in "'\u2019" or 0xFE00 <= ord(c) <= 0xFE0F:  # apostrophes; variation selectors of emoji
        return "dropped"
    if category[0] == "S" or unicodedata.name(c, "").startswith(("CJK UNIFIED", "HIRAGANA", "KATAKANA")):
        return "alone"
    return "letter" if category[0] in "LNM" else "between"


@lru_cache(1 << 16)
def _ids(word: str) -> list[int]:
    marked = f"<{word}>"  # word boundaries, as in Bojanowski et al.: prefixes and suffixes differ from inner trigrams
    parts = dict.fromkeys([marked, *(marked[i : i + 3] for i in range(len(marked) - 2))])
    return [1 + zlib.crc32(part.encode()) % (BUCKETS - 1) for part in islice(parts, IDS)]
