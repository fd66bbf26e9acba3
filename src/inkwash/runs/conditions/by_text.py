"""Text conditions."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from inkwash import settings
from inkwash.core import mix
from inkwash.data import ConditionLookup, Source
from inkwash.errors import UsageError
from inkwash.nets import Embedder
from inkwash.runs.conditions.kind import ConditionOf
from inkwash.text import Table, TextEncoder, encode_cached, find


class ByText:
    """Captions, encoded by a text encoder. A request without text is unconditional."""

    example = "`text='a red fox'`"

    def __init__(self, encoder: TextEncoder) -> None:
        self.encoder = encoder

    @classmethod
    def of(cls, run: settings.RunSettings, classes: Sequence[str], texts: Mapping[str, Tensor] | None = None) -> Self:
        name = run.conditioning.encoder
        return cls(find(name) if texts is None else Table.of(name, texts))

    @property
    def digest(self) -> str:
        return self.encoder.digest

    @classmethod
    def describe(cls, conditioning: settings.Conditioning, classes: Sequence[str]) -> str:
        return f"text, read by {conditioning.encoder}"

    def embedder(self) -> Embedder:
        return self.encoder.embedder()

    def shown(self, source: Source) -> ConditionLookup:
        if not source.captions:
            found = "".join(f" {note}" for note in getattr(source, "notes", ()) if "captions" in note)
            raise UsageError(
                f"{source.name} has no captions, which say what to draw; put a captions.jsonl with lines such as "
                '{"file_name": "1.png", "text": "a red fox"} beside the images, or train without '
                "`condition='text'`." + found
            )
        texts = sorted({text for each in source.captions for text in each})
        rows, place = encode_cached(self.encoder, texts), {text: i for i, text in enumerate(texts)}
        most = max(len(each) for each in source.captions)
        table = torch.tensor([[place[each[i % len(each)]] for i in range(most)] for each in source.captions])
        counts = torch.tensor([len(each) for each in source.captions])

        def chosen(indices: Tensor, step: int) -> Tensor:
            """Selects one caption of each image, depending only on (image, step)."""
            salt = mix(step)
            turn = ((indices + salt) * 0x9E3779B1 % 2**32 >> 7) % counts[indices]
            return rows[table[indices, turn]]

        return chosen

    def examples(self, source: Source, n: int) -> dict[str, Any]:
        """The first captions of up to n images, evenly spaced in the source."""
        firsts = list(dict.fromkeys(each[0] for each in source.captions or () if each))
        return {"text": tuple(firsts[i * len(firsts) // min(n, len(firsts))] for i in range(min(n, len(firsts))))}

    def is_requested(self, sampling: settings.Sampling) -> bool:
        return bool(sampling.text)

    def requested(self, sampling: settings.Sampling) -> ConditionOf:
        if sampling.label not in (None, "None"):
            raise UsageError("this run knows text, not classes; ask with `text='what to draw'`.")
        if not sampling.text:
            return lambda indices: None
        rows = self.encoder(list(sampling.text))
        return lambda indices: rows[torch.tensor(list(indices)) % len(rows)]
