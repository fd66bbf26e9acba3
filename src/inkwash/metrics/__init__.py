"""How good images and models are: distances, fidelity and diversity, copies, losses, likelihoods."""
