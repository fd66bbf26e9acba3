"""Editing a picture with a run: SDEdit, ILVR, inversion to another condition, and interpolation to another picture."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inkwash import __version__, choices
from inkwash.core import Noise, Seeded, diffuse, mix, prior, truncate
from inkwash.core.noise import VERSION as NOISE_VERSION
from inkwash.data import to_uint8
from inkwash.errors import UsageError
from inkwash.inverse import Measurement, Walk, make_method, make_operator
from inkwash.runs import build
from inkwash.runs.draw import channels_last, smooth
from inkwash.runs.interpolate import encoding, interpolated
from inkwash.runs.model import TrainedModel
from inkwash.runs.pictures import Picture, check_facts, read_picture, sha256
from inkwash.runs.provenance import place
from inkwash.runs.record import code, used
from inkwash.runs.restore import BATCH, denoisers
from inkwash.sample import last, sample
from inkwash.sample.inversion import Inversion
from inkwash.settings import OPTIONS, RESTORING_SAMPLER, Editing, Sampling
from inkwash.view import check_out, needs_frames, write
from inkwash.view.out import PathLike

# settings of a sampler that inversions do not follow
_OF_SAMPLERS = ("solver", "eta", "variance", "spacing", "churn", "churn_interval", *OPTIONS)


def edit(model: TrainedModel, given: Sequence[Picture], asked: Editing, sampling: Sampling) -> Tensor:
    """The edits [n,C,H,W] of a picture, float32. Edit j depends on the seed and j alone; an inversion is one picture.

    SDEdit (Meng et al. 2022, algorithm 1) noises the picture to the level at which `strength` of the steps are left,
    and draws from there. ILVR (Choi et al. 2021) keeps its low frequencies. Inversion encodes it by the flow with the
    condition that it shows now, and draws from that noise with the requested one (Song et al. 2021a, section 5.4), by
    the flow or by EDICT (`sample/inversion.py`).
    With `to`, the pictures lead from the first of `given` to the second (`runs/interpolate.py`); else one is given.
    With a mask, what is black in it is put back after each step. Raises UsageError for a request that does not fit.
    """
    _check(model, asked, sampling)
    if asked.to is not None:
        picture, other = given
        return interpolated(model, picture, other, asked, sampling)
    (picture,) = given
    kept = None
    if asked.mask is not None:
        operator = make_operator(f"mask:{asked.mask}", model.shape)
        kept = Measurement(operator, operator.forward(picture.x.to(model.device)), 0.0)
    if asked.strength is None and asked.low_pass is None:
        return _inverted(model, picture.x.to(model.device), asked, sampling, kept)
    denoiser_of = denoisers(model, sampling).denoiser_of
    images = []
    for start in range(0, sampling.n, BATCH):
        lanes = range(start, start + BATCH)
        noise = Seeded(mix(sampling.seed), lanes)
        plan, solver = build.plan(sampling, model.schedule), build.solver(sampling, model.schedule)
        walk = Walk(build.limit(sampling, denoiser_of(lanes)), plan, solver)
        x0 = picture.x.to(model.device).expand(BATCH, *model.shape)
        if asked.low_pass is not None:
            low = make_operator(f"lowpass:{asked.low_pass}", model.shape)
            walk = make_method("ilvr")(walk, Measurement(low, low.forward(x0[:1]), 0.0), model.schedule)
        x, walk = _start(walk, x0, asked.strength, noise)
        if kept is not None:
            walk = make_method("replacement")(walk, kept, model.schedule)
        images.append(last(sample(walk.denoise, x, walk.plan, walk.solver, noise)).float().cpu())
    return torch.cat(images)[: sampling.n]


def _start(walk: Walk, x0: Tensor, strength: float | None, noise: Noise) -> tuple[Tensor, Walk]:
    """The picture at the level where `strength` of the steps are left; pure noise without one."""
    plan = walk.plan if strength is None else truncate(walk.plan, strength)
    x = prior(noise, plan[0], x0) if strength is None else diffuse(x0, noise(x0), plan[0])
    return x, walk._replace(plan=plan)


def _inverted(model: TrainedModel, x0: Tensor, asked: Editing, sampling: Sampling, kept: Measurement | None) -> Tensor:
    seen, plan = encoding(model, asked, sampling)
    inversion: Inversion = choices.INVERSIONS.load(asked.inversion)()
    denoise, solver = build.limit(sampling, denoisers(model, sampling).denoiser_of(range(1))), inversion.solver
    if kept is not None and solver is None:
        raise UsageError(f"the inversion {asked.inversion} takes no `mask`; use `inversion='flow'`.")
    noisy = inversion.encode(seen, x0, plan)
    if kept is not None and solver is not None:
        denoise, plan, solver = make_method("replacement")(Walk(denoise, plan, solver), kept, model.schedule)
    noise = Seeded(mix(sampling.seed), range(1))
    return inversion.decode(denoise, noisy, plan, solver, noise).float().cpu()


def _check(model: TrainedModel, asked: Editing, sampling: Sampling) -> None:
    if sampling.engine != "torch":
        raise UsageError("edits are computed with `engine='torch'`.")
    if asked.strength is not None and asked.low_pass is not None:
        raise UsageError("`strength` is SDEdit and `low_pass` is ILVR; give one of them.")
    inverts = asked.strength is None and asked.low_pass is None
    if not inverts and asked.inversion != Editing.inversion:
        raise UsageError("`inversion` is for inversion; leave out `strength` and `low_pass`.")
    if not inverts and (asked.from_label is not None or asked.from_text is not None):
        raise UsageError("`from_label` and `from_text` are for inversion; leave out `strength` and `low_pass`.")
    for name in _OF_SAMPLERS if inverts else ():
        if getattr(sampling, name) != getattr(RESTORING_SAMPLER, name):
            raise UsageError(
                f"inversion has steps of its own, chosen by `inversion`, and takes no `{name}`; leave it out, or give "
                "`strength` or `low_pass`."
            )
    if inverts and asked.to is None and sampling.label is None and not sampling.text:
        raise UsageError(
            "say how to edit: `strength=0.6` draws the picture again from noise (SDEdit), `low_pass=4` keeps its low "
            "frequencies (ILVR), `label` or `text` turns it into something else (inversion), and `to` leads to another "
            "picture (interpolation)."
        )


def edit_files(model: TrainedModel, name: str, asked: Editing, sampling: Sampling, outs: Sequence[PathLike]) -> Tensor:
    """Edits a picture and writes it, before its edits, as a row of a .png; .npz and folders hold the edits alone.

    An interpolation's row ends with the other picture.
    """
    for out in outs:
        check_out(out)
        if needs_frames(out):
            raise UsageError(f"edits are written as .png, .npz or a folder (got {out}).")
    given = [read_picture(each, model.shape, asked.resize, model) for each in _names(name, asked)]
    images = edit(model, given, asked, sampling)
    for out in outs:
        shown = (
            torch.cat([given[0].x, images, *(each.x for each in given[1:])])
            if str(out).lower().endswith(".png")
            else images
        )
        about = provenance(model, given, asked, sampling)
        write(out, channels_last(to_uint8(shown)), about, columns=len(shown), smooth=smooth(model.shape))
    return images


def _names(name: str, asked: Editing) -> list[str]:
    return [name] if asked.to is None else [name, asked.to]


def provenance(model: TrainedModel, given: Sequence[Picture], asked: Editing, sampling: Sampling) -> dict[str, Any]:
    """Everything that edits depend on, from which `again` makes them again."""
    mask = {} if asked.mask is None else {"mask": sha256(Path(asked.mask))}
    return {
        "inkwash": __version__,
        "command": "edit",
        "noise": NOISE_VERSION,
        "run": place(model.folder),
        "recipe": model.run.recipe,
        "checkpoint": model.digest,
        "which": model.which,
        "precision": str(model.denoiser.precision).removeprefix("torch."),
        "device": model.device.type,
        "sampling": asdict(replace(sampling, spacing=build.spacing(sampling))),
        "editing": asdict(asked if asked.mask is None else replace(asked, mask=str(Path(asked.mask).absolute()))),
        "pictures": [each.facts for each in given],
        **mask,
        **code(*used(model.run), sampling, asked),
    }


def again(about: dict[str, Any], of: str, out: PathLike, model: TrainedModel) -> None:
    """Makes the edits of an artifact again, from its provenance."""
    asked, sampling = Editing(**about["editing"]), Sampling(**about["sampling"])
    name = about["pictures"][0]["name"]
    if asked.to is not None:
        asked = replace(asked, to=about["pictures"][1]["name"])
    now = [read_picture(each, model.shape, asked.resize, model).facts for each in _names(name, asked)]
    check_facts(about["pictures"], now, of)
    if asked.mask is not None and sha256(Path(asked.mask)) != about["mask"]:
        raise UsageError(f"{of} was made with another mask {asked.mask} than is there now; put it back.")
    edit_files(model, name, asked, sampling, [out])
