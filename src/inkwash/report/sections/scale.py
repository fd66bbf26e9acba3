"""The section on the guidance scale: fidelity against diversity."""

from collections.abc import Sequence
from dataclasses import dataclass

from inkwash.report.labels import SCORE
from inkwash.report.words import Section, Text, label, place, scored, several
from inkwash.study.compare import Difference, Family, best_row, families, mean_gain
from inkwash.study.table import Row, Table

FIDELITY = ("accuracy", "precision", "density")
DIVERSITY = ("recall", "coverage", "entropy", "spread")
MOST = 6  # families that are spoken of one by one

_THEORY = (
    Text(
        "A network that is not told its condition c now and then learns two distributions, with c and without. "
        "Classifier-free guidance (Ho & Salimans 2022) walks with x̂₀ = x̂₀(∅) + s·(x̂₀(c) − x̂₀(∅)). At s = 0 nothing is "
        "asked for, s = 1 is the network's own conditional distribution, and s > 1 goes on in the same direction: at "
        "every noise level the score is that of p(x)·p(c|x)^s. (The paper's w, and CS231n's, is s − 1.) Unless s is 0 "
        "or 1, a step asks the network twice.",
        "训练时偶尔不告知条件 c，网络就同时学到有 c 和无 c 的两个分布。无分类器引导（Ho & Salimans 2022）采用 "
        "x̂₀ = x̂₀(∅) + s·(x̂₀(c) − x̂₀(∅))。s = 0 时没有条件，s = 1 是网络自身的条件分布，s > 1 则沿同一方向继续前进："
        "在每个噪声水平上，得分函数对应 p(x)·p(c|x)^s。（论文和 CS231n 的 w 等于 s − 1。）除 s 为 0 或 1 外，"
        "每一步要对网络求值两次。",
    ),
    Text(
        "Raised to a power, p(c|x) is sharper: of the images that show c, those that show it beyond doubt remain "
        "(their fig. 2). So fidelity should rise with s, which accuracy and precision see, and diversity should fall, "
        "which recall and coverage see. The Fréchet distance suffers from a lack of either and has its least in "
        "between, in the paper (table 1) just above s = 1. Two scores need care: classes are asked for as often as "
        "they occur, so that the class entropy may stay and diversity be lost within each; and guidance overdraws, so "
        "that the spread of the pixels may even grow.",
        "p(c|x) 取 s 次幂后更尖锐：在表现 c 的图像中，只留下毫无疑义的那些（见该文图 2）。因此保真度应随 s 上升，"
        "由准确率和精确率反映；多样性应下降，由召回率和覆盖率反映。两者缺一，Fréchet 距离都会变差，所以最小值在中间，"
        "论文（表 1）中略大于 s = 1。有两项分数需要小心：各类别按其在数据中的频率给出，因此类别熵可能不变，"
        "失去的是类内的多样性；引导又会使图像过于夸张，像素的离散程度甚至可能上升。",
    ),
    Text(
        "Two remedies: guidance at the middle noise levels alone (Kynkäänniemi et al. 2024), and guidance away from a "
        "weaker version of the same network instead of from no condition (autoguidance, Karras et al. 2024). The "
        "closed form of other sections foretells nothing here: it stands for one perfect network, of which nothing is "
        "asked.",
        "有两种补救办法：只在中间的噪声水平上引导（Kynkäänniemi et al. 2024），或以同一网络的较弱版本代替无条件网络"
        "作为出发点（自引导，Karras et al. 2024）。其他章节的精确公式在此没有预测：它对应一个完美的、没有条件的网络。",
    ),
)


@dataclass(frozen=True)
class Change:
    """What becomes of a score between two scales, on average over the other settings."""

    name: str
    found: Difference
    before: float
    after: float
    floor: float

    @property
    def sign(self) -> int:
        """1 where it surely rises, −1 where it surely falls, 0 where three draws cannot tell."""
        return 0 if not self.found.sure else 1 if self.found.mean > 0 else -1


