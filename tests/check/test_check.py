"""`inkwash check`: right pages are right, and each planted mistake is named."""

import json
import time
from pathlib import Path

import pytest
import torch
from filled import ANSWERS, HANDOUTS, filled
from other_pages import ABARANKAB, FUNCTIONS, OUTPUT_GIVEN, REPORT, THREE, V_PAGE
from planted import LAB, PLANTED

from cli_runner import _server, did, inkwash, refused
from inkwash.check import formulas, guard, kinds, mistakes, tables
from inkwash.check.case import make_case
from inkwash.check.examine import examine
from inkwash.check.finding import Finding, passed
from inkwash.check.judge import TOLERANCE, judge
from inkwash.check.likely import mistakes_of
from inkwash.core import cosine, linear, posterior

EXAMPLES = HANDOUTS.parent


def check(tmp_path: Path, text: str, **names: str) -> list[Finding]:
    """The findings on a page, in this process."""
    page = tmp_path / "page.py"
    page.write_text(text, encoding="utf-8")
    return list(examine(page, names))


def wrong(findings: list[Finding]) -> dict[str, tuple[str, ...]]:
    """The mistakes of each function that is not right."""
    return {finding.name.rpartition(".")[2]: finding.mistakes for finding in findings if finding.verdict != "right"}


# ---- the formulas against the house's own


@pytest.mark.parametrize("schedule", [linear(100), cosine(50)])
@pytest.mark.parametrize("eta", [0.0, 0.6, 1.0])
def test_a_step_is_inkwashs_posterior(schedule, eta: float) -> None:
    """η of the paper; and the lab's, whose root it is."""
    T = schedule.num_timesteps
    times, to = [0, 1, T // 3, T // 2, 3 * T // 4], [-1, 0, T // 3 - 5, 3, T // 2 - 1]
    case = make_case(schedule.betas, times, to, eta=eta)
    mean, noise = formulas.ddim_of_paper(case)
    for i, (t, s) in enumerate(zip(times, to, strict=True)):
        level, less = schedule.at(t), (schedule.at(s) if s >= 0 else (0.0, 1.0, 0.0))
        x_coef, x0_coef, std = posterior(level, type(level)(*less), eta)
        x0 = (case.x[i] - level.sigma * case.output[i]) / level.alpha
        torch.testing.assert_close(mean[i], x_coef * case.x[i] + x0_coef * x0, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(noise[i], std * case.z[i], rtol=1e-9, atol=1e-9)
    lab = formulas.ddim_of_lab(make_case(schedule.betas, times, to, eta=eta**2))
    torch.testing.assert_close(lab, (mean, noise), rtol=1e-9, atol=1e-9)


def test_the_network_is_exact() -> None:
    """E[ε | x] and E[x₀ | x] are the least-squares predictions of Gaussian data: no other gain is better."""
    case = make_case(linear(1000).betas, [500] * 5, [499] * 5)
    generator = torch.Generator().manual_seed(1)
    a, eps = torch.randn(2, 4000, *case.mean.shape[1:], dtype=torch.float64, generator=generator)
    x0, abar = case.mean + case.std * a, case.abar[:1]
    x = abar.sqrt() * x0 + (1 - abar).sqrt() * eps
    residual = case.network(x, torch.full((4000,), 500)) - eps
    assert residual.mean().abs() < 3e-3
    assert (residual * (x - x.mean(0))).mean().abs() < 3e-3


LONG = pytest.mark.slow  # the same laws at more places


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=LONG if kind.name in ("denoise", "p_losses") else ()) for kind in kinds.KINDS],
    ids=lambda kind: kind.name,
)
def test_every_mistake_is_named_and_no_right_formula(kind: kinds.Kind) -> None:
    """The wrong formula in place of a page: it is far from every right one, and its row is what is named."""
    readings = [reading for reading in kind.readings if not reading.only_with and not reading.without]
    of_network = kind.observed in ("step", "loss") and "flow" not in kind.name
    for row in (row for row in mistakes.MISTAKES if kind.name in row.kinds.split()):
        verdicts = []
        for predicts in ("eps", "x0", "v") if of_network else ("eps",):
            cases = kind.cases(linear(1000).betas, predicts)
            verdicts.append(judge(kind, readings, cases, [row.wrong(case) for case in cases]))
        told = [verdict for verdict in verdicts if verdict.error > 1e-9]  # eps-for-v is right of another network
        assert told, row
        assert all(verdict.error > 2 * TOLERANCE for verdict in told), (row, told)
        assert all([other.name for other in verdict.mistakes] == [row.name] for verdict in told), (row, told)


