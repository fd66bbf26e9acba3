"""The reports of a training as a table, RUN/track.csv."""

import csv
from pathlib import Path

from inkwash.atomic import replacing
from inkwash.tracking.tracker import NAMES, Row, SoFar

FILE = "track.csv"
COLUMNS = ("step", *NAMES)


class Csv:
    """Appends a line for each report. Values that a report lacks are empty; sheets are files of the run already."""

    def begin(self, so_far: SoFar) -> None:
        """Writes the file anew, atomically: a killed training leaves later steps and perhaps half a line."""
        self._path = so_far.folder / FILE
        with replacing(self._path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
            table.writeheader()
            table.writerows(so_far.rows)

    def log(self, row: Row) -> None:
        """Appends a line."""
        with self._path.open("a", encoding="utf-8", newline="") as file:
            csv.DictWriter(file, COLUMNS, extrasaction="ignore").writerow(row)

    def sheet(self, step: int, path: Path) -> None:
        """Nothing: a table has no pictures."""

    def close(self) -> None:
        """Nothing: each line is complete."""
