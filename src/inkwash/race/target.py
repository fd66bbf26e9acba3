"""The target of a race: a score, and the value that it must reach."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from inkwash.errors import UsageError
from inkwash.metrics.score import SCORES

RACED = {  # the scores of any images that have a best value: 0 of a distance, 1 of a share
    name: score
    for name, score in SCORES.items()
    if not score.reads_classes and (score.better == "lower" or (score.better == "higher" and score.share))
}
HEADS = {name: f"{score.title} {'↓' if score.better == 'lower' else '↑'}" for name, score in RACED.items()}
Scored = Mapping[str, tuple[float, float]]  # name -> (mean, standard deviation) over the draws


@dataclass(frozen=True)
class Target:
    """The mean of a score over the draws must be as good as `value`: as low, or for shares as high."""

    score: str
    value: float

    @classmethod
    def read(cls, words: str) -> "Target":
        """The target that a string such as "frechet=0.8" names. Raises UsageError for one that cannot be reached."""
        score, equals, number = words.partition("=")
        score = score.strip().lower()
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not equals or not math.isfinite(value):
            raise UsageError(f"`until` takes a score and a number, such as frechet=0.8 (got {words!r}).")
        if score not in RACED:
            near = get_close_matches(score, RACED, n=1)
            guess = f" Did you mean {near[0]}?" if near else ""
            raise UsageError(f"there is no score {score!r} to race for.{guess} They are {', '.join(RACED)}.")
        share = RACED[score].share
        if value <= 0 or (share and value > 1):
            most = " and at most 1" if share else ""
            raise UsageError(f"`until` {score} is above 0{most} (got {value:g}).")
        return cls(score, value)

    def reached(self, scores: Scored) -> bool:
        """Whether these scores are as good."""
        mean = scores[self.score][0]
        return mean <= self.value if RACED[self.score].better == "lower" else mean >= self.value

    def __str__(self) -> str:
        return f"{self.score} {'≤' if RACED[self.score].better == 'lower' else '≥'} {self.value:g}"
