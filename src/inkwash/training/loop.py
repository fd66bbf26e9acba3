"""The training loop: a generator of typed progress. All randomness is a function of (seed, step)."""

import math
import time
from collections.abc import Callable, Generator
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from inkwash.core import mix
from inkwash.data import Batch, Batches
from inkwash.errors import InkwashError
from inkwash.settings import Training
from inkwash.training.checkpoint import BEST, EARLY, LAST, save
from inkwash.training.history import mean_loss
from inkwash.training.metrics import Metrics
from inkwash.training.objective import Loss, StepRandomness
from inkwash.training.parts import Parts, divided, one_thread
from inkwash.training.progress import Previewed, Progress, Saved, Step
from inkwash.training.rates import rate
from inkwash.training.state import State

LOG_EVERY = 10  # steps between reports, each of which waits for the device
TIMED = 10.0  # seconds of training after which the number of steps that fit into `minutes` is chosen
_TIMED_SHARE = 0.05  # or this part of the whole time, if it is shorter


def train(
    state: State,
    objective: Loss,
    batches: Batches,
    held_out: Batch,
    settings: Training,
    folder: Path,
    about: dict[str, Any],
    accelerator: Accelerator,
    stop: Callable[[], bool] = lambda: False,
    preview: Callable[[], Previewed | None] = lambda: None,
    parts: Parts | None = None,
    follow: Callable[[dict[str, Any]], None] = lambda row: None,
) -> Generator[Progress, None, None]:
    """Trains `state` for its remaining steps, or until `stop()` is true, and writes checkpoints into `folder`.

    Yields a `Step` after the first step and after every tenth, and a `Saved` for each checkpoint; metrics.jsonl has the
    same numbers. With `settings.minutes`, the first steps are timed, and the number of steps that fit is chosen once
    and stored in the checkpoints.

    `held_out` holds images that are not trained on. `about` is stored in every checkpoint; a checkpoint can be opened
    as a run if `about` comes from `runs.record.about`. `preview` is called after each step, and draws if a sheet is
    due; it must leave the state as it is, and its time is not counted. `parts`, for a single process on a CPU, are
    threads that compute parts of each batch. `follow` is called with each row of metrics.jsonl, in the main process.

    A checkpoint of the last completed step is always written, also if an image cannot be read (by a single process;
    several cannot save together then), whose error is raised.
    Raises InkwashError if the loss is not finite; the last checkpoint then holds the last good state.
    """
    model = state.denoiser if state.sharded else accelerator.prepare_model(state.denoiser)
    if settings.minutes is not None and not state.planned and 60 * settings.minutes <= state.seconds:
        _plan(settings.minutes, state, 0.0)  # the time is already up
    metrics = None
    if accelerator.is_main_process:
        metrics = Metrics(folder, state.step, state.history, state.held_out, follow)

    def saved(report: Step | None = None) -> Saved:
        event = _saved(state, objective, held_out, settings, folder, about, accelerator, parts)
        if metrics is not None:
            metrics.add(state.step, report, event)
        return event

    if not state.held_out:
        yield saved()
    if (drawn := preview()) is not None:  # the training was stopped while it was drawn
        yield drawn
    began, before, first = time.perf_counter(), state.seconds, state.step
    losses, counted, once = torch.zeros((), device=accelerator.device), 0, 0.0
    alone, by_train = accelerator.num_processes == 1, settings.best == "train"
    calm = nullcontext if parts is None else one_thread
    with closing(batches.walk(state.step)) as walk:
        while state.step < state.steps:
            try:
                with calm():
                    batch = next(walk)
            except Exception as error:  # an image that cannot be read, or a source of one's own that fails
                if alone and state.step > state.held_out[-1][0]:  # several processes cannot save together any more
                    yield saved()
                    if isinstance(error, InkwashError):
                        raise type(error)(f"{error} Step {state.step} is saved; go on with `resume=True`.") from error
                raise
            with calm():
                losses += _update(state, model, objective, batch, settings, accelerator, parts)
                state.step, counted = state.step + 1, counted + 1
                state.ema.update(state.denoiser, state.step)
            if (drawn := preview()) is not None:
                began += drawn.seconds
                yield drawn
            # processes must stop together, so with several of them stop() takes effect only at reports
            asked = alone and stop()
            save_now = state.step % settings.save_every == 0
            # the best by training loss is chosen by reports, so that a resumed run must have the same ones
            report = asked or state.step % LOG_EVERY == 0 or state.step == state.steps or (by_train and save_now)
            if not report and state.step > first + 1:
                if save_now:
                    yield saved()
                continue
            halt = asked if alone else stop()
            loss, elapsed, halt = _agreed(accelerator, losses / counted, time.perf_counter() - began, halt)
            report = report or halt
            if state.step == first + 1:
                once = elapsed  # also what is done only once, such as compiling
            state.seconds = before + elapsed
            timed = state.step - first - 1
            if report and settings.minutes is not None and not state.planned:
                pause = min(TIMED, _TIMED_SHARE * 60 * settings.minutes)
                if elapsed - once >= pause and timed:
                    _plan(settings.minutes, state, timed / (elapsed - once))
                state.planned = state.planned or state.step == state.steps
            images = state.step * settings.batch_size
            step = Step(
                state.step, state.steps if state.planned else None, loss,
                rate(settings, state.step - 1, state.steps), images, state.seconds,
                (state.step - first) / elapsed * settings.batch_size,
            )  # fmt: skip
            if report:
                losses, counted = losses.zero_(), 0
                if not math.isfinite(loss):
                    raise _diverged(state, folder)
                state.history.append((state.step, loss))
            yield step
            if halt or save_now or state.step >= state.steps:
                yield saved(step if report else None)
            elif report and metrics is not None:
                metrics.add(state.step, step)
            if halt:
                return


