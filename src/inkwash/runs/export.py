"""A run as an ONNX file with a manifest: a denoiser that needs neither inkwash nor PyTorch."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from inkwash import __version__
from inkwash.atomic import replacing
from inkwash.core import Denoise, Level, Plan, Seeded, as_floats, marginal_std, prior
from inkwash.denoise import Denoiser, clip, guide
from inkwash.errors import InkwashError, UsageError
from inkwash.nets import Condition
from inkwash.runs import build, guidance
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
    needs_onnx()
    sampling = Sampling(**vars(sampler))
    plan = build.plan(sampling, model.schedule)
    scale = guidance.scale(model, sampling)
    of_t = time_type(plan)
    content = graph(model, plan[-2], of_t, batch).SerializeToString()
    apart = difference(model, plan, of_t, scale, content, batch)
    inputs = example(model, plan[-2], of_t, batch)
    about = manifest(model, sampler, plan, inputs, hashlib.sha256(content).hexdigest(), scale, apart)
    with replacing(out) as temporary:
        temporary.write_bytes(content)
    with replacing(out.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return about


def needs_onnx() -> None:
    """Raises UsageError unless the packages that write and run ONNX are installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # type: ignore[import-untyped]  # noqa: F401
        import onnxscript  # noqa: F401  # what torch.onnx translates with
    except ImportError as error:
        raise UsageError(f"writing ONNX needs the package {error.name}; {HELP}.") from error


def time_type(plan: Plan) -> torch.dtype:
    """The type of the t that a network is told along a plan: int64 if every t is a row of a table, else float32.

    Levels of karras and logsnr spacing lie between the rows of a discrete schedule, and their t has a fraction.
    """
    return torch.int64 if all(isinstance(level.t, int) for level in plan[:-1]) else torch.float32


def graph(model: TrainedModel, level: Level, of_t: torch.dtype, batch: int) -> Any:
    """The denoiser as an ONNX ModelProto for `batch` images, whose input `t` has the type `of_t`.

    Raises InkwashError if ONNX cannot express the network.
    """
    assert model.denoiser.precision == torch.float32
    inputs = example(model, level, of_t, batch)
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
    return program.model_proto


def manifest(
    model: TrainedModel,
    sampler: Sampler,
    plan: Plan,
    inputs: tuple[Tensor, ...],
    digest: str,
    scale: float,
    apart: float,
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
        "condition": conditioning.condition, "scale": scale,
        "interval": list(conditioning.interval) if told and conditioning.interval else None,
        "limit": sampler.limit, "solver": sampler.solver, "spacing": build.spacing(sampler),
        "start": float(marginal_std(plan[0])),
        "plan": [dict(zip(("t", "alpha", "sigma"), map(float, level), strict=True)) for level in plan[:-1]],
        "largest_difference": apart,
    }  # fmt: skip


def example(model: TrainedModel, level: Level, of_t: torch.dtype, batch: int) -> tuple[Tensor, ...]:
    """An example of each input. Conditions are those of the model's embedder, none of them present."""
    x = torch.zeros(batch, *model.shape)
    alpha, sigma, _ = as_floats(level)
    numbers = (torch.full((batch,), float(level.t)).to(of_t), torch.full((batch,), alpha), torch.full((batch,), sigma))
    if model.condition is None:
        return (x, *numbers)
    value = model.denoiser.net.embedder.null(x)  # type: ignore[union-attr, operator]
    return (x, *numbers, value, torch.zeros(batch, dtype=torch.bool))


def difference(model: TrainedModel, plan: Plan, of_t: torch.dtype, scale: float, content: bytes, batch: int) -> float:
    """The largest difference between the images of two DDIM walks from one noise, by the file and by the model."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    noise = Seeded(0, range(COMPARED))
    x = prior(noise, plan[0], torch.empty(COMPARED, *model.shape))
    value = None if model.condition is None else _first_condition(model)

    def run(inputs: Sequence[Tensor]) -> Tensor:
        fed = {name: each.numpy() for name, each in zip(INPUTS, inputs, strict=False)}
        return torch.from_numpy(session.run(None, fed)[0])

    def by_file(present: bool) -> Denoise:
        def denoise(x: Tensor, level: Level) -> Tensor:
            parts = []
            for part in torch.split(x, batch):
                inputs = list(example(model, level, of_t, batch))
                inputs[0] = torch.cat([part, part.new_zeros(batch - len(part), *part.shape[1:])])
                if value is not None:
                    inputs[4] = value.expand(batch, *value.shape[1:]).contiguous()
                    inputs[5] = torch.full((batch,), present)
                parts.append(run(inputs)[: len(part)])
            return torch.cat(parts)

        return denoise

    def by_model(present: bool) -> Denoise:
        return model.denoiser.given(value.expand(COMPARED, *value.shape[1:]) if present and value is not None else None)

    where = guidance.interval(model, Sampling())
    ends = []
    for of in (by_file, by_model):
        plain = of(True) if value is not None else of(False)
        guided = value is not None and scale != 1
        denoise = guide(of(True), of(False), scale, where) if guided else plain
        ends.append(last(sample(clip(denoise), x, plan, DDIM(), noise)))
    return float((ends[0] - ends[1]).abs().max())


def _first_condition(model: TrainedModel) -> Tensor:
    """Some condition of the model, for one image: the first class, or a made-up vector."""
    null: Tensor = model.denoiser.net.embedder.null(torch.zeros(1, *model.shape))  # type: ignore[union-attr, operator]
    if null.dtype == torch.int64:
        return torch.zeros_like(null)
    return torch.randn(null.shape, generator=torch.Generator().manual_seed(0))