# ---- right pages


@pytest.mark.parametrize("page", ["lab06/scheduler.py", "cs231n/gaussian_diffusion.py", "cs231n/unet.py"])
def test_the_examples_are_right(page: str) -> None:
    findings = list(examine(EXAMPLES / page))
    assert passed(findings), wrong(findings)
    assert all(finding.error is None or finding.error < 1e-4 for finding in findings)


@pytest.mark.parametrize("name", ANSWERS)
def test_a_hand_out_is_blank_and_then_right(tmp_path: Path, name: str) -> None:
    blank = list(examine(HANDOUTS / name))
    assert blank
    assert not passed(blank)
    assert {finding.verdict for finding in blank if finding.checks not in ("table",)} == {"untested"}
    findings = check(tmp_path, filled(name))
    assert passed(findings), findings
    assert len(findings) >= len(blank)


# ---- planted mistakes


@pytest.mark.parametrize(
    ("name", "edits", "named"),
    [pytest.param(*row, id=f"{row[0]}-{i}", marks=LONG if i % 5 in (1, 3) else ()) for i, row in enumerate(PLANTED)],
)
def test_a_planted_mistake_is_named(tmp_path: Path, name: str, edits: list, named: dict[str, str]) -> None:
    found = wrong(check(tmp_path, filled(name, *edits)))
    assert set(found) == set(named), found
    for function, mistake in named.items():
        assert not mistake or found[function] == (mistake,), (function, found)


@pytest.mark.parametrize(
    ("edits", "mistake"),
    [
        ((), None),
        ((("x0 = a.sqrt() * x - (1 - a).sqrt() * v", "x0 = a.sqrt() * x + (1 - a).sqrt() * v"),
          ("eps = (1 - a).sqrt() * x + a.sqrt() * v", "eps = (1 - a).sqrt() * x - a.sqrt() * v")), "v-sign"),
        ((("x0 = a.sqrt() * x - (1 - a).sqrt() * v", "x0 = (x - (1 - a).sqrt() * v) / a.sqrt()"),
          ("eps = (1 - a).sqrt() * x + a.sqrt() * v", "eps = v")), "eps-for-v"),
        ((("torch.tensor([t] * len(x))", "torch.tensor([t + 1] * len(x))"),), "wrong-time"),
    ],
)  # fmt: skip
def test_a_network_that_predicts_v(tmp_path: Path, edits: tuple, mistake: str | None) -> None:
    page = V_PAGE
    for old, new in edits:
        assert old in page
        page = page.replace(old, new)
    found = wrong(check(tmp_path, page))
    assert found == ({} if mistake is None else {"step": (mistake,) if mistake else ()})


@pytest.mark.parametrize(("page", "count"), [(REPORT, 4), (ABARANKAB, 5), (THREE, 12), (OUTPUT_GIVEN, 4)])
def test_pages_of_other_courses(tmp_path: Path, page: str, count: int) -> None:
    """The MNIST report's class and others, in their own names."""
    findings = check(tmp_path, page)
    assert passed(findings), findings
    assert len(findings) == count


def test_a_function_of_another_name(tmp_path: Path) -> None:
    assert [finding.checks for finding in check(tmp_path, FUNCTIONS)] == ["table", "table"]
    findings = check(tmp_path, FUNCTIONS, add_noise="noisify")
    assert passed(findings)
    assert findings[-1].name == "noisify"


def test_the_page_for_students_has_all_mistakes_and_kinds() -> None:
    text = (HANDOUTS.parents[1] / "docs" / "check.md").read_text(encoding="utf-8")
    rows = {row.name for row in (*mistakes.MISTAKES, *(row for kind in kinds.KINDS for row in mistakes_of(kind)))}
    rows |= {name for name, *_ in (*tables.MISTAKES, *tables.WRONG_BETAS)}
    assert {name for name in rows if f"`{name}`" not in text} == set()
    assert {kind.name for kind in kinds.KINDS if f"`{kind.name}`" not in text} == set()


