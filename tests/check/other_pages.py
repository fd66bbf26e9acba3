"""Pages in the style of other courses, and one whose network predicts v."""

# ruff: noqa: E501

V_PAGE = """
import torch

class Scheduler:
    def __init__(self, prediction="v"):
        self.betas = torch.linspace(1e-4, 0.02, 1000)
        self.alphas_cumprod = (1 - self.betas).cumprod(0)

    def step(self, model, x, t, t_prev, eta):
        v = model(x, torch.tensor([t] * len(x)))
        a, s = self.alphas_cumprod[t], self.alphas_cumprod[t_prev] if t_prev >= 0 else torch.tensor(1.0)
        x0 = a.sqrt() * x - (1 - a).sqrt() * v
        eps = (1 - a).sqrt() * x + a.sqrt() * v
        sigma = eta * ((1 - s) / (1 - a) * (1 - a / s)).sqrt()
        return s.sqrt() * x0 + (1 - s - sigma**2).sqrt() * eps + sigma * torch.randn_like(x)
"""
REPORT = """
import torch
from torch import nn

class MyDDPM(nn.Module):
    def __init__(self, network, n_steps=200, min_beta=10 ** -4, max_beta=0.02, device=None, images_chw=(1, 28, 28)):
        super().__init__()
        self.n_steps, self.device, self.network = n_steps, device, network.to(device)
        self.betas = torch.linspace(min_beta, max_beta, n_steps).to(device)
        self.alphas = 1 - self.betas
        self.alpha_bars = torch.tensor([torch.prod(self.alphas[:i + 1]) for i in range(len(self.alphas))]).to(device)

    def forward(self, x0, t, eta=None):
        n, c, h, w = x0.shape
        a_bar = self.alpha_bars[t]
        if eta is None:
            eta = torch.randn(n, c, h, w).to(self.device)
        return a_bar.sqrt().reshape(n, 1, 1, 1) * x0 + (1 - a_bar).sqrt().reshape(n, 1, 1, 1) * eta
"""
ABARANKAB = """
import copy
from functools import partial
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

def extract(a, t, x_shape):
    return a.gather(-1, t).reshape(t.shape[0], *((1,) * (len(x_shape) - 1)))

class GaussianDiffusion(nn.Module):
    def __init__(self, model, img_size, img_channels, num_classes, betas, loss_type="l2", ema_decay=0.9999):
        super().__init__()
        self.model, self.ema_model, self.loss_type = model, copy.deepcopy(model), loss_type
        self.num_timesteps = len(betas)
        alphas, tensor = 1.0 - betas, partial(torch.tensor, dtype=torch.float32)
        bars = np.cumprod(alphas)
        self.register_buffer("betas", tensor(betas))
        self.register_buffer("alphas_cumprod", tensor(bars))
        self.register_buffer("root", tensor(np.sqrt(bars)))
        self.register_buffer("rest", tensor(np.sqrt(1 - bars)))
        self.register_buffer("reciprocal_sqrt_alphas", tensor(np.sqrt(1 / alphas)))
        self.register_buffer("remove_noise_coeff", tensor(betas / np.sqrt(1 - bars)))

    @torch.no_grad()
    def remove_noise(self, x, t, y, use_ema=True):
        model = self.ema_model if use_ema else self.model
        return (x - extract(self.remove_noise_coeff, t, x.shape) * model(x, t, y)) * extract(self.reciprocal_sqrt_alphas, t, x.shape)

    def perturb_x(self, x, t, noise):
        return extract(self.root, t, x.shape) * x + extract(self.rest, t, x.shape) * noise

    def get_losses(self, x, t, y):
        noise = torch.randn_like(x)
        return F.mse_loss(self.model(self.perturb_x(x, t, noise), t, y), noise)

    def forward(self, x, y=None):
        return self.get_losses(x, torch.randint(0, self.num_timesteps, (len(x),)), y)
"""
FUNCTIONS = """
import torch

betas = torch.linspace(1e-4, 0.02, 200)
alpha_bar = torch.cumprod(1 - betas, 0)

def noisify(clean, when, noise):
    a = alpha_bar[when][:, None, None, None]
    return a.sqrt() * clean + (1 - a).sqrt() * noise

def unrelated(x):
    raise RuntimeError
"""

