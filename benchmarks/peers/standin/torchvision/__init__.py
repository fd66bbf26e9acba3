"""A stand-in for torchvision: just what the peers import, for machines where torchvision and torch do not fit.

Own code with torchvision's names and meaning, on PIL images and tensors; a peer that is measured with it says so.
"""

from . import transforms, utils

__all__ = ["transforms", "utils"]
