"""A folder of figures for a report on a run: its images, their denoising, the forward process and the losses."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from inkwash.errors import UsageError
from inkwash.runs.artifacts import FRAMES, SHOWN, write_drawn, write_figure
from inkwash.runs.draw import draw
from inkwash.runs.forward import Forward, draw_forward
from inkwash.runs.info import draw_losses
from inkwash.runs.model import TrainedModel, images
from inkwash.runs.model import data_dir as whereabouts
from inkwash.runs.previews import write_learning
from inkwash.runs.record import moved
from inkwash.settings import Sampler, Sampling
from inkwash.training.checkpoint import LAST, facts
from inkwash.view import check_out

TEN, COLUMNS, ROWS = 10, 10, 10  # images in a row by themselves, and those of the sheet
BATCH = 64  # images at a time on a GPU, as `inkwash sample` has it

TEN_PNG, SHEET, DENOISING, FORWARD, LOSS = "ten.png", "sheet.png", "denoising.gif", "forward.png", "loss.png"
LEARNING = "learning.gif"  # of a run with previews
DRAWN = (TEN_PNG, SHEET, DENOISING)
NAMES = (*DRAWN, FORWARD, LOSS)


def request(sampler: Sampler, seed: int, stretch: bool = False) -> Sampling:
    """The request for the images of a gallery; smaller figures show the first of these images."""
    return Sampling(**vars(sampler), n=COLUMNS * ROWS, seed=seed, stretch=stretch)


def write_gallery(
    model: TrainedModel,
    sampling: Sampling,
    folder: Path,
    data_dir: Path | None,
    tick: Callable[[int], None],
    private: bool = False,
) -> list[Path]:
    """Draws once, writes the files of NAMES into `folder`, and says where they are.

    A run that was trained elsewhere has no losses, and its images are not known; it has the files of DRAWN alone. A run
    that drew previews of itself while it trained has LEARNING too, made of them.

    `sampling` is what `request` made. `data_dir` as `inkwash.data.load` takes it; None takes where the run was
    trained from. `tick` is called as `draw` calls it. `private` as in `write_drawn`. Nothing is drawn, nor written,
    where something is wrong.

    Raises:
        UsageError: for a file that cannot be written, a run without losses yet or whose images have changed,
            and a sampler that the model cannot have.
    """
    about = facts(model.folder / LAST)
    here = about["images"] > 0
    paths = [folder / name for name in (NAMES if here else DRAWN)]
    for path in (*paths, folder / LEARNING):
        check_out(path)
    if here and not about["history"]:
        raise UsageError(
            f"{model.folder} has no losses to show yet, as it was trained for {about['step']} steps; "
            f"train it further first: `inkwash train {model.folder} --resume`."
        )
    forward = _forward(model, sampling.seed, data_dir) if here else None
    drawn = draw(model, sampling, BATCH, frames=FRAMES, shown=SHOWN, tick=tick)
    for name, n, columns in ((TEN_PNG, TEN, TEN), (SHEET, sampling.n, COLUMNS), (DENOISING, SHOWN, None)):
        # image i is the same whatever n, so a replay need draw no more of them than are shown
        write_drawn(folder / name, drawn, model, replace(sampling, n=n), BATCH, columns, private=private)
    if forward is not None:
        write_figure(folder / FORWARD, *forward)
        draw_losses(model.folder, folder / LOSS)
    learning = [folder / LEARNING] if write_learning(model.folder, folder / LEARNING) else []
    return [*paths, *learning]


def _forward(model: TrainedModel, seed: int, data_dir: Path | None) -> tuple[Any, dict[str, Any]]:
    """The forward process on the run's own images, and all that the figure depends on."""
    forward = Forward(moved(model.run.data, data_dir), model.run.process, seed=seed)
    figure, depends = draw_forward(forward, whereabouts(model, data_dir))
    if depends["fingerprint"] != model.facts["fingerprint"]:
        images(model, "train", data_dir)  # which refuses other images, and takes fingerprints of earlier versions
    return figure, depends
