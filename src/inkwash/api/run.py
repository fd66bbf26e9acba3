"""The class `Run`, a trained run opened from Python."""

import html
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from inkwash.core import Schedule
from inkwash.denoise import Denoiser
from inkwash.foreign import harmless
from inkwash.runs.model import TrainedModel
from inkwash.settings import RunSettings, Sampler, Sampling, texts

if TYPE_CHECKING:
    from inkwash.api.images import Images
    from inkwash.api.picture import Picture
    from inkwash.api.scores import Scores, Study

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """A trained run. `load` opens one, and `train` returns one."""

    model: TrainedModel

    # ---- properties

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return self.model.folder

    @property
    def settings(self) -> RunSettings:
        """The settings that the run was trained with."""
        return self.model.run

    @property
    def denoiser(self) -> Denoiser:
        """The averaged network as a denoiser: (x, level) -> x̂₀, all float32 [B,C,H,W]."""
        return self.model.denoiser

    @property
    def schedule(self) -> Schedule:
        """The schedule of the forward process."""
        return self.model.schedule

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the images."""
        return self.model.shape

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names of the training images; () if they have none."""
        return tuple(self.model.facts["classes"])

    @property
    def history(self) -> list[tuple[int, float]]:
        """The training loss: (step, mean since the last report)."""
        return [(step, loss) for step, loss in self.model.facts["history"]]

    @property
    def held_out(self) -> list[tuple[int, float]]:
        """The averaged network's loss on held-out images: (step, loss)."""
        return [(step, loss) for step, loss in self.model.facts["held_out"]]

    # ---- methods

    def _sampler(self, **given: Any) -> Sampler:
        from inkwash.runs.tuned import resolved

        return resolved(self.settings.default_sampler.over(**given), self.folder, self.model.which)

    def sample(
        self,
        n: int = 64,
        *,
        steps: int | None = None,
        solver: str | None = None,
        eta: float | None = None,
        label: str | int | None = None,
        text: str | Sequence[str] = (),
        scale: float | None = None,
        seed: int = 0,
        spacing: str | None = None,
        variance: Literal["small", "large"] | None = None,
        limit: str | None = None,
        tolerance: float | None = None,
        snr: float | None = None,
        corrections: int | None = None,
        churn: float | None = None,
        churn_interval: tuple[float, float] | None = None,
        interval: tuple[float, float] | None = None,
        rescale: float = 0.0,
        stretch: bool | None = None,
        guide: PathLike | None = None,
        guidance: Literal["free", "classifier"] = "free",
        engine: Literal["torch", "compiled", "onnx"] = "torch",
        batch_size: int = 64,
        progress: bool = True,
    ) -> "Images":
        """Draws n images, with the same pixels as `inkwash sample` with the same settings.

        Image i depends on the run, the settings and i, but not on n.

        Args:
            steps, solver, eta, spacing, variance, limit: the sampler; see `inkwash sample --help`. None uses the value
                of the run's recipe, or if `solver` differs from the recipe's, the default of the command.
            label, text: what to draw, for conditional runs; `label="all"` draws each class in turn, several texts each
                text in turn.
            tolerance: the error that the solver adaptive may make, in units of pixels from -1 to 1.
            snr, corrections: the Langevin steps of pc and langevin, their signal-to-noise ratio and number at a level.
            churn, churn_interval: EDM's added noise, S_churn, and where in σ/α it is added.
            scale, interval, rescale, guide, guidance: guidance; see docs/conditions.md.
            stretch: whether to stretch each image to its own range, in place of clamping; None is the recipe's choice.
            engine: "torch", "compiled" or "onnx".
            batch_size: images per batch on a GPU.
            progress: whether to show a bar.

        Raises UsageError for settings that do not fit the run.
        """
        from inkwash.api.images import Images
        from inkwash.progress import classifier_bar, images_bar
        from inkwash.runs.draw import draw
        from inkwash.runs.guidance import classifier_of

        sampler = self._sampler(
            solver=solver, steps=steps, eta=eta, variance=variance, spacing=spacing, limit=limit, scale=scale,
            tolerance=tolerance, snr=snr, corrections=corrections,
        )  # fmt: skip
        sampling = Sampling(
            **vars(sampler), n=n, label=None if label is None else str(label), text=texts(text), seed=seed,
            churn=churn, churn_interval=churn_interval, interval=interval, rescale=rescale,
            stretch=self.settings.stretch if stretch is None else stretch,
            guide=None if guide is None else os.fspath(guide), guidance=guidance, engine=engine,
        )  # fmt: skip
        if guidance == "classifier":
            with classifier_bar(progress) as on_step:
                classifier_of(self.model, on_step)
        with images_bar(sampling, progress) as on_images:
            drawn = draw(self.model, sampling, batch_size, tick=on_images)
        return Images(drawn.images, self.model, sampling, batch_size, guide=drawn.guide)

    def encode(
        self,
        images: Any,
        steps: int = 50,
        *,
        spacing: str = "karras",
        label: str | int | None = None,
        text: str | Sequence[str] | None = None,
    ) -> Tensor:
        """Encodes images as the noise that a deterministic sampler maps to them: x at the noisiest level of the plan.

        Integrates the probability-flow ODE backwards with Heun's method (Song et al. 2021b, section 4.3).

        Args:
            images: uint8 [n,H,W,C], such as Images; or a float tensor [n,C,H,W] in [−1, 1].
            steps: number of steps of the plan; each evaluates the network twice.
            spacing: spacing of the plan, which must not begin at pure noise.
            label, text: what the images show, for conditional runs.

        Returns:
            float32 [n,C,H,W], on the CPU.
        """
        from inkwash.api.images import as_tensor
        from inkwash.runs import build
        from inkwash.runs.draw import CPU_BATCH
        from inkwash.runs.guidance import guided
        from inkwash.sample import encode, last

        x0 = as_tensor(images, self.shape)
        sampling = Sampling(
            n=len(x0), steps=steps, solver="heun", spacing=spacing, text=texts(text), limit="none",
            label=None if label is None else str(label), scale=None if label is None and text is None else 1.0,
        )  # fmt: skip
        plan, denoiser_of = build.plan(sampling, self.schedule), guided(self.model, sampling).denoiser_of
        found = []
        for first in range(0, len(x0), CPU_BATCH):
            part = x0[first : first + CPU_BATCH].to(self.model.device)
            found.append(last(encode(denoiser_of(range(first, first + len(part))), part, plan)).cpu())
        return torch.cat(found)

    def forward(self, images: int = 4, seed: int = 0, data_dir: PathLike | None = None) -> "Picture":
        """Draws the forward process: training images at 0 to 100 % of it, and the curves of the schedule.

        `data_dir` is the folder of the data sets; None uses the one that the run was trained from.
        """
        from inkwash.api.picture import Picture
        from inkwash.runs.forward import Forward, draw_forward
        from inkwash.runs.model import data_dir as whereabouts
        from inkwash.runs.provenance import forward_provenance

        place = whereabouts(self.model, None if data_dir is None else Path(data_dir))
        figure, facts = draw_forward(Forward(self.settings.data, self.settings.process, images, seed), place)
        return Picture(figure, forward_provenance(facts))

    def evaluate(
        self,
        n: int | None = None,
        *,
        steps: int | None = None,
        solver: str | None = None,
        eta: float | None = None,
        scale: float | None = None,
        spacing: str | None = None,
        variance: Literal["small", "large"] | None = None,
        limit: str | None = None,
        tolerance: float | None = None,
        snr: float | None = None,
        corrections: int | None = None,
        features: str = "auto",
        inception: PathLike | None = None,
        class_scores: bool = False,
        split: Literal["train", "test"] = "train",
        seed: int = 0,
        likelihood: int = 0,
        against: PathLike | None = None,
        out: PathLike | None = None,
        data_dir: PathLike | None = None,
        jobs: int | None = 1,
        progress: bool = True,
    ) -> "Scores":
        """Scores the run's images against real ones, as `inkwash evaluate` does.

        Args:
            n: images in each of three draws; None uses 2,000, or fewer if the data set is smaller.
            steps, solver, eta, scale, spacing, variance, limit, tolerance, snr, corrections: as in `sample`.
            features, class_scores, split, seed: the features to compare in, whether to compute class scores even if the
                features do not need a classifier, the split of real images, and the seed of the generated images.
            inception: file of InceptionV3's weights, for the features of that name.
            likelihood: number of held-out images whose likelihood is measured.
            against: real images to compare with (a known set, a folder, an .npz) instead of the run's own.
            out: folder for the numbers and figures; None uses evaluation/ in the run's folder.
            data_dir: folder of the data sets; None uses the one that the run was trained from.
            jobs: number of processes; None uses one per processor core, in which case a script must guard its work
                with `if __name__ == "__main__":`.
            progress: whether to show bars.
        """
        from inkwash.api.measure import evaluate, scoring

        sampler = self._sampler(
            solver=solver, steps=steps, eta=eta, variance=variance, spacing=spacing, limit=limit, scale=scale,
            tolerance=tolerance, snr=snr, corrections=corrections,
        )  # fmt: skip
        what = scoring(n, features, inception, class_scores, split, seed)
        return evaluate(self.model, sampler, what, likelihood, against, out, data_dir, jobs, progress)

    def study(
        self,
        *others: "Run",
        n: int | None = None,
        features: str = "auto",
        inception: PathLike | None = None,
        class_scores: bool = False,
        split: Literal["train", "test"] = "train",
        seed: int = 0,
        out: PathLike | None = None,
        data_dir: PathLike | None = None,
        jobs: int | None = 1,
        progress: bool = True,
        **axes: Any,
    ) -> "Study":
        """Varies sampler settings, scores the images of each combination, and writes a report, as `inkwash study` does.

        `axes` are those of the command, each with one value or several: `run.study(steps=[5, 10, 50], eta=[0, 1])`.
        `others` are runs of the same images to compare with. The other arguments are those of `evaluate`; without
        `out`, the folder is runs/study-NAMES. Raises UsageError for an unknown axis or invalid arguments.
        """
        from inkwash.api.measure import scoring, study

        what = scoring(n, features, inception, class_scores, split, seed)
        return study([run.model for run in (self, *others)], axes, what, out, data_dir, jobs, progress)

    # ---- display

    def __repr__(self) -> str:
        channels, height, width = self.shape
        facts = self.model.facts
        return (
            f"Run({str(self.folder)!r}: {harmless(self.settings.recipe)}, {height}×{width}×{channels}, "
            f"{facts['step']:,} of {facts['steps']:,} steps, on {self.model.device.type})"
        )

    def _repr_html_(self) -> str:
        from inkwash.runs.info import run_facts

        cells = [(html.escape(name), html.escape(value)) for name, value in run_facts(self.folder)]
        return f"<table>{''.join(f'<tr><td>{name}</td><td>{value}</td></tr>' for name, value in cells)}</table>"
