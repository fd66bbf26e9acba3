"""Training a run in a folder: everything that `inkwash train` does except printing."""

import math
from collections.abc import Callable, Generator
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path

import torch
from accelerate import Accelerator
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from inkwash import every, own
from inkwash.atomic import sweep
from inkwash.core import as_floats
from inkwash.data import (
    Batch,
    Batches,
    Images,
    Source,
    class_counts,
    describe,
    divide,
    is_same,
    to_float,
    write_archive,
)
from inkwash.distributed import not_connected, processes
from inkwash.errors import UsageError
from inkwash.lock import Lock, hold
from inkwash.nets import recompute
from inkwash.runs import build, machine, memory, record
from inkwash.runs.begin import begin, carried
from inkwash.runs.conditions import ConditionKind, condition, rests_on
from inkwash.runs.distilling import objective
from inkwash.runs.model import check_weights
from inkwash.runs.previews import Previews, found
from inkwash.runs.record import (
    IMAGES,
    TRAINING,
    check_encoder,
    described,
    gone,
    moved,
    resolved,
    whereabouts,
)
from inkwash.runs.resuming import check_folder, check_place
from inkwash.runs.tracked import Trackers
from inkwash.settings import Process, RunSettings
from inkwash.tracking import SoFar
from inkwash.training import Previewed, Progress, State, train
from inkwash.training.checkpoint import LAST, load
from inkwash.training.metrics import so_far
from inkwash.training.parts import Parts

_MOST_SIGNAL = 0.05  # α/σ of the last level; linear has 0.006, scaled-linear 0.068
HELD_OUT = 512  # images that the held-out loss is measured on


@dataclass(frozen=True)
class Fit:
    """A prepared training: the facts known before the first step, and the iterator that trains."""

    images: int
    shape: build.Shape
    parameters: int
    precision: torch.dtype
    device: torch.device
    is_main: bool
    start: int
    steps: int | None  # of the whole training; None if it is limited by time and not chosen yet
    batch_size: int
    minutes: float | None  # that the training is to fill
    progress: Generator[Progress, None, None]
    notes: tuple[str, ...] = ()  # sentences about the images, to print before the first step; main process only
    in_parts: bool = False  # whether threads compute parts of each batch, so that they do not wait for one another


def fit(
    run: RunSettings,
    out: Path,
    data_dir: Path | None,
    resume: bool,
    stop: Callable[[], bool],
    images: Images | None = None,
    from_run: Path | None = None,
) -> Fit:
    """Prepares a training. Raises UsageError or InkwashError before anything is written.

    A new run begins with the weights of the run in the folder `from_run`: see `begin`. `images` replace the data set
    that `run` names, and are stored in the folder. The folder is locked until the training has ended; a second training
    there raises UsageError.
    """
    check_place(run, out)
    lock = hold(out, TRAINING) if processes().is_main else None
    try:
        job = _prepared(run, out, data_dir, resume, stop, images, from_run)
    except BaseException:
        if lock is not None:
            lock.release()
        raise
    return job if lock is None else replace(job, progress=_holding(lock, job.progress))


def _holding(lock: Lock, progress: Generator[Progress, None, None]) -> Generator[Progress, None, None]:
    """Trains, then frees the lock. If it is never begun, the lock is freed with it."""
    try:
        with closing(progress):
            yield from progress
    finally:
        lock.release()


def _prepared(
    run: RunSettings,
    out: Path,
    data_dir: Path | None,
    resume: bool,
    stop: Callable[[], bool],
    images: Images | None,
    from_run: Path | None,
) -> Fit:
    run = resolved(run)
    if images is not None:
        run = replace(run, data=replace(run.data, source=str((out / IMAGES).resolve())))
    elif resume:
        run = replace(run, data=moved(run.data, data_dir))
        if gone(run.data):
            raise UsageError(
                f"the images of {out} are no longer at {run.data.source}; say where they are now with `source`."
            )
    trackers = Trackers(run.training.track)
    saved = load(out / LAST) if (out / LAST).exists() else None
    before = None if saved is None else described(out / LAST, saved.facts)
    if saved is not None and data_dir is None:
        data_dir = whereabouts(saved.facts)
    check_place(run, out)
    check_folder(run, before, saved, out, resume)
    begun_from = carried(saved, from_run, out)
    if before is None:
        own.allow_encoder(run.conditioning.encoder)
    else:
        check_encoder(before, out / LAST)
    accelerator = _accelerator(run.training.device)
    mesh = _mesh(accelerator) if run.training.shard else None
    source, held_out = _sources(run, data_dir, accelerator) if images is None else divide(images, run.data.held_out)
    run = _in_steps(run, len(source))
    precision = machine.precision(run.training, accelerator.device)
    kind = condition(run, source.classes, class_counts(source), shape=source.shape)
    if saved is not None:
        if not is_same(source, saved.facts["fingerprint"]):
            raise UsageError(f"{out} was trained on other images than {run.data.source} holds now; choose a new `out`.")
        check_weights(out / LAST, saved, run, source.shape, kind)
    _check_memory(run, source.shape, kind, accelerator)
    denoiser = build.denoiser(run, source.shape, precision, kind)
    begun = None
    if saved is None and from_run is not None:
        begun = begin(from_run, denoiser, run, source.shape, kind, source.classes)
        begun_from = begun.fact
    state = State.fresh(denoiser if mesh else denoiser.to(accelerator.device), run.training, mesh)
    if run.training.recompute:
        recompute(denoiser.net)
    machine.compile_network(denoiser.net, run.training.compile, accelerator.device)
    notes = describe(source, held_out, run.data.held_out) if accelerator.is_main_process else ()
    notes = (*notes, *_signal_left(run.process))
    about = record.about(run, out, source, precision, kind, data_dir, notes)
    if begun_from is not None:
        about["begun_from"] = begun_from
    notes = notes if begun is None or not accelerator.is_main_process else (*begun.notes, *notes)
    if saved is not None:
        if saved.facts.get("encoder") not in (None, about.get("encoder")):
            told = rests_on(kind, run)
            raise UsageError(
                f"{out} was begun with {told} than is there now; put the old one back, or choose a new `out`."
            )
        state.restore(saved)
    if accelerator.is_main_process:
        sweep(out)
    batches = Batches(
        source, run.training.batch_size, run.training.seed, run.data.flip, accelerator.device,
        accelerator.process_index, accelerator.num_processes, None if kind is None else kind.shown(source),
    )  # fmt: skip
    kept = _kept(held_out, kind, accelerator.device)
    preview: Callable[[], Previewed | None] = lambda: None  # noqa: E731
    if every.is_on(run.training.preview_every):
        previews = Previews(run, out, state, source, kind, about, accelerator, stop)
        preview, notes = previews, (*notes, previews.cost())
    in_parts = accelerator.num_processes == 1 and machine.divisible(
        run, denoiser.net, *source.shape[1:], accelerator.device
    )
    loss = objective(run, accelerator.device)

    def trained() -> Generator[Progress, None, None]:
        with Parts(torch.get_num_threads()) if in_parts else nullcontext() as parts:
            yield from train(
                state, loss, batches, kept, run.training, out, about, accelerator, stop, preview, parts, trackers.log
            )

    progress = trained()
    if accelerator.is_main_process:
        progress = trackers.following(
            progress,
            lambda: SoFar(
                out,
                asdict(run),
                so_far(out, state.step, state.history, state.held_out),
                {step: path for step, path in found(out).items() if step <= state.step},
            ),
        )
    if images is not None and before is None and accelerator.is_main_process:
        progress = _after_writing(images, out / IMAGES, progress)
    count = sum(parameter.numel() for parameter in denoiser.parameters())
    return Fit(
        len(source), source.shape, count, precision, accelerator.device, accelerator.is_main_process, state.step,
        state.steps if state.planned else None, run.training.batch_size,
        run.training.minutes, progress, notes, in_parts,
    )  # fmt: skip


