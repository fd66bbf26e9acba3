"""What a network is told besides x and t: a class, a vector, tokens, an image; and that it may be told nothing.

An embedder turns what is asked for, a tensor with one row for each image, into a `Cond` that networks read. Where
nothing is asked (`present` is False) it gives the null condition. So training may drop conditions, and classifier-free
guidance compare with none (Ho & Salimans 2022, section 3.2), without knowing what a condition is.
"""

from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Condition(NamedTuple):
    """What is asked for, image by image."""

    value: Tensor  # [B,...], as the embedder takes it: labels int64 [B], vectors [B,D], tokens, images
    present: Tensor  # bool [B]; False: nothing is asked, whatever the value


class Cond(NamedTuple):
    """What a network reads, of the widths that its embedder states."""

    vector: Tensor | None = None  # [B,D], joins the embedding of time
    tokens: Tensor | None = None  # [B,L,W], attended to
    mask: Tensor | None = None  # bool [B,L]: which of the tokens count; at least one does
    concat: Tensor | None = None  # [B,C',H,W], more channels of x


class Embedder(Protocol):
    """A module that turns what is asked for into a Cond, and owns what is to be learned about it."""

    vector: int  # D, or 0 for no vector
    tokens: int  # W, or 0 for no tokens
    concat: int  # C', or 0 for no image

    def null(self, x: Tensor) -> Tensor:
        """Some value for each of the images x [B,C,H,W], for when none is asked for."""

    def __call__(self, value: Tensor, present: Tensor) -> Cond:
        """The Cond of B rows; the null condition where `present` is False."""


class OneHot(nn.Module):
    """Labels int64 [B] in 0..classes-1 -> one-hot vectors [B,classes]; nothing is the zero vector.

    A linear layer without bias on such a vector is a table of learned embeddings.
    """

    tokens = concat = 0

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.vector = classes

    def null(self, x: Tensor) -> Tensor:
        return torch.zeros(len(x), dtype=torch.int64, device=x.device)

    def forward(self, value: Tensor, present: Tensor) -> Cond:
        return Cond(F.one_hot(value, self.vector).float() * present[:, None])


class Vector(nn.Module):
    """Vectors [B,width], such as sentence embeddings, as they are; nothing is the zero vector."""

    tokens = concat = 0

    def __init__(self, width: int) -> None:
        super().__init__()
        self.vector = width

    def null(self, x: Tensor) -> Tensor:
        return x.new_zeros(len(x), self.vector)

    def forward(self, value: Tensor, present: Tensor) -> Cond:
        return Cond(value * present[:, None])


class Concat(nn.Module):
    """Images [B,channels,H,W] laid beside x; nothing is a zero image, and one more channel says which it is."""

    vector = tokens = 0

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.concat = channels + 1

    def null(self, x: Tensor) -> Tensor:
        return x.new_zeros(len(x), self.concat - 1, *x.shape[2:])

    def forward(self, value: Tensor, present: Tensor) -> Cond:
        told = present.to(value.dtype).view(-1, 1, 1, 1)
        return Cond(concat=torch.cat([value, torch.ones_like(value[:, :1])], dim=1) * told)


class ConditionedNet(nn.Module):
    """A network with its embedder: net(x, t, cond), where cond is an Asked, a bare value [B,...], or None."""

    def __init__(self, net: nn.Module, embedder: Embedder) -> None:
        super().__init__()
        self.net = net
        self.embedder = embedder

    def asked(self, x: Tensor, cond: Condition | Tensor | None) -> Condition:
        """`cond` as an Asked for the images x [B,C,H,W]."""
        if isinstance(cond, Condition):
            return cond
        value = self.embedder.null(x) if cond is None else cond
        return Condition(value, torch.full((len(x),), cond is not None, device=x.device))

    def forward(self, x: Tensor, t: Tensor, cond: Condition | Tensor | None = None) -> Tensor:
        return self.net(x, t, self.embedder(*self.asked(x, cond)))  # type: ignore[no-any-return]
