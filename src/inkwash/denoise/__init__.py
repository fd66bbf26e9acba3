"""Denoisers: a network with a meaning, guidance, limits on x̂₀, and exact denoisers to test everything against."""

from inkwash.denoise.denoiser import Denoiser, Given
from inkwash.denoise.guidance import blend, classifier_guidance
from inkwash.denoise.limit import clip, dynamic_threshold
from inkwash.denoise.oracle import Dataset, Gaussian, Mixture

__all__ = [
    "Dataset", "Denoiser", "Gaussian", "Given", "Mixture", "blend", "classifier_guidance", "clip", "dynamic_threshold",
]  # fmt: skip
