"""inkwash tune."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

from inkwash.checked import Count, Natural, called
from inkwash.commands._base import Checkpoint, Code, Command, Device, Encoder, RunFolder, Weights, defaults_of
from inkwash.errors import UsageError
from inkwash.foreign import say, show
from inkwash.settings import Sampler


@dataclass(frozen=True)
class Tune(Command):
    """Find the best noise levels for a few steps of a sampler on a run; --spacing tuned then takes them."""

    order: ClassVar[int] = 17

    folder: RunFolder
    sampler: Sampler
    n: Annotated[Count, called("-n", "--num-samples", "--num-images")] = 32
    """Number of images that the levels are chosen on, and as many that they are judged on."""
    seed: Natural = 0
    """Random seed of these images."""
    checkpoint: Checkpoint = "last"
    weights: Weights = "ema"
    device: Device = "auto"
    encoder: Encoder = None
    code: Code = ()

    def reread(self) -> Self | None:
        found = defaults_of(self.folder, self.checkpoint)
        return None if found is None else type(self)(self.folder, found[0])

    def follows(self, defaults: Self) -> bool:
        return self.sampler.solver == defaults.sampler.solver

    def run(self) -> None:
        """Searches with a bar, and prints the distances and the plan."""
        from inkwash.progress import bar
        from inkwash.runs.model import open_model
        from inkwash.runs.tuned import keep, tune
        from inkwash.settings import TUNED
        from inkwash.signals import resumable

        if self.sampler.spacing is not None:
            raise UsageError("tune finds the spacing; leave out `spacing`.")
        if self.weights == "raw":
            raise UsageError("a plan is tuned for the averaged weights, which are drawn with; leave out `weights`.")
        model = open_model(self.folder, self.checkpoint, self.device)
        with resumable(), bar(None, "evaluations", scale=True) as shown:
            found = tune(model, self.sampler, self.n, self.seed, shown.update)
        path = keep(model, self.sampler, found)
        steps = self.sampler.steps
        show(f"distance from the images of the probability flow (root mean square of pixels, {self.n} new images)")
        show(f"{'spacing':12}{f'{steps} steps':>12}{f'{2 * steps} steps':>12}")
        for name, (few, more) in found.others.items():
            show(f"{name:12}{few:12.4f}{more:12.4f}")
        show(f"{TUNED:12}{found.error:12.4f}")
        show(found.spacing)
        least = min((few for few, _ in found.others.values()), default=float("inf"))
        if found.error >= least:
            say("another spacing is as close with as many steps; the plan is kept, but does not pay.")
        show(path)
        solver = f" --solver {self.sampler.solver}"
        say(f"Draw with it: inkwash sample {self.folder}{solver} --steps {steps} --spacing {TUNED}")
