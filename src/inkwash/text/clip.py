"""The text encoder of CLIP (Radford et al. 2021), which CS231n's assignment 3 uses to condition its emoji model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn

from inkwash import hub
from inkwash.errors import InkwashError
from inkwash.nets.condition import Embedder, Vector
from inkwash.text import pretrained
from inkwash.text.deferred import Deferred
from inkwash.text.encoder import check_texts

MODEL = "openai/clip-vit-base-patch32"  # on huggingface.co; 600 MB with the image encoder
WIDTH = 512  # numbers a text
MODEL_TYPES = ("clip", "clip_text_model")  # as config.json names them
BATCH = 64  # texts at a time


@final
@dataclass(frozen=True, eq=False)
class Clip:
    """Texts -> float32 [N,width], 512 for ViT-B/32: the projected hidden state at the end-of-text token.

    The vectors are not normalised, as in the assignment, which uses `encode_text` of OpenAI's package. That package
    rejects texts of more than 77 tokens; here they are truncated. Up to rounding, rows do not depend on the batch.
    """

    name: str
    network: nn.Module  # a CLIPTextModelWithProjection
    tokenizer: Any
    width: int
    digest: str

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Raises UsageError if a text is blank."""
        texts, rows = check_texts(texts), [torch.zeros(0, self.width)]
        device = next(self.network.parameters()).device
        for i in range(0, len(texts), BATCH):
            part = self.tokenizer(texts[i : i + BATCH], padding=True, truncation=True, return_tensors="pt").to(device)
            with torch.no_grad():
                rows.append(self.network(**part).text_embeds.cpu())
        return torch.cat(rows)

    def embedder(self) -> Embedder:
        return Vector(self.width)


def vit_b_32(name: str = "clip", device: str | torch.device = "cpu") -> Deferred:
    """CLIP ViT-B/32, from the Hugging Face cache or downloaded once. Opened when needed, which raises as `load`."""
    return Deferred(name, WIDTH, lambda: load(name, MODEL, device))


def load(name: str, where: str, device: str | torch.device = "cpu") -> Clip:
    """Loads the encoder `name` from a folder with config.json, weights and tokenizer files, or from a hub id.

    Raises UsageError if it does not exist or transformers is not installed; InkwashError if its files are damaged.
    """
    with pretrained.packages(name):
        from transformers import CLIPTextModelWithProjection, CLIPTokenizer

        def loader(local: bool) -> Clip:
            network, report = CLIPTextModelWithProjection.from_pretrained(
                where,
                local_files_only=local,
                trust_remote_code=False,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
            absent = hub.missing_weights(report)
            if absent:
                raise InkwashError(
                    f"{where} lacks {len(absent)} of the weights of CLIP's text model, or has them in other shapes; "
                    f"the first is {absent[0]}. Take {MODEL}, or download the folder again."
                )
            tokenizer = CLIPTokenizer.from_pretrained(where, local_files_only=local, trust_remote_code=False)
            knows, needs = len(tokenizer), network.config.vocab_size
            if knows != needs:  # e.g. 2, if its files are missing
                raise InkwashError(
                    f"The tokenizer in {where} knows {knows} tokens, and the model {needs}. "
                    "Put the model's own tokenizer.json, or vocab.json and merges.txt, there."
                )
            tokenizer.model_max_length = network.config.max_position_embeddings
            network = network.float().requires_grad_(False).eval().to(device)
            digest = pretrained.digest(network, tokenizer.get_vocab(), "clip")
            return Clip(name, network, tokenizer, network.config.projection_dim, digest)

        return pretrained.load(name, where, loader)
