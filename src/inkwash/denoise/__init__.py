"""Denoisers: a network with a meaning, guidance, limits on x̂₀, and exact denoisers to test everything against."""

from inkwash.denoise.correlated import CorrelatedMixture
from inkwash.denoise.denoiser import Denoiser, Given
from inkwash.denoise.guidance import classifier_guidance, guide
from inkwash.denoise.limit import clip, dynamic_threshold
from inkwash.denoise.oracle import Dataset, Gaussian, Mixture

__all__ = [
    "CorrelatedMixture",
    "Dataset",
    "Denoiser",
    "Gaussian",
    "Given",
    "Mixture",
    "classifier_guidance",
    "clip",
    "dynamic_threshold",
    "guide",
]  # fmt: skip
