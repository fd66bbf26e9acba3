"""The report of a study as files: the page stands alone, is well formed, and says everything twice."""

import csv
import io
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from spoken import CHINESE, speak

from inkwash import atomic
from inkwash.errors import InkwashError
from inkwash.report import write as report
from inkwash.report.chart import Drawing
from inkwash.report.figures import front, measured_figure, overview_figure, theory_figure
from inkwash.report.languages import LANGUAGES, plus_minus
from inkwash.report.page import rich
from inkwash.report.sections import story
from inkwash.report.sections.method import method
from inkwash.report.write import draw_figures, write_report
from inkwash.settings import Scoring
from inkwash.study.axes import Sweep
from inkwash.study.cells import cells
from inkwash.study.exact import Exact
from inkwash.study.references import ReferenceSpec, prepare_reference
from inkwash.study.table import Table, table
from inkwash.study.units import units
from inkwash.study.workers import compute_all
from inkwash.view import read_provenance

HOSTILE = '<b>&"'
VOID = {"meta", "link", "img", "br", "hr", "input"}


@dataclass(frozen=True)
class Named(Exact):
    """A subject under another name."""

    called: str = HOSTILE

    @property
    def name(self) -> str:
        return self.called


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """Two runs, one with a name to beware of, at few steps."""
    folder = tmp_path_factory.mktemp("cells")
    subjects = [Named("v", 400), Named("v", 400, "good | `name`")]
    measure = prepare_reference(ReferenceSpec(subjects[0], Scoring(n=32)), 32, lambda step, steps: None)
    sweep = Sweep(steps=(4, 8), eta=(0.0, 1.0), limit=("none",), spacing=("leading",))
    found = cells(subjects, [sweep], measure.n, 0)
    compute_all(units(found, measure, folder), 1)
    return table(found, measure, folder)


@dataclass(frozen=True)
class Made:
    out: Path
    paths: list[Path]
    html: str
    figures: dict[str, Drawing]


@pytest.fixture(scope="session")
def made(done: Table, tmp_path_factory: pytest.TempPathFactory) -> Made:
    out = tmp_path_factory.mktemp("report") / "out"
    figures = draw_figures(done, story(done))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "draw_figures", lambda *given: figures)
        paths = write_report(done, out, {"machine": f"a {HOSTILE} of 2 cores"})
    return Made(out, paths, (out / "report.html").read_text(encoding="utf-8"), figures)


