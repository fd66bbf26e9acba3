"""What a study says: for each axis the question, the theory, and conclusions computed from the table."""

from collections.abc import Callable

from inkwash.metrics.score import DRAWS
from inkwash.report.sections.eta import eta
from inkwash.report.sections.models import prediction, solver
from inkwash.report.sections.others import other, spacing
from inkwash.report.sections.scale import scale
from inkwash.report.sections.steps import steps
from inkwash.report.words import AXES, Section, Story, Text, label, several
from inkwash.study.compare import SURE
from inkwash.study.table import Table

_SECTIONS: dict[str, Callable[[Table], Section]] = {
    "prediction": prediction,
    "solver": solver,
    "steps": steps,
    "scale": scale,
    "eta": eta,
    "spacing": spacing,
}


def story(done: Table) -> Story:
    """The words of the report of a finished study."""
    sections = tuple(_SECTIONS[axis](done) if axis in _SECTIONS else other(done, axis) for axis in done.axes)
    return Story(_title(done), tuple(section.answer for section in sections), sections, _method(done))


def _title(done: Table) -> Text:
    data = done.facts["data"]
    names = [AXES[axis] for axis in done.axes]
    if not names:
        return Text(f"{data}: one way of drawing, measured", f"{data}：一种采样方式的测量")
    en = ", ".join(name.en for name in names[:-1]) + (" and " if len(names) > 1 else "") + names[-1].en
    do = "do" if len(names) > 1 else "does"
    zh = "、".join(name.zh for name in names[:-1]) + ("和" if len(names) > 1 else "") + names[-1].zh
    return Text(f"{data}: what {en} {do} to the images", f"{data}：{zh}对生成图像的影响".replace("  ", " "))


def _method(done: Table) -> tuple[Text, ...]:
    facts = done.facts
    reader = facts["reader"]
    trained = [
        Text(
            f"{label('run', name).en} was trained for {about['step']:,} steps on {about['images_seen']:,} images.",
            f"{name} 训练了 {about['step']:,} 步，共 {about['images_seen']:,} 张图像。",
        )
        for name, about in facts["trained"].items()
        if about["step"] is not None
    ]
    budgets = {about["images_seen"] for about in facts["trained"].values()}
    if len(trained) > 1:
        same = len(budgets) == 1
        trained.append(
            Text("Their budgets are equal.", "训练预算相同。")
            if same
            else Text(
                "**Their budgets differ**, so they cannot be compared fairly.", "**训练预算不同**，比较并不公平。"
            )
        )
    read = Text("", "")
    if reader:
        read = Text(
            f"Classes are read by a classifier trained on the same images, right on {reader['accuracy']:.1%} of the "
            "test images.",
            f"类别由在同一数据上训练的分类器读出，它在测试集上的正确率为 {reader['accuracy']:.1%}。",
        )
    return (
        Text(
            f"Every cell is {DRAWS} draws of n = {facts['n']:,} images, compared with {facts['compared']:,} images of "
            f"{facts['data']}'s {facts['split']} split in the features “{facts['features']}” "
            f"({facts['features_digest'][:12]}). A score is the mean over the draws, ± their standard deviation.",
            f"每个格子抽样 {DRAWS} 次，每次 n = {facts['n']:,} 张图像，与 {facts['data']} 的 {facts['split']} 集中 "
            f"{facts['compared']:,} 张图像在特征“{facts['features']}”（{facts['features_digest'][:12]}）中比较。"
            "分数是三次抽样的平均值，± 是它们的标准差。",
        ),
        Text(
            "The floor (dashed) is what as many real images score against the others, in three draws as well: no "
            "generator can be expected below it. The Fréchet distance is biased upwards at small n, alike for all "
            "cells and for the floor; so compare it within this page only.",
            "虚线（下限）是同样数量的真实图像与其余真实图像比较的得分，也抽样三次：任何生成模型都不应期望低于它。"
            "n 较小时 Fréchet 距离偏大，所有格子和下限的偏差相同，因此只应在本页内比较。",
        ),
        Text(
            "All cells begin from the same noise, image by image, and are compared draw by draw. Two cells are called "
            f"different where the paired differences of the three draws lie {SURE:.1f} standard errors from 0 "
            "(Student's t, two-sided, 95 %); one comparison in twenty errs.",
            "所有格子的每张图像都从相同的噪声出发，并逐次配对比较。只有三次配对差的均值偏离 0 超过 "
            f"{SURE:.1f} 个标准误（双侧 95 % 的 t 检验）时才称为有差别；每二十次比较约有一次出错。",
        ),
        *trained,
        *([read] if reader else []),
        *_asked(done),
    )


def _asked(done: Table) -> list[Text]:
    """What images were asked to show, how strongly, and what theory knows of it."""
    scales = sorted({row.value("scale") for row in done.rows} - {None})
    if not scales:
        return []
    said = several([label("scale", value) for value in scales])
    told = Text(
        f"What images are asked to show is taken from the training data, alike for all cells; guidance is {said.en}. "
        "Accuracy is the share of images read as the class asked for, its floor that of real images with their labels.",
        f"生成图像的条件取自训练数据，所有格子相同；引导强度为 {said.zh}。准确率是被读作所求类别的图像比例；"
        "其下限是真实图像与其标签的符合率。",
    )
    if done.facts["reader"] and done.facts["split"] == "train":
        told += Text(
            "(The classifier has learnt these very images, so the floor flatters them: of new ones it reads "
            f"{done.facts['reader']['accuracy']:.1%}.)",
            f"（分类器学过这些真实图像，因此下限偏高：对新图像的正确率为 {done.facts['reader']['accuracy']:.1%}。）",
        )
    if any(row.guided for row in done.rows):
        told += Text(
            "The closed form of theory knows no guidance: it stands for s = 0 and s = 1 alone.",
            "理论的精确公式不考虑引导，只对应 s = 0 和 s = 1。",
        )
    return [told]
