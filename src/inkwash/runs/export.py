"""A run as an ONNX file with a manifest: a denoiser that needs neither inkwash nor PyTorch."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from inkwash import __version__
from inkwash.atomic import replacing
from inkwash.core import Denoise, Level, Plan, Seeded, as_floats, marginal_std, prior
from inkwash.denoise import Denoiser, clip, guide
from inkwash.denoise.guidance import ALWAYS
from inkwash.errors import InkwashError, UsageError
from inkwash.nets import Condition
from inkwash.runs import build
from inkwash.runs.model import TrainedModel, open_model
from inkwash.runs.onnx import quiet
from inkwash.sample import DDIM, last, sample
from inkwash.settings import Sampler, Sampling

OPSET, COMPARED = 18, 4  # the ONNX operators used; images whose walks are compared
INPUTS = ("x", "t", "alpha", "sigma", "value", "present")  # the last two of a conditional run
HELP = "pip install 'inkwash[onnx]'"


class _ToImage(nn.Module):
    """x̂₀ of x at a level, all of whose numbers are tensors [B]."""

    def __init__(self, denoiser: Denoiser) -> None:
        super().__init__()
        self.denoiser = denoiser

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        alpha: Tensor,
        sigma: Tensor,
        value: Tensor | None = None,
        present: Tensor | None = None,
    ) -> Tensor:
        cond = None if value is None or present is None else Condition(value, present)
        level = Level(t, alpha.view(-1, 1, 1, 1), sigma.view(-1, 1, 1, 1))
        return self.denoiser(x, level, cond)  # type: ignore[no-any-return]


def open_exact(folder: Path, checkpoint: str = "last", weights: str = "ema") -> TrainedModel:
    """Opens a run as it is exported: on the CPU, in float32."""
    return open_model(folder, checkpoint, "cpu", torch.float32, weights)


def export_onnx(model: TrainedModel, out: Path, sampler: Sampler, batch: int = 1) -> dict[str, Any]:
    """Writes `out`, an .onnx of a fixed batch size, and the manifest beside it, NAME.json; returns the manifest.

    The file computes x̂₀ [batch,C,H,W] from x, t, α, σ, and for a conditional run from `value` and `present`; the
    manifest has their shapes and types. It also has the plan of `sampler`, what a sampler needs besides, and the
    largest difference of a DDIM walk of 4 images from inkwash's own, in units of images in [−1, 1].

    Raises UsageError for another ending, a model that is not float32 on the CPU, and missing packages; InkwashError
    if ONNX cannot express the network or the file draws something else.
    """
    if out.suffix.lower() != ".onnx":
        raise UsageError(f"the model is written as ONNX; give `onnx` a name ending in .onnx (got {out}).")
    if batch < 1:
        raise UsageError(f"`batch_size` must be at least 1 (got {batch}).")
    try:
        import onnxruntime  # type: ignore[import-untyped]
        import onnxscript  # noqa: F401  # what torch.onnx translates with
    except ImportError as error:
        raise UsageError(f"writing ONNX needs the package {error.name}; {HELP}.") from error
    assert model.denoiser.precision == torch.float32
    plan = build.plan(Sampling(**vars(sampler)), model.schedule)
    inputs = _inputs(model, plan[-2], batch)
    with quiet():
        try:
            program = torch.onnx.export(
                _ToImage(model.denoiser).eval(), inputs, input_names=list(INPUTS[: len(inputs)]), output_names=["x0"],
                opset_version=OPSET, dynamo=True, verbose=False,
            )  # fmt: skip
        except torch.onnx.errors.OnnxExporterError as error:
            reason = str(error).strip().splitlines()[0]
            raise InkwashError(f"ONNX cannot express the network of {model.name} ({reason}).") from error
    assert program is not None
    content = program.model_proto.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    apart = _difference(model, sampler, plan, lambda *values: torch.from_numpy(
        session.run(None, {name: each.numpy() for name, each in zip(INPUTS, values, strict=False)})[0]
    ), batch)  # fmt: skip
    about = manifest(model, sampler, plan, inputs, hashlib.sha256(content).hexdigest(), apart)
    with replacing(out) as temporary:
        temporary.write_bytes(content)
    with replacing(out.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return about


def manifest(
    model: TrainedModel, sampler: Sampler, plan: Plan, inputs: tuple[Tensor, ...], digest: str, apart: float
) -> dict[str, Any]:
    """What a program that samples from the file has to know, as JSON."""
    conditioning = model.conditioning
    told = model.condition is not None
    return {
        "format": "inkwash onnx 1", "inkwash": __version__, "recipe": model.run.recipe, "checkpoint": model.digest,
        "sha256": digest,
        "inputs": {
            name: {"shape": list(each.shape), "dtype": str(each.dtype).removeprefix("torch.")}
            for name, each in zip(INPUTS, inputs, strict=False)
        },
        "output": "x0, the denoised image, in [-1, 1] where the data is, not clipped",
        "shape": list(model.shape), "classes": list(model.facts["classes"]),
        "condition": conditioning.condition, "scale": conditioning.scale if told else 1.0,
        "interval": list(conditioning.interval) if told and conditioning.interval else None,
        "limit": sampler.limit, "solver": sampler.solver, "spacing": build.spacing(sampler),
        "start": float(marginal_std(plan[0])),
        "plan": [dict(zip(("t", "alpha", "sigma"), map(float, level), strict=True)) for level in plan[:-1]],
        "largest_difference": apart,
    }  # fmt: skip


def _inputs(model: TrainedModel, level: Level, batch: int) -> tuple[Tensor, ...]:
    """An example of each input. Conditions are those of the model's embedder, none of them present."""
    x = torch.zeros(batch, *model.shape)
    alpha, sigma, _ = as_floats(level)
    of_t = torch.float32 if model.schedule.num_timesteps is None else torch.int64
    numbers = (torch.full((batch,), float(level.t)).to(of_t), torch.full((batch,), alpha), torch.full((batch,), sigma))
    if model.condition is None:
        return (x, *numbers)
    value = model.denoiser.net.embedder.null(x)  # type: ignore[union-attr, operator]
    return (x, *numbers, value, torch.zeros(batch, dtype=torch.bool))


