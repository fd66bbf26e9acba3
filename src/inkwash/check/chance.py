"""torch's random functions, replaced by ones that return known numbers, so that a random step has one right answer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch import Tensor

from inkwash.check.case import SHAPE

_NAMES = ("randn", "randn_like", "normal", "rand", "rand_like", "randint")


class Chance:
    """What the next draws return. Draws of another size than an image or a batch of times stay random."""

    def __init__(self) -> None:
        self._originals: dict[str, Callable[..., Any]] = {name: getattr(torch, name) for name in _NAMES}
        self.gaussian: list[Tensor] = []
        self.rows: Tensor | None = None
        self.uniform: Tensor | None = None
        self.drawn = 0

    def say(self, *gaussian: Tensor, rows: Tensor | None = None, uniform: Tensor | None = None) -> None:
        """Gaussian noise [B,C,H,W] in the order of the draws, the last one again and again; and times [B]."""
        self.gaussian, self.rows, self.uniform, self.drawn = list(gaussian), rows, uniform, 0

    def _noise(self, size: tuple[int, ...]) -> Tensor | None:
        if not self.gaussian or tuple(size) not in (SHAPE, SHAPE[1:]):
            return None
        noise = self.gaussian[min(self.drawn, len(self.gaussian) - 1)]
        self.drawn += 1
        return noise.float().view(SHAPE)[0 if len(size) == 3 else slice(None)].clone()

    def randn(self, *size: Any, **more: Any) -> Tensor:
        found = None if more.get("generator") is not None else self._noise(_size(size, more))
        return self._original("randn", *size, **more) if found is None else _typed(found, more)

    def randn_like(self, x: Tensor, **more: Any) -> Tensor:
        found = self._noise(tuple(x.shape))
        return self._original("randn_like", x, **more) if found is None else found.to(more.get("dtype") or x.dtype)

    def normal(self, *args: Any, **more: Any) -> Tensor:
        tensors = [arg for arg in args if isinstance(arg, Tensor)]
        size = tuple(tensors[0].shape) if tensors else _size(tuple(args[2:3]), more)
        found = self._noise(size)
        if found is None or len(args) < 2:
            return self._original("normal", *args, **more)
        return args[0] + args[1] * found  # type: ignore[no-any-return]

    def rand(self, *size: Any, **more: Any) -> Tensor:
        wanted = _size(size, more)
        if self.uniform is not None and prod(wanted) == len(self.uniform):
            return _typed(self.uniform.float().view(wanted).clone(), more)
        return self._original("rand", *size, **more)

    def rand_like(self, x: Tensor, **more: Any) -> Tensor:
        if self.uniform is not None and x.numel() == len(self.uniform):
            return self.uniform.to(x.dtype).view(x.shape).clone()
        return self._original("rand_like", x, **more)

    def randint(self, *args: Any, **more: Any) -> Tensor:
        size = more.get("size") or next((arg for arg in args if isinstance(arg, tuple | list | torch.Size)), ())
        if self.rows is not None and prod(size) == len(self.rows):
            return self.rows.view(tuple(size)).clone()
        return self._original("randint", *args, **more)

    def _original(self, name: str, *args: Any, **more: Any) -> Tensor:
        return self._originals[name](*args, **more)  # type: ignore[no-any-return]


@contextmanager
def known_chance() -> Iterator[Chance]:
    """Replaces torch's functions; a page must be imported within, for it may take them by name."""
    chance = Chance()
    try:
        for name in _NAMES:
            setattr(torch, name, getattr(chance, name))
        yield chance
    finally:
        for name, function in chance._originals.items():
            setattr(torch, name, function)


def _size(args: tuple[Any, ...], more: dict[str, Any]) -> tuple[int, ...]:
    if args and isinstance(args[0], tuple | list | torch.Size):
        return tuple(args[0])
    return tuple(args) or tuple(more.get("size", ()))


def _typed(found: Tensor, more: dict[str, Any]) -> Tensor:
    return found.to(more.get("dtype") or torch.float32)
