"""A run as one HTML file: network, ONNX Runtime for browsers, and samplers; it opens from disk and works offline."""

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import torch

from inkwash import choices
from inkwash.atomic import replacing
from inkwash.core import Plan, marginal_std
from inkwash.errors import UsageError
from inkwash.play.runtime import Runtime, runtime
from inkwash.runs import build, guidance
from inkwash.runs.export import difference, example, graph, manifest, needs_onnx, time_type
from inkwash.runs.model import TrainedModel
from inkwash.sample import DDIM
from inkwash.settings import Sampler, Sampling

STEPS = (5, 10, 20, 30, 50, 100)  # numbers of steps that the page offers, where the schedule has as many
CLOSE = 2 / 255  # a grey level of images in [−1, 1]: the most that float16 weights may change
LARGE = 256  # numbers of a tensor from which it is stored in float16
_PAGE, _SINGLE = Path(__file__).parent / "page", Path(__file__).parent / "single"
SCRIPTS = (  # in the order in which they are joined: a file comes after those that it imports
    _PAGE / "words.js", _SINGLE / "more.js", _PAGE / "pictures.js", _SINGLE / "sampler.js", _SINGLE / "network.js",
    _SINGLE / "film.js", _SINGLE / "alone.js",
)  # fmt: skip
_STYLES = (_PAGE / "style.css", _SINGLE / "single.css")
LIMITS = tuple(row.name for row in choices.LIMITS)  # sampler.js has a function for each; a test compares them
_IMPORT = re.compile(r"^import .*$\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:const|let|class|function))", re.MULTILINE)
_PLACE = re.compile(r"\{\{(\w+)\}\}")


