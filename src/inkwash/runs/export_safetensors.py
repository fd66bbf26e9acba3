"""The weights of a run as one safetensors file, with what they are in its metadata, by the ModelSpec standard 1.0."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import safetensors.torch

from inkwash import __version__
from inkwash.atomic import replacing
from inkwash.errors import UsageError
from inkwash.networks import name_of
from inkwash.runs.model import TrainedModel

FORMAT = "inkwash weights 1"
_PREDICTIONS = {"eps": "epsilon"}  # as ModelSpec calls them; others have inkwash's names


def export_safetensors(model: TrainedModel, out: Path) -> dict[str, str]:
    """Writes the model's weights, float32, under their names in the network, to `out`; returns the metadata.

    Besides ModelSpec's entries the metadata has one, "inkwash", a JSON object with the settings, the shape, the classes
    and the sha256 of the checkpoint: all that `inkwash import safetensors` needs. The file names no path and no time.

    Raises UsageError for another ending than .safetensors.
    """
    if out.suffix.lower() != ".safetensors":
        raise UsageError(f"weights are written as safetensors; give a name ending in .safetensors (got {out}).")
    weights = {
        name.removeprefix("net."): tensor.detach().float().cpu().contiguous().clone()
        for name, tensor in model.denoiser.state_dict().items()
    }
    run, (channels, height, width) = model.run, model.shape
    settings = asdict(run)
    settings["data"] |= {"source": "", "font": None}  # where the images lay
    about = {
        "format": FORMAT, "run": settings, "shape": [channels, height, width],
        "classes": list(model.facts["classes"]), "checkpoint": model.digest, "weights": model.weights,
        "step": model.facts["step"],
    }  # fmt: skip
    content = safetensors.torch.save(weights)
    tensors = content[8 + int.from_bytes(content[:8], "little") :]
    metadata = {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": f"inkwash-{name_of(run.network)}",
        "modelspec.implementation": f"inkwash {__version__}",
        "modelspec.title": f"{run.recipe}, step {model.facts['step']}",
        "modelspec.resolution": f"{width}x{height}",
        "modelspec.prediction_type": _PREDICTIONS.get(run.process.prediction, run.process.prediction),
        "modelspec.hash_sha256": f"0x{hashlib.sha256(tensors).hexdigest()}",
        "inkwash": json.dumps(about, ensure_ascii=False),
    }
    with replacing(out) as temporary:
        temporary.write_bytes(safetensors.torch.save(weights, metadata))
    return metadata
