"""Studies: scores of generated images, and how they depend on the sampler settings."""
