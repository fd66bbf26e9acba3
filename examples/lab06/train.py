"""The lab's train.py, its loop in the open. Same seed, same bits as `inkwash train lab06-eps` (or lab06-v).

python examples/lab06/train.py --prediction eps --out runs/lab06
"""

import sys
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from dataclasses import replace
from math import isfinite
from pathlib import Path
from time import perf_counter

import torch
import torch.nn.functional as F
from scheduler import DDIMScheduler
from tqdm import trange
from unet import UNet

from inkwash import recipes
from inkwash.core import V, mix
from inkwash.data import Batch, Batches, describe, load, to_float
from inkwash.denoise import Denoiser
from inkwash.errors import InkwashError, UsageError
from inkwash.runs import build, machine, record
from inkwash.runs.fit import HELD_OUT
from inkwash.settings import RunSettings
from inkwash.training import State, StepRandomness, held_out_loss, save
from inkwash.training.checkpoint import LAST
from inkwash.training.loop import LOG_EVERY


def train(run: RunSettings, out: Path, data_dir: Path | None = None) -> None:
    """Trains `run` and writes a checkpoint into `out`, which `inkwash sample` and infer.py read."""
    settings = run.training
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"--out {out} is not an empty folder; choose another.")
    device = machine.device(settings.device)
    precision = machine.precision(settings, device)
    source, test = (load(run.data.source, split, data_dir=data_dir, size=run.data.size) for split in ("train", "test"))
    batches = Batches(source, settings.batch_size, settings.seed, device=device)
    first = torch.arange(min(len(test), HELD_OUT))
    kept = Batch(to_float(test.take(first)).to(device), None, first)  # never trained on

    torch.manual_seed(settings.seed)
    unet = UNet(source.shape[0])
    scheduler = DDIMScheduler(prediction=run.process.prediction, precision=precision)
    denoiser = Denoiser(unet, scheduler.prediction, precision=precision).to(device)
    state = State.fresh(denoiser, settings)  # with Adam, and a copy of the weights for sampling

    about = record.about(run, out, source, precision, data_dir=data_dir, notes=describe(source, test))

    def keep() -> None:
        loss = held_out_loss(state.ema.model, build.objective(run), kept)
        if not isfinite(loss):
            raise InkwashError(
                f"the loss was no longer a number at step {state.step}; {out} holds the last good weights."
            )
        state.held_out.append((state.step, loss))
        save(out / LAST, state.checkpoint({**about, "images_seen": state.step * settings.batch_size}))

    keep()
    began, losses = perf_counter(), []
    for step in (bar := trange(settings.steps, unit="step")):
        x0 = batches.at(step).images  # [B,C,32,32] in [−1, 1]
        # all chance of a step is a function of (seed, step), so that it can be repeated
        randomness = StepRandomness.of(mix(settings.seed, step), tuple(x0.shape), device)
        # 1. A time t for each image.
        t = scheduler.schedule.draw(randomness.uniform)  # [B]
        # 2. Unit Gaussian noise, as large as the images.
        eps = randomness.eps  # [B,C,32,32]
        # 3. x₀ with noise is x_t.
        x_t = scheduler.add_noise(x0, t, eps)
        # 4. What the network makes of x_t: ε_θ, or v_θ.
        predicted = scheduler.predict(unet, x_t, t)
        # 5. MSE against the truth; backward; one step of Adam.
        truth = scheduler.get_velocity(x0, eps, t) if isinstance(scheduler.prediction, V) else eps
        loss = F.mse_loss(predicted, truth)
        loss.backward()
        state.optimizer.step()
        state.optimizer.zero_grad()

        state.step += 1
        state.ema.update(denoiser, state.step)  # the lab averages nothing: with decay 0 this copies the weights
        losses.append(loss.detach())
        if state.step % LOG_EVERY == 0 or state.step == settings.steps:
            state.history.append((state.step, torch.stack(losses).mean().item()))
            state.seconds = perf_counter() - began
            losses.clear()
            bar.set_postfix(loss=f"{state.history[-1][1]:.4f}")
        if state.step % settings.save_every == 0 or state.step == settings.steps:
            keep()
    print(f"{out / LAST}: {state.step:,} steps, held-out loss {state.held_out[-1][1]:.4f}")


def main(argv: list[str] | None = None) -> None:
    """Runs the script and exits: 0 done, 1 failed, 2 asked wrongly."""
    lab = recipes.find("lab06-eps").training
    parser = ArgumentParser(
        "train.py", description="Train the lab's network.", formatter_class=ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--prediction", choices=("eps", "v"), default="eps", help="what the network predicts")
    parser.add_argument("--steps", type=int, default=lab.steps, help="optimiser steps")
    parser.add_argument("--batch-size", type=int, default=lab.batch_size, help="images a step")
    parser.add_argument("--seed", type=int, default=lab.seed, help="seed of everything random")
    parser.add_argument("--source", default="mnist", help="images; digits need no download")
    parser.add_argument(
        "--data-dir", type=Path, help="folder of the data sets; else $INKWASH_DATA, else a cache folder"
    )
    parser.add_argument("--out", type=Path, default="runs/lab06", help="folder for the checkpoint")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto", help="where to train")
    parser.add_argument(
        "--precision", choices=("auto", "float32", "bfloat16"), default="auto", help="inside the network"
    )
    args = parser.parse_args(argv)
    try:
        run = recipes.find(f"lab06-{args.prediction}")
        data = replace(run.data, source=args.source)
        training = replace(
            run.training, steps=args.steps, batch_size=args.batch_size, seed=args.seed, device=args.device,
            precision=args.precision,
        )  # fmt: skip
        train(replace(run, data=data, training=training), args.out, args.data_dir)
    except InkwashError as error:
        parser.exit(error.exit_code, f"train.py: {error}\n")
    except KeyboardInterrupt:
        parser.exit(1, "\ntrain.py: stopped.\n")


if __name__ == "__main__":
    main(sys.argv[1:])
