"""The sections on what the network predicts, and on which solver walks."""

from itertools import combinations

from inkwash.report.words import Section, Text, label, place, scored
from inkwash.study.compare import Family, best_row, enough, families, significant_sign
from inkwash.study.table import Row, Table

MOST = 8  # families that are spoken of one by one


def prediction(done: Table) -> Section:
    """Does it matter what the network predicts?"""
    found = families(done, "prediction")
    theory = (
        Text(
            "All predictions hold the same knowledge: from any of them x̂₀ follows. They differ in what a small error "
            "of the network does. From ε̂ it is x̂₀ = (x − σ·ε̂)/α, and an error grows by σ/α, which at the noisy end is "
            "in the hundreds; there an ε-network says next to nothing of the image, and the limit on x̂₀ must hold it "
            "in range. From v̂ it is x̂₀ = α·x − σ·v̂, and an error never grows.",
            "各种预测包含同样的知识：由任何一种都能得到 x̂₀。区别在于网络的小误差会变成什么。由 ε̂ 得 x̂₀ = (x − σ·ε̂)/α，"
            "误差被放大 σ/α 倍，在噪声最大的一端可达数百倍；在那里预测 ε 的网络几乎说不出图像是什么，"
            "只能靠限制 x̂₀ 的范围。由 v̂ 得 x̂₀ = α·x − σ·v̂，误差不会放大。",
        ),
        Text(
            "The same plain loss also means different things: the squared error of ε̂ weighs that of x̂₀ by SNR = "
            "α²/σ², that of v̂ by SNR + 1. So ε-training spends nearly all its care on the last, fine details, and "
            "v-training keeps some for the rough shape that the noisy steps decide (Salimans & Ho 2022). The closed "
            "form above knows nothing of this: with a perfect network all predictions are the same.",
            "同样的平方误差含义也不同：ε̂ 的误差以 SNR = α²/σ² 加权 x̂₀ 的误差，v̂ 的以 SNR + 1 加权。"
            "因此训练 ε 几乎只关心最后的细节，而训练 v 也顾及由最初几步决定的大致形状（Salimans & Ho 2022）。"
            "上面的精确公式不涉及这一点：网络完美时所有预测类型等价。",
        ),
    )
    pairs = list(combinations(done.axes["prediction"], 2))
    findings: list[Text] = []
    answers: list[Text] = []
    for a, b in pairs:
        both = [(family, _row(family, a), _row(family, b)) for family in found]
        told = [(family, x, y, significant_sign(x, y)) for family, x, y in both if x is not None and y is not None]
        if not told:
            continue
        one, other = label("prediction", a), label("prediction", b)
        for winner, loser, sign in ((one, other, 1), (other, one, -1)):
            won = [(family, x, y) for family, x, y, found_ in told if found_ == sign]
            if won:
                findings.append(_won(winner, loser, [(f, x, y) if sign > 0 else (f, y, x) for f, x, y in won]))
        equal = [(family, x, y) for family, x, y, found_ in told if found_ == 0]
        if equal:
            findings.append(_equal(one, other, equal))
        wins, losses = (sum(found_ == sign for *_, found_ in told) for sign in (1, -1))
        answers.append(_judged(one, other, wins, losses, len(told)))
    none = Text("No two cells differ in the prediction alone.", "没有只在预测类型上不同的格子。")
    answer = answers[0] if answers else none
    for more in answers[1:]:
        answer += more
    budgets = {about["images_seen"] for about in done.facts["trained"].values()}
    if len(budgets) == 1 and None not in budgets:
        seen = f"{budgets.pop():,}"
        answer += Text(
            f"Both networks are alike and saw {seen} images; so the difference is the prediction's (of one training "
            "each).",
            f"两个网络结构相同，都训练了 {seen} 张图像，因此差别来自预测类型（各训练一次）。",
        )
    question = Text("Does it matter what the network predicts?", "模型的预测类型重要吗？")
    return Section("prediction", question, theory, tuple(findings), answer)


def _row(family: Family, value: str) -> Row | None:
    return next((row for row in family.rows if row.value("prediction") == value), None)


def _pairs(told: list[tuple[Family, Row, Row]]) -> Text:
    shown = told[:MOST]
    en = "; ".join(
        f"{place(family.fixed).en.strip('*')} ({scored(x.scores['frechet'])} against {scored(y.scores['frechet'])})"
        for family, x, y in shown
    )
    zh = "；".join(
        f"{place(family.fixed).zh.strip('*')}（{scored(x.scores['frechet'])} 对 {scored(y.scores['frechet'])}）"
        for family, x, y in shown
    )
    if len(told) > MOST:
        en += f"; and {len(told) - MOST} more"
        zh += f"；另有 {len(told) - MOST} 组"
    return Text(en, zh)


def _won(winner: Text, loser: Text, told: list[tuple[Family, Row, Row]]) -> Text:
    listed = _pairs(told)
    return Text(
        f"**{winner.en} is surely better than {loser.en}** in Fréchet distance at {listed.en}.",
        f"**{winner.zh} 明确好于{loser.zh}**（Fréchet 距离）：{listed.zh}。",
    )


