"""How long a training will take, and how often it will see each image, told after its first steps."""

from inkwash.progress import duration
from inkwash.runs.fit import Fit
from inkwash.training import Step

_LONG = 3 * 3600  # seconds; for longer trainings, a shorter one is proposed
_OFF = 1.25  # factor between two estimates above which the second is told


class Forecast:
    """Says a line after the first step, and another when more is known.

    The first step also prepares what later steps use, on a GPU for much longer than it computes; so the steps up to the
    second report are timed without it.
    """

    def __init__(self, job: Fit) -> None:
        self._job = job
        self._began: float | None = None  # the run's clock before this training
        self._took = 0.0  # seconds of the first step
        self._chosen = job.steps is not None
        self._timed = False

    def after(self, step: Step) -> str | None:
        """The line to print after a report; None if there is nothing new to say."""
        done = step.step - self._job.start
        if self._began is None:
            self._took = done * self._job.batch_size / max(step.images_per_second, 1e-9)
            self._began = step.seconds - self._took
            return self._first(step, self._took)
        if not self._chosen and step.steps is not None:
            self._chosen = self._timed = True
            return (
                f"{step.steps:,} steps fit into {self._job.minutes:g} minutes at {step.images_per_second:,.0f} "
                f"images/s; {self._seen(step.steps)}"
            )
        if self._timed or step.steps is None:
            return None
        self._timed = True
        each = (step.seconds - self._began - self._took) / (done - 1)
        if self._took / _OFF <= each <= self._took * _OFF:
            return None
        left = each * (step.steps - step.step)
        return f"later steps take {each:.2g} s: {step.steps:,} steps end in {duration(left)}{self._shorter(each, left)}"

    def _first(self, step: Step, took: float) -> str:
        words = f"the first step took {took:.2g} s"
        if step.steps is None:
            return f"{words}; a few more are timed, to choose how many fit into {self._job.minutes:g} minutes"
        left = took * (step.steps - step.step)
        words += f", at which {step.steps:,} steps end in {duration(left)}; {self._seen(step.steps)}"
        return words + self._shorter(took, left)

    def _shorter(self, each: float, left: float) -> str:
        """The proposal of a shorter training, if this one is long."""
        if left <= _LONG or self._job.minutes is not None:
            return ""
        return f" (for a shorter training: --minutes 60, about {round(3600 / each):,} steps)"

    def _seen(self, steps: int) -> str:
        times = steps * self._job.batch_size / self._job.images
        return f"each image is seen {f'{times:,.0f}' if times >= 10 else f'{times:.2g}'} times"
