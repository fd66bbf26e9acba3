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
from inkwash.training.checkpoint import BEST, LAST, save
from inkwash.training.objective import Objective, StepRandomness
from inkwash.training.progress import Progress, Saved, Step
from inkwash.training.rates import rate
from inkwash.training.state import State

LOG_EVERY = 10  # steps between reports, each of which waits for the device


def train(
    state: State,
    objective: Objective,
    batches: Batches,
    held_out: Batch,
    settings: Training,
    folder: Path,
    about: dict[str, Any],
    accelerator: Accelerator,
    stop: Callable[[], bool] = lambda: False,
) -> Generator[Progress, None, None]:
    """Trains `state` for its remaining steps, or until `stop()` is true, and writes checkpoints into `folder`.

    `held_out` holds images that are not trained on. `about` is stored in every checkpoint; a checkpoint can be opened
    as a run if `about` comes from `runs.record.about`. A checkpoint of the last completed step is always written,
    also if an image cannot be read (by a single process; several cannot save together then), whose error is raised.
    Raises InkwashError if the loss is not finite; the last checkpoint then holds the last good state.
    """
    model = state.denoiser if state.sharded else accelerator.prepare_model(state.denoiser)
    if settings.minutes is not None and state.seconds > 0:
        state.steps = _steps_in(settings.minutes, state, state.step / state.seconds)
    if not state.held_out:
        yield _saved(state, objective, held_out, settings, folder, about, accelerator)
    began, before, first = time.perf_counter(), state.seconds, state.step
    losses, counted = torch.zeros((), device=accelerator.device), 0
    alone = accelerator.num_processes == 1
    with closing(batches.walk(state.step)) as walk:
        while state.step < state.steps:
            try:
                batch = next(walk)
            except Exception as error:  # an image that cannot be read, or a source of one's own that fails
                if alone and state.step > state.held_out[-1][0]:  # several processes cannot save together any more
                    yield _saved(state, objective, held_out, settings, folder, about, accelerator)
                    if isinstance(error, InkwashError):
                        raise type(error)(f"{error} Step {state.step} is saved; go on with `resume=True`.") from error
                raise
            losses += _update(state, model, objective, batch, settings, accelerator)
            state.step, counted = state.step + 1, counted + 1
            state.ema.update(state.denoiser, state.step)
            # processes must stop together, so with several of them stop() takes effect only at reports
            if state.step % LOG_EVERY == 0 or state.step == state.steps or (alone and stop()):
                loss, elapsed, halt = _agreed(accelerator, losses / counted, time.perf_counter() - began, stop())
                losses, counted = losses.zero_(), 0
                state.seconds = before + elapsed
                speed = (state.step - first) / elapsed
                if not math.isfinite(loss):
                    raise _diverged(state, folder)
                if settings.minutes is not None:
                    state.steps = _steps_in(settings.minutes, state, speed)
                state.history.append((state.step, loss))
                images = state.step * settings.batch_size
                lr = rate(settings, state.step - 1, state.steps)
                yield Step(state.step, state.steps, loss, lr, images, state.seconds, speed * settings.batch_size)
                if halt:
                    yield _saved(state, objective, held_out, settings, folder, about, accelerator)
                    return
            if state.step % settings.save_every == 0 or state.step >= state.steps:
                yield _saved(state, objective, held_out, settings, folder, about, accelerator)


def _update(
    state: State,
    model: nn.Module,
    objective: Objective,
    batch: Batch,
    settings: Training,
    accelerator: Accelerator,
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
    total = torch.zeros((), device=accelerator.device)
    parts = torch.arange(own).chunk(settings.accumulate)
    for i, part in enumerate(parts):
        which = slice(int(part[0]), int(part[-1]) + 1)
        with nullcontext() if i == len(parts) - 1 else accelerator.no_sync(model):
            condition = None if batch.condition is None else batch.condition[which]
            loss = objective(model, batch.images[which], randomness.part(which), condition).sum() / own
            accelerator.backward(loss)
        total += loss.detach()
    nn.utils.clip_grad_norm_(state.denoiser.parameters(), settings.clip or math.inf)
    state.optimizer.step()
    state.optimizer.zero_grad()
    return total


def held_out_loss(denoiser: nn.Module, objective: Objective, held_out: Batch) -> float:
    """The mean loss on a batch of any size, with the same levels, noise and dropped conditions at every call."""
    images, condition = held_out.images, held_out.condition
    with torch.no_grad():
        randomness = StepRandomness.of(0, tuple(images.shape), images.device)
        parts = [slice(i, i + 128) for i in range(0, len(images), 128)]
        losses = [
            objective(denoiser, images[part], randomness.part(part), None if condition is None else condition[part])
            for part in parts
        ]
    return torch.cat(losses).mean().item()


def _saved(
    state: State,
    objective: Objective,
    held_out: Batch,
    settings: Training,
    folder: Path,
    about: dict[str, Any],
    accelerator: Accelerator,
) -> Saved:
    loss = held_out_loss(state.ema.model, objective, held_out)  # on all processes: a sharded network needs all
    if not math.isfinite(loss):
        raise _diverged(state, folder)
    best = loss < state.best
    state.best = min(loss, state.best)
    state.held_out.append((state.step, loss))
    about = {**about, "images_seen": state.step * settings.batch_size}
    checkpoint = state.checkpoint(about, accelerator.is_main_process)
    if accelerator.is_main_process:
        if best:  # first, so that a process killed between the two writes it again when it resumes
            save(folder / BEST, checkpoint)
        save(folder / LAST, checkpoint)
    accelerator.wait_for_everyone()
    return Saved(folder / LAST, state.step, loss, best)


def _steps_in(minutes: float, state: State, speed: float) -> int:
    """The total number of steps that fit into a training of so many minutes, at `speed` steps per second."""
    return state.step + max(0, round((60 * minutes - state.seconds) * speed))


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
