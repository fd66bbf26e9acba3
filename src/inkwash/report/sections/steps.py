"""The section on the number of steps."""

from inkwash.report.words import Section, Text, label, numbers, place, scored
from inkwash.study.compare import Family, enough, families, gain, significant_sign
from inkwash.study.table import Table

MOST = 6  # families that are spoken of one by one


def steps(done: Table) -> Section:
    """What do more steps buy?"""
    found = families(done, "steps")
    least = done.floor_scores["frechet"][1]
    knees = [family.rows[enough(family, least)].cell.sampling.steps for family in found]
    many = done.axes["steps"][-1]
    theory = (
        Text(
            "Sampling walks from noise to image in straight pieces. One piece is wrong by about the square of its "
            "length with DDIM, by the cube with Heun and DPM-Solver++; so halving the pieces halves the error of the "
            "first, and quarters that of the others. What is left then is the error of the network, which no number "
            "of steps removes.",
            "采样是沿着从噪声到图像的路径走一段段直线。DDIM 每一段的误差约与段长的平方成正比，Heun 和 "
            "DPM-Solver++ 与立方成正比；因此段长减半，前者的总误差减半，后者减为四分之一。剩下的是网络自身的误差，"
            "步数再多也消除不了。",
        ),
        Text(
            "Too few steps make images too alike and too smooth: each step takes the network's average of all images "
            "that the noise may hide for the truth. For Gaussian data with the principal directions of this data the "
            "spread that comes out is known in closed form, as a multiple of the right one: " + _foretold(found[0]).en,
            "步数太少，图像就会过于相似、过于平滑：每一步都把网络给出的“可能图像的平均”当作真相。对于与本数据具有相同"
            "主方向的高斯数据，生成结果的离散程度（正确值的倍数）有精确公式：" + _foretold(found[0]).zh,
        ),
    )
    findings = tuple(_steps_finding(family, least) for family in found[:MOST])
    best = min(found, key=lambda family: min(row.scores["frechet"][0] for row in family.rows))
    answer = _enough(min(knees), max(knees), many) + _price(best, least)
    return Section(
        "steps", Text("What do more steps buy?", "增加推断步数能换来什么？"), theory, findings, answer
    )  # fmt: skip


def _enough(low: int, high: int, many: int) -> Text:
    """From how many steps on nothing more is gained, over all families."""
    if low == many:
        return Text(
            f"**More steps help up to {many:,}, the most tried**, whatever the rest of the settings.",
            f"**直到所试的最大步数 {many:,}，增加步数都有改善**，与其他设置无关。",
        )
    en, zh = (f"{low:,}", f"{low:,}") if low == high else (f"{low:,} to {high:,}", f"{low:,} 到 {high:,}")
    on = Text("", "")
    if high == many:
        on = Text(
            f"(In some settings {many:,}, the most tried, are still better.)",
            f"（部分设置下最大步数 {many:,} 仍更好。）",
        )
    said = Text(
        f"**{en} steps are enough here**, depending on the rest of the settings: beyond them no gain in Fréchet "
        "distance is sure and larger than what real images differ by from draw to draw.",
        f"**这里 {zh} 步已经足够**（视其他设置而定）：再多的步数，Fréchet 距离没有明确且超过真实图像抽样波动的改善。",
    )
    return said + on if on.en else said


def _price(best: Family, least: float) -> Text:
    """What steps buy and cost with the best of the other settings."""
    rows = list(dict.fromkeys([best.rows[0], best.rows[enough(best, least)], best.rows[-1]]))
    told = [(label("steps", row.cell.sampling.steps), scored(row.scores["frechet"])) for row in rows]
    en = ", ".join(f"{score} after {n.en}" for n, score in told)
    zh = "，".join(f"{n.zh}时为 {score}" for n, score in told)
    ratio = rows[-1].evaluations / rows[-2].evaluations
    return Text(
        f"With {place(best.fixed).en}, the best of all, the Fréchet distance is {en}, and the last costs {ratio:.3g} "
        "times the one before.",
        f"以最好的设置{place(best.fixed).zh}为例，Fréchet 距离 {zh}，最后一个的代价是前一个的 {ratio:.3g} 倍。",
    )


def _foretold(family: Family) -> Text:
    parts = [(row.cell.sampling.steps, row.theory.spread) for row in family.rows]
    en = ", ".join(f"{spread:.3g} after {n:,}" for n, spread in parts)
    zh = "，".join(f"{n:,} 步为 {spread:.3g}" for n, spread in parts)
    return Text(f"{en} steps ({place(family.fixed).en}).", f"{zh}（{place(family.fixed).zh}）。")


def _steps_finding(family: Family, least: float) -> Text:
    i = enough(family, least)
    knee = family.rows[i]
    told = [(label("steps", row.cell.sampling.steps), scored(row.scores["frechet"])) for row in family.rows]
    en = ", ".join(f"{score} at {n.en}" for n, score in told)
    zh = "，".join(f"{n.zh}时 {score}" for n, score in told)
    said = place(family.fixed) + Text(f"— Fréchet distance {en}.", f"：Fréchet 距离 {zh}。")
    worse = [row for row in family.rows[i + 1 :] if significant_sign(row, knee) < 0 and -gain(row, knee).mean >= least]
    n = f"{knee.cell.sampling.steps:,}"
    if worse:
        more = numbers([row.cell.sampling.steps for row in worse])
        said += Text(
            f"After {n} steps it even gets worse again (surely at {more.en}): small errors of the network add up over "
            "many steps.",
            f"超过 {n} 步后反而变差（{more.zh} 步时可以确定）：网络的小误差在许多步中累积。",
        )
    elif knee is family.rows[-1]:
        said += Text("It still falls at the largest number tried.", "到所试的最大步数时仍在下降。")
    else:
        said += Text(f"From {n} steps on nothing is gained that matters.", f"从 {n} 步起没有值得的改善。")
    spread = Text(
        f"The spread is {family.rows[0].scores['spread'][0]:.3g} of the real one with the fewest steps and "
        f"{family.rows[-1].scores['spread'][0]:.3g} with the most.",
        f"图像的离散程度在步数最少时为真实图像的 {family.rows[0].scores['spread'][0]:.3g} 倍，最多时为 "
        f"{family.rows[-1].scores['spread'][0]:.3g} 倍。",
    )
    return said + spread