def _difference(model: TrainedModel, sampler: Sampler, plan: Plan, run: Callable[..., Tensor], batch: int) -> float:
    """The largest difference between the images of two DDIM walks from one noise, by the file and by the model."""
    noise = Seeded(0, range(COMPARED))
    x = prior(noise, plan[0], torch.empty(COMPARED, *model.shape))
    value = None if model.condition is None else _first_condition(model)

    def by_file(present: bool) -> Denoise:
        def denoise(x: Tensor, level: Level) -> Tensor:
            parts = []
            for part in torch.split(x, batch):
                padded = torch.cat([part, part.new_zeros(batch - len(part), *part.shape[1:])])
                inputs = list(_inputs(model, level, batch))
                inputs[0] = padded
                if value is not None:
                    inputs[4], inputs[5] = (
                        value.expand(batch, *value.shape[1:]).contiguous(),
                        torch.full((batch,), present),
                    )
                parts.append(run(*inputs)[: len(part)])
            return torch.cat(parts)

        return denoise

    def by_model(present: bool) -> Denoise:
        return model.denoiser.given(value.expand(COMPARED, *value.shape[1:]) if present and value is not None else None)

    strength, where = model.conditioning.scale, model.conditioning.interval or ALWAYS
    ends = []
    for of in (by_file, by_model):
        plain = of(True) if value is not None else of(False)
        guided = value is not None and strength != 1 and not model.condition_never_dropped
        denoise = guide(of(True), of(False), strength, where) if guided else plain
        ends.append(last(sample(clip(denoise), x, plan, DDIM(), noise)))
    return float((ends[0] - ends[1]).abs().max())


def _first_condition(model: TrainedModel) -> Tensor:
    """Some condition of the model, for one image: the first class, or a made-up vector."""
    null: Tensor = model.denoiser.net.embedder.null(torch.zeros(1, *model.shape))  # type: ignore[union-attr, operator]
    if null.dtype == torch.int64:
        return torch.zeros_like(null)
    return torch.randn(null.shape, generator=torch.Generator().manual_seed(0))
