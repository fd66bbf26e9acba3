"""A training whose reports and sheets also go to trackers, which can neither change nor end it."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import Any

from inkwash.tracking import Row, SoFar, opened
from inkwash.training import Previewed, Progress, Untracked


class Trackers:
    """The trackers of a training. One that fails is closed and left out from then on, which is said once.

    Raises UsageError if the library of one is missing.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._open = opened(names)
        self._failed: list[Untracked] = []
        self._step = 0

    def log(self, row: Row) -> None:
        """A report of the training."""
        self._step = row["step"]
        self._each(lambda tracker: tracker.log(row))

    def following(
        self, progress: Generator[Progress, None, None], so_far: Callable[[], SoFar]
    ) -> Generator[Progress, None, None]:
        """Trains, and yields an `Untracked` for a tracker that failed. `so_far` is asked before the first step."""
        if not self._open:
            yield from progress
            return
        with closing(progress):
            try:
                begun = so_far()
                self._step = begun.rows[-1]["step"] if begun.rows else 0
                self._each(lambda tracker: tracker.begin(begun))
                yield from self._told()
                for event in progress:
                    if isinstance(event, Previewed) and not event.problem:
                        self._sheet(event)
                    yield event
                    yield from self._told()
            finally:
                self._each(lambda tracker: tracker.close())
        yield from self._told()

    def _sheet(self, event: Previewed) -> None:
        self._step = event.step
        self._each(lambda tracker: tracker.sheet(event.step, event.path))

    def _each(self, do: Callable[[Any], None]) -> None:
        for name, tracker in list(self._open.items()):
            try:
                do(tracker)
            except Exception as error:  # noqa: BLE001 whatever a library raises, the training goes on
                del self._open[name]
                words = next(iter(str(error).strip().splitlines()), "").rstrip(".")
                problem = f"{type(error).__name__}{f': {words}' if words else ''}"
                self._failed.append(Untracked(name, self._step, problem))
                _closed(tracker)

    def _told(self) -> list[Untracked]:
        told, self._failed = self._failed, []
        return told


def _closed(tracker: Any) -> None:
    """Closes a tracker that has failed, which may fail again."""
    try:
        tracker.close()
    except Exception:  # noqa: BLE001 the first failure is the one that is told
        return
