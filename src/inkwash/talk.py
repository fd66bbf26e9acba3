"""What the commands do and say: results on standard output, progress on standard error."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from threading import Event, current_thread, main_thread
from types import FrameType
from typing import NoReturn

from tqdm import tqdm

from inkwash import cli, recipes
from inkwash.errors import InkwashError
from inkwash.settings import Sampling

Command = cli.Train | cli.Sample | cli.Forward | cli.Info | cli.Recipes | cli.Replay | cli.Demo


def run(command: Command, resume_line: str) -> None:
    """Does a command. `resume_line` is what to type to go on with an interrupted training."""
    match command:
        case cli.Train():
            train(command, resume_line)
        case cli.Sample():
            sample(command)
        case cli.Forward():
            forward(command)
        case cli.Info():
            info(command)
        case cli.Replay():
            replay(command)
        case cli.Recipes():
            width = max(len(name) for name in recipes.names())
            for name, recipe in recipes.names().items():
                print(f"{name:{width}}  {recipes.summary(recipe)}")
        case cli.Demo():
            demo(command)


def train(command: cli.Train, resume_line: str) -> None:
    """Trains with a bar; Ctrl-C ends at a checkpoint."""
    from inkwash.jobs.fit import fit
    from inkwash.train import Saved, Step

    folder = command.out or cli.default_out(command.run)
    stop = Event()
    job = fit(command.run, folder, command.data_dir, command.resume, stop.is_set)
    if job.is_main:
        channels, height, width = job.shape
        print(
            f"{command.run.recipe}: {job.images:,} images of {height}×{width}×{channels}, "
            f"{job.parameters:,} parameters, {str(job.precision).removeprefix('torch.')}, into {folder}",
            file=sys.stderr,
        )
    last: Step | None = None
    bar = _bar(command.run.training.steps, "steps", not job.is_main)
    with _finishing_steps(stop), closing(job.progress), bar:
        bar.initial = bar.n = job.start
        for event in job.progress:
            match event:
                case Step():
                    last, bar.total = event, event.steps
                    bar.set_postfix_str(
                        f"loss {event.loss:.4f}, {event.images_per_second:,.0f} images/s", refresh=False
                    )
                    bar.update(event.step - bar.n)
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
    """Draws with a bar and says where the pictures are."""
    from inkwash.jobs.artifacts import write_samples
    from inkwash.jobs.draw import open_model

    outs = command.out or (str(command.run / "samples.png"),)
    model = open_model(command.run, command.checkpoint, command.device)
    with _walk(command.sampling) as tick:
        evaluations = write_samples(model, command.sampling, outs, command.batch_size, tick)
    for out in outs:
        print(out)
    print(f"{command.sampling.n} images, {evaluations} network evaluations each", file=sys.stderr)


def forward(command: cli.Forward) -> None:
    """Draws the forward process."""
    from inkwash.jobs.artifacts import write_forward
    from inkwash.jobs.forward import Forward, describe

    of = describe(command.target)
    data = of.data if command.size is None else replace(of.data, size=command.size)
    write_forward(Forward(data, of.process, command.images, command.seed), command.out, command.data_dir)
    print(command.out)


def info(command: cli.Info) -> None:
    """Prints a run's facts."""
    from inkwash.jobs.info import describe, draw_losses

    for name, value in describe(command.run):
        print(f"{name:12} {value}")
    if command.out is not None:
        draw_losses(command.run, command.out)
        print(command.out)


def replay(command: cli.Replay) -> None:
    """Draws an artifact again."""
    from inkwash.jobs.artifacts import replay as again

    file = command.file
    beside = f"{file}-replay/" if file.is_dir() else str(file.with_name(f"{file.stem}-replay{file.suffix}"))
    out = command.out or beside
    again(file, out, command.run, walk=_walk)
    print(f"{out}: the same pixels as {file}")


def demo(command: cli.Demo) -> None:
    """Trains on the embedded digits, then draws samples, their denoising and the forward process."""
    from inkwash.jobs.fit import stored

    out = command.out
    resume = stored(out) is not None  # a second demo draws again from the run of the first
    train(cli.Train(recipes.find("digits"), out, resume), f"inkwash train digits --out {out} --resume")
    sampling = Sampling(n=64, steps=100)
    sample(cli.Sample(out, sampling, (str(out / "samples.png"), str(out / "denoising.gif"))))
    forward(cli.Forward("digits", out / "forward.png"))


@contextmanager
def _walk(sampling: Sampling) -> Iterator[Callable[[int], None]]:
    """A bar over images; yields what is called after each step of a batch, with the images in it."""
    done = 0

    def tick(images: int) -> None:
        nonlocal done
        done += images
        bar.update(done // sampling.steps - bar.n)

    with _bar(sampling.n, "images") as bar:
        yield tick


def _bar(total: int, unit: str, quiet: bool = False) -> "tqdm[NoReturn]":
    count = "{percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt}"
    shape = f"{count} {unit}, {{elapsed}} gone, {{remaining}} left{{postfix}}"
    return tqdm(
        total=total, file=sys.stderr, disable=quiet, dynamic_ncols=True, bar_format=shape, smoothing=0.05, delay=0.5
    )


@contextmanager
def _finishing_steps(stop: Event) -> Iterator[None]:
    """Inside, Ctrl-C and SIGTERM set `stop` instead of breaking a step; a second one is not waited for."""

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        print("\nstopping after this step; once more to stop at once", file=sys.stderr)

    if current_thread() is not main_thread():  # where Python allows no handlers
        yield
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
