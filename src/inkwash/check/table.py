"""The findings as a table for a person, and as JSON for a grader."""

import json
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from inkwash.check.finding import Finding, passed

WIDTH = 100


def lines(findings: Sequence[Finding]) -> Iterator[str]:
    """A line for each finding with its verdict and error, under it the mistakes and the sentence; then a sum."""
    wide = max(len(finding.name) for finding in findings)
    for finding in findings:
        error = "" if finding.error is None else f"  error {finding.error:.1e}"
        yield f"{finding.verdict:8}  {finding.name:{wide}}{error}"
        named = f"[{', '.join(finding.mistakes)}] " if finding.mistakes else ""
        yield from textwrap.wrap(f"{named}{finding.says}", WIDTH, initial_indent=" " * 10, subsequent_indent=" " * 10)
    counts = {
        verdict: sum(finding.verdict == verdict for finding in findings) for verdict in ("right", "wrong", "untested")
    }
    yield ""
    yield ", ".join(f"{count} {verdict}" for verdict, count in counts.items()) + "."


def as_json(path: Path, findings: Sequence[Finding]) -> str:
    """The findings with the name of the file and whether it passed."""
    found: dict[str, Any] = {"file": str(path), "passed": passed(list(findings))}
    found["findings"] = [finding.as_json() for finding in findings]
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"
