"""What a study says: questions, theory, and conclusions computed from its table."""

from inkwash.study.table import Table
from inkwash.study.words import Section, Story, Text


def story(done: Table) -> Story:
    """The words of the report of a finished study."""
    sections = tuple(
        Section(axis, Text(f"What does {axis} do?", f"{axis} 有什么影响？"), (), (), Text("…", "…"))
        for axis in done.axes
    )
    return Story(Text("Study", "研究"), (), sections, ())
