"""The sections on axes whose values compete: runs, spacing, the variance of the noise, the limit on x̂₀."""

from collections.abc import Callable
from typing import Any

from inkwash.report.words import AXES, Section, Text, label, place, scored
from inkwash.study.compare import best_row, families
from inkwash.study.table import Table

MOST = 6

_THEORY = {
    "run": Text(
        "Runs differ in all that their trainings differ in: the closed form, which stands for a perfect network, is "
        "the same for runs of one schedule.",
        "不同模型的差别来自训练；精确公式对应完美的网络，噪声表相同的模型结果也相同。",
    ),
    "spacing": Text(
        "The same number of steps can be spent in different places. Trailing begins at all noise and takes equal "
        "strides of t; leading ends on the least noisy row and so begins a stride too late, on data that training "
        "never saw there; linspace takes both ends; Karras et al. space the noise σ/α itself, densely where the "
        "image is nearly clean.",
        "同样的步数可以花在不同的地方。trailing 从纯噪声开始，在 t 上等距；leading 止于噪声最小的一行，"
        "因而开始得晚了一步；linspace 两端都取；Karras 等人让 σ/α 本身按幂律分布，在图像几乎干净处更密。",
    ),
    "variance": Text(
        "The posterior's variance β̃ is right where the image is known, and β where nothing of it is (Ho et al. 2020, "
        "section 3.2). They differ in the last steps most, where too much noise is no longer taken away.",
        "后验方差 β̃ 对应图像已知的情形，β 对应图像完全未知的情形（Ho et al. 2020，3.2 节）。两者在最后几步差别最大，"
        "那时多余的噪声来不及去除。",
    ),
    "limit": Text(
        "Images lie in [−1, 1], and a network's x̂₀ at much noise may not. Clipping costs nothing and catches what "
        "would otherwise run away; for Gaussian data, which has no ends, it would be wrong.",
        "图像位于 [−1, 1]，而噪声很大时网络给出的 x̂₀ 可能超出。截断没有代价，并能防止结果失控；"
        "对没有边界的高斯数据则是错误的。",
    ),
}


def other(done: Table, axis: str) -> Section:
    """The section of any axis: which value is best, and whether surely."""
    name = AXES[axis]
    question = Text(f"What does the {name.en} do?", f"{name.zh}有什么影响？")
    return _contest(done, axis, question, lambda value: label(axis, value))


def spacing(done: Table) -> Section:
    """Where should the steps lie?"""
    question = Text("Where should the steps lie?", "步应该放在哪里？")
    return _contest(done, "spacing", question, lambda value: Text(value, value))


def _contest(done: Table, axis: str, question: Text, called: Callable[[Any], Text]) -> Section:
    """Which value of an axis is best in each family; `called` is how values are spoken of."""
    findings: list[Text] = []
    wins = dict.fromkeys(done.axes[axis], 0)
    found = families(done, axis)
    for family in found:
        best, sure = best_row(family.rows)
        wins[best.value(axis)] += sure
        if len(findings) < MOST:
            told = [(called(row.value(axis)), scored(row.scores["frechet"])) for row in family.rows]
            en = ", ".join(f"{name.en} {score}" for name, score in told)
            zh = "，".join(f"{name.zh} {score}" for name, score in told)
            findings.append(
                place(family.fixed)
                + Text(
                    f"— Fréchet distance {en}" + ("." if sure else "; the best is not surely so."),
                    f"：Fréchet 距离 {zh}" + ("。" if sure else "；最好的并不确定。"),
                )
            )
    en = ", ".join(f"{called(value).en} in {count}" for value, count in wins.items())
    zh = "，".join(f"{called(value).zh} {count} 次" for value, count in wins.items())
    answer = Text(
        f"Of {len(found)} comparisons, **surely best are {en}**.", f"在 {len(found)} 组比较中，**明确最好的是：{zh}**。"
    )
    return Section(axis, question, (_THEORY[axis],), tuple(findings), answer)