# the layout of denoising-diffusion-pytorch: v by default, three objectives, normalized before p_losses
THREE = """
import torch
import torch.nn.functional as F
from torch import nn
from collections import namedtuple
ModelPrediction = namedtuple("ModelPrediction", ["pred_noise", "pred_x_start"])
def extract(a, t, x_shape):
    b, *_ = t.shape
    return a.gather(-1, t).reshape(b, *((1,) * (len(x_shape) - 1)))
class GaussianDiffusion(nn.Module):
    def __init__(self, model, *, image_size, timesteps=1000, objective="pred_v"):
        super().__init__()
        self.model, self.objective = model, objective
        betas = torch.linspace(1e-4, 0.02, timesteps, dtype=torch.float64)
        abar = torch.cumprod(1 - betas, 0)
        prev = F.pad(abar[:-1], (1, 0), value=1.0)
        rb = lambda n, v: self.register_buffer(n, v.to(torch.float32))
        rb("betas", betas); rb("alphas_cumprod", abar)
        rb("sqrt_a", abar.sqrt()); rb("sqrt_1ma", (1 - abar).sqrt())
        pv = betas * (1 - prev) / (1 - abar)
        rb("posterior_variance", pv); rb("posterior_log_variance_clipped", torch.log(pv.clamp(min=1e-20)))
        rb("c1", betas * prev.sqrt() / (1 - abar)); rb("c2", (1 - prev) * (1 - betas).sqrt() / (1 - abar))
        self.normalize = lambda x: x * 2 - 1
    def predict_start_from_noise(self, x_t, t, noise):
        return (x_t - extract(self.sqrt_1ma, t, x_t.shape) * noise) / extract(self.sqrt_a, t, x_t.shape)
    def predict_v(self, x_start, t, noise):
        return extract(self.sqrt_a, t, x_start.shape) * noise - extract(self.sqrt_1ma, t, x_start.shape) * x_start
    def predict_start_from_v(self, x_t, t, v):
        return extract(self.sqrt_a, t, x_t.shape) * x_t - extract(self.sqrt_1ma, t, x_t.shape) * v
    def q_posterior(self, x_start, x_t, t):
        m = extract(self.c1, t, x_t.shape) * x_start + extract(self.c2, t, x_t.shape) * x_t
        return m, extract(self.posterior_variance, t, x_t.shape), extract(self.posterior_log_variance_clipped, t, x_t.shape)
    def q_sample(self, x_start, t, noise=None):
        noise = torch.randn_like(x_start) if noise is None else noise
        return extract(self.sqrt_a, t, x_start.shape) * x_start + extract(self.sqrt_1ma, t, x_start.shape) * noise
    @torch.inference_mode()
    def p_sample(self, x, t: int, x_self_cond=None):
        bt = torch.full((x.shape[0],), t, dtype=torch.long)
        out = self.model(x, bt, x_self_cond)
        x0 = {"pred_noise": lambda: self.predict_start_from_noise(x, bt, out), "pred_x0": lambda: out, "pred_v": lambda: self.predict_start_from_v(x, bt, out)}[self.objective]().clamp(-1., 1.)
        m, _, lv = self.q_posterior(x0, x, bt)
        noise = torch.randn_like(x) if t > 0 else 0.
        return m + (0.5 * lv).exp() * noise, x0
    def p_losses(self, x_start, t, noise=None):
        noise = torch.randn_like(x_start) if noise is None else noise
        x = self.q_sample(x_start, t, noise)
        out = self.model(x, t, None)
        target = {"pred_noise": noise, "pred_x0": x_start, "pred_v": self.predict_v(x_start, t, noise)}[self.objective]
        return F.mse_loss(out, target)
    def forward(self, img):
        t = torch.randint(0, 1000, (img.shape[0],))
        return self.p_losses(self.normalize(img), t)
"""
# the calls of a scheduler of diffusers
OUTPUT_GIVEN = """
import torch
class DDIMScheduler:
    def __init__(self, num_train_timesteps=1000, weird=3):
        self.betas = torch.linspace(1e-4, 0.02, num_train_timesteps)
        self.alphas_cumprod = torch.cumprod(1 - self.betas, 0)
    def add_noise(self, original_samples, noise, timesteps):
        a = self.alphas_cumprod[timesteps].sqrt().flatten()
        b = (1 - self.alphas_cumprod[timesteps]).sqrt().flatten()
        while len(a.shape) < len(original_samples.shape):
            a = a.unsqueeze(-1); b = b.unsqueeze(-1)
        return a * original_samples + b * noise
    def step(self, model_output, timestep, sample, prev_timestep, eta=0.0):
        a = self.alphas_cumprod[timestep]; s = self.alphas_cumprod[prev_timestep] if prev_timestep >= 0 else torch.tensor(1.0)
        x0 = (sample - (1 - a).sqrt() * model_output) / a.sqrt()
        x0 = x0.clamp(-1, 1)
        std = eta * ((1 - s) / (1 - a) * (1 - a / s)).sqrt()
        return s.sqrt() * x0 + (1 - s - std**2).sqrt() * model_output + std * torch.randn(sample.shape)
"""
