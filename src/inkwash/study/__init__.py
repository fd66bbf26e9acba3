"""Studies: what a model's images are worth, and how they depend on how they are drawn."""
