"""A run as a repository of a hub: its averaged weights, a model card and pictures."""

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inkwash import choices, own, remote
from inkwash.checked import references
from inkwash.errors import UsageError
from inkwash.runs.artifacts import write_drawn
from inkwash.runs.card import PICTURE, card
from inkwash.runs.draw import draw
from inkwash.runs.model import TrainedModel
from inkwash.settings import Sampling
from inkwash.training.checkpoint import FILES, LAST, Checkpoint, load, save

_DRAWN, _BATCH = 16, 16


def pushed(
    model: TrainedModel, repo: str, license: str | None, use: str | None, private: bool,
    tick: Callable[[int], None],
) -> str:  # fmt: skip
    """Uploads a run to OWNER/NAME of a hub, which is made if it is not there; returns its address.

    Raises as `folder_of` and `remote.saying`. Nothing is uploaded before all of it is written.
    """
    if (place := remote.place(f"hf://{repo}")) is None or place.revision is not None:
        raise UsageError(f"a repository is written OWNER/NAME (got {repo}).")
    hub = remote.library()
    with tempfile.TemporaryDirectory() as folder:
        write_folder(model, Path(folder), repo, license, use, tick)
        with remote.saying(repo):
            api = hub.HfApi(endpoint=remote.endpoint(), library_name="inkwash")
            api.create_repo(repo, private=private, exist_ok=True)
            api.upload_folder(repo_id=repo, folder_path=folder, commit_message="A run of inkwash")
    return f"hf://{repo}"


def write_folder(
    model: TrainedModel, folder: Path, repo: str, license: str | None, use: str | None, tick: Callable[[int], None]
) -> list[Path]:
    """Writes what is pushed into `folder`: the checkpoint, README.md and a sheet of 16 images; returns the files.

    The checkpoint holds the averaged weights alone, and no path of this machine.

    Raises UsageError for a run that could not be opened elsewhere: of the user's own code, or of a text encoder in a
    folder of this machine.
    """
    run = model.run
    if code := references(run.network, run.process, run.conditioning):
        raise UsageError(
            f"{model.name} needs code of your own ({code[0]}), which is not pushed: nobody could open it. Push a run "
            "of inkwash's own parts."
        )
    if license is not None and not re.fullmatch(r"[\w.-]{1,64}", license):
        raise UsageError(f"`license` is an identifier such as mit or cc-by-4.0 (got {license!r}).")
    if run.conditioning.encoder not in choices.ENCODERS and Path(run.conditioning.encoder).is_absolute():
        raise UsageError(
            f"{model.name} reads texts with {run.conditioning.encoder}, a folder of this machine; train with an "
            "encoder that has a name on the hub."
        )
    saved = load(model.folder / FILES[model.which])
    save(folder / LAST, Checkpoint({"ema": saved.parts["ema"]}, _public(saved.facts)))
    sampling = Sampling(**vars(run.default_sampler), n=_DRAWN, stretch=run.stretch)
    write_drawn(folder / PICTURE, draw(model, sampling, _BATCH, tick=tick), model, sampling, _BATCH, private=True)
    (folder / "README.md").write_text(card(model, repo, license, use), encoding="utf-8")
    return [folder / name for name in (LAST, PICTURE, "README.md")]


def _public(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts without the places of files on this machine."""
    stored, data = facts["run"], facts.get("data", {})
    source = stored["data"]["source"]
    if source not in choices.SOURCES and not source.startswith("<run>") and not own.is_reference(source):
        source = Path(source).name
    return {
        **facts, "data_dir": None, "data": {**data, "place": None, "notes": []},
        "run": {**stored, "data": {**stored["data"], "source": source, "font": None}},
    }  # fmt: skip
