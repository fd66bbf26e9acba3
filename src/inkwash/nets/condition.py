"""Conditions of a network: a class, a vector, tokens, an image, or none.

An embedder turns conditions, a tensor with one row for each image, into the `CondEmbedding` that a network reads.
Where `present` is False it returns the null condition. So training can drop conditions, and classifier-free guidance
can compare with the null condition (Ho & Salimans 2022, section 3.2), without knowing what kind of condition it is.
"""

from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Condition(NamedTuple):
    """The condition of each image of a batch."""

    value: Tensor  # [B,...], as the embedder takes it: labels int64 [B], vectors [B,D], tokens, images
    present: Tensor  # bool [B]; False: no condition, whatever the value


class CondEmbedding(NamedTuple):
    """What a network reads of a condition, of the widths that its embedder states."""

    vector: Tensor | None = None  # [B,D], added to the embedding of time
    tokens: Tensor | None = None  # [B,L,W], attended to
    mask: Tensor | None = None  # bool [B,L]: which of the tokens count; at least one does
    concat: Tensor | None = None  # [B,C',H,W], concatenated to x


class Embedder(Protocol):
    """A module that turns conditions into a CondEmbedding, and owns what is learned about them."""

    vector: int  # D, or 0 for no vector
    tokens: int  # W, or 0 for no tokens
    concat: int  # C', or 0 for no image

    def null(self, x: Tensor) -> Tensor:
        """A placeholder value for each of the images x [B,C,H,W], for batches without a condition."""

    def __call__(self, value: Tensor, present: Tensor) -> CondEmbedding:
        """The embedding of B conditions; the null condition where `present` is False."""


class OneHot(nn.Module):
    """Labels int64 [B] in 0..classes-1 -> one-hot vectors [B,classes]; the null condition is the zero vector.

    A linear layer without bias on such a vector is a table of learned embeddings.
    """

    tokens = concat = 0

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.vector = classes

    def null(self, x: Tensor) -> Tensor:
        return torch.zeros(len(x), dtype=torch.int64, device=x.device)

    def forward(self, value: Tensor, present: Tensor) -> CondEmbedding:
        return CondEmbedding(F.one_hot(value, self.vector).float() * present[:, None])


class Vector(nn.Module):
    """Vectors [B,width], such as sentence embeddings, as they are; the null condition is the zero vector."""

    tokens = concat = 0

    def __init__(self, width: int) -> None:
        super().__init__()
        self.vector = width

    def null(self, x: Tensor) -> Tensor:
        return x.new_zeros(len(x), self.vector)

    def forward(self, value: Tensor, present: Tensor) -> CondEmbedding:
        return CondEmbedding(value * present[:, None])


class Concat(nn.Module):
    """Images [B,channels,H,W] to be concatenated to x.

    The null condition is a zero image; one more channel is 1 where there is an image and 0 where there is none.
    """

    vector = tokens = 0

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.concat = channels + 1

    def null(self, x: Tensor) -> Tensor:
        return x.new_zeros(len(x), self.concat - 1, *x.shape[2:])

    def forward(self, value: Tensor, present: Tensor) -> CondEmbedding:
        mask = present.to(value.dtype).view(-1, 1, 1, 1)
        return CondEmbedding(concat=torch.cat([value, torch.ones_like(value[:, :1])], dim=1) * mask)


class ConditionedNet(nn.Module):
    """A network with its embedder: net(x, t, cond), where cond is a Condition, a bare value [B,...], or None."""

    def __init__(self, net: nn.Module, embedder: Embedder) -> None:
        super().__init__()
        self.net = net
        self.embedder = embedder

    def as_condition(self, x: Tensor, cond: Condition | Tensor | None) -> Condition:
        """`cond` as a Condition of the images x [B,C,H,W]; None is the null condition."""
        if isinstance(cond, Condition):
            return cond
        value = self.embedder.null(x) if cond is None else cond
        return Condition(value, torch.full((len(x),), cond is not None, device=x.device))

    def forward(self, x: Tensor, t: Tensor, cond: Condition | Tensor | None = None) -> Tensor:
        return self.net(x, t, self.embedder(*self.as_condition(x, cond)))  # type: ignore[no-any-return]
