"""A folder of figures for a report on a run: its images, their denoising, the forward process and the losses."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from inkwash.errors import UsageError
from inkwash.runs.artifacts import FRAMES, SHOWN, write_drawn, write_figure
from inkwash.runs.draw import draw
from inkwash.runs.forward import Forward, draw_forward
from inkwash.runs.info import draw_losses
from inkwash.runs.model import TrainedModel, images
from inkwash.runs.model import data_dir as whereabouts
from inkwash.runs.record import moved
from inkwash.settings import Sampler, Sampling
from inkwash.training.checkpoint import LAST, facts
from inkwash.view import check_out

TEN, COLUMNS, ROWS = 10, 10, 10  # images in a row by themselves, and those of the sheet
BATCH = 64  # images at a time on a GPU, as `inkwash sample` has it

TEN_PNG, SHEET, DENOISING, FORWARD, LOSS = "ten.png", "sheet.png", "denoising.gif", "forward.png", "loss.png"
NAMES = (TEN_PNG, SHEET, DENOISING, FORWARD, LOSS)


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
    """Draws once, writes the five files of NAMES into `folder`, and says where they are.

    `sampling` is what `request` made. `data_dir` as `inkwash.data.load` takes it; None takes where the run was
    trained from. `tick` is called as `draw` calls it. `private` as in `write_drawn`. Nothing is drawn, nor written,
    where something is wrong.

    Raises:
        UsageError: for a file that cannot be written, a run without losses yet or whose images have changed,
            and a sampler that the model cannot have.
    """
    paths = [folder / name for name in NAMES]
    for path in paths:
        check_out(path)
    about = facts(model.folder / LAST)
    if not about["history"]:
        raise UsageError(
            f"{model.folder} has no losses to show yet, as it was trained for {about['step']} steps; "
            f"train it further first: `inkwash train {model.folder} --resume`."
        )
    place = whereabouts(model, data_dir)
    data = moved(model.run.data, data_dir)
    figure, depends = draw_forward(Forward(data, model.run.process, seed=sampling.seed), place)
    if depends["fingerprint"] != model.facts["fingerprint"]:
        images(model, "train", data_dir)  # which refuses other images, and takes fingerprints of earlier versions
    drawn = draw(model, sampling, BATCH, frames=FRAMES, shown=SHOWN, tick=tick)
    for name, n, columns in ((TEN_PNG, TEN, TEN), (SHEET, sampling.n, COLUMNS), (DENOISING, SHOWN, None)):
        # image i is the same whatever n, so a replay need draw no more of them than are shown
        write_drawn(folder / name, drawn, model, replace(sampling, n=n), BATCH, columns, private=private)
    write_figure(folder / FORWARD, figure, depends)
    draw_losses(model.folder, folder / LOSS)
    return paths