def _in_steps(run: RunSettings, images: int) -> RunSettings:
    """The settings with a number of steps in place of a number of passes over the images; the smaller of two."""
    training = run.training
    if training.epochs is None:
        return run
    steps = math.ceil(training.epochs * images / training.batch_size)
    steps = min(steps, training.steps or steps)
    return replace(run, training=replace(training, steps=steps, epochs=None))


def _signal_left(process: Process) -> tuple[str, ...]:
    """A warning if the noisiest level of the schedule still shows the image, since sampling begins at pure noise."""
    schedule = build.schedule(process)
    alpha, sigma, _ = as_floats(schedule.at(schedule.time(Fraction(1))))
    if alpha <= _MOST_SIGNAL * sigma:
        return ()
    return (
        f"warning: the noisiest level of the {process.schedule} schedule keeps signal (α = {alpha:.3g}, "
        f"σ = {sigma:.3g}), but sampling begins at pure noise, so brightness and contrast of the images will be off "
        "(Lin et al. 2024); raise `beta_high` or choose another `schedule`.",
    )


def _after_writing(
    images: Images, path: Path, progress: Generator[Progress, None, None]
) -> Generator[Progress, None, None]:
    """Writes the images before the first step, then trains."""
    write_archive(path, images)
    yield from progress


def _kept(held_out: Source, kind: ConditionKind | None, device: torch.device) -> Batch:
    """The images that the held-out loss is measured on."""
    first = torch.arange(min(len(held_out), HELD_OUT))
    shown = None if kind is None else kind.shown(held_out)(first, 0).to(device)
    return Batch(to_float(held_out.take(first)).to(device), None, first, shown)


def _check_memory(run: RunSettings, shape: build.Shape, kind: ConditionKind | None, accelerator: Accelerator) -> None:
    """Raises UsageError for a training that cannot fit into memory, before the network is built."""
    share = accelerator.num_processes if run.training.shard else 1
    weights = 4 * 4 * build.parameters(run, shape, kind) // share  # float32: model, average, gradient and a moment
    memory.check(weights, accelerator.device, "the network's weights", "choose a smaller network")
    images = run.training.batch_size // accelerator.num_processes
    batch = 4 * 3 * math.prod(shape) * images  # float32: images, noise and their mixture, of the whole batch
    memory.check(batch, accelerator.device, f"{images:,} images of a batch", "choose a smaller `batch_size`")


def _accelerator(wanted: str) -> Accelerator:
    device = machine.device(wanted)
    world = processes().world
    accelerator = Accelerator(cpu=device.type == "cpu")
    if accelerator.num_processes != world:
        raise not_connected(world)
    return accelerator


def _mesh(accelerator: Accelerator) -> DeviceMesh:
    """The mesh of processes that the network is sharded over. Raises UsageError for a single process."""
    if accelerator.num_processes == 1:
        raise UsageError(
            "`shard=True` divides a network among processes, and this is the only one; give `shard=False`, or start "
            "several: `torchrun --nproc-per-node 2 -m inkwash train …`."
        )
    return init_device_mesh(accelerator.device.type, (accelerator.num_processes,))


def _sources(run: RunSettings, data_dir: Path | None, accelerator: Accelerator) -> tuple[Source, Source]:
    """The training images and the held-out images. The main process reads first, since it may download them."""
    with accelerator.main_process_first():
        return build.images(run.data, "train", data_dir), build.images(run.data, "test", data_dir)
