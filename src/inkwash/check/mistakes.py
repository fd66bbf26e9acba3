"""The likely mistakes, one row each: a name, the kinds of function it is made in, a sentence, and the wrong formula.

A mistake is recognised by its numbers: the wrong formula is evaluated on the same inputs and compared with what the
page returned. Where several rows fit, the first one is named.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from inkwash.check import formulas as f
from inkwash.check.case import Case
from inkwash.check.flow_case import FlowCase
from inkwash.check.formulas import Formula, Parts


@dataclass(frozen=True)
class Mistake:
    """One row."""

    name: str
    kinds: str
    says: str
    wrong: Formula


def _step(c: Case, std: Tensor, mean_std: Tensor | None = None) -> Parts:
    return f.ddim(c, std if mean_std is None else mean_std), std * c.z


def _no_division(c: Case) -> Parts:
    return (c.x - (1 - c.abar).sqrt() * c.eps,)


def _wrapped(c: Case) -> Parts:
    """ᾱ of row −1 is that of the last row, as Python's negative index has it."""
    edited = replace(c, s=torch.where(c.s < 0, c.steps - 1, c.s))
    std = (c.eta * edited.beta_tilde).sqrt()
    return f.ddim(edited, std), std * c.z


def _last_noise(c: Case) -> Parts:
    """The noise of β or of the row's own β̃, in the last step too."""
    std = torch.where(c.along(c.s) < 0, c.beta_t.sqrt(), c.beta_tilde.sqrt())
    return f.ddim(c, c.beta_tilde.sqrt()), std * c.z


def _all_noise(c: Case) -> Parts:
    """The noise of β, in the last step too."""
    return f.ddim(c, c.beta_tilde.sqrt()), c.beta_t.sqrt() * c.z


def _posterior(c: Case, first: Tensor, second: Tensor | None = None, std: Tensor | None = None) -> Parts:
    of_x = (1 - c.beta).sqrt() * (1 - c.abar_s) / (1 - c.abar) if second is None else second
    return first * c.x0, of_x * c.x, c.beta_tilde.sqrt() if std is None else std


def _first(c: Case) -> Tensor:
    return c.abar_s.sqrt() * c.beta / (1 - c.abar)


def _ho(c: Case, factor: Tensor, divide: Tensor) -> Parts:
    """A step by the formula of Ho et al. 2020, algorithm 2, with another factor of ε̂ or another divisor."""
    return (c.x - factor * c.eps_hat) / divide, c.beta_tilde.sqrt() * c.z


def _right_factor(c: Case) -> Tensor:
    return c.beta / (1 - c.abar).sqrt()


def _loss(c: Case, wanted: Tensor) -> Parts:
    return (f.errors(c, c.x0, wanted).square().mean().view(1),)


def _backwards_loss(c: FlowCase, wanted: Tensor) -> Parts:
    x = (1 - c.t) * c.data + c.t * c.noise
    return ((c.network(x, c.t) - wanted).square().mean().view(1),)


