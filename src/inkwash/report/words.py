"""What a report says, in two languages, and how values are called in both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Text:
    """The same sentences in English and in simplified Chinese. `**…**` marks what is emphasised."""

    en: str
    zh: str

    def __add__(self, other: "Text") -> "Text":
        return Text(f"{self.en} {other.en}", self.zh + other.zh)


@dataclass(frozen=True)
class Section:
    """One axis of a study: the question, what theory says before anything is measured, and what was found."""

    axis: str
    question: Text
    theory: tuple[Text, ...]  # paragraphs
    findings: tuple[Text, ...]  # paragraphs, computed from the table
    answer: Text  # the conclusion in a sentence or two


@dataclass(frozen=True)
class Story:
    """All that a report says beside its figures, pictures and tables."""

    title: Text
    summary: tuple[Text, ...]  # the answers in short, one for each section
    sections: tuple[Section, ...]
    method: tuple[Text, ...]  # how it was measured: n, split, features, floor, what a band is


AXES = {
    "prediction": Text("prediction type", "预测类型"),
    "run": Text("run", "模型"),
    "solver": Text("sampler", "采样器"),
    "steps": Text("number of steps", "推断步数"),
    "scale": Text("guidance scale s", "引导强度 s "),
    "eta": Text("η", " η "),
    "spacing": Text("spacing of the steps", "步的间隔"),
    "variance": Text("variance of the added noise", "所加噪声的方差"),
    "limit": Text("limit on x̂₀", "对 x̂₀ 的限制"),
}
_PREDICTIONS = {"eps": "ε", "x0": "x₀", "v": "v", "flow": "u", "edm": "F"}


def label(axis: str, value: Any) -> Text:
    """A value of an axis as it is spoken of: "50 steps", "η = 0.5"."""
    match axis:
        case "prediction":
            name = _PREDICTIONS[value]
            return Text(f"{name}-prediction", f"预测 {name}")
        case "steps":
            return Text(f"{value:,} step{'s' * (value != 1)}", f"{value:,} 步")
        case "scale":
            return Text(f"s = {value:g}", f"s = {value:g}")
        case "eta":
            return Text(f"η = {value:g}", f"η = {value:g}")
        case "spacing":
            return Text(f"{value} spacing", f"{value} 间隔")
        case "variance":
            return Text(f"{value} variance", f"方差 {value}")
        case "limit":
            return Text(f"limit {value}", f"限制 {value}")
    return Text(str(value), str(value))


def place(fixed: dict[str, Any]) -> Text:
    """Where a family stands, in bold: "**ε-prediction, η = 0**"."""
    if not fixed:
        return Text("**All cells**", "**所有格子**")
    each = [label(axis, value) for axis, value in fixed.items()]
    return Text(f"**{', '.join(text.en for text in each)}**", f"**{'，'.join(text.zh for text in each)}**")


def several(texts: Sequence[Text]) -> Text:
    """A list: "5, 10 and 20 steps"."""
    if len(texts) == 1:
        return texts[0]
    en = f"{', '.join(text.en for text in texts[:-1])} and {texts[-1].en}"
    return Text(en, f"{'、'.join(text.zh for text in texts[:-1])} 和 {texts[-1].zh}")


def numbers(values: Sequence[Any]) -> Text:
    """A list of numbers: "5, 10 and 20"."""
    return several([Text(f"{value:g}", f"{value:g}") for value in values])


def scored(pair: tuple[float, float]) -> str:
    """A score with its deviation over the draws."""
    return f"{pair[0]:.3g} ± {pair[1]:.2g}"
