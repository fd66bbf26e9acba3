"""Denoisers: a network with a meaning, limits on x̂₀, and exact denoisers to test everything against."""

from inkwash.denoise.denoiser import Denoiser
from inkwash.denoise.limit import clip, dynamic_threshold
from inkwash.denoise.oracle import Dataset, Gaussian, Mixture

__all__ = ["Dataset", "Denoiser", "Gaussian", "Mixture", "clip", "dynamic_threshold"]
