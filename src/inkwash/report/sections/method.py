"""How a study was measured, and what its scores depend on."""

from collections.abc import Mapping
from typing import Any

from inkwash.report.languages import Text, plus_minus, text
from inkwash.report.sections.section import Section, when
from inkwash.study.compare import T_95
from inkwash.study.table import Table


def method(done: Table) -> Section:
    """What was drawn, compared and trained, and what the words of the other sections mean."""
    known = done.facts
    trained = [
        (name, about) for name, about in known["trained"].items() if about["images_seen"]
    ]  # not of imported ones
    equal = len({about["images_seen"] for _, about in trained}) == 1
    scales = sorted({row.value("scale") for row in done.rows} - {None})
    return Section("method", [
        [("measured_on", known), ("scores",)],
        [("floor_of",)],
        [("significant", T_95)],
        [*(("network", name, about) for name, about in trained), *when(len(trained) > 1, "budgets", equal)],
        when(known["reader"], "reader", known["reader"]),
        [
            *when(scales, "conditions", scales, known["reader"] and known["split"] == "train"),
            *when(any(row.guided for row in done.rows), "guided"),
        ],
    ], [], [])  # fmt: skip


def facts(done: Table, about: Mapping[str, Any]) -> list[tuple[Text, str | Text]]:
    """Everything that the scores depend on, in order, as names and values."""
    known = done.facts
    told: list[tuple[Text, str | Text]] = [
        (text("fact", "made"), done.made),
        (text("fact", "data"), f"{known['data']}, {known['split']}"),
        (text("fact", "fingerprint"), known["fingerprint"]),
        *((text("fact", name), f"{known[name]:,}") for name in ("n", "draws", "compared")),
        (text("fact", "features"), f"{known['features']}, sha256 {known['features_digest']}"),
    ]
    if known["reader"]:
        told.append((text("fact", "reader"), f"{known['reader']['accuracy']:.2%}, sha256 {known['reader']['digest']}"))
    told += [(text("fact_floor", name), plus_minus(*pair)) for name, pair in done.floor_scores.items()]
    for name, digest in known["checkpoints"].items():
        told.append((text("fact_checkpoint", name), f"sha256 {digest}"))
        amounts = {what: amount for what, amount in known["trained"][name].items() if amount is not None}
        told += [(text("fact_training", name), text("training", amounts))] if amounts else []
    return told + [(text("fact", name), str(value)) for name, value in {"inkwash": known["inkwash"], **about}.items()]
