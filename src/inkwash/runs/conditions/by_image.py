"""Image conditions: what an operator leaves of the images, for a network that restores them."""

import hashlib
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor

from inkwash import choices, own, settings
from inkwash.core import Seeded, mix
from inkwash.data import ConditionLookup, Source, to_float
from inkwash.errors import UsageError
from inkwash.inverse import Measurement, Operator, as_images, make_operator
from inkwash.inverse.operator import Shape
from inkwash.inverse.spec import reference
from inkwash.nets import Concat, Embedder
from inkwash.runs.conditions.kind import ConditionOf

_NOISE = 3  # mixed into the seed, so that measurements and other uses of one seed share no noise


class ByImage:
    """Measurements y = A(x) + σ·n of the images themselves, brought to their size (SR3, Saharia et al. 2021).

    The noise of image i at a step depends on (seed, step, i) alone. What is asked for is a measurement of a picture,
    which `runs.restore` makes or reads; there is no other request.
    """

    example = "`inkwash restore RUN PICTURE`"
    measures = True
    restores_with = "trained"
    asked_of = "test"
    scale = 1.0
    command = "inkwash restore {} test:0"

    def __init__(self, spec: str, operator: Operator, noise: float, seed: int = 0) -> None:
        self.spec, self.operator, self.noise, self._seed = spec, operator, noise, seed

    @classmethod
    def of(cls, run: settings.RunSettings, classes: Sequence[str], shape: Shape) -> Self:
        spec, noise, seed = run.conditioning.operator, run.conditioning.noise, run.training.seed
        if spec is None:
            raise UsageError(
                f"say with `operator` what the images go through, for `condition='image'`: {choices.OPERATORS.help}."
            )
        operator = make_operator(spec, shape, seed)
        as_images(Measurement(operator, operator.forward(torch.zeros(1, *shape)), noise))  # refuses what it cannot
        return cls(spec, operator, noise, seed)

    @property
    def digest(self) -> str:
        """Of the files that the operator was read from, and of its code if it is the user's own; "" for neither."""
        parts = [*(path.read_bytes() for path in self.operator.files)]
        parts += [digest.encode() for digest in own.digests(reference(choices.OPERATORS, self.spec)).values()]
        return hashlib.sha256(b"".join(parts)).hexdigest() if parts else ""

    @property
    def changed(self) -> str:
        return f"measurements by another {self.spec}"

    @classmethod
    def describe(cls, conditioning: settings.Conditioning, classes: Sequence[str]) -> str:
        noise = f" with noise {conditioning.noise:g}" if conditioning.noise else ""
        return f"images measured by {conditioning.operator}{noise}"

    def embedder(self) -> Embedder:
        return Concat(self.operator.shape[0])

    def shown(self, source: Source) -> ConditionLookup:
        def measured(indices: Tensor, step: int, images: Tensor | None = None) -> Tensor:
            """The measurements of `images` [b,C,H,W], which are those at the indices unless a batch mirrors some."""
            x = to_float(source.take(indices)) if images is None else images
            y = self.operator.forward(x)
            if self.noise:
                y = y + self.noise * Seeded(mix(self._seed, _NOISE, step), indices.tolist())(y)
            return as_images(Measurement(self.operator, y, self.noise))

        return measured

    def row(self, measured: Measurement) -> Tensor:
        """The embedder's input for a measurement, [B,C,H,W]."""
        return as_images(measured)

    def is_requested(self, sampling: settings.Sampling) -> bool:
        return False

    def requested(self, sampling: settings.Sampling) -> ConditionOf:
        raise UsageError(
            f"this run restores pictures that went through {self.spec}, and draws none without; use {self.example}, "
            "where PICTURE may be test:0, an image of its held-out data."
        )
