"""inkwash export."""

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Self

import tyro

from inkwash.checked import words
from inkwash.commands._base import Checkpoint, Code, Command, Encoder, RunFolder, Weights, defaults_of
from inkwash.errors import UsageError
from inkwash.foreign import say, show
from inkwash.settings import Sampler


@dataclass(frozen=True)
class Export(Command):
    """Write a run for others: as ONNX with a manifest, one HTML page, a pipeline of diffusers, or safetensors."""

    order: ClassVar[int] = 112

    folder: RunFolder
    sampler: Sampler
    onnx: Annotated[Path | None, tyro.conf.arg(metavar="FILE.onnx")] = None
    """ONNX file to write; the manifest, FILE.json, lies beside it and holds the noise levels of the sampler."""
    html: Annotated[Path | None, tyro.conf.arg(metavar="FILE.html")] = None
    """Page to write that draws in a browser from disk, offline: network, runtime and samplers in one file."""
    diffusers: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Folder to write that DDIMPipeline.from_pretrained opens, for networks of --network diffusers-unet."""
    safetensors: Annotated[Path | None, tyro.conf.arg(metavar="FILE.safetensors")] = None
    """File of weights to write, with ModelSpec's metadata; `inkwash import safetensors` makes a run of it again."""
    label: Annotated[str | None, words("NAME|NUMBER")] = None
    """diffusers: the class that the pipeline draws; None writes a network that takes class_labels."""
    batch_size: int = 1
    """onnx: images that the file takes at a time."""
    runtime: Annotated[Path | None, tyro.conf.arg(metavar="FILE.tgz")] = None
    """html: the npm package onnxruntime-web 1.20.1; None downloads it once into the folder of the data sets."""
    checkpoint: Checkpoint = "last"
    weights: Weights = "ema"
    encoder: Encoder = None
    code: Code = ()

    def reread(self) -> Self | None:
        found = defaults_of(self.folder, self.checkpoint)
        return None if found is None else type(self)(self.folder, found[0])

    def follows(self, defaults: Self) -> bool:
        return self.sampler.solver == defaults.sampler.solver

    def given(self, flags: Set[str]) -> Self:
        asked = [name for name in ("onnx", "html", "diffusers", "safetensors") if getattr(self, name) is not None]
        if len(asked) != 1:
            raise UsageError(
                "give one of --onnx FILE.onnx, --html FILE.html, --diffusers FOLDER and --safetensors FILE.safetensors."
            )
        for name, of in (("label", "diffusers"), ("batch_size", "onnx"), ("runtime", "html")):
            if name in flags and asked != [of]:
                raise UsageError(f"--{name.replace('_', '-')} is for --{of}; leave it out.")
        return self

    def run(self) -> None:
        """Writes what was asked for, and says how far a walk of it is from the run's own."""
        from inkwash.runs.export import export_onnx, open_exact
        from inkwash.runs.export_diffusers import compared_steps, export_diffusers
        from inkwash.runs.export_safetensors import export_safetensors

        model = open_exact(self.folder, self.checkpoint, self.weights)
        if self.safetensors is not None:
            export_safetensors(model, self.safetensors)
            show(self.safetensors)
            return
        if self.html is not None:
            from inkwash.play.onefile import export_html

            about = export_html(model, self.html, self.sampler, self.runtime)
            apart, steps = about["largest_difference"], len(about["plans"][self.sampler.steps])
            show(self.html)
            say(f"{self.html.stat().st_size / 1e6:.1f} MB, weights in {about['stored']}")
        elif self.onnx is not None:
            about = export_onnx(model, self.onnx, self.sampler, self.batch_size)
            apart, steps = about["largest_difference"], len(about["plan"])
            show(self.onnx)
            show(self.onnx.with_suffix(".json"))
        else:
            assert self.diffusers is not None
            apart = export_diffusers(model, self.diffusers, self.sampler, self.label)
            steps = compared_steps(self.sampler)
            show(self.diffusers)
        say(
            "diffusers is not installed, so how far its images are from the run's was not measured" if apart is None
            else f"over {steps} steps of DDIM its images differ from the run's by at most {apart:.1e}, where 0.0078 is "
            "a grey level"
        )  # fmt: skip
