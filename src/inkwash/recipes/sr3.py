"""Trained restoration: super-resolution as SR3, and deblurring."""

from dataclasses import replace

from inkwash.recipes.cifar import cifar10
from inkwash.recipes.mnist import fashion_mnist, mnist
from inkwash.settings import Conditioning, Process, RunSettings


def sr3_mnist() -> RunSettings:
    """Super-resolution of MNIST, 7×7 to 28×28: `inkwash restore RUN test:0`.

    SR3 (Saharia et al. 2021): the low-resolution image, enlarged to the size of the images, is concatenated to x, and
    β rises linearly from 1e-6 to 1e-2 in T = 2000 steps. The condition is never dropped. Network, batch and optimiser
    are those of the recipe mnist, in place of the paper's, which take TPUs for a million steps; the network is told the
    step and not the paper's continuous noise level.
    """
    return replace(mnist(), recipe="sr3-mnist", conditioning=_measured("downsample:4"), process=_sr3())


def sr3_fashion() -> RunSettings:
    """Super-resolution of Fashion-MNIST, 7×7 to 28×28. Otherwise as sr3-mnist."""
    return replace(fashion_mnist(), recipe="sr3-fashion", conditioning=_measured("downsample:4"), process=_sr3())


def sr3_cifar10() -> RunSettings:
    """Super-resolution of CIFAR-10, 8×8 to 32×32, for a GPU. Otherwise as sr3-mnist.

    Network, batch and optimiser are those of the recipe cifar10. Not measured: there was no GPU to train it on.
    """
    return replace(cifar10(), recipe="sr3-cifar10", conditioning=_measured("downsample:4"), process=_sr3())


def deblur_fashion() -> RunSettings:
    """Deblurring of Fashion-MNIST: a Gaussian of 2 pixels, and noise 0.05.

    The recipe of fashion-mnist, and the blurred image beside x. The numbers are inkwash's own.
    """
    return replace(fashion_mnist(), recipe="deblur-fashion", conditioning=_measured("blur:2", 0.05))


def _measured(operator: str, noise: float = 0.0) -> Conditioning:
    return Conditioning("image", operator=operator, noise=noise, condition_dropout=0.0, scale=1.0)


def _sr3() -> Process:
    return Process(schedule="linear", timesteps=2000, beta_low=1e-6, beta_high=1e-2, prediction="eps")
