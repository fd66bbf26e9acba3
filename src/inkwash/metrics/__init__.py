"""Metrics of images and models: distances, fidelity and diversity, copies, losses, likelihoods."""
