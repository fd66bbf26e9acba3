"""The kinds of function that are checked: what courses call them and their arguments, and what is right.

A kind is a row of KINDS. `roles` are the arguments in the courses' order, each with the names that stand for it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from inkwash.check import formulas
from inkwash.check.case import SIDE, Case, make_case
from inkwash.check.flow_case import make_flow_case
from inkwash.check.formulas import Formula

X0 = "x0 x_0 x_start x0_hat x_0_hat pred_x0 x_clean clean original_samples original image images img imgs x"
EPS = "eps noise epsilon eta eps_theta eps_hat pred_noise noise_pred e z"
XT = "x_t xt noisy x_noisy noisy_image sample x img"
TIME = "t timestep timesteps time time_step ts"
MODEL = "model net network unet denoiser eps_model denoise_fn"
EXTRA = "model_kwargs kwargs cond y c labels class_labels text_emb"


@dataclass(frozen=True)
class Reading:
    """One formula that is right, and what it is called where several are."""

    formula: Formula
    words: str = ""
    only_with: str = ""  # argument names that this reading needs one of; "" for any
    without: str = ""  # a method that the page's class must not have


@dataclass(frozen=True)
class Kind:
    """One kind of function."""

    name: str
    says: str  # the formula, for the table
    names: str  # names of functions and methods
    roles: dict[str, str]
    readings: tuple[Reading, ...]
    cases: Callable[[Tensor, str], list[Any]]  # (betas, what the network predicts)
    observed: str = "value"  # how: value, step, pair, loss, cfg
    parts: tuple[str, ...] = ("result",)
    needs: tuple[str, ...] = ()  # roles without which a function of this name is another thing
    by_row: bool = False  # whether t is a number, rather than one for each image
    batched: bool = True  # whether there are times at all


def _spread(betas: Tensor) -> list[int]:
    T = len(betas)
    return [0, max(T // 10, 1), T // 4, T // 2, T - 1]


def plain_cases(betas: Tensor, predicts: str) -> list[Case]:
    """One batch with five times, the ends among them."""
    times = _spread(betas)
    return [make_case(betas, times, [t - 1 for t in times], predicts=predicts)]


def dividing_cases(betas: Tensor, predicts: str) -> list[Case]:
    """As `plain_cases`, but the last time is one at which √ᾱ can be divided by."""
    times = [*_spread(betas)[:-1], 3 * len(betas) // 4]
    return [make_case(betas, times, [t - 1 for t in times], predicts=predicts)]


def ddpm_cases(betas: Tensor, predicts: str) -> list[Case]:
    """Steps from t to t − 1."""
    return dividing_cases(betas, predicts)


def ddim_cases(betas: Tensor, predicts: str) -> list[Case]:
    """Steps to t − 1 and of a tenth of T, without noise, with some, and with all."""
    [one] = dividing_cases(betas, predicts)
    k = max(len(betas) // 10, 2)
    far = torch.where(one.t >= k, one.t - k, -1)
    return [replace(one, s=far, eta=0.0), replace(one, s=far, eta=0.36), replace(one, eta=0.36), replace(one, eta=1.0)]


def loss_cases(betas: Tensor, predicts: str) -> list[Case]:
    """Five batches, for a loss is a single number."""
    T = len(betas)
    times = [[(7 * i + 3 * seed * T // 11 + i * T // 6) % T for i in range(SIDE)] for seed in range(SIDE)]
    return [make_case(betas, row, [t - 1 for t in row], seed, predicts=predicts) for seed, row in enumerate(times)]


def scaled_cases(betas: Tensor, predicts: str) -> list[Case]:
    """Three strengths of guidance."""
    [one] = plain_cases(betas, predicts)
    return [replace(one, w=w) for w in (0.5, 2.0, 7.5)]


def flow_cases(betas: Tensor, predicts: str) -> list[Any]:
    """Five batches of flow matching."""
    return [make_flow_case(seed) for seed in range(SIDE)]


def _backwards(formula: Formula) -> Formula:
    """A flow whose t = 1 is noise, as where x₀ is the image and ε the noise."""
    return lambda c: formula(replace(c, data=c.noise, noise=c.data))


NOISE_NAMES = "noise eps epsilon z"
NOISED = {"x0": X0, "t": TIME, "eps": EPS}
KINDS = (
    Kind(
        "add_noise",
        "x_t = √ᾱ_t·x₀ + √(1 − ᾱ_t)·ε",
        "add_noise q_sample perturb_x diffuse noise_images forward_process forward",
        NOISED,
        (Reading(formulas.noised),),
        plain_cases,
        needs=("x0", "t"),
    ),
    Kind(
        "get_velocity",
        "v = √ᾱ_t·ε − √(1 − ᾱ_t)·x₀",
        "get_velocity velocity predict_v get_v",
        {"x0": X0, "eps": EPS, "t": TIME},
        (Reading(formulas.velocity),),
        plain_cases,
        needs=("x0", "eps", "t"),
    ),
    Kind(
        "predict_start_from_noise",
        "x₀ = (x_t − √(1 − ᾱ_t)·ε)/√ᾱ_t",
        "predict_start_from_noise predict_xstart_from_eps predict_x0_from_eps predict_x0 get_x0",
        {"x": XT, "t": TIME, "eps": EPS},
        (Reading(formulas.start_from_noise),),
        dividing_cases,
        needs=("x", "t", "eps"),
    ),
    Kind(
        "predict_noise_from_start",
        "ε = (x_t − √ᾱ_t·x₀)/√(1 − ᾱ_t)",
        "predict_noise_from_start predict_eps_from_xstart predict_eps_from_x0",
        {"x": XT, "t": TIME, "x0": X0},
        (Reading(formulas.noise_from_start),),
        plain_cases,
        needs=("x", "t", "x0"),
    ),
    Kind(
        "q_posterior",
        "mean √ᾱ_{t−1}·β_t/(1 − ᾱ_t)·x₀ + √α_t·(1 − ᾱ_{t−1})/(1 − ᾱ_t)·x_t, std √β̃_t",
        "q_posterior q_posterior_mean_std posterior",
        {"x0": X0.removesuffix(" x"), "x": XT, "t": TIME},
        (Reading(formulas.posterior),),
        dividing_cases,
        observed="pair",
        parts=("coefficient of x₀", "coefficient of x_t", "standard deviation"),
        needs=("x0", "x", "t"),
    ),
    Kind(
        "denoise",
        "x_s = √ᾱ_s·x̂₀ + √(1 − ᾱ_s − σ²)·ε̂ + σ·z",
        "denoise step ddim_step ddim_sample p_sample_ddim",
        {"model": MODEL, "output": "model_output eps_theta noise_pred output eps eps_hat", "x": XT, "t": TIME,
         "s": "t_prev prev_t s t_next prev_timestep tprev", "eta": "eta", "extra": EXTRA},
        (
            Reading(formulas.ddim_of_lab, "σ² = η·β̃, the lab's η"),
            Reading(formulas.ddim_of_paper, "σ = η·√β̃, the paper's η"),
        ),
        ddim_cases,
        observed="step",
        parts=("mean", "noise"),
        needs=("x", "t", "s", "eta"),
        by_row=True,
    ),
    Kind(
        "p_sample",
        "x_{t−1} = mean of q(x_{t−1} | x_t, x̂₀) + σ·z, no noise in the last step",
        "p_sample denoise step ddpm_step sample_step backward_step reverse_step",
        {"model": MODEL, "output": "model_output eps_theta noise_pred output eps eps_hat", "x": XT, "t": TIME,
         "extra": EXTRA},
        (
            Reading(formulas.ddpm, "σ² = β̃"),
            Reading(formulas.ddpm_large, "σ² = β"),
        ),
        ddpm_cases,
        observed="step",
        parts=("mean", "noise"),
        needs=("x", "t"),
        by_row=True,
    ),
    Kind(
        "remove_noise",
        "mean (x_t − β_t/√(1 − ᾱ_t)·ε̂)/√α_t",
        "remove_noise p_mean",
        {"model": MODEL, "x": XT, "t": TIME, "extra": EXTRA},
        (Reading(formulas.mean_alone),),
        ddpm_cases,
        observed="step",
        parts=("mean", "noise"),
        needs=("x", "t"),
    ),
    Kind(
        "p_losses",
        "mean of (network(x_t, t) − ε)²",
        "p_losses get_losses get_loss compute_loss training_loss training_losses diffusion_loss loss_fn",
        {"model": MODEL, "x0": X0, "t": TIME, "eps": EPS, "extra": EXTRA},
        (Reading(formulas.loss), Reading(formulas.loss_by_snr, "weighted by ᾱ/(1 − ᾱ)"),
         Reading(formulas.loss_of_given, "the images are taken as they are", without="normalize")),
        loss_cases,
        observed="loss",
        needs=("x0",),
    ),
    Kind("normalize", "[0, 1] to [−1, 1]: 2·x − 1", "normalize normalise normalize_to_neg_one_to_one", {"x": X0},
         (Reading(formulas.normalized),), plain_cases, batched=False, needs=("x",)),
    Kind("unnormalize", "[−1, 1] to [0, 1]: (x + 1)/2",
         "unnormalize unnormalise denormalize unnormalize_to_zero_to_one",
         {"x": X0}, (Reading(formulas.unnormalized),), plain_cases, batched=False, needs=("x",)),
    Kind(
        "cfg_forward",
        "(1 + w)·F(x, text) − w·F(x, no text)",
        "cfg_forward forward_with_cfg",
        {"x": XT, "t": TIME, "extra": EXTRA},
        (Reading(formulas.guided),),
        scaled_cases,
        observed="cfg",
        needs=("x", "t", "extra"),
    ),
    Kind(
        "guide",
        "unconditional + s·(conditional − unconditional)",
        "guide guidance cfg apply_cfg classifier_free_guidance guided_noise",
        {"x0": "cond conditional cond_out eps_cond eps_c text with_text out_cond",
         "eps": "uncond unconditional uncond_out eps_uncond eps_u no_text without_text null out_uncond",
         "w": "scale guidance_scale gamma s cfg_scale w guidance guidance_weight"},
        (Reading(formulas.guided_by_scale, "the scale s"), Reading(formulas.guided, "w with s = 1 + w", "w")),
        scaled_cases,
        batched=False,
        needs=("x0", "eps", "w"),
    ),
    Kind("score_from_noise", "score = −ε/√(1 − ᾱ_t)", "score_from_noise eps_to_score score_from_eps",
         {"eps": EPS, "t": TIME}, (Reading(formulas.score),), plain_cases, needs=("eps", "t")),
    Kind("probability_flow", "dx/dt = −½·β·(x + score)", "probability_flow probability_flow_drift pf_ode ode_drift",
         {"x0": XT, "eps": "score score_x s", "w": "beta beta_t b"}, (Reading(formulas.probability_flow),),
         scaled_cases, batched=False, needs=("x0", "eps", "w")),
    Kind(
        "interpolate",
        "x_t = (1 − t)·noise + t·data",
        "interpolate flow_sample sample_path sample_xt add_noise_flow flow_interpolate",
        {"noise": f"{NOISE_NAMES} x_noise x0 x_0", "data": "x1 x_1 data x_data x images image x0 x_0", "t": TIME},
        (Reading(formulas.flow_point), Reading(_backwards(formulas.flow_point), "t = 1 is noise", NOISE_NAMES)),
        flow_cases,
        needs=("noise", "data", "t"),
    ),
    Kind(
        "flow_velocity",
        "u = data − noise",
        "flow_velocity flow_target velocity_target target_velocity get_flow_target conditional_velocity",
        {"noise": f"{NOISE_NAMES} x_noise x0 x_0", "data": "x1 x_1 data x_data x images image x0 x_0", "t": TIME},
        (Reading(formulas.flow_velocity), Reading(_backwards(formulas.flow_velocity), "t = 1 is noise", NOISE_NAMES)),
        flow_cases,
        needs=("noise", "data"),
    ),
    Kind("flow_step", "x + Δt·u(x, t)", "flow_step euler_step",
         {"model": MODEL, "x": XT, "t": TIME, "dt": "dt h step_size"}, (Reading(formulas.flow_step),), flow_cases,
         needs=("model", "x", "t", "dt")),
    Kind("flow_loss", "mean of (network(x_t, t) − (data − noise))²", "flow_loss flow_matching_loss cfm_loss fm_loss",
         {"model": MODEL, "data": "x1 x_1 data x_data x images image x0 x_0", "extra": EXTRA},
         (Reading(formulas.flow_loss),), flow_cases, observed="loss", needs=("data",)),
)  # fmt: skip
BY_NAME = {kind.name: kind for kind in KINDS}
