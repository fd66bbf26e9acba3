"""CIFAR-10 by class: the system of abarankab's DDPM, and our own guess for a GPU."""

from inkwash.networks import AbarankabUNet, UNet
from inkwash.settings import Conditioning, Data, Process, RunSettings, Sampler, Training


def abarankab_cifar10() -> RunSettings:
    """CIFAR-10 as in abarankab's DDPM, by class: T = 1000, batch 128, 800,000 steps of Adam at 2e-4.

    From github.com/abarankab/DDPM, which the document on diffusion models in code explains. scripts/train_cifar.py
    and ddpm/script_utils.py give the numbers: ε-prediction, 128 channels times 1, 2, 2, 2 with two blocks a level,
    time_emb_dim 512, attention at 16×16, dropout 0.1, group norm, SiLU, Adam as it comes with neither warm-up, decay
    nor clipping, no mirrored images, and a checkpoint every 1000 steps. Classes are that script's --use_labels; they
    are never dropped, so classifier-free guidance is not possible.

    β rises from 1e-4 to 0.02, both times 1000/T, as inkwash's linear schedule does for --timesteps. (The document's
    margin has T = 2000 with β from 10⁻² to 2×10⁻⁴. These are the numbers of another repository, Janspiry's, with the
    exponents exchanged: its sr_ddpm_16_128 has T = 2000 and β from 10⁻⁴ to 2×10⁻², which is
    `--timesteps 2000 --beta-low 1e-4 --beta-high 2e-2` here.) Its other choices are `--schedule cosine` and
    `--loss l1`; its class GaussianDiffusion defaults to the latter, its script to the squared error.

    Its average of the weights copies them for 2000 steps and then keeps 0.9999 of itself at each (the script's
    ema_update_rate 1; the class's own defaults are `--ema 0.995 --ema-every 10`). Its sampler takes all T steps (for
    T = 2000, sample with --steps 2000), adds noise of variance β and does not clip x̂₀. Every 1000 steps it draws
    ten samples. All of it takes a GPU for days: see --steps.
    """
    return RunSettings(
        recipe="abarankab-cifar10",
        data=Data(source="cifar10"),
        network=AbarankabUNet(),
        conditioning=Conditioning(condition="class", condition_dropout=0.0, scale=1.0),
        process=Process(schedule="linear", timesteps=1000, prediction="eps"),  # its ends are linear's own
        training=Training(
            steps=800_000, batch_size=128, lr=2e-4, warmup=0, decay="none", clip=None, beta2=0.999, ema=0.9999,
            ema_start=2000, precision="float32", save_every=1000, preview_every=1000, preview_images=10,
        ),
        sampler=Sampler("ddpm", steps=1000, variance="large", limit="none"),
    )  # fmt: skip


def cifar10() -> RunSettings:
    """CIFAR-10 by class with guidance, our own choice for one GPU: 200,000 steps of 128.

    Not measured: there was no GPU to train it on, so nothing is known of its quality. The network has the width,
    blocks, attention and heads of Nichol & Dhariwal's for CIFAR-10 (2021); learning rate, batch, average, dropout and
    mirrored images are those of Ho et al. (2020); v-prediction on the cosine schedule is what served best on the
    smaller sets here. A tenth of the classes is withheld, for guidance (Ho & Salimans 2022).
    """
    return RunSettings(
        recipe="cifar10",
        data=Data(source="cifar10", flip=True),
        network=UNet(channels=128, mults=(1, 2, 2, 2), blocks=3, attention=(1, 2), heads=4, dropout=0.1),
        conditioning=Conditioning(condition="class", condition_dropout=0.1, scale=1.5),
        process=Process(schedule="continuous-cosine", prediction="v"),
        training=Training(
            draw="stratified", steps=200_000, batch_size=128, lr=2e-4, warmup=5000, beta2=0.999, ema=0.9999,
            save_every=5000,
        ),
    )  # fmt: skip