def scale(done: Table) -> Section:
    """How strongly should what is asked for be insisted on?"""
    found = families(done, "scale")
    alike = _alike(found)
    values = _values(alike[0])
    low, high = 1.0 if 1.0 in values[:-1] else values[0], values[-1]
    faithful, diverse = (_changes(done, alike, names, low, high) for names in (FIDELITY, DIVERSITY))
    way = _way(low, high, len(alike))
    findings = [_told(Text("Fidelity", "保真度"), faithful, way), _told(Text("Diversity", "多样性"), diverse, way)]
    if values[0] < low:
        asked = _changes(done, alike, ("accuracy", "precision", "recall"), values[0], low)
        findings.insert(0, _told(Text("Asking", "给出条件"), asked, _way(values[0], low, len(alike))))
    findings += [_distances(family) for family in found[:MOST]]
    question = Text("How strongly should what is asked for be insisted on?", "应当多么坚持所给的条件？")
    answer = _trade(faithful, diverse, way) + _least(done, alike)
    return Section("scale", question, _THEORY, tuple(findings), answer)


def _values(family: Family) -> list[float]:
    return [row.value("scale") for row in family.rows]


def _alike(found: Sequence[Family]) -> list[Family]:
    """The families with the most scales, all with the same: what can be averaged over."""
    longest = max(found, key=lambda family: len(family.rows))
    return [family for family in found if _values(family) == _values(longest)]


def _at(family: Family, value: float) -> Row:
    return next(row for row in family.rows if row.value("scale") == value)


def _mean(found: Sequence[Family], name: str, value: float) -> float:
    return sum(_at(family, value).scores[name][0] for family in found) / len(found)


def _changes(done: Table, found: Sequence[Family], names: Sequence[str], low: float, high: float) -> list[Change]:
    """What becomes of the scores that all cells have."""
    return [
        Change(
            name,
            mean_gain([(_at(family, high), _at(family, low)) for family in found], name),
            _mean(found, name, low),
            _mean(found, name, high),
            done.floor_scores[name][0],
        )
        for name in names
        if name in done.floor_scores and all(name in row.scores for family in found for row in family.rows)
    ]


def _way(low: float, high: float, count: int) -> Text:
    """From one scale to another, over so many families."""
    a, b = _s(low), _s(high)
    if count == 1:
        return Text(f"from {a} to {b}", f"从 {a} 到 {b}")
    return Text(f"from {a} to {b}, on average over {count} settings", f"从 {a} 到 {b}（{count} 种设置的平均）")


def _told(what: Text, changes: Sequence[Change], way: Text) -> Text:
    """Each change, and what real images score."""
    verbs = {
        1: ("surely rises", "明确上升"),
        -1: ("surely falls", "明确下降"),
        0: ("is not surely moved", "变化不明确"),
    }
    en = "; ".join(
        f"{_called(each).en} {verbs[each.sign][0]}, {each.before:.3g} → {each.after:.3g} (real images {each.floor:.3g})"
        for each in changes
    )
    zh = "；".join(
        f"{_called(each).zh}{verbs[each.sign][1]}，{each.before:.3g} → {each.after:.3g}（真实图像 {each.floor:.3g}）"
        for each in changes
    )
    return Text(f"**{what.en}, {way.en}**: {en}.", f"**{what.zh}，{way.zh}**：{zh}。")


def _called(change: Change) -> Text:
    return Text("class entropy", "类别熵") if change.name == "entropy" else SCORE[change.name]


def _s(value: float) -> str:
    return label("scale", value).en


def _distances(family: Family) -> Text:
    """The Fréchet distance of a family at all its scales."""
    told = [(_s(row.value("scale")), scored(row.scores["frechet"])) for row in family.rows]
    en = ", ".join(f"{score} at {s}" for s, score in told)
    zh = "，".join(f"{s} 时 {score}" for s, score in told)
    best, sure = best_row(family.rows)
    return place(family.fixed) + Text(
        f"— Fréchet distance {en}; least at {_s(best.value('scale'))}" + (", surely." if sure else ", not surely."),
        f"：Fréchet 距离 {zh}；{_s(best.value('scale'))} 时最小" + ("，可以确定。" if sure else "，但并不确定。"),
    )


