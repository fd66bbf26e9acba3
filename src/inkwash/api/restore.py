"""Restoration and editing from Python."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from inkwash import choices, own
from inkwash.api.picture import Picture
from inkwash.api.run import Run
from inkwash.data import to_uint8
from inkwash.inverse.spec import reference
from inkwash.runs.draw import channels_last, smooth
from inkwash.runs.edit import edit as edited
from inkwash.runs.edit import provenance as edit_provenance
from inkwash.runs.pictures import read_picture
from inkwash.runs.restore import Restored, provenance, restore_files, sheet
from inkwash.runs.trained import settled
from inkwash.settings import RESTORING_SAMPLER, Editing, Restoring, Sampling
from inkwash.view import grid

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, eq=False, repr=False)
class Restorations:
    """The restorations of one or several pictures; `results` has the details of each."""

    results: tuple[Restored, ...]
    run: Run
    restoring: Restoring
    sampling: Sampling

    def tensor(self) -> Tensor:
        """float32 [pictures, n, C, H, W] in about [−1, 1]."""
        import torch

        return torch.stack([each.images for each in self.results])

    @property
    def scores(self) -> list[dict[str, float]]:
        """For each picture: the "misfit" of y and, where the truth is known, PSNR, SSIM and coverage."""
        return [each.scores() for each in self.results]

    def sheet(self) -> Picture:
        """Measurement, truth if it is known, mean, standard deviation and restorations; a column for each picture."""
        pictures, labels = sheet(self.results)
        pixels = grid(
            channels_last(to_uint8(pictures)), len(self.results), labels=labels, smooth=smooth(self.run.model.shape)
        )
        return Picture(pixels, provenance(self.results, self.run.model, self.restoring, self.sampling))

    def __repr__(self) -> str:
        count = len(self.results)
        return f"Restorations({count} picture{'s' * (count > 1)}, {self.sampling.n} each, by {self.restoring.method})"

    def _repr_png_(self) -> bytes:
        return self.sheet()._repr_png_()


def restore(
    run: Run,
    pictures: PathLike | Sequence[PathLike],
    *,
    operator: str | None = None,
    noise: float = 0.0,
    method: str | None = None,
    n: int = 8,
    seed: int = 0,
    measured: bool = False,
    resize: bool = False,
    progress: bool = True,
    **sampler: Any,
) -> Restorations:
    """Restores pictures, with the same pixels as `inkwash restore` with the same settings.

    Args:
        run: the run that is the prior.
        pictures: names of files, .npz files of `inkwash degrade`, or "test:7" for image 7 of the run's held-out data.
        operator, noise, method: as the command takes them, "blur:2" or "ddrm:0.85"; noise is that of images in [−1, 1].
            Without a method: trained for a run with `condition="image"`, which knows its operator, else moment.
            References to code of your own, FILE.py:NAME, are allowed by being given here.
        n, seed: restorations of each picture, and the seed of all.
        measured: whether the pictures are measurements already.
        resize: whether to scale and crop pictures of another size.
        progress: whether to show a bar.
        sampler: further fields of `inkwash.settings.Sampling`: steps, solver, label, text, scale, …

    Raises UsageError, before any work, for what does not fit.
    """
    from inkwash.progress import steps_bar

    names = [pictures] if isinstance(pictures, str | os.PathLike) else list(pictures)
    restoring = Restoring(operator=operator, noise=noise, method=method, measured=measured, resize=resize)
    sampling = _sampling(n=n, seed=seed, **sampler)
    own.allow(() if operator is None else reference(choices.OPERATORS, operator))
    own.allow(() if method is None else reference(choices.METHODS, method))
    restoring = settled(run.model, restoring)
    bar = steps_bar if progress else None
    found = restore_files(run.model, [os.fspath(name) for name in names], restoring, sampling, [], bar)
    return Restorations(tuple(found), run, restoring, sampling)


def edit(
    run: Run,
    picture: PathLike,
    *,
    strength: float | None = None,
    low_pass: float | None = None,
    mask: PathLike | None = None,
    from_label: str | int | None = None,
    from_text: str | None = None,
    resize: bool = False,
    n: int = 8,
    seed: int = 0,
    **sampler: Any,
) -> Picture:
    """Edits a picture, as `inkwash edit` does, and returns it beside its edits.

    Args:
        strength: SDEdit, the share of the steps that is drawn again.
        low_pass: ILVR, the factor of the low-pass filter that is kept.
        mask: a picture that is white where the picture may change.
        from_label, from_text: what the picture shows now, for inversion to `label` or `text`.
        resize, n, seed, sampler: as for `restore`.

    Raises UsageError for what does not fit.
    """
    import torch

    asked = Editing(
        strength=strength, low_pass=low_pass, mask=None if mask is None else os.fspath(mask),
        from_label=None if from_label is None else str(from_label), from_text=from_text, resize=resize,
    )  # fmt: skip
    sampling = _sampling(n=n, seed=seed, **sampler)
    before = read_picture(os.fspath(picture), run.model.shape, resize, run.model)
    images = torch.cat([before.x, edited(run.model, [before], asked, sampling)])
    pixels = grid(channels_last(to_uint8(images)), len(images), smooth=smooth(run.model.shape))
    return Picture(pixels, edit_provenance(run.model, [before], asked, sampling))


def _sampling(**given: Any) -> Sampling:
    if given.get("label") is not None:
        given["label"] = str(given["label"])
    return Sampling(**{**vars(RESTORING_SAMPLER), **given})
