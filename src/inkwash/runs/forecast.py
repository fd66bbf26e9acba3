"""How long a training will take, and how often it will see each image, told after its first steps."""

from inkwash.progress import duration
from inkwash.runs.fit import Fit
from inkwash.training import Step

_LONG = 3 * 3600  # seconds; for longer trainings, a shorter one is proposed


class Forecast:
    """Says a line after the first step, and another when the number of steps has been chosen."""

    def __init__(self, job: Fit) -> None:
        self._job = job
        self._began: float | None = None  # the run's clock before this training
        self._chosen = job.steps is not None

    def after(self, step: Step) -> str | None:
        """The line to print after a report; None if there is nothing new to say."""
        if self._began is None:
            took = (step.step - self._job.start) * self._job.batch_size / max(step.images_per_second, 1e-9)
            self._began = step.seconds - took
            return self._first(step, took)
        if self._chosen or step.steps is None:
            return None
        self._chosen = True
        return (
            f"{step.steps:,} steps fit into {self._job.minutes:g} minutes at {step.images_per_second:,.0f} images/s; "
            f"{self._seen(step.steps)}"
        )

    def _first(self, step: Step, took: float) -> str:
        words = f"the first step took {took:.2g} s"
        if step.steps is None:
            return f"{words}; a few more are timed, to choose how many fit into {self._job.minutes:g} minutes"
        left = took * (step.steps - step.step)
        words += f", at which {step.steps:,} steps end in {duration(left)}; {self._seen(step.steps)}"
        if left > _LONG and self._job.minutes is None:
            words += f" (for a shorter training: --minutes 60, about {round(3600 / took):,} steps)"
        return words

    def _seen(self, steps: int) -> str:
        times = steps * self._job.batch_size / self._job.images
        return f"each image is seen {f'{times:,.0f}' if times >= 10 else f'{times:.2g}'} times"
