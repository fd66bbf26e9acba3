"""The provenance of artifacts, and where the runs that it names are found again.

It names folders as they lie below the working folder, and no absolute path, since artifacts are passed on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from inkwash import __version__, models
from inkwash.core.noise import VERSION as NOISE_VERSION
from inkwash.data import is_path
from inkwash.errors import UsageError
from inkwash.runs import build
from inkwash.runs.model import TrainedModel
from inkwash.runs.record import code, used
from inkwash.settings import Sampling
from inkwash.training.checkpoint import FILES, LAST, digest


def provenance(
    model: TrainedModel,
    sampling: Sampling,
    batch_size: int,
    columns: int | None = None,
    chosen: Sequence[int] | None = None,
    guide: str | None = None,
    private: bool = False,
) -> dict[str, Any]:
    """Everything that images drawn from a model depend on, from which `replay` draws them again.

    `guide` is the digest of the checkpoint that guided them. `private` leaves out the names of the run and its recipe.
    """
    named = None if sampling.guide is None else place(Path(sampling.guide))
    sampling = replace(sampling, guide=named, spacing=build.spacing(sampling))
    return {
        "inkwash": __version__,
        "command": "sample",
        "noise": NOISE_VERSION,
        **({} if private else {"run": place(model.folder), "recipe": model.run.recipe}),
        "checkpoint": model.digest,
        "which": model.which,
        **({} if model.weights == "ema" else {"weights": model.weights}),
        "precision": str(model.denoiser.precision).removeprefix("torch."),
        "device": model.device.type,
        "batch_size": batch_size,
        "sampling": asdict(sampling),
        **({} if columns is None else {"columns": columns}),
        **({} if guide is None else {"guide": guide}),
        **code(*used(model.run), sampling),
        **({} if chosen is None else {"chosen": list(chosen)}),
    }


def forward_provenance(facts: dict[str, Any]) -> dict[str, Any]:
    """Everything that a figure of `draw_forward` depends on, besides the folder of the data sets."""
    code_of = {name: facts[name] for name in ("code",) if name in facts}
    depends = {name: fact for name, fact in facts.items() if name not in code_of}
    if is_path(depends["data"]["source"]):
        depends["data"] = {**depends["data"], "source": place(Path(depends["data"]["source"]))}
    return {"inkwash": __version__, "command": "forward", "noise": NOISE_VERSION, "forward": depends, **code_of}


def place(folder: Path) -> str:
    """A folder's path below the working folder, or its name if it lies elsewhere or in the box."""
    boxed = models.name_of(folder)
    if boxed is not None:
        return boxed
    found, here = folder.expanduser().resolve(), Path.cwd()
    return found.relative_to(here).as_posix() if found != here and found.is_relative_to(here) else found.name


def find_run(named: str | None, which: str, sha256: str, file: Path) -> Path:
    """The folder of the run that made `file`, of which its provenance tells the name and the checkpoint's digest.

    It is looked for around the file and the working folder. Raises UsageError if it is not there.
    """
    there = [folder for folder in dict.fromkeys(places(named, file)) if (folder / FILES[which]).is_file()]
    same = next((folder for folder in there if digest(folder / FILES[which]) == sha256), None)
    if same is not None:
        return same
    by_name = [folder for folder in there if named is not None and folder.name == Path(named).name]
    if by_name:
        return by_name[0]
    raise UsageError(
        f"the run {named or f'with checkpoint {sha256[:12]}'} that made {file} is not found from here; say where it is "
        "with `run`."
    )


def find_guide(given: Path | None, named: str, sha256: str, file: Path, run: Path) -> Path:
    """The folder of the weaker run that guided `run` when `file` was drawn: as given, or found as `find_run` does.

    Raises UsageError if it is not there, or holds another checkpoint.
    """
    around = [*places(named, file), run.resolve().parent / Path(named).name] if given is None else [given]
    there = [folder for folder in dict.fromkeys(around) if (folder / LAST).is_file()]
    for folder in there:
        if digest(folder / LAST) == sha256:
            return folder
    if any(folder.name == Path(named).name for folder in there):
        raise UsageError(
            f"{file} was guided by another checkpoint of {named} than it holds now; give `guide` that one."
        )
    raise UsageError(f"the run {named} that guided {file} is not found from here; say where it is with `guide`.")


def places(named: str | None, file: Path) -> Iterator[Path]:
    """Where the run of a file may be, around the working folder and the file; some are not there."""
    roots = [Path.cwd(), *file.resolve().parents[:4]]
    if named is not None:
        yield from (root / named for root in roots)  # a path of earlier versions is absolute, and stays so
        yield from (root / "runs" / named for root in roots)
    if named in models.names():
        yield models.folder(str(named))
    yield from roots
