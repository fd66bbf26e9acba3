"""A model card: what a run is, what it was trained on, how good it is, and how to draw from it."""

import json
from pathlib import Path
from typing import Any

from inkwash import __version__
from inkwash.data.regular import open_regular
from inkwash.foreign import harmless
from inkwash.metrics.score import SCORES
from inkwash.runs.info import run_facts
from inkwash.runs.model import TrainedModel

PICTURE = "samples.png"
_LARGEST = 2**26  # bytes of scores
_TOLD = ("recipe", "network", "condition", "process", "sampler", "trained", "begun from", "time", "held out", "epochs")
_USES = {
    "class": "--label NAME draws one class.", "text": '--text "a red fox" draws what a text says.', "none": "",
}  # fmt: skip


def card(model: TrainedModel, repo: str, license: str | None, use: str | None) -> str:
    """The README of a run that is pushed to `repo`, in Markdown with the hub's metadata at its head.

    `license` is an identifier of the hub's, such as mit; None leaves it open, which the card says. `use` is the
    intended use in the author's words. Scores are those of RUN/evaluation, if they are of this checkpoint.
    """
    told, about = dict(run_facts(model.folder)), model.facts
    channels, height, width = model.shape
    data = Path(model.run.data.source or str(about["fingerprint"])).name
    kind = model.run.conditioning.condition
    classes = f" Classes: {', '.join(map(_plain, about['classes']))}." if kind == "class" else ""
    head = [
        "---", *([f"license: {license}"] if license else []), "library_name: inkwash",
        "pipeline_tag: unconditional-image-generation", "tags:", "- inkwash", "- diffusion", "---",
    ]  # fmt: skip
    lines = [
        *head, "", f"# {_plain(repo)}", "",
        f"A diffusion model of images of {width}×{height} pixels and {channels} channel(s), of inkwash {__version__}.",
        "", f"![Images of this model]({PICTURE})", "",
        "## What it was trained on", "",
        f"{_plain(data)}, {about['images']:,} images.{classes}" if about["images"]
        else f"Images that are not known here: {_plain(str(about['fingerprint']))}.{classes}",
        "", "## How it was trained", "", "| | |", "|---|---|",
        *(f"| {name} | {_plain(told[name])} |" for name in _TOLD if name in told),
        "", "## How good it is", "", *_scores(model), "",
        "## Intended use", "", _plain(use) if use else "The author did not say.", "",
        "## Licence", "", _plain(license) if license else "The author named none: ask before you use it.", "",
        "## How to draw from it", "", "```", "pip install 'inkwash[hub]'",
        f"inkwash sample hf://{repo}", "```", "", _USES.get(kind, ""),
        "The checkpoint holds the averaged weights, and no code. Its sha256 before it was pushed: "
        f"`{model.digest}`.", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _scores(model: TrainedModel) -> list[str]:
    """The scores as a table with their floor, or why there are none."""
    path = model.folder / "evaluation" / "scores.json"
    try:
        with open_regular(path, _LARGEST) as file:
            text = file.read().decode()
        found: dict[str, Any] = json.loads(text)
        floors = found["floor"]
        rows = [
            f"| {SCORES[name].title} | {_number(each)} | {_number(floors[name]) if name in floors else '–'} |"
            for name, each in found["scores"].items() if name in SCORES
        ]  # fmt: skip
        of = f"{found['n']:,} images against {found['compared']:,} of {found['data']}, in {found['features']} features"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ["Not measured."]
    if model.digest not in text:
        return ["Not measured: the scores beside the run are of another checkpoint."]
    head = ["| score | this model | floor |", "|---|---|---|"]
    return [f"{_plain(of)}. The floor is what real images score.", "", *head, *rows]


def _number(each: dict[str, float]) -> str:
    return f"{each['mean']:.4g} ± {each['sd']:.2g}"


def _plain(text: str) -> str:
    """Text in a line of Markdown: harmless, and without marks that would break a table or begin a tag."""
    return harmless(text).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
