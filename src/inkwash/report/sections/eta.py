"""The section on η, the noise that sampling adds."""

from collections.abc import Callable

from inkwash.report.words import Section, Text, label, place, scored
from inkwash.study.compare import Family, families, likeness, mean_gain, significant_sign
from inkwash.study.table import Row, Table


def eta(done: Table) -> Section:
    """What does η do?"""
    found = families(done, "eta")
    low, high = done.axes["eta"][0], done.axes["eta"][-1]
    few = min(found, key=lambda family: family.rows[0].cell.sampling.steps)
    n = few.rows[0].cell.sampling.steps
    lab = any(row.cell.sampling.solver == "ddim-lab" for row in done.rows)
    paper = Text(
        "Here η is the course lab's, which scales the variance, σ² = η·β̃; the DDIM paper's scales the standard "
        "deviation. They agree at 0 and 1."
        if lab
        else "Here η is the DDIM paper's, which scales the standard deviation, σ = η·√β̃; the course lab's scales the "
        "variance. They agree at 0 and 1.",
        "这里的 η 是课程实验的定义，缩放方差：σ² = η·β̃；DDIM 论文的 η 缩放标准差。两者在 0 和 1 处相同。"
        if lab
        else "这里的 η 是 DDIM 论文的定义，缩放标准差：σ = η·√β̃；课程实验的 η 缩放方差。两者在 0 和 1 处相同。",
    )
    theory = (
        Text(
            "η decides how much of the old noise each step throws away and draws anew. At η = 0 the starting noise "
            "alone decides the image; at η = 1 the walk is DDPM's. With a perfect network and infinitely many steps "
            "all η give the same distribution. With few steps fresh noise has a price: what a step adds, the next "
            "steps must take away again, and a long step takes away too much of the image with it. With many steps it "
            "has a use: old errors are thrown away with the old noise.",
            "η 决定每一步丢弃多少旧噪声、重新抽取多少新噪声。η = 0 时图像完全由初始噪声决定；η = 1 时就是 DDPM。"
            "若网络完美、步数无穷，所有 η 给出同一分布。步数少时，新噪声有代价：一步加入的噪声要靠后面的步去除，"
            "而步子太大时会把图像的细节一起去掉。步数多时，新噪声有好处：旧误差随旧噪声一起被丢弃。",
        )
        + paper,
        Text(
            f"For Gaussian data the closed form says: with {label('steps', n).en} the spread is "
            f"{few.rows[0].theory.spread:.3g} of the right one at {label('eta', few.rows[0].value('eta')).en} and "
            f"{few.rows[-1].theory.spread:.3g} at {label('eta', few.rows[-1].value('eta')).en}; with "
            f"{_most(found).en}.",
            f"对于高斯数据，公式给出：{label('steps', n).zh}、{label('eta', few.rows[0].value('eta')).zh} 时离散程度为"
            f"正确值的 {few.rows[0].theory.spread:.3g} 倍，{label('eta', few.rows[-1].value('eta')).zh} 时为 "
            f"{few.rows[-1].theory.spread:.3g} 倍；{_most(found).zh}。",
        ),
    )
    worse = [family for family in found if significant_sign(family.rows[-1], family.rows[0]) < 0]
    better = [family for family in found if significant_sign(family.rows[-1], family.rows[0]) > 0]
    undecided = [family for family in found if family not in worse and family not in better]
    findings = [
        _listed(kind, families_, low, high)
        for kind, families_ in (("worse", worse), ("undecided", undecided), ("better", better))
        if families_
    ]
    alike = _alike(done)
    turn = _turn(worse, better, undecided, low, high) + _spread(found, low, high)
    return Section(
        "eta", Text("What does the noise η do?", "噪声参数 η 有什么影响？"), theory, tuple(findings),
        turn if alike is None else turn + alike,
    )  # fmt: skip


def _turn(worse: list[Family], better: list[Family], undecided: list[Family], low: float, high: float) -> Text:
    """Whether noise hurts or helps, and at how many steps that turns."""
    count, others = len(worse) + len(better) + len(undecided), better + undecided
    tally = Text(
        f"η = {high:g} is surely worse than η = {low:g} in {len(worse)} of {count} comparisons, and surely better in "
        f"{len(better)}.",
        f"{count} 组比较中，η = {high:g} 在 {len(worse)} 组明确差于 η = {low:g}，在 {len(better)} 组明确更好。",
    )
    if worse and others and max(map(_steps, worse)) < min(map(_steps, others)):
        last = max(map(_steps, worse))
        after = (
            Text("with more it helps", "步数更多时有益")
            if better
            else Text("with more the difference can no longer be told", "步数更多时分辨不出差别")
        )
        return (
            Text(
                f"**Noise hurts up to {last:,} steps; {after.en}.**", f"**不超过 {last:,} 步时噪声有害；{after.zh}。**"
            )
            + tally
        )
    if worse and not better:
        return (
            Text("**Noise hurts here, or makes no difference that can be told.**", "**这里噪声有害，或分辨不出差别。**")
            + tally
        )
    if better and not worse:
        return (
            Text("**Noise helps here, or makes no difference that can be told.**", "**这里噪声有益，或分辨不出差别。**")
            + tally
        )
    if not worse:
        return Text("**Three draws cannot tell the difference here.**", "**三次抽样分辨不出差别。**") + tally
    bad, good = _places(worse), _places(better)
    return Text(
        f"**Whether noise hurts depends on the rest**: η = {high:g} is surely worse than η = {low:g} at {bad.en}, "
        f"surely better at {good.en}, and cannot be told from it in the other {len(undecided)} of {count} comparisons.",
        f"**噪声是否有害取决于其他设置**：η = {high:g} 在{bad.zh}时明确差于 η = {low:g}，在{good.zh}时明确更好，"
        f"其余 {len(undecided)} 组（共 {count} 组）分辨不出。",
    )


