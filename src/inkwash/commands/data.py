"""inkwash data."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from inkwash import choices, own, recipes, settings
from inkwash.commands._base import Code, DataDir, PresetCommand
from inkwash.errors import UsageError
from inkwash.foreign import show


@dataclass(frozen=True)
class Data(PresetCommand):
    """Describe images before training: counts, classes, splits, sizes, files left out, warnings."""

    order: ClassVar[int] = 15

    data: settings.Data
    sheet: Path | None = None
    """PNG file to draw some of the training images to, one row for each class."""
    data_dir: DataDir = None
    code: Code = ()

    @classmethod
    def presets(cls) -> Mapping[str, Self]:
        return {row.name: cls(settings.Data(source=row.name)) for row in choices.SOURCES}

    @classmethod
    def preset(cls, name: str | None) -> Self:
        if name is None:
            raise UsageError(f"data needs images: inkwash data FOLDER, or one of {', '.join(cls.presets())}.")
        if name in recipes.names():
            return cls(recipes.find(name).data)
        if Path(name).is_dir():
            from inkwash.runs.record import stored

            if (run := stored(Path(name))) is not None:
                return cls(run.data)
        if own.is_reference(name) or name in choices.SOURCES:
            return cls(settings.Data(source=name))
        return cls(recipes.find_or_folder(name).data)

    def summary(self) -> str:
        rows = (row.help for row in choices.SOURCES if row.name == self.data.source)
        return next(rows, "A folder or file of images.")

    def description(self) -> str:
        return f"The images of {self.data.source}."

    def run(self) -> None:
        from inkwash.commands._flags import in_flags
        from inkwash.commands.train import Train
        from inkwash.runs.survey import survey, write_sheet

        if self.sheet is not None and self.sheet.suffix.lower() != ".png":
            raise UsageError(f"give `sheet` a name ending in .png (got {self.sheet}).")
        found = survey(self.data, self.data_dir)
        for line in found.lines:
            show(in_flags(line, Train))
        if self.sheet is not None:
            write_sheet(found, self.sheet)
            show(self.sheet)