# ---- the process


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process starts from one that has imported torch."""
    monkeypatch.setattr(guard, "_context", _server)


ADD_NOISE = "def add_noise(x0, t, eps):\n    "


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("def f(:", "line 1: SyntaxError"),
        ("x = 1\n", "has no function that is recognised"),
        ("import sys\nsys.exit(4)\n", "ended the program when it was imported (exit code 4)"),
        ("import os\nos._exit(3)\n", "ended the process (exit code 3). That was while it was imported"),
        ("import os\nos.kill(os.getpid(), 11)\n", "crashed (SIGSEGV)"),
        ("1 / 0\n", "cannot be imported: line 1: ZeroDivisionError"),
        ("input('name?')\n", "EOFError"),
        ("import no_such_module\n", "No module named"),
        ("while True: pass\n", "took longer than 0.3 s"),
        ("while True: print('x' * 100)\n", "printed more than 1 MB"),
    ],
)
def test_a_bad_page_is_refused_with_a_sentence(tmp_path: Path, text: str, says: str) -> None:
    page = tmp_path / "page.py"
    page.write_text(text, encoding="utf-8")
    assert says in refused("check", page, "--seconds", 0.3 if "while" in text else 30)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("while True: pass", "took longer than 0.3 s"),
        ("while True: print('x' * 100)", "printed more than 1 MB"),
        ("import os; os._exit(0)", "ended the process (exit code 0)"),
        ("import sys; sys.exit(0)", "it ended the program (exit code 0)"),
        ("return [0] * 10**10", "the memory ran out"),
        ("return x0 * (1 / 0)", "line 2: ZeroDivisionError"),
        ("return 'x'", "it returns a str"),
        ("return x0.sum()", "the shape (); (5, 5, 5, 5) is expected"),
        ("return x0 / 0", "not finite"),
        ("return x0[:, :2]", "the shape"),
    ],
)
def test_a_function_that_misbehaves_is_not_right(tmp_path: Path, body: str, says: str) -> None:
    page = tmp_path / "page.py"
    page.write_text(ADD_NOISE + body + "\n", encoding="utf-8")
    done = inkwash("check", page, "--seconds", 0.3 if "while" in body else 30)
    assert done.code == 1
    assert says in " ".join(done.out.split())
    assert "add_noise" in done.out


def test_what_a_page_started_ends_with_it(tmp_path: Path) -> None:
    page, number = tmp_path / "page.py", tmp_path / "number"
    start = f"import subprocess\nn = subprocess.Popen(['sleep', '60']).pid\nopen({str(number)!r}, 'w').write(str(n))\n"
    page.write_text(start + ADD_NOISE + "while True: pass\n", encoding="utf-8")
    assert inkwash("check", page, "--seconds", 0.5).code == 1
    deadline = time.monotonic() + 2
    while alive(int(number.read_text())) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(int(number.read_text()))


def alive(number: int) -> bool:
    """Whether a process runs; one that has ended but was not waited for does not."""
    try:
        return Path(f"/proc/{number}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_table_and_the_graders_json(tmp_path: Path) -> None:
    page = tmp_path / "page.py"
    page.write_text(filled(LAB, ("+ sigma * torch", "+ sigma**2 * torch")), encoding="utf-8")
    done = inkwash("check", page, "--json", tmp_path / "found.json")
    assert done.code == 1
    assert "[variance-for-std]" in done.out
    assert "5 right, 1 wrong, 0 untested." in done.out
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert found["passed"] is False
    assert found["findings"][-1]["mistakes"] == ["variance-for-std"]
    page.write_text(filled(LAB), encoding="utf-8")
    assert json.loads(did("check", page, "--json", "-").out)["passed"] is True


def test_bad_arguments(tmp_path: Path) -> None:
    page = tmp_path / "page.py"
    page.write_text(FUNCTIONS, encoding="utf-8")
    assert "does not exist" in refused("check", tmp_path / "none.py")
    assert "ends in .py" in refused("check", tmp_path)
    assert "--as takes NAME=METHOD" in refused("check", page, "--as", "add_noise")
    assert "no kind of function" in refused("check", page, "--as", "noising=noisify")
    assert "has no noisfy" in refused("check", page, "--as", "add_noise=noisfy")
    assert "over 0" in refused("check", page, "--seconds", 0)
    assert did("check", page, "--as", "add_noise=noisify").out.endswith("3 right, 0 wrong, 0 untested.\n")


@pytest.mark.slow
def test_as_a_person_starts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert "7 right" in did("check", EXAMPLES / "lab06" / "scheduler.py").out
