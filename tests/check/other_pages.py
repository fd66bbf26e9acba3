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
