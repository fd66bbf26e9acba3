"""inkwash restore."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import tyro

from inkwash import choices
from inkwash.commands._base import Checkpoint, Code, Command, Device, Encoder, RunFolder, allow_choices
from inkwash.foreign import say, show
from inkwash.models import files_of
from inkwash.settings import RESTORING_SAMPLER, Restoring, Sampling

if TYPE_CHECKING:
    from inkwash.metrics.classifier import Classifier
    from inkwash.runs.model import TrainedModel

Pictures = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PICTURE…")]


@dataclass(frozen=True)
class Restore(Command):
    """Restore pictures from holes, low resolution, blur, missing colours or few Fourier values, with a run as prior."""

    order: ClassVar[int] = 25

    folder: RunFolder
    pictures: Pictures
    """Pictures of the run's size, .npz files of `inkwash degrade`, or test:N, an image of the run's held-out data."""
    restoring: Restoring
    sampling: Sampling = RESTORING_SAMPLER
    class_scores: bool = False
    """Also score by a classifier, which is trained on the run's images if there is none: distance in its features, and
    how often it reads the class that it reads in the truth."""
    out: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="PATH")] = ()
    """Output: .png (a sheet), .npz or a folder (the restorations); repeatable. Default: RUN/restored.png."""
    checkpoint: Checkpoint = "last"
    device: Device = "auto"
    encoder: Encoder = None
    code: Code = ()

    def run(self) -> None:
        """Restores with a progress bar, prints the paths, and scores to standard error."""
        from inkwash.metrics.restoration import expected_of, scores_of
        from inkwash.progress import steps_bar
        from inkwash.runs.model import open_model
        from inkwash.runs.restore import restore_files

        allow_choices(choices.OPERATORS, self.restoring.operator)
        allow_choices(choices.METHODS, self.restoring.method)
        outs = self.out or (str(files_of(self.folder) / "restored.png"),)
        model = open_model(self.folder, self.checkpoint, self.device)
        reader = self._reader(model) if self.class_scores else None
        results = restore_files(model, self.pictures, self.restoring, self.sampling, outs, steps_bar)
        for out in outs:
            show(out)
        for each in results:
            scored = each.scored(reader, reader)
            expected = expected_of(scored)
            words = [
                f"{name} {value:.4g}" + (f" (expected: {expected[name]:.3g})" if name in expected else "")
                for name, value in scores_of(scored).items()
            ]
            if each.least is not None:
                words.append(f"smallest effective sample size {each.least:.1f}")
            cost = f"{each.evaluations} evaluations each, {each.seconds:.1f} s"
            say(f"{Path(each.of.facts['name']).name}: {', '.join(words)}; {cost}")

    def _reader(self, model: "TrainedModel") -> "Classifier":
        from inkwash.metrics.classifier import classifier
        from inkwash.progress import classifier_bar
        from inkwash.runs.model import images

        with classifier_bar() as on_step:
            return classifier(images(model, "train"), images(model, "test"), on_step)
