"""The features of DINOv2 (Oquab et al. 2023).

Stein et al. 2023 ("Exposing flaws of generative model evaluation metrics and their unfair treatment of diffusion
models") recommend this network among those they compare. They use "facebook/dinov2-large"; the base model used here
has less than a third of its parameters, and scores of the two are not comparable.
"""

import hashlib
import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inkwash import hub
from inkwash.errors import InkwashError, UsageError
from inkwash.metrics.inception import rgb

MODEL = "facebook/dinov2-base"  # on huggingface.co; 350 MB, 768 features
FOLDER = "INKWASH_DINOV2"  # the environment variable that names a local folder instead
SIDE = 224  # px
BATCH = 32  # images at a time
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as of pixels in [0, 1]
_OTHERWISE = "Or take `features='classifier'` or `features='pixels'`, which need no download."


@final
@dataclass(frozen=True, eq=False)
class DinoV2:
    """The CLS token after the last normalisation: uint8 [N,C,H,W] -> float64 [N,D], C 1 or 3; D = 768 for the base.

    Grey images are converted to RGB. Images are resized to 224×224 without cropping, by the same bicubic filter as
    Pillow's. The network runs in float32.
    """

    network: nn.Module
    digest: str  # sha256 hex of the parameters
    name: str = "dinov2"

    @classmethod
    def of(cls, network: nn.Module, device: str | torch.device = "cpu") -> Self:
        """From a Dinov2Model of transformers, which is modified: float32, without gradients, on `device`."""
        network = network.float().requires_grad_(False).eval()
        return cls(network.to(device), _digest(network))

    def __call__(self, pixels: Tensor) -> Tensor:
        """Raises UsageError unless `pixels` is uint8 [N,C,H,W] with C 1 or 3, and not empty."""
        device = next(self.network.parameters()).device
        with torch.no_grad():
            tokens = [
                self.network(prepared(part.to(device))).last_hidden_state[:, 0]  # of [b,1+patches,D]
                for part in torch.split(rgb(pixels), BATCH)
            ]
        return torch.cat(tokens).to(pixels.device, torch.float64)


def dinov2(model: str | Path | None = None, device: str | torch.device = "cpu") -> DinoV2:
    """Loads published weights: `model` is a local folder or a name on huggingface.co.

    The default is the folder $INKWASH_DINOV2 if set, else "facebook/dinov2-base". A folder holds config.json and
    model.safetensors. A model of huggingface.co is read from the Hugging Face cache or downloaded once.

    Raises UsageError if transformers is not installed, or if $INKWASH_DINOV2 or a `model` of type Path is not a folder;
    InkwashError if the weights cannot be obtained or are not those of the model.
    """
    variable = os.environ.get(FOLDER) if model is None else None
    folder = Path(variable or model or "").expanduser() if variable or isinstance(model, Path) else None
    if folder is not None and not folder.is_dir():
        raise UsageError(
            f"{folder}{f' (of {FOLDER})' if variable else ''} is not a folder. Give the folder that holds config.json "
            f"and model.safetensors of {MODEL}, or none to have them downloaded."
        )
    where = str(folder or model or MODEL)
    with ExitStack() as stack:
        try:
            stack.enter_context(hub.quiet_transformers())
        except ImportError as error:
            raise UsageError(
                "Features of DINOv2 need the package transformers, which is not installed here. "
                'Run pip install "inkwash[dinov2]", or take '
                "`features='classifier'` or `features='pixels'`, which need none."
            ) from error
        return DinoV2.of(_load(where), device)


def prepared(pixels: Tensor) -> Tensor:
    """uint8 [N,3,H,W] -> inputs of the network, float32 [N,3,224,224], with mean 0 and variance 1 over ImageNet."""
    size = (SIDE, SIDE)
    x = F.interpolate(pixels.float() / 255, size, mode="bicubic", align_corners=False, antialias=True)
    x = x.clamp(0, 1)  # the filter overshoots at edges; Pillow clamps too
    mean, std = (torch.tensor(numbers, device=x.device)[:, None, None] for numbers in (MEAN, STD))
    return (x - mean) / std


def _digest(network: nn.Module) -> str:
    """sha256 hex of the parameters without their names."""
    return hashlib.sha256(bytes.fromhex("".join(hub.parameter_hashes(network)))).hexdigest()


def _load(where: str) -> nn.Module:
    """Loads the model from the folder or the cache, or downloads it."""
    try:
        return hub.load(where, lambda local: _from_pretrained(where, local))
    except hub.LoadError as error:
        if Path(where).is_dir():
            to_do = f"Put config.json and model.safetensors from https://huggingface.co/{MODEL} there."
        else:
            to_do = (
                "Check the network and run again, or download config.json and model.safetensors elsewhere from "
                f"https://huggingface.co/{where} and set {FOLDER} to the folder that holds them."
            )
        raise InkwashError(f"The weights of {where} cannot be had ({error}). {to_do} {_OTHERWISE}") from error


def _from_pretrained(where: str, local: bool) -> nn.Module:
    from transformers import Dinov2Config, Dinov2Model

    # not AutoConfig, which guesses from the folder's name if there is no config.json
    about, _ = Dinov2Config.get_config_dict(where, local_files_only=local)
    kind = about.get("model_type")
    if not about:
        raise FileNotFoundError("config.json is missing")
    if kind != "dinov2":
        raise InkwashError(f"{where} is a model of type {kind}, not dinov2. Take {MODEL}. {_OTHERWISE}")
    network: nn.Module
    network, report = Dinov2Model.from_pretrained(
        where,
        local_files_only=local,
        use_safetensors=True,  # safetensors files hold no code
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # the report names them
    )
    absent = hub.missing_weights(report)
    if absent:
        raise InkwashError(
            f"{where} lacks {len(absent)} of the weights that its config.json describes, or has them in other shapes; "
            f"the first is {absent[0]}. Take {MODEL}, or download the folder again. {_OTHERWISE}"
        )
    return network