STEP = "denoise p_sample"
MISTAKES = (
    # ---- noising, velocity, and what each network's output means
    Mistake("no-roots", "add_noise", "ᾱ_t and 1 − ᾱ_t stand without their square roots.",
            lambda c: (c.abar * c.x0 + (1 - c.abar) * c.eps,)),
    Mistake("variance-for-std", "add_noise",
            "ε is multiplied by the variance 1 − ᾱ_t; the standard deviation √(1 − ᾱ_t) belongs there.",
            lambda c: (c.abar.sqrt() * c.x0 + (1 - c.abar) * c.eps,)),
    Mistake("root-missing-at-x0", "add_noise", "x₀ is multiplied by ᾱ_t; √ᾱ_t belongs there.",
            lambda c: (c.abar * c.x0 + (1 - c.abar).sqrt() * c.eps,)),
    Mistake("one-minus-the-root", "add_noise", "ε is multiplied by 1 − √ᾱ_t; √(1 − ᾱ_t) belongs there.",
            lambda c: (c.abar.sqrt() * c.x0 + (1 - c.abar.sqrt()) * c.eps,)),
    Mistake("alpha-for-alpha-bar", "add_noise",
            "α_t = 1 − β_t is used, the noise of one step; ᾱ_t, the product of all α up to t, belongs there.",
            lambda c: ((1 - c.beta_t).sqrt() * c.x0 + c.beta_t.sqrt() * c.eps,)),
    Mistake("x0-and-eps-exchanged", "add_noise", "x₀ and ε are exchanged.",
            lambda c: ((1 - c.abar).sqrt() * c.x0 + c.abar.sqrt() * c.eps,)),
    Mistake("clamped-result", "add_noise",
            "x_t is clamped to [−1, 1]; noise leaves that range, so the clamp destroys it.",
            lambda c: (f.noised(c)[0].clamp(-1, 1),)),
    Mistake("v-sign", "get_velocity", "v has the wrong sign: √ᾱ_t·ε − √(1 − ᾱ_t)·x₀, not its negative.",
            lambda c: (-f.velocity(c)[0],)),
    Mistake("v-plus", "get_velocity", "the two terms of v are added; x₀'s is subtracted.",
            lambda c: (c.abar.sqrt() * c.eps + (1 - c.abar).sqrt() * c.x0,)),
    Mistake("v-exchanged", "get_velocity", "the roots are exchanged: √ᾱ_t multiplies ε, and √(1 − ᾱ_t) x₀.",
            lambda c: ((1 - c.abar).sqrt() * c.eps - c.abar.sqrt() * c.x0,)),
    Mistake("v-exchanged", "get_velocity", "the roots are exchanged: √ᾱ_t multiplies ε, and √(1 − ᾱ_t) x₀.",
            lambda c: (c.abar.sqrt() * c.x0 - (1 - c.abar).sqrt() * c.eps,)),
    Mistake("no-roots", "get_velocity", "ᾱ_t and 1 − ᾱ_t stand without their square roots.",
            lambda c: (c.abar * c.eps - (1 - c.abar) * c.x0,)),
    Mistake("flow-for-v", "get_velocity", "ε − x₀ is the velocity of flow matching; v has the coefficients √ᾱ_t and "
            "√(1 − ᾱ_t).", lambda c: (c.eps - c.x0,)),
    Mistake("not-divided", "predict_start_from_noise", "the division by √ᾱ_t is missing.", _no_division),
    Mistake("no-roots", "predict_start_from_noise", "ᾱ_t and 1 − ᾱ_t stand without their square roots.",
            lambda c: ((c.x - (1 - c.abar) * c.eps) / c.abar,)),
    Mistake("root-missing-at-the-division", "predict_start_from_noise", "it is divided by ᾱ_t; √ᾱ_t belongs there.",
            lambda c: ((c.x - (1 - c.abar).sqrt() * c.eps) / c.abar,)),
    Mistake("variance-for-std", "predict_start_from_noise", "ε is multiplied by the variance 1 − ᾱ_t; the standard "
            "deviation √(1 − ᾱ_t) belongs there.", lambda c: ((c.x - (1 - c.abar) * c.eps) / c.abar.sqrt(),)),
    Mistake("sign", "predict_start_from_noise", "ε's term is added; it is subtracted.",
            lambda c: ((c.x + (1 - c.abar).sqrt() * c.eps) / c.abar.sqrt(),)),
    Mistake("clamped-result", "predict_start_from_noise", "x₀ is clamped here; the clamp belongs into p_sample, where "
            "it is seen.", lambda c: (f.start_from_noise(c)[0].clamp(-0.5, 0.5),)),
    Mistake("not-divided", "predict_noise_from_start", "the division by √(1 − ᾱ_t) is missing.",
            lambda c: (c.x - c.abar.sqrt() * c.x0,)),
    Mistake("no-roots", "predict_noise_from_start", "ᾱ_t and 1 − ᾱ_t stand without their square roots.",
            lambda c: ((c.x - c.abar * c.x0) / (1 - c.abar),)),
    Mistake("variance-for-std", "predict_noise_from_start",
            "it is divided by the variance 1 − ᾱ_t; √(1 − ᾱ_t) belongs there.",
            lambda c: ((c.x - c.abar.sqrt() * c.x0) / (1 - c.abar),)),
    Mistake("sign", "score_from_noise", "the score points towards the data: −ε/√(1 − ᾱ_t).",
            lambda c: (c.eps / (1 - c.abar).sqrt(),)),
    Mistake("variance-for-std", "score_from_noise", "it is divided by the variance 1 − ᾱ_t; √(1 − ᾱ_t) belongs there.",
            lambda c: (-c.eps / (1 - c.abar),)),
    # ---- the posterior
    Mistake("beta-inside-the-root", "q_posterior",
            "β_t stands inside the root of x₀'s coefficient, as in some prints: √ᾱ_{t−1}·β_t/(1 − ᾱ_t) is right.",
            lambda c: _posterior(c, (c.abar_s * c.beta).sqrt() / (1 - c.abar))),
    Mistake("variance-for-std", "q_posterior", "the variance β̃_t is returned; the standard deviation is its root.",
            lambda c: _posterior(c, _first(c), std=c.beta_tilde)),
    Mistake("beta-for-beta-tilde", "q_posterior", "√β_t is returned; the posterior's variance is β̃_t.",
            lambda c: _posterior(c, _first(c), std=c.beta.sqrt())),
    Mistake("root-under-beta-tilde", "q_posterior", "a root stands over the denominator of β̃_t, as on a slide: it is "
            "(1 − ᾱ_{t−1})/(1 − ᾱ_t)·β_t.",
            lambda c: _posterior(c, _first(c), std=((1 - c.abar_s) / (1 - c.abar).sqrt() * c.beta).sqrt())),
    Mistake("alpha-bar-of-t", "q_posterior", "x₀'s coefficient has ᾱ_t where ᾱ_{t−1} belongs.",
            lambda c: _posterior(c, c.abar.sqrt() * c.beta / (1 - c.abar))),
    Mistake("root-missing-at-alpha", "q_posterior", "x_t's coefficient has α_t; √α_t belongs there.",
            lambda c: _posterior(c, _first(c), (1 - c.beta) * (1 - c.abar_s) / (1 - c.abar))),
    Mistake("coefficients-exchanged", "q_posterior", "the coefficients of x₀ and x_t are exchanged.",
            lambda c: _posterior(c, (1 - c.beta).sqrt() * (1 - c.abar_s) / (1 - c.abar), _first(c))),
    # ---- one step of sampling
    Mistake("noise-in-the-last-step", "p_sample", "noise is added in the last step too; the finished image has none.",
            _last_noise),
    Mistake("noise-in-the-last-step", "p_sample", "noise is added in the last step too; the finished image has none.",
            _all_noise),
    Mistake("variance-for-std", "denoise",
            "the noise is multiplied by the variance η·β̃; the standard deviation is √(η·β̃).",
            lambda c: _step(c, c.eta * c.beta_tilde)),
    Mistake("variance-for-std", "denoise", "the noise is multiplied by the variance; its root belongs there.",
            lambda c: _step(c, c.eta * c.beta_tilde, (c.eta * c.beta_tilde).sqrt())),
    Mistake("variance-for-std", "denoise", "the noise is multiplied by the variance; its root belongs there.",
            lambda c: _step(c, c.eta**2 * c.beta_tilde, c.eta * c.beta_tilde.sqrt())),
    Mistake("variance-for-std", "p_sample", "the noise is multiplied by the variance β̃; √β̃ belongs there.",
            lambda c: _step(c, c.beta_tilde, c.beta_tilde.sqrt())),
    Mistake("variance-for-std", "p_sample", "the noise is multiplied by the variance β; √β belongs there.",
            lambda c: _step(c, torch.where(c.along(c.s) < 0, 0.0, c.beta), c.beta_tilde.sqrt())),
    Mistake("whole-variance", "denoise",
            "the noise has the variance η²·(1 − ᾱ_t), that of all the noise in x_t; a step adds η²·β̃.",
            lambda c: _step(c, c.eta * (1 - c.abar).sqrt())),
    Mistake("whole-variance", "denoise",
            "the noise has the variance η²·(1 − ᾱ_s), that of all the noise in x_s; a step adds η²·β̃.",
            lambda c: _step(c, c.eta * (1 - c.abar_s).sqrt())),
    Mistake("sigma-not-subtracted", "denoise",
            "the direction is √(1 − ᾱ_s)·ε̂ with noise on top; √(1 − ᾱ_s − σ²) makes room for the noise.",
            lambda c: _step(c, (c.eta * c.beta_tilde).sqrt(), torch.zeros_like(c.abar))),
    Mistake("sigma-not-subtracted", "denoise",
            "the direction is √(1 − ᾱ_s)·ε̂ with noise on top; √(1 − ᾱ_s − σ²) makes room for the noise.",
            lambda c: _step(c, c.eta * c.beta_tilde.sqrt(), torch.zeros_like(c.abar))),
    Mistake("eps-under-the-root", "denoise", "ε̂ stands under the root, as in one print; it is multiplied by it.",
            lambda c: (c.abar_s.sqrt() * c.x0_hat + (1 - c.abar_s - c.eta * c.beta_tilde * c.eps_hat).sqrt(),
                       (c.eta * c.beta_tilde).sqrt() * c.z)),
    Mistake("direction-without-root", "denoise", "the direction has 1 − ᾱ_s − σ² without its square root.",
            lambda c: (c.abar_s.sqrt() * c.x0_hat + (1 - c.abar_s - c.eta * c.beta_tilde) * c.eps_hat,
                       (c.eta * c.beta_tilde).sqrt() * c.z)),
    Mistake("root-under-beta-tilde", "denoise", "a root stands over the denominator of β̃, as on the slide: it is "
            "(1 − ᾱ_s)/(1 − ᾱ_t)·β.",
            lambda c: _step(c, (c.eta * (1 - c.abar_s) / (1 - c.abar).sqrt() * c.beta).sqrt())),
    Mistake("beta-of-one-step", "denoise",
            "β_t of a single step is used where the step skips times; there β is 1 − ᾱ_t/ᾱ_s.",
            lambda c: _step(c, (c.eta * (1 - c.abar_s) / (1 - c.abar) * c.beta_t).sqrt())),
    Mistake("beta-of-one-step", "denoise",
            "β_t of a single step is used where the step skips times; there β is 1 − ᾱ_t/ᾱ_s.",
            lambda c: _step(c, c.eta * ((1 - c.abar_s) / (1 - c.abar) * c.beta_t).sqrt())),
    Mistake("negative-index", "denoise", "ᾱ of t_prev = −1 is read from the table, where −1 is the last row; the "
            "finished image has ᾱ = 1.", _wrapped),
    Mistake("no-noise", STEP, "no noise is added; a step with η > 0 adds σ·z.",
            lambda c: (f.ddim_of_lab(c)[0], torch.zeros_like(c.z))),
    Mistake("x0-not-divided", STEP, "x̂₀ is not divided by √ᾱ_t.",
            lambda c: f.ddim_of_lab(replace(c, reads="undivided" if c.predicts == "eps" else ""))),
    Mistake("alpha-bar-of-t", "denoise", "x̂₀ is multiplied by √ᾱ_t; √ᾱ_s, of the time it goes to, belongs there.",
            lambda c: (c.abar.sqrt() * c.x0_hat + (1 - c.abar_s - c.eta * c.beta_tilde).sqrt() * c.eps_hat,
                       (c.eta * c.beta_tilde).sqrt() * c.z)),
    Mistake("x0-for-eps", STEP, "the network's output is taken for x₀; it is ε.",
            lambda c: f.ddim_of_lab(replace(c, reads="x0"))),
    Mistake("x0-for-eps", "denoise", "the network's output is taken for x₀; it is ε.",
            lambda c: (c.abar_s.sqrt() * c.limit(c.output) + (1 - c.abar_s - c.eta * c.beta_tilde).sqrt() * c.output,
                       (c.eta * c.beta_tilde).sqrt() * c.z)),
    Mistake("eps-for-x0", STEP, "the network's output is taken for ε; it is x₀.",
            lambda c: f.ddim_of_lab(replace(c, reads="eps" if c.predicts == "x0" else c.predicts))),
    Mistake("eps-for-v", STEP, "the network's output is taken for ε; it is v.",
            lambda c: f.ddim_of_lab(replace(c, reads="eps" if c.predicts == "v" else c.predicts))),
    Mistake("v-sign", STEP, "x̂₀ from v has the wrong sign: x̂₀ = √ᾱ_t·x_t − √(1 − ᾱ_t)·v.",
            lambda c: f.ddim_of_lab(replace(c, reads="-v" if c.predicts == "v" else c.predicts))),
    Mistake("wrong-time", STEP, "the network is asked about t + 1; x_t is of time t.",
            lambda c: f.ddim_of_lab(c.asking(1))),
    Mistake("wrong-time", STEP, "the network is asked about t − 1; x_t is of time t.",
            lambda c: f.ddim_of_lab(c.asking(-1))),
    Mistake("clamped-result", STEP, "the result x_s is clamped to [−1, 1]; it still holds noise, which leaves that "
            "range. Clamp x̂₀.", lambda c: (f.ddim_of_lab(c)[0].clamp(-1, 1), f.ddim_of_lab(c)[1])),
    Mistake("variance-under-eps", "p_sample", "ε̂ is multiplied by β_t/(1 − ᾱ_t); the root √(1 − ᾱ_t) is missing.",
            lambda c: _ho(c, c.beta / (1 - c.abar), (1 - c.beta).sqrt())),
    Mistake("root-at-beta", "p_sample", "ε̂ is multiplied by √β_t/√(1 − ᾱ_t); β_t has no root there.",
            lambda c: _ho(c, c.beta.sqrt() / (1 - c.abar).sqrt(), (1 - c.beta).sqrt())),
    Mistake("root-missing-at-alpha", "p_sample", "it is divided by α_t; √α_t belongs there.",
            lambda c: _ho(c, _right_factor(c), 1 - c.beta)),
    Mistake("not-divided", "p_sample", "the division by √α_t is missing.",
            lambda c: _ho(c, _right_factor(c), torch.ones_like(c.abar))),
    Mistake("alpha-bar-for-alpha", "p_sample", "it is divided by √ᾱ_t; √α_t, of one step, belongs there.",
            lambda c: _ho(c, _right_factor(c), c.abar.sqrt())),
    # ---- the loss
    Mistake("range", "p_losses", "the loss takes images in [0, 1] as they are; the page's normalize, which makes them "
            "[−1, 1], is not called.", f.loss_of_given),
    Mistake("x0-for-eps", "p_losses", "the network's output is compared with x₀; this one predicts ε.",
            lambda c: _loss(c, c.x0)),
    Mistake("eps-for-x0", "p_losses", "the network's output is compared with ε; this one predicts x₀.",
            lambda c: _loss(c, c.eps)),
    Mistake("v-sign", "p_losses", "the target v has the wrong sign.", lambda c: _loss(c, -f.velocity(c)[0])),
    Mistake("fresh-noise", "p_losses", "the target is other noise than the noise that was added: it was drawn twice.",
            lambda c: _loss(c, c.z)),
    Mistake("sum-for-mean", "p_losses", "the squared errors are summed; their mean does not depend on the image size.",
            lambda c: (f.loss(c)[0] * c.x0.numel(),)),
    Mistake("sum-for-mean", "p_losses", "the squared errors are summed; their mean does not depend on the image size.",
            lambda c: (f.loss(c)[0] * c.x0[0].numel(),)),
    Mistake("absolute-error", "p_losses", "the mean absolute error is returned; the loss is the mean of squares.",
            lambda c: (f.errors(c, c.x0, c.eps).abs().mean().view(1),)),
    Mistake("root-of-the-loss", "p_losses", "the root of the mean square is returned; the loss has no root.",
            lambda c: (f.loss(c)[0].sqrt(),)),
    Mistake("clean-image", "p_losses", "the network is given x₀; it is given x_t.",
            lambda c: ((c.network(c.x0, c.t) - c.eps).square().mean().view(1),)),
    Mistake("range", "normalize", "[0, 1] is left as it is, or only moved; 2·x − 1 is in [−1, 1].",
            lambda c: (f.unit_range(c),)),
    Mistake("range", "normalize", "x − ½ is in [−½, ½]; 2·x − 1 is in [−1, 1].", lambda c: (f.unit_range(c) - 0.5,)),
    Mistake("range", "unnormalize", "[−1, 1] is left as it is, or only moved; (x + 1)/2 is in [0, 1].",
            lambda c: (c.x0,)),
    Mistake("range", "unnormalize", "x + 1 is in [0, 2]; (x + 1)/2 is in [0, 1].", lambda c: (c.x0 + 1,)),
    Mistake("range", "unnormalize", "x/2 + 1 is in [½, 1½]; (x + 1)/2 is in [0, 1].", lambda c: (c.x0 / 2 + 1,)),
    # ---- guidance
    Mistake("w-for-one-plus-w", "cfg_forward", "it is none + w·(text − none), whose w is the course's 1 + w: "
            "(1 + w)·text − w·none.", f.guided_by_scale),
    Mistake("one-plus-w-for-w", "guide", "it is (1 + s)·cond − s·uncond, whose s is one less than that of "
            "uncond + s·(cond − uncond).",
            f.guided),
    Mistake("exchanged", "cfg_forward", "the outputs with and without text are exchanged.",
            lambda c: ((1 + c.w) * c.eps - c.w * c.x0,)),
    Mistake("exchanged", "guide", "the conditional and the unconditional output are exchanged.",
            lambda c: (c.x0 + c.w * (c.eps - c.x0),)),
    Mistake("unconditional-added", "cfg_forward", "w times the output without text is added; it is subtracted.",
            lambda c: ((1 + c.w) * c.x0 + c.w * c.eps,)),
    Mistake("not-guided", "cfg_forward guide", "the conditional output is returned, without guidance.",
            lambda c: (c.x0,)),
    # ---- flows
    Mistake("factor-two", "probability_flow", "the score has the factor β of the reverse SDE; the probability flow has "
            "½·β.", lambda c: (-0.5 * c.w * c.x0 - c.w * c.eps,)),
    Mistake("factor-two", "probability_flow", "the factor ½ is missing: −½·β·(x + score).",
            lambda c: (-c.w * (c.x0 + c.eps),)),
    Mistake("sign", "probability_flow", "the score's term is added; it is subtracted.",
            lambda c: (-0.5 * c.w * (c.x0 - c.eps),)),
    Mistake("backwards", "interpolate", "time runs backwards: t = 0 is noise and t = 1 is data.",
            lambda c: (c.t * c.noise + (1 - c.t) * c.data,)),
    Mistake("backwards", "flow_velocity", "the velocity points backwards: it is data − noise, where t = 1 is data.",
            lambda c: (c.noise - c.data,)),
    Mistake("backwards", "flow_step", "the step goes backwards: x + Δt·u, from noise at t = 0 to data at t = 1.",
            lambda c: (c.x - c.dt * c.network(c.x, c.t),)),
    Mistake("time-reversed", "flow_step", "the network is asked about 1 − t.",
            lambda c: (c.x + c.dt * c.network(c.x, 1 - c.times),)),
    Mistake("dt-missing", "flow_step", "the velocity is not multiplied by Δt.",
            lambda c: (c.x + c.network(c.x, c.t),)),
    Mistake("backwards", "flow_loss", "the target points backwards: it is data − noise, where t = 1 is data.",
            lambda c: ((c.network(c.x, c.t) - (c.noise - c.data)).square().mean().view(1),)),
    Mistake("backwards", "flow_loss", "time runs backwards: t = 0 is noise and t = 1 is data.",
            lambda c: _backwards_loss(c, c.data - c.noise)),
    Mistake("backwards", "flow_loss", "time runs backwards: t = 0 is noise and t = 1 is data.",
            lambda c: _backwards_loss(c, c.noise - c.data)),
)  # fmt: skip