def _places(found: list[Family], most: int = 4) -> Text:
    """Where families stand, the first few by name."""
    shown = [place(family.fixed) for family in found[:most]]
    en, zh = "; ".join(text.en.strip("*") for text in shown), "；".join(text.zh.strip("*") for text in shown)
    rest = len(found) - len(shown)
    return Text(en + f"; and {rest} more" * (rest > 0), zh + f"；另有 {rest} 组" * (rest > 0))


def _spread(found: list[Family], low: float, high: float) -> Text:
    """What η does to the spread at each number of steps, on average over the other settings, beside the theory."""
    told: list[tuple[int, str, str]] = []
    for n in sorted({_steps(family) for family in found}):
        pairs = [(family.rows[-1], family.rows[0]) for family in found if _steps(family) == n]
        change = mean_gain([(noisy, still) for noisy, still in pairs], "spread")
        foretold = sum(noisy.theory.spread - still.theory.spread for noisy, still in pairs) / len(pairs)
        if change.sure:
            told.append((n, f"{change.mean:+.3f}", f"{foretold:+.3f}"))
    if not told:
        return Text(
            f"Three draws cannot tell the spread of η = {high:g} from that of η = {low:g}.",
            f"三次抽样分辨不出 η = {high:g} 与 η = {low:g} 的离散程度。",
        )
    en = ", ".join(f"{change} at {n:,} steps (theory {foretold})" for n, change, foretold in told)
    zh = "，".join(f"{n:,} 步时 {change}（理论 {foretold}）" for n, change, foretold in told)
    return Text(
        f"From η = {low:g} to η = {high:g} the spread (1 is right) surely changes by {en}.",
        f"从 η = {low:g} 到 η = {high:g}，离散程度（1 为正确）明确改变：{zh}。",
    )


def _steps(family: Family) -> int:
    return family.rows[0].cell.sampling.steps


def _most(found: list[Family]) -> Text:
    """The closed form at the most steps."""
    family = max(found, key=_steps)
    first, last = family.rows[0], family.rows[-1]
    n = label("steps", _steps(family))
    return Text(
        f"{n.en} it is {first.theory.spread:.3g} and {last.theory.spread:.3g}",
        f"{n.zh}时分别为 {first.theory.spread:.3g} 和 {last.theory.spread:.3g}",
    )


_KINDS: dict[str, Callable[[float, float], Text]] = {
    "worse": lambda low, high: Text(
        f"η = {high:g} is surely worse than η = {low:g}", f"η = {high:g} 明确差于 η = {low:g}"
    ),
    "better": lambda low, high: Text(
        f"η = {high:g} is surely better than η = {low:g}", f"η = {high:g} 明确好于 η = {low:g}"
    ),
    "undecided": lambda low, high: Text(
        f"η = {low:g} and η = {high:g} cannot be told apart", f"η = {low:g} 与 η = {high:g} 分辨不出差别"
    ),
}  # fmt: skip


def _listed(kind: str, found: list[Family], low: float, high: float) -> Text:
    """Where one η is better than the other, with the Fréchet distances of both."""

    def pair(family: Family) -> str:
        return f"{scored(family.rows[0].scores['frechet'])} → {scored(family.rows[-1].scores['frechet'])}"

    said = _KINDS[kind](low, high)
    en = "; ".join(f"{place(family.fixed).en.strip('*')} ({pair(family)})" for family in found)
    zh = "；".join(f"{place(family.fixed).zh.strip('*')}（{pair(family)}）" for family in found)
    return Text(f"**{said.en}** at {en}.", f"**{said.zh}**：{zh}。")


def _alike(done: Table) -> Text | None:
    """How alike the images of few and of many steps are, for the least and the most η; None without both axes."""
    if "steps" not in done.axes:
        return None
    found = [family for family in families(done, "steps") if len(family.rows) > 2]
    ends = [
        [family for family in found if family.fixed.get("eta") == value]
        for value in (done.axes["eta"][0], done.axes["eta"][-1])
    ]  # fmt: skip
    if done.axes["eta"][0] != 0 or not all(ends):
        return None

    def mean(of: list[Family]) -> tuple[float, Row, Row]:
        a, b = of[0].rows[len(of[0].rows) // 2], of[0].rows[-1]
        return sum(likeness(each.rows[len(each.rows) // 2], each.rows[-1]) for each in of) / len(of), a, b

    (still, a, b), (noisy, _, _) = mean(ends[0]), mean(ends[1])
    n, m = a.cell.sampling.steps, b.cell.sampling.steps
    high = done.axes["eta"][-1]
    return Text(
        f"From the same noise, the images of {n:,} and of {m:,} steps have a correlation of {still:.2f} at η = 0 (look "
        f"down a column), and of {noisy:.2f} at η = {high:g}, where every walk draws noise of its own.",
        f"从同样的噪声出发，{n:,} 步与 {m:,} 步的图像在 η = 0 时相关系数为 {still:.2f}（看同一列），"
        f"在 η = {high:g} 时为 {noisy:.2f}，因为每条路径都抽取自己的噪声。",
    )