def _update(
    state: State,
    model: nn.Module,
    objective: Loss,
    batch: Batch,
    settings: Training,
    accelerator: Accelerator,
    parts: Parts | None,
) -> Tensor:
    """One optimiser step on this process's part of a batch. Returns the mean loss of the part, on the device."""
    rank, own = accelerator.process_index, len(batch.images)
    for group in state.optimizer.param_groups:
        group["lr"] = rate(settings, state.step, state.steps)
    torch.manual_seed(mix(settings.seed, state.step, rank))  # for dropout
    shape = (settings.batch_size, *batch.images.shape[1:])
    randomness = StepRandomness.of(mix(settings.seed, state.step), shape, accelerator.device).part(
        slice(rank * own, (rank + 1) * own)
    )

    def loss_of(which: slice) -> Tensor:
        condition = None if batch.condition is None else batch.condition[which]
        return objective(model, batch.images[which], randomness.part(which), condition).sum() / own

    total = torch.zeros((), device=accelerator.device)
    shares = divided(slice(0, own), settings.accumulate)
    for i, share in enumerate(shares):
        if parts is not None:
            total += parts.backward(model, loss_of, share)
            continue
        with nullcontext() if i == len(shares) - 1 else accelerator.no_sync(model):
            loss = loss_of(share)
            accelerator.backward(loss)
        total += loss.detach()
    nn.utils.clip_grad_norm_(state.denoiser.parameters(), settings.clip or math.inf)
    state.optimizer.step()
    state.optimizer.zero_grad()
    return total


def held_out_loss(denoiser: nn.Module, objective: Loss, held_out: Batch, parts: Parts | None = None) -> float:
    """The mean loss on a batch of any size, with the same levels, noise and dropped conditions at every call."""
    images, condition = held_out.images, held_out.condition
    randomness = StepRandomness.of(0, tuple(images.shape), images.device)

    @torch.no_grad()
    def losses(which: slice) -> Tensor:
        shown = None if condition is None else condition[which]
        return objective(denoiser, images[which], randomness.part(which), shown)

    some = [slice(i, i + 128) for i in range(0, len(images), 128)]
    found = parts.map(losses, some) if parts is not None else [losses(which) for which in some]
    return torch.cat(found).mean().item()


def _saved(
    state: State,
    objective: Loss,
    held_out: Batch,
    settings: Training,
    folder: Path,
    about: dict[str, Any],
    accelerator: Accelerator,
    parts: Parts | None,
) -> Saved:
    loss = held_out_loss(state.ema.model, objective, held_out, parts)  # on all processes: a sharded network needs all
    if not math.isfinite(loss):
        raise _diverged(state, folder)
    judged = loss
    if settings.best == "train":
        judged = mean_loss(state.history, state.step - settings.save_every, state.step)
    best = judged < state.best
    state.best = min(judged, state.best)
    state.held_out.append((state.step, loss))
    about = {**about, "images_seen": state.step * settings.batch_size}
    checkpoint = state.checkpoint(about, accelerator.is_main_process)
    if accelerator.is_main_process:
        if best:  # first, so that a process killed between the two writes it again when it resumes
            save(folder / BEST, checkpoint)
        save(folder / LAST, checkpoint)
        if _is_early(settings, state) and not (folder / EARLY / LAST).exists():
            save(folder / EARLY / LAST, checkpoint)
    accelerator.wait_for_everyone()
    return Saved(folder / LAST, state.step, loss, best)


def _is_early(settings: Training, state: State) -> bool:
    """Whether the share of the training is over after which a weaker copy is kept."""
    return settings.keep_early is not None and state.planned and state.step >= settings.keep_early * state.steps


def _plan(minutes: float, state: State, speed: float) -> None:
    """Chooses the number of steps that fit into so many minutes at `speed` steps per second; at most those given."""
    fitting = state.step + max(0, round((60 * minutes - state.seconds) * speed))
    state.steps, state.planned = min(fitting, state.steps), True


def _agreed(accelerator: Accelerator, loss: Tensor, seconds: float, halt: bool) -> tuple[float, float, bool]:
    """(mean loss, longest elapsed time, whether any process is to stop): the same on all processes."""
    mine = torch.stack([loss, loss.new_tensor(seconds), loss.new_tensor(float(halt))])
    every = accelerator.gather(mine[None])
    return every[:, 0].mean().item(), every[:, 1].max().item(), bool(every[:, 2].any())


def _diverged(state: State, folder: Path) -> InkwashError:
    last = folder / LAST
    state_of_file = f"{last} holds the last good weights" if last.is_file() else "nothing was saved"
    return InkwashError(
        f"the loss was no longer a number at step {state.step}; {state_of_file}. "
        "Try a lower `lr`, a smaller `clip`, a longer `warmup` or `precision='float32'`."
    )
