"""The Chinese pages say what the English ones say: the same code, commands and flags, and as many sections and rows."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("**/*.zh.md") if ".venv" not in path.parts)
WHOLE = [page for page in PAGES if page != "README.zh.md"]  # the README leaves the comparison to the English page


def both(page: str) -> tuple[str, str]:
    """The English page and the Chinese one."""
    zh = ROOT / page
    return zh.with_name(zh.name.replace(".zh.md", ".md")).read_text("utf-8"), zh.read_text("utf-8")


def code(text: str) -> list[str]:
    """The blocks of code without their comments, which are translated."""
    blocks = re.findall(r"^```(?:\w*)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return [re.sub(r" *#.*", "", block) for block in blocks]


def numbers(text: str) -> set[str]:
    """Numbers of two digits and more, without the commas between thousands."""
    return set(re.findall(r"\d+\.\d+|\d{2,}", re.sub(r"(?<=\d),(?=\d{3})", "", text)))


def test_there_are_some() -> None:
    assert {"README.zh.md", "docs/from-your-course.zh.md", "docs/study.zh.md"} <= set(PAGES)


@pytest.mark.parametrize("page", WHOLE)
def test_code_commands_and_flags_are_the_same(page: str) -> None:
    en, zh = both(page)
    assert code(zh) == code(en)
    for pattern in (r"`(inkwash [^`]*)`", r"(--[a-z][a-z-]*)"):
        assert sorted(set(re.findall(pattern, zh))) == sorted(set(re.findall(pattern, en)))


@pytest.mark.parametrize("page", WHOLE)
def test_sections_and_rows_are_as_many(page: str) -> None:
    en, zh = both(page)
    for pattern in (r"^#+ ", r"^\|", r"^!\["):
        assert len(re.findall(pattern, zh, re.MULTILINE)) == len(re.findall(pattern, en, re.MULTILINE)), pattern
    assert numbers(zh) == numbers(en)


def test_the_readmes_code_is_the_same() -> None:
    en, zh = both("README.zh.md")
    shared = code(en)[: len(code(zh))]
    assert code(zh) == shared
    results = r"^\| `[\w-]+` \|.*±.*"
    rows = [[numbers(row) for row in re.findall(results, text, re.MULTILINE)] for text in (zh, en)]
    assert len(rows[0]) == 5
    assert rows[0] == rows[1]


@pytest.mark.parametrize("page", PAGES)
def test_each_leads_to_the_other_and_links_lead_somewhere(page: str) -> None:
    en, zh = both(page)
    name = Path(page).name
    assert f"({name})" in en
    assert f"[English]({name.replace('.zh.md', '.md')})" in zh
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", zh):
        assert ((ROOT / page).parent / target).exists(), target
