"""Progress reports of the training loop."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Step:
    """The progress of training; `loss` is the mean since the last report.

    `steps` is the length of the training; None if it is limited by time and not chosen yet.
    """

    step: int
    steps: int | None
    loss: float
    lr: float
    images_seen: int
    seconds: float
    images_per_second: float


@dataclass(frozen=True)
class Saved:
    """A checkpoint was written; `held_out` is the averaged model's loss on images it never trains on."""

    path: Path
    step: int
    held_out: float
    best: bool


@dataclass(frozen=True)
class Previewed:
    """A sheet of samples was drawn, in `seconds` that the training's clock does not count.

    `problem` is the sentence that says why the sheet could not be drawn or written, or "".
    """

    path: Path
    step: int
    seconds: float
    problem: str = ""


@dataclass(frozen=True)
class Untracked:
    """A tracker failed at a step and is used no more; `problem` says why. The training goes on."""

    tracker: str
    step: int
    problem: str


Progress = Step | Saved | Previewed | Untracked
