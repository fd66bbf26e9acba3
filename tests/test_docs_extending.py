"""The page on objects of one's own: all its files are written, and all its commands run, in its order."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cli_runner import did
from inkwash.view import read_provenance

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(python|bash)\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)
FILES = {text.splitlines()[0].removeprefix("# "): text for kind, text in BLOCKS if kind == "python"}

TINY = ("--batch-size", "8", "--precision", "float32", "--device", "cpu", "--steps", "4")


def tiny(words: list[str]) -> list[str]:
    """A command that takes seconds."""
    if words[0] == "train":
        network = () if "--network" in words or "--resume" in words else ("--channels", "8")
        return [*words, *TINY, *network]
    if words[0] == "restore":
        return [*words, "--steps", "3", "-n", "2"]
    if words[0] in ("sample", "study", "evaluate"):
        words = [*words, "-n", "4" if words[0] == "sample" else "40"]
    return [*words, "--jobs", "1"] if words[0] in ("study", "evaluate") else words


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("extending")


def test_every_file_says_its_name_and_every_section_has_both() -> None:
    assert len(FILES) == 12
    assert all(re.fullmatch(r"\w+\.py", name) for name in FILES)
    commands = "".join(text for kind, text in BLOCKS if kind == "bash")
    for flag in ("solver", "spacing", "limit", "schedule", "prediction", "weight", "network", "source", "encoder"):
        assert re.search(rf"--{flag} [\w,]*\.py:", commands), flag
    assert "--operator mirror.py:" in commands
    assert "--method mirror.py:" in commands


def test_the_page_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for kind, text in BLOCKS:
        if kind == "python":
            name = text.splitlines()[0].removeprefix("# ")
            Path(name).write_text(text, encoding="utf-8")
            if name == "check.py":
                subprocess.run([sys.executable, name], check=True)
        else:
            for line in text.replace("\\\n", "").splitlines():
                words = shlex.split(line)
                assert words[0] == "inkwash"
                did(*tiny(words[1:]))
    code = read_provenance("adams.png")["code"]
    assert list(code) == ["adams.py:AdamsBashforth"]


def test_its_files_are_short() -> None:
    for text in FILES.values():
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith(("#", "import", "from"))]
        assert len(lines) <= (25 if "bright" in text else 12), text


def test_its_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", TEXT):
        assert (PAGE.parent / target).exists(), target
    for target in re.findall(r"`(inkwash/[\w/]+\.py)`", TEXT):
        assert (PAGE.parents[1] / "src" / target).exists(), target
