"""inkwash sample."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar, Self

import tyro

from inkwash.commands._base import Checkpoint, Code, Command, Device, Encoder, Private, RunFolder, Weights, defaults_of
from inkwash.errors import UsageError
from inkwash.foreign import say, show
from inkwash.models import files_of
from inkwash.settings import Sampling


@dataclass(frozen=True)
class Sample(Command):
    """Draw images from a run, with the sampler of its recipe unless flags say otherwise."""

    order: ClassVar[int] = 20

    folder: RunFolder
    sampling: Sampling
    out: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="PATH")] = ()
    """Output path: .png, .gif, .webp, .mp4, .npz or a folder; repeatable. Default: RUN/samples.png."""
    prompts: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Text file with one prompt a line, added to those of --text."""
    strip: Annotated[int | None, tyro.conf.arg(metavar="K")] = None
    """Show each image in a row of a .png, at K moments from noise to the end."""
    batch_size: int = 64
    """Images per batch on a GPU; a CPU uses a fixed number."""
    checkpoint: Checkpoint = "last"
    weights: Weights = "ema"
    device: Device = "auto"
    private: Private = False
    encoder: Encoder = None
    code: Code = ()

    def reread(self) -> Self | None:
        found = defaults_of(self.folder, self.checkpoint)
        return None if found is None else type(self)(self.folder, Sampling(**vars(found[0]), stretch=found[1]))

    def follows(self, defaults: Self) -> bool:
        return self.sampling.solver == defaults.sampling.solver

    def run(self) -> None:
        """Draws with a progress bar and prints the paths. Processes of torchrun share the images."""
        from inkwash.distributed import process_group
        from inkwash.metrics.flat import flat_note, flat_share
        from inkwash.progress import classifier_bar, images_bar
        from inkwash.runs.artifacts import write_samples
        from inkwash.runs.build import solver
        from inkwash.runs.draw import channels_first
        from inkwash.runs.guidance import classifier_of
        from inkwash.runs.model import open_model
        from inkwash.runs.tuned import resolved
        from inkwash.sample.solver import fact

        outs = self.out or (str(files_of(self.folder) / "samples.png"),)
        sampling = self.sampling
        if self.prompts is not None:
            sampling = replace(sampling, text=(*sampling.text, *_lines(self.prompts)))
        sampling = resolved(sampling, self.folder, self.checkpoint)
        with process_group() as among:
            model = open_model(self.folder, self.checkpoint, self.device, weights=self.weights)
            if sampling.guidance == "classifier":
                with classifier_bar() as on_step:
                    classifier_of(model, on_step)
            with images_bar(sampling) as on_images:
                drawn = write_samples(
                    model,
                    sampling,
                    outs,
                    self.batch_size,
                    on_images,
                    among=among,
                    private=self.private,
                    strip=self.strip,
                )
        if not among.is_main:
            return
        for out in outs:
            show(out)
        if note := flat_note(flat_share(channels_first(drawn.images))):
            say(note)
        average = "" if fact(solver(sampling), "evaluations_known") else " on average"
        say(
            f"{sampling.n} images, {drawn.evaluations} network evaluations each{average}, from the {model.which} "
            f"checkpoint, of step {model.facts['step']:,}, sha256 {model.digest[:12]}"
        )


def _lines(file: Path) -> list[str]:
    """The prompts of a file, without empty lines. Raises UsageError if there are none."""
    from inkwash.data.tables import read_text

    found = [line.strip() for line in read_text(file).splitlines() if line.strip()]
    if not found:
        raise UsageError(f"{file} holds no prompt; write one on each line.")
    return found
