"""inkwash degrade."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import tyro

from inkwash import choices
from inkwash.commands._base import Code, Command, allow_choices
from inkwash.foreign import show
from inkwash.settings import Measuring


@dataclass(frozen=True)
class Degrade(Command):
    """Make measurements of pictures, for `inkwash restore`: hide, shrink, blur, take colours away, add noise."""

    order: ClassVar[int] = 26

    pictures: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PICTURE…")]
    """Pictures, all of one size."""
    measuring: Measuring
    out: str = "degraded.npz"
    """Output: .npz keeps the numbers exactly; .png and a folder round them to 8 bits."""
    seed: int = 0
    """Seed of the noise, and of operators that choose at random."""
    code: Code = ()

    def run(self) -> None:
        from inkwash.runs.degrade import degrade

        allow_choices(choices.OPERATORS, self.measuring.operator)
        degrade(self.pictures, self.measuring, self.seed, self.out)
        show(self.out)