class Page(HTMLParser):
    """What a browser would find: tags that do not close, all attributes, and the text of each language."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []  # tag, name, value
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.text += data.replace("\N{NO-BREAK SPACE}", " ")


def test_the_page_is_well_formed(made: Made) -> None:
    page = Page(made.html)
    assert page.wrong == []
    assert page.open == []
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids)) > 100
    wanted = [value[1:] for tag, name, value in page.attributes if name == "href" and value.startswith("#")]
    wanted += [value for _, name, value in page.attributes if name == "aria-labelledby"]
    wanted += [each for _, _, value in page.attributes for each in re.findall(r"url\(#([^)]*)\)", value)]
    assert set(wanted) <= set(ids)


def test_the_page_loads_nothing(made: Made) -> None:
    assert not re.search(r"https?:|@import|//[a-z]+\.", made.html)
    for tag, name, value in Page(made.html).attributes:
        if name in ("src", "srcset", "data", "poster") or (name == "href" and tag != "a"):
            assert value.startswith(("data:", "#")), (tag, name, value[:80])
        assert not re.search(r"url\((?!#)", value)
    assert not re.search(r"url\((?!#)", made.html)


def test_everything_is_said_in_all_languages(made: Made, done: Table) -> None:
    page = Page(made.html)
    for section in [*story(done), method(done)]:
        for language in LANGUAGES:
            for text in speak(section, language).texts:
                assert text.replace("**", "") in page.text
    assert "<strong>" in made.html
    for figure in made.figures.values():
        assert figure.texts
        assert all(said(CHINESE) in page.text for said in figure.texts.values())
    for en, zh in {"Fréchet distance ↓": "Fréchet 距离 ↓", "8 steps": "8 步", "number of steps": "采样步数"}.items():
        assert re.search(rf'<text [^>]*class="en"[^>]*>{en}</text><text [^>]*class="zh"[^>]*>{zh}</text>', made.html)
    assert re.search(r'<html lang="en">', made.html)  # what shows where no script runs
    assert len(re.findall(r'<button type="button"[^>]*aria-pressed=', made.html)) == len(LANGUAGES)


def test_names_are_only_names(made: Made) -> None:
    page = Page(made.html)
    assert "<b>" not in made.html
    assert page.text.count(HOSTILE) > 10
    assert "b" not in {tag for tag, _, _ in page.attributes}
    assert r"\<b\>\&" in (made.out / "summary.md").read_text(encoding="utf-8")


def test_all_files_are_there(made: Made, done: Table) -> None:
    assert made.paths[0] == made.out / "report.html"
    names = {f"{axis}-{kind}" for axis in done.axes for kind in ("theory", "measured")} | {"overview"}
    wanted = {f"figures/{name}.{ending}" for name in names for ending in ("svg", "png")}
    wanted |= {"report.html", "cells.csv", "summary.md"}
    there = {path.relative_to(made.out).as_posix() for path in made.out.rglob("*") if path.is_file()}
    assert there == wanted == {path.relative_to(made.out).as_posix() for path in made.paths}
    for name in names:
        with Image.open(made.out / "figures" / f"{name}.png") as picture:
            picture.load()
            assert picture.width == 1400
        assert read_provenance(made.out / "figures" / f"{name}.png")["n"] == 32
        svg = (made.out / "figures" / f"{name}.svg").read_text(encoding="utf-8")
        assert 'class="zh"' not in svg
        assert svg.startswith("<svg ")


def test_scores_never_stand_alone(made: Made, done: Table) -> None:
    text = Page(made.html).text
    line = "3 draws of n = 32 images, compared with 304 images of the train split of gaussian in the features “pixels” "
    line += f"({done.facts['features_digest'][:12]})"
    assert text.count(line) == 3 + 2 * len(done.axes)  # beside each figure and the table, and in the method
    summary = (made.out / "summary.md").read_text(encoding="utf-8")
    assert summary.count("3 draws of n = 32 images") == 1
    for digest in (done.facts["features_digest"], *done.facts["checkpoints"].values()):
        assert digest in text
    for name, pair in done.floor_scores.items():
        assert plus_minus(*pair) in text, name


def test_the_same_table_gives_the_same_bytes(made: Made, done: Table) -> None:
    again = [overview_figure(done), theory_figure(done, "steps"), measured_figure(done, "eta")]
    for figure in again:
        assert figure.svg == made.figures[figure.name].svg
        assert (figure.pixels == made.figures[figure.name].pixels).all()
        assert not re.search("date|metadata|20[0-9]{2}-", figure.svg)


def test_the_csv_has_a_line_for_each_cell(made: Made, done: Table) -> None:
    lines = list(csv.DictReader(io.StringIO((made.out / "cells.csv").read_text(encoding="utf-8"))))
    assert len(lines) == len(done.rows)
    assert {line["run"] for line in lines} == {HOSTILE, "good | `name`"}
    assert [float(line["frechet"]) for line in lines] == pytest.approx(
        [row.scores["frechet"][0] for row in done.rows], rel=1e-5
    )


def test_the_links_of_the_summary_lead_somewhere(made: Made, done: Table) -> None:
    text = (made.out / "summary.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]*)\)", text)
    assert len(links) == 1 + 2 * len(done.axes)
    assert all((made.out / link).is_file() for link in links)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 3 + len(done.rows)
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {9}


@pytest.mark.parametrize("after", [5, 16])
def test_a_full_disk_leaves_nothing_half_written(
    done: Table, made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    left = after
    to_disk = atomic._to_disk

    def full(file: Path) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(28, "No space left on device")
        to_disk(file)

    monkeypatch.setattr(atomic, "_to_disk", full)
    monkeypatch.setattr(report, "draw_figures", lambda *given: made.figures)
    with pytest.raises(InkwashError, match="No space left"):
        write_report(done, tmp_path, {"machine": f"a {HOSTILE} of 2 cores"})
    there = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(there) == after
    assert not (tmp_path / "report.html").exists()
    for path in there:
        assert path.read_bytes() == (made.out / path.relative_to(tmp_path)).read_bytes()


def test_one_cell_is_a_report_too(done: Table, tmp_path: Path) -> None:
    alone = replace(done, rows=done.rows[:1])
    paths = write_report(alone, tmp_path, {})
    assert {path.name for path in paths} == {"report.html", "cells.csv", "summary.md", "overview.svg", "overview.png"}
    page = Page(paths[0].read_text(encoding="utf-8"))
    assert page.wrong == page.open == []


def test_the_front_is_what_no_cheaper_cell_matches(done: Table) -> None:
    points = {(row.evaluations, row.scores["frechet"][0]) for row in done.rows}
    beaten = {(x, y) for x, y in points for u, v in points if u <= x and v <= y and (u, v) != (x, y)}
    assert [(row.evaluations, row.scores["frechet"][0]) for row in front(done)] == sorted(points - beaten)


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a **b** c", "a <strong>b</strong> c"),
        ("a ** b", "a ** b"),
        ("**a** b ** <c>", "<strong>a</strong> b ** &lt;c&gt;"),
        ("bad\x01name\udcff", "bad\N{REPLACEMENT CHARACTER}name\N{REPLACEMENT CHARACTER}"),
        ("η = 0.5 and 1 ± 2", "η\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}0.5 and 1\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}2"),
    ],
)
def test_emphasis(text: str, html: str) -> None:
    assert rich(text) == html


def test_a_mean_is_as_long_as_its_deviation() -> None:
    assert [plus_minus(0.1234, 0.0067), plus_minus(-12.0, 1.3)] == ["0.1234 ± 0.0067", "−12.0 ± 1.3"]
    assert [plus_minus(1.0, 0.0), plus_minus(float("nan"), 0.0)] == ["1.000 ± 0.000", "–"]
    assert plus_minus(0.7, 1.4e-16) == "0.700 ± 0.000"


def test_matplotlib_is_loaded_by_who_draws() -> None:
    code = "import sys, inkwash.report.write; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
