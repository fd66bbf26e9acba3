"""What a report says beside every score: of how many images, against which, in which features; and all else."""

from collections.abc import Mapping
from typing import Any

from inkwash.report.labels import SCORE, plus_minus
from inkwash.report.words import Text
from inkwash.study.table import Table

ABOUT = {  # keys of `about` that have a name; others are shown as they are
    "processor": Text("processor", "处理器"),
    "system": Text("system", "系统"),
    "memory": Text("memory", "内存"),
    "graphics": Text("graphics", "显卡"),
    "command": Text("command", "命令"),
}


def beside(done: Table) -> Text:
    """The line that stands under everything measured."""
    facts = done.facts
    n, compared = f"{facts['n']:,}", f"{facts['compared']:,}"
    features = f"{facts['features']} ({facts['features_digest'][:12]})"
    return Text(
        f"{facts['draws']} draws of n = {n} images, against {compared} of the {facts['split']} split of "
        f"{facts['data']}; features {features}. Bands and bars are ± one standard deviation over the draws; the floor "
        "is what as many real images score, with its own.",
        f"抽样 {facts['draws']} 次，每次 n = {n} 张，与 {facts['data']} 的 {facts['split']} 集中 {compared} 张真实图像"
        f"比较；特征 {features}。色带与误差线为各次抽样的 ± 一个标准差；下限是同样多真实图像的得分，也带有标准差。",
    )


def all_facts(done: Table, about: Mapping[str, Any]) -> list[tuple[Text, str]]:
    """Everything that the scores depend on, in order, as names and values."""
    facts = done.facts
    reader = facts["reader"]
    told = [
        (Text("made", "生成时间"), done.made),
        (Text("data", "数据"), f"{facts['data']}, {facts['split']}"),
        (Text("fingerprint of the data", "数据指纹"), facts["fingerprint"]),
        (Text("images in a draw, n", "每次抽样的图像数 n"), f"{facts['n']:,}"),
        (Text("draws of a cell", "每个格子的抽样次数"), str(facts["draws"])),
        (Text("real images compared with", "用于比较的真实图像数"), f"{facts['compared']:,}"),
        (Text("features", "特征"), f"{facts['features']}, sha256 {facts['features_digest']}"),
    ]
    if reader:
        told.append((Text("classifier", "分类器"), f"{reader['accuracy']:.2%}, sha256 {reader['digest']}"))
    told += [
        (SCORE[name] + Text("of as many real images", "（同样多的真实图像）"), plus_minus(*pair))
        for name, pair in done.floor_scores.items()
    ]
    for name, digest in facts["checkpoints"].items():
        told.append((Text(f"checkpoint of {name}", f"{name} 的检查点"), f"sha256 {digest}"))
        trained = {key: value for key, value in facts["trained"][name].items() if value is not None}
        if trained:
            amounts = ", ".join(f"{key.replace('_', ' ')} {value:,.10g}" for key, value in trained.items())
            told.append((Text(f"training of {name}", f"{name} 的训练"), amounts))
    told.append((Text("inkwash", "inkwash"), facts["inkwash"]))
    return told + [(ABOUT.get(key, Text(key, key)), str(value)) for key, value in about.items()]