def export_html(model: TrainedModel, out: Path, sampler: Sampler, given: Path | None = None) -> dict[str, Any]:
    """Writes `out`, a page that draws from the model by DDIM and DDPM and fills holes; returns its manifest.

    The manifest is that of `export_onnx`, with plans for several numbers of steps, what the page begins with, and how
    the weights are `stored`: "float16" where a walk of `sampler` then stays within a grey level of the model's own, or
    else "float32". `given` is the npm package of the runtime; see `runtime`.

    Raises UsageError for another ending than .html, a file that is there already, missing packages, and a model or
    sampler that the page does not have; InkwashError if ONNX cannot express the network, or there is no runtime.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"the page is HTML; give `html` a name ending in .html (got {out}).")
    if out.exists() or out.is_symlink():
        raise UsageError(f"{out} is there already; remove it, or give `html` another name.")
    sampling = Sampling(**vars(sampler))
    solver = _check(model, sampling)
    plans = _plans(model, sampler)
    scale = guidance.scale(model, sampling)
    needs_onnx()
    needed = runtime(given)
    plan = plans[sampler.steps]
    every = [level for each in plans.values() for level in each[:-1]]
    of_t = time_type([*every, plan[-1]])
    content, stored, apart = _smallest(model, plan, of_t, scale)
    conditional = model.condition is not None
    inputs = example(model, plan[-2], of_t, 1)
    about = manifest(model, sampler, plan, inputs, hashlib.sha256(content).hexdigest(), scale, apart) | {
        "format": "inkwash page 1", "name": model.folder.name, "stored": stored, "steps": sampler.steps,
        "plans": {
            steps: [dict(zip(("t", "alpha", "sigma"), map(float, level), strict=True)) for level in each[:-1]]
            for steps, each in sorted(plans.items())
        },
        "starts": {steps: float(marginal_std(each[0])) for steps, each in sorted(plans.items())},
        "eta": solver.eta, "large": solver.large,
        "must_be_told": model.condition_never_dropped, "guided": conditional and not model.condition_never_dropped,
    }  # fmt: skip
    del about["plan"], about["start"]
    with replacing(out) as temporary:
        temporary.write_text(page(about, content, needed), encoding="utf-8")
    return about


def page(about: dict[str, Any], content: bytes, needed: Runtime) -> str:
    """The page's text: `content` is the network as ONNX. Nothing in it is read from elsewhere."""
    template = (_SINGLE / "page.html").read_text(encoding="utf-8")
    seal = base64.b64encode((_PAGE / "seal.svg").read_bytes()).decode()
    style = "\n".join(file.read_text(encoding="utf-8") for file in _STYLES)
    values = {
        "seal": f"data:image/svg+xml;base64,{seal}",
        "style": style,
        "manifest": json.dumps(about, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
        "weights": _packed(content),
        "program": _packed(needed.program),
        "glue": _packed(needed.glue.encode("utf-8")),
        "runtime": _inline(needed.script),
        "code": _inline(joined()),
    }
    return _PLACE.sub(lambda found: values[found[1]], template)


def joined() -> str:
    """The page's modules as one: without their imports of each other, whose names are then all in one scope."""
    texts = (file.read_text(encoding="utf-8") for file in SCRIPTS)
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", text)) for text in texts)


def _inline(script: str) -> str:
    """A script that can stand inside <script>."""
    return re.sub(r"</(?=script)|<(?=!--)", lambda found: "<\\/" if found[0] == "</" else "\\x3c", script, flags=re.I)


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode("ascii")


def _check(model: TrainedModel, sampling: Sampling) -> DDIM:
    """The solver of the page. Raises UsageError for what it cannot draw."""
    if model.shape[0] not in (1, 3):
        raise UsageError(
            f"a page shows images of 1 or 3 channels, and those of {model.name} have {model.shape[0]}; export with "
            "`onnx`."
        )
    labels = model.denoiser.net.embedder.null(torch.zeros(1, *model.shape)) if model.condition is not None else None  # type: ignore[union-attr, operator]
    if labels is not None and (labels.dtype != torch.int64 or not model.facts["classes"]):
        raise UsageError(
            f"a page asks for classes, and {model.name} was trained on the condition "
            f"{model.conditioning.condition}; export with `onnx`."
        )
    if model.run.distillation is not None:
        raise UsageError(f"{model.name} was distilled for one sampler, and a page lets one choose; export with `onnx`.")
    solver = build.solver(sampling)
    if not isinstance(solver, DDIM):
        raise UsageError(f"a page draws by DDIM and DDPM (got {sampling.solver}); add `solver='ddim'`.")
    if sampling.limit not in LIMITS:
        raise UsageError(f"a page has the limits {', '.join(LIMITS)} (got {sampling.limit}); choose one as `limit`.")
    return solver


def _plans(model: TrainedModel, sampler: Sampler) -> dict[int, Plan]:
    """The plan for each number of steps that the page offers. Raises UsageError if the one of `sampler` has none."""
    most = model.schedule.num_timesteps
    offered = {sampler.steps, *(steps for steps in STEPS if most is None or steps <= most)}
    return {steps: build.plan(Sampling(**{**vars(sampler), "steps": steps}), model.schedule) for steps in offered}


def _smallest(model: TrainedModel, plan: Plan, of_t: torch.dtype, scale: float) -> tuple[bytes, str, float]:
    """The network as ONNX, how its weights are stored, and how far a walk of it is from the model's own."""
    made = graph(model, plan[-2], of_t, 1)
    whole: bytes = made.SerializeToString()
    halved = _in_float16(made)
    if halved is not None:
        apart = difference(model, plan, of_t, scale, halved, 1)
        if apart <= CLOSE:
            return halved, "float16", apart
    return whole, "float32", difference(model, plan, of_t, scale, whole, 1)


def _in_float16(made: Any) -> bytes | None:
    """The graph with its large tensors in float16, cast to float32 where they are used; None if one overflows."""
    from onnx import TensorProto, helper, numpy_helper

    kept, casts = [], []
    for tensor in made.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or len(values := numpy_helper.to_array(tensor).ravel()) < LARGE:
            kept.append(tensor)
            continue
        half = torch.from_numpy(values.copy()).half()
        if not bool(half.isfinite().all()):
            return None
        name = f"{tensor.name}/float16"
        kept.append(numpy_helper.from_array(half.view(tuple(tensor.dims)).numpy(), name))
        casts.append(helper.make_node("Cast", [name], [tensor.name], to=TensorProto.FLOAT))
    nodes = list(made.graph.node)
    del made.graph.initializer[:], made.graph.node[:], made.graph.value_info[:]
    made.graph.initializer.extend(kept)
    made.graph.node.extend([*casts, *nodes])
    return bytes(made.SerializeToString())
