"""`inkwash check`: right pages are right, and each planted mistake is named."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from filled import ANSWERS, HANDOUTS, filled

from cli_runner import did, inkwash, refused
from inkwash.check import formulas, guard, kinds, mistakes
from inkwash.check.case import make_case
from inkwash.check.examine import examine
from inkwash.check.finding import Finding, passed
from inkwash.core import cosine, linear, posterior
from inkwash.errors import UsageError

EXAMPLES = HANDOUTS.parent


def check(tmp_path: Path, text: str, **names: str) -> list[Finding]:
    """The findings on a page, in this process."""
    page = tmp_path / "page.py"
    page.write_text(text, encoding="utf-8")
    return list(examine(page, names))


def wrong(findings: list[Finding]) -> dict[str, tuple[str, ...]]:
    """The mistakes of each function that is not right."""
    return {finding.name.rpartition(".")[2]: finding.mistakes for finding in findings if finding.verdict != "right"}


# ---- the formulas against the house's own


@pytest.mark.parametrize("schedule", [linear(1000), cosine(50)])
@pytest.mark.parametrize("eta", [0.0, 0.6, 1.0])
def test_a_step_is_inkwashs_posterior(schedule, eta: float) -> None:
    """η of the paper; and the lab's, whose root it is."""
    T = schedule.num_timesteps
    times, to = [0, 1, T // 3, T // 2, 3 * T // 4], [-1, 0, T // 3 - 5, 3, T // 2]
    case = make_case(schedule.betas, times, to, eta=eta)
    mean, noise = formulas.ddim_of_paper(case)
    for i, (t, s) in enumerate(zip(times, to, strict=True)):
        level, less = schedule.at(t), (schedule.at(s) if s >= 0 else (0.0, 1.0, 0.0))
        x_coef, x0_coef, std = posterior(level, type(level)(*less), eta)
        x0 = (case.x[i] - level.sigma * case.output[i]) / level.alpha
        torch.testing.assert_close(mean[i], x_coef * case.x[i] + x0_coef * x0, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(noise[i], std * case.z[i], rtol=1e-9, atol=1e-9)
    lab = formulas.ddim_of_lab(make_case(schedule.betas, times, to, eta=eta**2))
    torch.testing.assert_close(lab, (mean, noise), rtol=1e-9, atol=1e-9)


def test_the_network_is_exact() -> None:
    """E[ε | x] and E[x₀ | x] are the least-squares predictions of Gaussian data: no other gain is better."""
    case = make_case(linear(1000).betas, [500] * 5, [499] * 5)
    generator = torch.Generator().manual_seed(1)
    a, eps = torch.randn(2, 4000, *case.mean.shape[1:], dtype=torch.float64, generator=generator)
    x0, abar = case.mean + case.std * a, case.abar[:1]
    x = abar.sqrt() * x0 + (1 - abar).sqrt() * eps
    residual = case.network(x, torch.full((4000,), 500)) - eps
    assert residual.mean().abs() < 3e-3
    assert (residual * (x - x.mean(0))).mean().abs() < 3e-3


def test_no_mistake_is_right() -> None:
    """Each row's numbers differ from those of every right formula; else it could never be named."""
    for row in mistakes.MISTAKES:
        told = []
        for kind in (kinds.BY_NAME[name] for name in row.kinds.split()):
            for predicts in ("eps", "x0", "v"):
                cases = kind.cases(linear(1000).betas, predicts)
                for case in cases:
                    one, other = row.wrong(case), kind.readings[0].formula(case)
                    told.append(any(not torch.allclose(a, b, rtol=2e-3, equal_nan=True) for a, b in zip(one, other, strict=True)))
        assert any(told), row.name


# ---- right pages


@pytest.mark.parametrize("page", ["lab06/scheduler.py", "cs231n/gaussian_diffusion.py", "cs231n/unet.py"])
def test_the_examples_are_right(page: str) -> None:
    findings = list(examine(EXAMPLES / page))
    assert passed(findings), wrong(findings)
    assert all(finding.error is None or finding.error < 1e-4 for finding in findings)


@pytest.mark.parametrize("name", ANSWERS)
def test_a_hand_out_is_blank_and_then_right(tmp_path: Path, name: str) -> None:
    blank = list(examine(HANDOUTS / name))
    assert blank
    assert not passed(blank)
    assert {finding.verdict for finding in blank if finding.checks not in ("table",)} == {"untested"}
    findings = check(tmp_path, filled(name))
    assert passed(findings), findings
    assert len(findings) >= len(blank)


# ---- planted mistakes

LAB, GD, DDPM, FLOW = "scheduler.py", "gaussian_diffusion.py", "ddpm.py", "flow.py"
ABAR = "extract(self.alphas_cumprod, t, x_t.shape)"
NOISE = "(1 - at(self.alpha_bar, t)).sqrt() * eps"
PLANTED = [
    (LAB, [(f"at(self.alpha_bar, t).sqrt() * x0 + {NOISE}", "at(self.alpha_bar, t) * x0 + (1 - at(self.alpha_bar, t)) * eps")], {"add_noise": "no-roots"}),
    (LAB, [(f"x0 + {NOISE}", "x0 + (1 - at(self.alpha_bar, t)) * eps")], {"add_noise": "variance-for-std"}),
    (LAB, [("at(self.alpha_bar, t).sqrt() * x0 +", "at(self.alpha_bar, t) * x0 +")], {"add_noise": "root-missing-at-x0"}),
    (LAB, [("at(self.alpha_bar, t).sqrt() * eps - (1 - at(self.alpha_bar, t)).sqrt() * x0", "(1 - at(self.alpha_bar, t)).sqrt() * x0 - at(self.alpha_bar, t).sqrt() * eps")], {"get_velocity": "v-sign"}),
    (LAB, [("found.view(-1, 1, 1, 1) if found.ndim else found", "found")], {"add_noise": "broadcast", "get_velocity": "broadcast"}),
    (LAB, [("found.view(-1, 1, 1, 1) if found.ndim else found", "found.view(-1, 1, 1) if found.ndim else found")], {"add_noise": "broadcast", "get_velocity": "broadcast"}),
    (LAB, [("self.alpha.cumprod(0)", "torch.cat([torch.ones(1), self.alpha.cumprod(0)[:-1]])")], {"alpha_bar": "off-by-one", "add_noise": "off-by-one", "get_velocity": "off-by-one", "denoise": "off-by-one"}),
    (LAB, [("self.alpha.cumprod(0)", "self.alpha.cumsum(0)")], {"alpha_bar": "sum-for-product", "add_noise": "", "get_velocity": "", "denoise": ""}),
    (LAB, [("(1 - abar_t / abar_s)).sqrt()", "(1 - abar_t / abar_s))"), ("(1 - abar_s - sigma**2)", "(1 - abar_s - sigma**2)")], {"denoise": "variance-for-std"}),
    (LAB, [("+ sigma * torch", "+ sigma**2 * torch")], {"denoise": "variance-for-std"}),
    (LAB, [("(eta * (1 - abar_s) / (1 - abar_t) * (1 - abar_t / abar_s)).sqrt()", "eta * (1 - abar_t).sqrt()")], {"denoise": "whole-variance"}),
    (LAB, [("(1 - abar_s - sigma**2).sqrt()", "(1 - abar_s).sqrt()")], {"denoise": "sigma-not-subtracted"}),
    (LAB, [("(1 - abar_t) * (1 - abar_t / abar_s)", "(1 - abar_t).sqrt() * (1 - abar_t / abar_s)")], {"denoise": "root-under-beta-tilde"}),
    (LAB, [("(1 - abar_t / abar_s)).sqrt()", "self.beta[t]).sqrt()")], {"denoise": "beta-of-one-step"}),
    (LAB, [(" if t_prev >= 0 else torch.tensor(1.0)", "")], {"denoise": "negative-index"}),
    (LAB, [("(x - (1 - abar_t).sqrt() * eps) / abar_t.sqrt()", "eps")], {"denoise": "x0-for-eps"}),
    (LAB, [("(x - (1 - abar_t).sqrt() * eps) / abar_t.sqrt()", "(x - (1 - abar_t).sqrt() * eps).clamp(-1, 1)")], {"denoise": "x0-not-divided"}),
    (LAB, [("torch.randn_like(x)", "torch.randn_like(x); x_s = x_s.clamp(-1, 1)")], {"denoise": "clamped-result"}),
    (GD, [("before.sqrt() * beta /", "(before * beta).sqrt() /")], {"q_posterior": "beta-inside-the-root", "p_sample": ""}),
    (GD, [("* beta).sqrt()\n", "* beta)\n")], {"q_posterior": "variance-for-std", "p_sample": "variance-for-std"}),
    (GD, [(".clamp(min=0), x_t.shape), 1)", ".clamp(min=0), x_t.shape), 0.9999)"), (" if t > 0 else mean", "")], {"q_posterior": "", "p_sample": ""}),
    (GD, [("x_start = self.normalize(x_start)", "pass")], {"p_losses": "range"}),
    (GD, [("model_kwargs) - noise)", "model_kwargs) - x_start)")], {"p_losses": "x0-for-eps"}),
    (GD, [("model_kwargs) - noise)", "model_kwargs) - torch.randn_like(noise))")], {"p_losses": "fresh-noise"}),
    (GD, [(").square().mean()", ").square().sum()")], {"p_losses": "sum-for-mean"}),
    (GD, [("2 * img - 1", "img"), ], {"normalize": "range", "p_losses": "range"}),
    (GD, [(".sqrt() * noise) / extract(self.alphas_cumprod, t, x_t.shape).sqrt()", ".sqrt() * noise)")], {"predict_start_from_noise": "not-divided", "p_sample": "x0-not-divided"}),
    (GD, [("self.predict_start_from_noise(x_t, times, self.model(x_t, times, model_kwargs))", "self.model(x_t, times, model_kwargs)")], {"p_sample": "x0-for-eps"}),
    (DDPM, [(" if t > 0 else mean", "")], {"p_sample": "noise-in-the-last-step"}),
    (DDPM, [("self.betas[t].sqrt() *", "self.betas[t] *")], {"p_sample": "variance-for-std"}),
    (DDPM, [("self.betas[t] / (1 - self.alpha_bars[t]).sqrt()", "self.betas[t] / (1 - self.alpha_bars[t])")], {"p_sample": "variance-under-eps"}),
    (DDPM, [("/ self.alphas[t].sqrt()", "/ self.alpha_bars[t].sqrt()")], {"p_sample": "alpha-bar-for-alpha"}),
    ("unet.py", [("(1 + w) * with_text - w * without", "without + w * (with_text - without)")], {"cfg_forward": "w-for-one-plus-w"}),
    (FLOW, [("uncond + scale * (cond - uncond)", "(1 + scale) * cond - scale * uncond")], {"guide": "one-plus-w-for-w"}),
    (FLOW, [("-0.5 * beta * (x + score)", "-0.5 * beta * x - beta * score")], {"probability_flow": "factor-two"}),
    (FLOW, [("x + dt * model(x, t)", "x - dt * model(x, t)")], {"flow_step": "backwards"}),
    (FLOW, [("(1 - t.view(-1, 1, 1, 1)) * x0 + t.view(-1, 1, 1, 1) * x1", "(1 - t.view(-1, 1, 1, 1)) * x1 + t.view(-1, 1, 1, 1) * x0")], {"interpolate": "backwards", "flow_loss": "backwards"}),
    (FLOW, [("x1 - x0", "x0 - x1")], {"flow_velocity": "backwards", "flow_loss": "backwards"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "edits", "named"), PLANTED, ids=[f"{i}-{'-'.join(v for v in p[2].values() if v)}" for i, p in enumerate(PLANTED)])
def test_a_planted_mistake_is_named(tmp_path: Path, name: str, edits: list, named: dict[str, str]) -> None:
    found = wrong(check(tmp_path, filled(name, *edits)))
    assert set(found) == set(named), found
    for function, mistake in named.items():
        assert not mistake or found[function] == (mistake,), (function, found)
