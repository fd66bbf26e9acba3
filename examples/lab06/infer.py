"""The lab's infer.py: loads a trained model and draws new digits with DDIMScheduler.sample.

python examples/lab06/infer.py runs/lab06 --eta 0 --inference-steps 50 --save-path samples.png
"""

import sys
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from pathlib import Path

import torch
from scheduler import DDIMScheduler
from unet import UNet

from inkwash import recipes
from inkwash.errors import InkwashError, UsageError
from inkwash.runs.model import open_model
from inkwash.settings import Sampling


def infer(
    folder: Path, save_path: Path, eta: float, inference_steps: int, n_samples: int, seed: int, clip: bool, device: str
) -> None:
    """Draws from the run in `folder`, of train.py or of `inkwash train lab06-eps` or lab06-v."""
    Sampling(eta=eta, seed=seed)  # refuses what lies out of range
    model = open_model(folder, device=device)
    process = model.run.process
    lab = recipes.find("lab06-v" if process.prediction == "v" else "lab06-eps")
    if (model.run.network, process, model.shape[1:]) != (lab.network, lab.process, (32, 32)):
        raise UsageError(
            f"{folder} holds a run of {model.run.recipe} whose network, schedule or image size is not the lab's; "
            f"draw from it with `inkwash sample {folder}`."
        )
    channels, size, _ = model.shape
    unet = UNet(channels)
    unet.load_state_dict(model.denoiser.net.state_dict())
    scheduler = DDIMScheduler(prediction=process.prediction, clip=clip, precision=model.denoiser.precision)
    torch.manual_seed(seed)  # last, for building a network sets it too
    scheduler.sample(
        str(save_path), unet.to(model.device), eta, n_samples, channels, size, inference_steps, model.device
    )
    print(save_path)


def main(argv: list[str] | None = None) -> None:
    """Runs the script and exits: 0 done, 1 failed, 2 asked wrongly."""
    parser = ArgumentParser("infer.py", description="Draw new digits.", formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("run", type=Path, help="folder that train.py or inkwash train wrote")
    parser.add_argument("--save-path", type=Path, default="samples.png", help=".png, or .npz for the bare pixels")
    parser.add_argument("--eta", type=float, default=1.0, help="the lab's η: 0 is DDIM, 1 is DDPM")
    parser.add_argument("--inference-steps", type=int, default=1000, help="denoising steps")
    parser.add_argument("--n-samples", type=int, default=16, help="how many images")
    parser.add_argument("--seed", type=int, default=0, help="seed of the noise")
    parser.add_argument("--clip", action="store_true", help="hold x̂₀ in range at every step, as inkwash sample does")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto", help="where to compute")
    args = parser.parse_args(argv)
    try:
        infer(
            args.run, args.save_path, args.eta, args.inference_steps, args.n_samples, args.seed, args.clip, args.device
        )
    except InkwashError as error:
        parser.exit(error.exit_code, f"infer.py: {error}\n")
    except KeyboardInterrupt:
        parser.exit(1, "\ninfer.py: stopped.\n")


if __name__ == "__main__":
    main(sys.argv[1:])