_HEADLINES = {  # by the signs of what surely changes in fidelity and in diversity
    ("+", "-"): Text("Guidance buys fidelity with diversity here", "引导在这里以多样性换取保真度"),
    ("+", ""): Text(
        "Guidance makes images more faithful here, at no cost in diversity that can be told",
        "引导在这里提高保真度，分辨不出多样性的代价",
    ),
    ("+", "+"): Text("Guidance improves both fidelity and diversity here", "引导在这里同时提高保真度和多样性"),
    ("", "-"): Text(
        "Guidance costs diversity here and buys no fidelity that can be told",
        "引导在这里损失多样性，分辨不出保真度的收益",
    ),
    ("-", "-"): Text("Guidance costs both fidelity and diversity here", "引导在这里同时损失保真度和多样性"),
}
_UNUSUAL = Text("Guidance does not make its usual trade here", "引导在这里没有带来通常的取舍")


def _trade(faithful: Sequence[Change], diverse: Sequence[Change], way: Text) -> Text:
    """What is surely won and surely lost. A larger spread or entropy alone is no diversity: noise has both."""
    counted = [each for each in diverse if each.name in ("recall", "coverage") or each.sign < 0]
    rising, falling = ([_called(each) for each in (*faithful, *counted) if each.sign == sign] for sign in (1, -1))
    if not rising and not falling:
        return Text(
            f"**Three draws cannot tell what guidance does here**: {way.en}, neither fidelity nor diversity surely "
            "changes.",
            f"**三次抽样分辨不出引导的作用**：{way.zh}，保真度和多样性都没有明确的变化。",
        )
    said = _HEADLINES.get((_signs(faithful), _signs(counted)), _UNUSUAL)
    parts = [
        Text(f"{several(names).en} surely {verb}{'s' * (len(names) == 1)}", _listed(names) + zh)
        for names, verb, zh in ((rising, "rise", "明确上升"), (falling, "fall", "明确下降"))
        if names
    ]
    return Text(
        f"**{said.en}**: {way.en}, {', while '.join(part.en for part in parts)}.",
        f"**{said.zh}**：{way.zh}，{'，而'.join(part.zh for part in parts)}。",
    )


def _listed(names: Sequence[Text]) -> str:
    return "、".join(name.zh for name in names)


def _signs(changes: Sequence[Change]) -> str:
    return "".join(sorted({"-+"[each.sign > 0] for each in changes if each.sign}))


def _least(done: Table, found: Sequence[Family]) -> Text:
    """At which scale the Fréchet distance is least; what is no worse by more than real images differ by may be too."""
    values = _values(found[0])
    mean = {value: _mean(found, "frechet", value) for value in values}
    best = min(values, key=mean.__getitem__)
    slack = done.floor_scores["frechet"][1]
    rivals = [value for value in values if value != best and not _worse(found, value, best, slack)]
    if len(rivals) == len(values) - 1:
        return Text(
            "No scale's Fréchet distance can be told from the least.", "各引导强度的 Fréchet 距离分辨不出差别。"
        )
    ends = {values[0]: Text("the least tried", "所试的最小值"), values[-1]: Text("the most tried", "所试的最大值")}
    where = Text("", "") if best not in ends else Text(f", {ends[best].en}", f"（{ends[best].zh}）")
    if best not in ends and not {values[0], values[-1]} & set(rivals):
        where = Text(", and surely more at both ends", "，在两端都明确更大")
    said = Text(
        f"The Fréchet distance is least at **{_s(best)}** ({mean[best]:.3g}){where.en}",
        f"Fréchet 距离在 **{_s(best)}** 时最小（{mean[best]:.3g}）{where.zh}",
    )
    if not rivals:
        return Text(said.en + ".", said.zh + "。")
    others = several([label("scale", value) for value in rivals])
    return Text(f"{said.en}; {others.en} cannot be told from it.", f"{said.zh}；{others.zh} 与它分辨不出差别。")


def _worse(found: Sequence[Family], value: float, best: float, slack: float) -> bool:
    """Whether a scale is surely worse than the best, by more than real images differ by from draw to draw."""
    apart = mean_gain([(_at(family, best), _at(family, value)) for family in found])
    return apart.sure and apart.mean >= slack
