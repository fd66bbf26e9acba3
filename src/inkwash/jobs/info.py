"""What a run is: read from its checkpoint alone."""

from datetime import timedelta
from pathlib import Path

from inkwash import __version__
from inkwash.jobs.fit import stored
from inkwash.train.checkpoint import BEST, LAST, digest, facts, load
from inkwash.view import check_out, loss_figure, write


def describe(folder: Path) -> list[tuple[str, str]]:
    """Lines of (what, value) about a run. Raises AskedWrongly or InkwashError where there is none."""
    about = facts(folder / LAST)
    run = stored(folder)
    assert run is not None  # facts has read it
    parameters = sum(tensor.numel() for tensor in load(folder / LAST).parts["ema"].values())
    channels, height, width = about["shape"]
    best = min(about["held_out"], key=lambda pair: pair[1])
    last_loss = about["history"][-1][1] if about["history"] else None
    kept = facts(folder / BEST)["step"] if (folder / BEST).is_file() else None
    return [
        ("recipe", run.recipe),
        ("data", f"{run.data.source}, {about['images']:,} images of {height}×{width}, {channels} channel(s)"),
        (
            "network",
            f"{type(run.network).__name__}, {parameters:,} parameters ({parameters * 4 / 2**20:.1f} MiB)",
        ),
        ("process", f"{run.process.schedule} schedule, predicts {run.process.prediction}"),
        ("trained", f"{about['step']:,} of {about['steps']:,} steps, {about['images_seen']:,} images seen"),
        ("time", f"{timedelta(seconds=round(about['seconds']))} in {about['precision']}"),
        ("loss", "none yet" if last_loss is None else f"{last_loss:.4f} in training"),
        ("held out", f"{about['held_out'][-1][1]:.4f} now, {best[1]:.4f} at best (step {best[0]:,})"),
        (
            "checkpoints",
            f"last (step {about['step']:,}), best (step {kept if kept is None else format(kept, ',')})",
        ),
        ("sha256", digest(folder / LAST)),
        ("made by", f"inkwash {about['version']}"),
    ]


def draw_losses(folder: Path, out: Path) -> None:
    """Draws the losses of a run against images seen, as a PNG. Raises AskedWrongly where there are none yet."""
    check_out(out)
    about = facts(folder / LAST)
    batch = about["run"]["training"]["batch_size"]

    def curve(pairs: list[tuple[int, float]]) -> tuple[list[int], list[float]]:
        return [step * batch for step, _ in pairs], [loss for _, loss in pairs]

    figure = loss_figure(*curve(about["history"]), curve(about["held_out"][1:] or about["held_out"]))
    write(out, figure[None], {"inkwash": __version__, "command": "info", "checkpoint": digest(folder / LAST)})
