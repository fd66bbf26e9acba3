"""The commands that make: train, sample, forward, info, replay and demo."""

import sys
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from threading import Event

from inkwash import cli, recipes
from inkwash.commands.bars import bar, finishing_steps, learning, walk
from inkwash.errors import InkwashError, UsageError
from inkwash.settings import Sampling


def train(command: cli.Train, resume_line: str) -> None:
    """Trains with a bar; Ctrl-C ends at a checkpoint."""
    from inkwash.runs.fit import fit
    from inkwash.train import Saved, Step

    folder = command.out or cli.default_out(command.run)
    stop = Event()
    job = fit(command.run, folder, command.data_dir, command.resume, stop.is_set)
    if job.is_main:
        channels, height, width = job.shape
        print(
            f"{command.run.recipe}: {job.images:,} images of {height}×{width}×{channels}, "
            f"{job.parameters:,} parameters, {str(job.precision).removeprefix('torch.')} on {job.device.type}, "
            f"into {folder}",
            file=sys.stderr,
        )
    last: Step | None = None
    shown = bar(command.run.training.steps, "steps", not job.is_main)
    with finishing_steps(stop), closing(job.progress), shown:
        shown.initial = shown.n = job.start
        for event in job.progress:
            match event:
                case Step():
                    last, shown.total = event, event.steps
                    shown.set_postfix_str(
                        f"loss {event.loss:.4f}, {event.images_per_second:,.0f} images/s", refresh=False
                    )
                    shown.update(event.step - shown.n)
                case Saved():
                    saved = event
    if not job.is_main:
        return
    if last is not None and last.step < last.steps:
        raise InkwashError(f"stopped at step {last.step} of {last.steps}, and saved. Go on with: {resume_line}")
    if last is None:
        print(f"{folder} was already trained to its end")
    else:
        took = timedelta(seconds=round(last.seconds))
        print(f"{saved.path}: {saved.step:,} steps in {took}, held-out loss {saved.held_out:.4f}")
    print(f"Draw from it with: inkwash sample {folder}")


def sample(command: cli.Sample) -> None:
    """Draws with a bar and says where the pictures are. Processes that torchrun started share the images."""
    from inkwash.distributed import process_group
    from inkwash.runs.artifacts import write_samples
    from inkwash.runs.guidance import classifier_of
    from inkwash.runs.model import open_model

    outs = command.out or (str(command.run / "samples.png"),)
    with process_group() as among:
        model = open_model(command.run, command.checkpoint, command.device)
        if command.sampling.guidance == "classifier":
            with learning() as learned:
                classifier_of(model, learned)
        with walk(command.sampling) as tick:
            evaluations = write_samples(model, command.sampling, outs, command.batch_size, tick, among=among)
    if not among.is_main:
        return
    for out in outs:
        print(out)
    print(f"{command.sampling.n} images, {evaluations} network evaluations each", file=sys.stderr)


def forward(command: cli.Forward) -> None:
    """Draws the forward process, or the schedules side by side."""
    from inkwash.runs.artifacts import write_forward, write_schedules
    from inkwash.runs.forward import Forward, resolve_target

    if command.schedules:
        write_schedules(command.timesteps, command.out)
        print(command.out)
        return
    if not command.target:
        raise UsageError("forward needs a recipe, the folder of a run or of images; or --schedules, and none.")
    of = resolve_target(command.target)
    data = of.data if command.size is None else replace(of.data, size=command.size)
    write_forward(Forward(data, of.process, command.images, command.seed), command.out, command.data_dir)
    print(command.out)


def info(command: cli.Info) -> None:
    """Prints a run's facts."""
    from inkwash.runs.info import draw_losses, run_facts

    for name, value in run_facts(command.run):
        print(f"{name:12} {value}")
    if command.out is not None:
        draw_losses(command.run, command.out)
        print(command.out)


def import_(command: cli.Import) -> None:
    """Makes a run of a foreign checkpoint and says how to draw from it."""
    from inkwash.importers.cs231n import import_cs231n

    folder = command.out or cli.RUNS / command.file.stem
    run = import_cs231n(
        command.file, folder, command.encoder, command.size, command.timesteps, command.schedule, command.objective
    )
    process = run.process
    print(f"{folder}: {process.schedule} schedule, T = {process.timesteps}, predicts {process.prediction}")
    print(f'Draw from it with: inkwash sample {folder} --text "red heart" --solver ddpm --steps {process.timesteps}')


def replay(command: cli.Replay) -> None:
    """Draws an artifact again."""
    from inkwash.runs.artifacts import replay as again

    file = command.file
    beside = f"{file}-replay/" if file.is_dir() else str(file.with_name(f"{file.stem}-replay{file.suffix}"))
    out = command.out or beside
    again(file, out, command.run, walk=walk)
    print(f"{out}: the same pixels as {file}")


def demo(command: cli.Demo) -> None:
    """Trains on the embedded digits, then draws samples, their denoising and the forward process."""
    from inkwash.runs.record import stored

    out = command.out
    resume = stored(out) is not None  # a second demo draws again from the run of the first
    train(cli.Train(recipes.find("digits"), out, resume), f"inkwash train digits --out {out} --resume")
    sampling = Sampling(n=64, steps=100)
    sample(cli.Sample(out, sampling, (str(out / "samples.png"), str(out / "denoising.gif"))))
    forward(cli.Forward("digits", out=out / "forward.png"))
