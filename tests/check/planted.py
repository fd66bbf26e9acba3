"""Mistakes planted in the filled hand-outs, and what is to be named for each function that is then wrong.

An empty name: the function is wrong too, by a mistake elsewhere on the page.
"""

# ruff: noqa: E501

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
