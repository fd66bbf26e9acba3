"""inkwash: train, sample, study and serve diffusion models on your own images."""

__version__ = "0.1.0"
