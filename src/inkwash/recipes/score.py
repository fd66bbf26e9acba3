"""Score-based models of MNIST, with the noise and the samplers of their papers."""

from dataclasses import replace

from inkwash.recipes.mnist import mnist
from inkwash.settings import Process, RunSettings, Sampler


def ncsn_mnist() -> RunSettings:
    """MNIST as a score model with annealed Langevin dynamics (Song & Ermon 2019).

    The paper's numbers are the noise and the sampler (section 5): σ in equal ratios from 1 to 0.01 for images in
    [0, 1], which is 2 to 0.02 for those in [−1, 1]; 10 levels of 100 Langevin steps with ε = 2·10⁻⁵, or r = √0.05;
    the network outputs the score, and its error is weighed by σ² (section 4.2). Training draws σ between the levels
    too, uniform in log σ. The start is Gaussian noise where the paper's is uniform, and the last level is the
    step x = E[x₀ | x]. Network and training are those of the recipe mnist, for two CPU cores.
    """
    base = mnist()
    return replace(
        base,
        recipe="ncsn-mnist",
        process=Process(schedule="ve", beta_low=0.02, beta_high=2.0, prediction="score"),
        training=replace(base.training, weight="snr"),
        sampler=Sampler("langevin", steps=10, spacing="linspace", limit="none", snr=0.05**0.5, corrections=100),
    )


def score_ve_mnist() -> RunSettings:
    """MNIST as a variance-exploding SDE with predictor-corrector sampling (Song et al. 2021b).

    The paper's numbers are the noise and the sampler (appendices C and G): σ from 0.01 to 50 for images in [0, 1],
    which is 0.02 to 100 for those in [−1, 1], and 1000 steps of reverse diffusion, each with one corrector step at
    r = 0.16: 2,000 evaluations. Its network divides its output by σ, so it outputs ε. Network and training are those of
    the recipe mnist, for two CPU cores.
    """
    process = Process(schedule="ve", beta_low=0.02, beta_high=100.0, prediction="eps")
    return _predictor_corrector("score-ve-mnist", process)


def score_vp_mnist() -> RunSettings:
    """MNIST as a variance-preserving SDE with predictor-corrector sampling (Song et al. 2021b).

    The paper's numbers are the noise and the sampler (appendices C and G): β from 0.1 to 20 in continuous time, which
    is 10⁻⁴ to 0.02 in 1000 rows, and 1000 steps of reverse diffusion, each with one corrector step at r = 0.16: 2,000
    evaluations. The score is −ε/σ of a network that outputs ε. Network and training are those of the recipe mnist, for
    two CPU cores.
    """
    process = Process(schedule="linear", timesteps=1000, beta_low=1e-4, beta_high=0.02, prediction="eps")
    return _predictor_corrector("score-vp-mnist", process)


def _predictor_corrector(recipe: str, process: Process) -> RunSettings:
    sampler = Sampler("pc", steps=1000, spacing="linspace", limit="none", snr=0.16, corrections=1)
    return replace(mnist(), recipe=recipe, process=process, sampler=sampler)
