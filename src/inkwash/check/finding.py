"""What is said of one function, or of one table, of a page."""

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    name: str  # as the page calls it: DDIMScheduler.add_noise
    checks: str  # the kind of function
    verdict: Literal["right", "wrong", "untested"]
    says: str  # a sentence
    error: float | None = None  # the largest relative error of an image
    mistakes: tuple[str, ...] = ()  # names in the table of mistakes

    def as_json(self) -> dict[str, Any]:
        """As plain data; an error that is no number is None."""
        finite = self.error is not None and self.error < float("inf")
        return {**asdict(self), "mistakes": list(self.mistakes), "error": self.error if finite else None}


def passed(findings: list[Finding]) -> bool:
    """Whether all that was found is right, and something was found."""
    return bool(findings) and all(finding.verdict == "right" for finding in findings)
