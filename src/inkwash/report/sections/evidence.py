"""Why nothing can be concluded from a study, where nothing can."""

from inkwash.report.languages import Text, text
from inkwash.study.evidence import doubts
from inkwash.study.table import Table

EVIDENCE = "evidence"


def evidence(done: Table) -> list[Text]:
    """What the page says instead of conclusions: a headline and a sentence for each doubt; nothing without doubts."""
    found = doubts(done)
    return [text(*each, of=EVIDENCE) for each in (("nothing",), *found)] if found else []
