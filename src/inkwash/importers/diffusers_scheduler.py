"""What a scheduler's configuration of diffusers says, as a process and a sampler."""

import math
from pathlib import Path
from typing import Any

import torch

from inkwash.errors import UsageError
from inkwash.foreign import harmless
from inkwash.importers.diffusers_config import UNLIMITED, SchedulerConfig, read
from inkwash.importers.saved import schedule_of
from inkwash.settings import Process, Sampler

_SCHEDULES = {"linear": "linear", "scaled_linear": "scaled-linear", "squaredcos_cap_v2": "cosine"}
_PREDICTIONS = {"epsilon": "eps", "sample": "x0", "v_prediction": "v"}


def scheduled(config: dict[str, Any], path: Path) -> tuple[Process, Sampler, list[str]]:
    """The process and the sampler of a configuration, and sentences on what it says that inkwash does not have.

    Raises UsageError for another scheduler than DDPM's and DDIM's, and for what would give the weights another meaning.
    """
    name = config.get("_class_name", "DDPMScheduler")
    if name not in ("DDPMScheduler", "DDIMScheduler"):
        raise UsageError(
            f"{path} is of a {harmless(str(name))}; inkwash reads DDPMScheduler and DDIMScheduler. Convert it with "
            "DDIMScheduler.from_config, and save the pipeline."
        )
    said = read(SchedulerConfig, config, path)
    process = _process(said, path)
    limit, told = _limit(said)
    if said.timestep_spacing == "leading" and said.steps_offset:
        told.append(f"Its scheduler begins at row {said.steps_offset} (steps_offset); inkwash's steps begin at row 0.")
    if said.timestep_spacing == "linspace" and name == "DDIMScheduler":
        told.append("Its DDIM with linspace steps to other levels than it visits next; inkwash steps to these.")
    if not said.set_alpha_to_one:
        told.append("Its scheduler ends at the noise of row 0 (set_alpha_to_one false); inkwash ends without noise.")
    if name == "DDIMScheduler":
        steps = min(50, process.timesteps)
        return process, Sampler("ddim", steps, spacing=said.timestep_spacing, limit=limit), told
    variance = "large" if said.variance_type == "fixed_large" else "small"
    sampler = Sampler("ddpm", process.timesteps, variance=variance, spacing=said.timestep_spacing, limit=limit)  # type: ignore[arg-type]
    return process, sampler, told


def _process(said: SchedulerConfig, path: Path) -> Process:
    prediction, schedule, count = (
        _PREDICTIONS[said.prediction_type],
        _SCHEDULES[said.beta_schedule],
        said.num_train_timesteps,
    )
    ends: tuple[float | None, float | None] = (said.beta_start, said.beta_end)
    if said.trained_betas is not None:
        schedule, found = schedule_of(torch.tensor(said.trained_betas, dtype=torch.float64), path)
        count, ends = len(said.trained_betas), found or (None, None)
    if said.rescale_betas_zero_snr:
        if "linear" not in schedule or said.trained_betas is not None:
            raise UsageError(f"{path} has rescale_betas_zero_snr for another schedule than linear and scaled_linear.")
        schedule = f"{schedule}-zero-snr"
    return Process(schedule, count, *(ends if "linear" in schedule else (None, None)), prediction)


def _limit(said: SchedulerConfig) -> tuple[str, list[str]]:
    """The limit on x̂₀, and what of theirs it is not."""
    most, ratio = said.sample_max_value, said.dynamic_thresholding_ratio
    if said.thresholding and most > 1:
        exact = math.isclose(ratio, 0.995) and most >= UNLIMITED
        theirs = f"Its scheduler's thresholding has the ratio {ratio:g} and the bound {most:g}"
        return "dynamic", [] if exact else [f"{theirs}; inkwash's dynamic thresholding has 0.995 and no bound."]
    if said.thresholding:
        return "clip", []
    if not said.clip_sample:
        return "none", []
    if said.clip_sample_range == 1:
        return "clip", []
    return "none", [f"Its scheduler clips images to ±{said.clip_sample_range:g}; the run is sampled without a limit."]
