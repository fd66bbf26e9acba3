"""What a race runs for: a score, and how good it is to be."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from inkwash.errors import UsageError
from inkwash.report import labels

RACED = ("frechet", "kernel", "precision", "recall", "coverage")
BETTER = {name: labels.BETTER[name] for name in RACED}  # an arrow to where that is
TITLES = {name: labels.SCORE[name].en for name in RACED}
Scored = Mapping[str, tuple[float, float]]  # name -> (mean, standard deviation) over the draws


@dataclass(frozen=True)
class Target:
    """The mean of a score over the draws is to be as good as `value`: as low, or for shares as high."""

    score: str
    value: float

    @classmethod
    def read(cls, words: str) -> "Target":
        """The target that "frechet=0.8" means. Raises UsageError where it means none that can be reached."""
        score, equals, number = words.partition("=")
        score = score.strip().lower()
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not equals or not math.isfinite(value):
            raise UsageError(f"`until` takes a score and a number, such as frechet=0.8 (got {words!r}).")
        if score not in BETTER:
            near = get_close_matches(score, BETTER, n=1)
            guess = f" Did you mean {near[0]}?" if near else ""
            raise UsageError(f"there is no score {score!r} to race for.{guess} They are {', '.join(BETTER)}.")
        if value <= 0 or (BETTER[score] == "↑" and value > 1):
            most = " and at most 1" if BETTER[score] == "↑" else ""
            raise UsageError(f"`until` {score} is above 0{most} (got {value:g}).")
        return cls(score, value)

    def reached(self, scores: Scored) -> bool:
        """Whether these scores are as good."""
        mean = scores[self.score][0]
        return mean <= self.value if BETTER[self.score] == "↓" else mean >= self.value

    def __str__(self) -> str:
        return f"{self.score} {'≤' if BETTER[self.score] == '↓' else '≥'} {self.value:g}"
