"""What axes, their values and scores are called, in two languages."""

import math
from typing import Any

from inkwash.study.table import Row, Table
from inkwash.study.words import Text

AXIS = {
    "prediction": Text("prediction", "预测目标"),
    "run": Text("run", "训练"),
    "solver": Text("sampler", "采样器"),
    "steps": Text("steps", "步数"),
    "eta": Text("η", "η"),
    "spacing": Text("spacing", "步的间隔"),
    "variance": Text("added variance", "所加噪声的方差"),
    "limit": Text("limit", "限幅"),
}
SCORE = {
    "frechet": Text("Fréchet distance", "Fréchet 距离"),
    "kernel": Text("kernel distance", "核距离"),
    "precision": Text("precision", "精确率"),
    "recall": Text("recall", "召回率"),
    "density": Text("density", "密度"),
    "coverage": Text("coverage", "覆盖率"),
    "spread": Text("spread", "离散程度"),
    "entropy": Text("class entropy, bits", "类别熵（比特）"),
    "accuracy": Text("accuracy", "准确率"),
}
LOWER, HIGHER = ("frechet", "kernel"), ("precision", "recall", "density", "coverage", "accuracy")  # is better
BETTER = {**dict.fromkeys(LOWER, "↓"), **dict.fromkeys(HIGHER, "↑")}  # an arrow to where that is
PLACE = {  # how a value of an axis is named where the axis is not
    "prediction": Text("predicts {}", "预测 {}"),
    "run": Text("{}", "{}"),
    "solver": Text("{}", "{}"),
    "steps": Text("{} steps", "{} 步"),
    "eta": Text("η = {}", "η = {}"),
    "spacing": Text("{} spacing", "间隔 {}"),
    "variance": Text("{} variance", "方差 {}"),
    "limit": Text("limit {}", "限幅 {}"),
}
LONGEST = 28  # characters of a name in a figure


def titled(score: str) -> Text:
    """The name of a score with an arrow to where it is better."""
    arrow = f" {BETTER[score]}" if score in BETTER else ""
    return Text(SCORE[score].en + arrow, SCORE[score].zh + arrow)


def shown(value: Any) -> str:
    """A value as it is written: numbers shortly, and names of folders without what cannot be printed."""
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    name = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(value))
    return name if len(name) <= LONGEST else f"{name[: LONGEST // 2]}…{name[-LONGEST // 2 + 1 :]}"


def place(axis: str, value: Any) -> Text:
    """A value of an axis, named so that nothing else need be read: 20 steps, η = 0.5, ddim."""
    said = shown(value)
    return Text(PLACE[axis].en.replace("{}", said), PLACE[axis].zh.replace("{}", said))


def places(at: dict[str, Any]) -> Text:
    """Values of several axes in a row."""
    each = [place(axis, value) for axis, value in at.items()]
    return Text(" · ".join(text.en for text in each), " · ".join(text.zh for text in each))


def cell_name(row: Row, done: Table) -> Text:
    """A row among the others: its values on the axes that were swept."""
    return places({axis: row.value(axis) for axis in done.axes} or {axis: row.value(axis) for axis in ("solver", "steps")})


def plus_minus(mean: float, sd: float) -> str:
    """A mean and its standard deviation, both as far as two digits of the deviation go."""
    if not (math.isfinite(mean) and math.isfinite(sd)):
        return "–"
    digits = 3 if sd == 0 else min(7, max(0, 1 - math.floor(math.log10(sd))))
    return f"{mean:.{digits}f} ± {sd:.{digits}f}".replace("-", "\N{MINUS SIGN}")
