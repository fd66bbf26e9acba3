"""The sections on axes that need few words: runs, the variance of the added noise, the limit on x̂₀."""

from inkwash.report.words import AXES, Section, Text, label, place, scored
from inkwash.study.compare import families, gain
from inkwash.study.table import Table

MOST = 6

_THEORY = {
    "run": Text(
        "Runs differ in all that their trainings differ in: the closed form, which stands for a perfect network, is "
        "the same for runs of one schedule.",
        "不同模型的差别来自训练；精确公式对应完美的网络，噪声表相同的模型结果也相同。",
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
    findings: list[Text] = []
    wins = dict.fromkeys(done.axes[axis], 0)
    found = families(done, axis)
    for family in found:
        best = min(family.rows, key=lambda row: row.scores["frechet"][0])
        sure = all(gain(best, row).sure for row in family.rows if row is not best)
        wins[best.value(axis)] += sure
        en = ", ".join(f"{label(axis, row.value(axis)).en} {scored(row.scores['frechet'])}" for row in family.rows)
        zh = "，".join(f"{label(axis, row.value(axis)).zh} {scored(row.scores['frechet'])}" for row in family.rows)
        if len(findings) < MOST:
            findings.append(
                place(family.fixed)
                + Text(
                    f"— Fréchet distance {en}" + ("." if sure else "; the best is not surely so."),
                    f"：Fréchet 距离 {zh}" + ("。" if sure else "；最好的并不确定。"),
                )
            )
    en = ", ".join(f"{label(axis, value).en} in {count}" for value, count in wins.items())
    zh = "，".join(f"{label(axis, value).zh} {count} 次" for value, count in wins.items())
    answer = Text(
        f"Of {len(found)} comparisons, **surely best are {en}**.", f"在 {len(found)} 组比较中，**明确最好的是：{zh}**。"
    )
    question = Text(f"What does the {name.en} do?", f"{name.zh}有什么影响？")
    return Section(axis, question, (_THEORY[axis],), tuple(findings), answer)