def _equal(one: Text, other: Text, told: list[tuple[Family, Row, Row]]) -> Text:
    listed = _pairs(told)
    return Text(
        f"**{one.en} and {other.en} cannot be told apart** at {listed.en}.",
        f"**{one.zh} 与{other.zh} 分辨不出差别**：{listed.zh}。",
    )


def _judged(one: Text, other: Text, wins: int, losses: int, count: int) -> Text:
    even = count - wins - losses
    if wins == losses == 0:
        return Text(
            f"**{one.en} and {other.en} cannot be told apart here**, in {count} comparisons.",
            f"**在 {count} 组比较中，{one.zh} 与{other.zh} 都分辨不出差别。**",
        )
    first, second = (one, other) if wins >= losses else (other, one)
    most, least = max(wins, losses), min(wins, losses)
    return Text(
        f"**{first.en} is surely better in {most} of {count} comparisons**, {second.en} in {least}; {even} cannot be "
        "told apart.",
        f"**{count} 组比较中，{first.zh} 在 {most} 组明确更好**，{second.zh} 在 {least} 组更好，{even} 组分辨不出。",
    )


def solver(done: Table) -> Section:
    """Which solver is worth its evaluations?"""
    found = families(done, "solver")
    theory = (
        Text(
            "All solvers here walk the same path and agree once steps are many. DDIM is of first order, one evaluation "
            "of the network a step. Heun looks ahead and corrects: second order, for two evaluations. DPM-Solver++(2M) "
            "is of second order for one, by remembering the step before. What counts is quality for the same number "
            "of evaluations.",
            "这里的采样器走同一条路径，步数多时结果一致。DDIM 为一阶，每步调用网络一次。Heun 先预测再校正：二阶，"
            "每步两次。DPM-Solver++(2M) 记住上一步，以每步一次达到二阶。应当比较的是同样调用次数下的质量。",
        ),
    )
    findings: list[Text] = []
    budgets: dict[str, int] = dict.fromkeys(done.axes["solver"], 0)
    groups = _by_budget(done)
    for evaluations, rows in groups.items():
        best, sure = best_row(rows)
        budgets[best.value("solver")] += sure
        listed = ", ".join(f"{_named(row)} {scored(row.scores['frechet'])}" for row in rows)
        findings.append(
            Text(
                f"**About {evaluations:,} evaluations**: {listed}" + ("." if sure else "; the best is not surely so."),
                f"**约 {evaluations:,} 次调用**：{listed}" + ("。" if sure else "；最好的并不确定。"),
            )
        )
    wobble = done.floor_scores["frechet"][1]
    along = families(done, "steps")
    least = {
        name: min((each.rows[enough(each, wobble)].evaluations for each in along if _of(each, name)), default=None)
        for name in done.axes["solver"]
    }  # fmt: skip
    wins = ", ".join(f"{name} {count}" for name, count in budgets.items())
    answer = Text(
        f"**Surely best at equal cost**, out of {len(groups)} budgets: {wins}.",
        f"**同样代价下明确最好的次数**（共 {len(groups)} 种预算）：{wins}。",
    )
    known = [f"{name} {count:,}" for name, count in least.items() if count is not None]
    if known:
        answer += Text(
            f"Evaluations after which no further gain can be told: {', '.join(known)}.",
            f"再多也分辨不出改善的调用次数：{'，'.join(known)}。",
        )
    question = Text("Which sampler is worth its evaluations?", "哪个采样器最划算？")
    if not findings:
        findings = [_at_steps(family) for family in found[:MOST]]
    return Section("solver", question, theory, tuple(findings), answer)


def _of(family: Family, name: str) -> bool:
    return bool(family.rows[0].value("solver") == name)


def _named(row: Row) -> str:
    return f"{row.value('solver')}" + (f" (η = {row.value('eta'):g})" if row.cell.sampling.eta else "")


def _by_budget(done: Table) -> dict[int, list[Row]]:
    """Rows of several solvers whose evaluations agree within 6 %, for the first run; by their evaluations."""
    first = done.rows[0].cell.subject
    groups: dict[int, list[Row]] = {}
    for row in sorted((row for row in done.rows if row.cell.subject == first), key=lambda row: -row.evaluations):
        near = next((known for known in groups if known * 0.94 <= row.evaluations <= known), row.evaluations)
        groups.setdefault(near, []).append(row)
    several = {n: rows for n, rows in groups.items() if len({row.value("solver") for row in rows}) > 1}
    return dict(sorted(several.items()))


def _at_steps(family: Family) -> Text:
    listed = ", ".join(f"{row.value('solver')} {scored(row.scores['frechet'])}" for row in family.rows)
    return place(family.fixed) + Text(f"— Fréchet distance {listed}.", f"：Fréchet 距离 {listed}。")
