"""References to code of a user's own: what is one, what may be run, and what is said of all else."""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_runner import forget
from inkwash import own
from inkwash.checked import references
from inkwash.errors import UsageError
from inkwash.networks import OwnNetwork
from inkwash.settings import Data, Process, RunSettings, Sampler, Sampling, Scoring, Training
from inkwash.study.axes import Sweep


@pytest.fixture(autouse=True)
def _in_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The current folder is the test's, and modules are found there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def written(name: str, text: str) -> str:
    """Writes a file into the current folder: its sha256."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return hashlib.sha256(text.encode()).hexdigest()


def refusal(function: object, *args: object) -> str:
    with pytest.raises(UsageError) as caught:
        function(*args)  # type: ignore[operator]
    return str(caught.value)


@pytest.mark.parametrize(
    "word", ["mine.py:Net", "a/b c/mine.py:Net.make", "/tmp/x.py:f", "~/x.py:f", "package.module:NAME", "module:f"]
)
def test_references(word: str) -> None:
    assert own.is_reference(word)


@pytest.mark.parametrize("word", ["ddim", "mine.py", "mine.py:", ":Net", "a b:c", "x.py:1", "./images", "a:b:c"])
def test_what_is_none(word: str) -> None:
    assert not own.is_reference(word)
    assert "is no reference to code" in refusal(own.allow, [word])


def test_nothing_is_run_before_it_is_allowed() -> None:
    sha256 = written("mine.py", "raise SystemExit('it was run')")
    said = refusal(own.load, "mine.py:Net")
    assert said.startswith("this needs code that is not inkwash's: mine.py:Net (")
    assert f"{Path('mine.py').resolve()}, sha256 {sha256[:12]}" in said
    assert said.endswith("Read it, and allow it with `code='mine.py:Net'`.")
    own.allow(["mine.py:Net"])
    assert refusal(own.load, "mine.py:Net").endswith("mine.py ended the program (exit code it was run) when imported.")


def test_the_file_is_run_once_and_its_bytes_are_those_recorded() -> None:
    sha256 = written("mine.py", "import sys\nsys.counted = getattr(sys, 'counted', 0) + 1\nclass A:\n  class B: ...\n")
    own.allow(["mine.py:A", "mine.py:A.B"])
    assert own.load("mine.py:A").B is own.load("mine.py:A.B")
    assert sys.counted == 1  # type: ignore[attr-defined]
    del sys.counted  # type: ignore[attr-defined]
    written("mine.py", "A = 'another'")
    assert own.digests(["mine.py:A"]) == {"mine.py:A": sha256}  # this process still has the first
    assert isinstance(own.load("mine.py:A"), type)
    own.allow(["mine.py:A"])
    assert own.load("mine.py:A") == "another"
    assert own.digest("mine.py:A") != sha256


def test_a_module_is_found_without_running_its_packages() -> None:
    written("parent/__init__.py", "raise RuntimeError('run')")
    sha256 = written("parent/child.py", "def f(): return 3")
    written("space/inner.py", "def g(): return 4")
    own.allow(["parent.child:f", "space.inner:g"])
    assert own.path_of("parent.child:f") == Path("parent/child.py").resolve()
    assert own.digest("parent.child:f") == sha256
    assert "parent" not in sys.modules
    assert own.load("space.inner:g")() == 4
    with pytest.raises(RuntimeError, match="run"):
        own.load("parent.child:f")


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("nope.py:X", "there is no file nope.py (for nope.py:X) in "),
        ("nope.such:X", "there is no module nope.such (for nope.such:X)"),
        ("json.nope:X", "there is no module json.nope"),
        ("json.decoder.nope:X", "there is no module json.decoder.nope"),
        ("sys:exit", "the module sys (for sys:exit) is no file"),
        ("__main__:X", "__main__:X was an object of another Python program"),
    ],
)
def test_what_is_not_there(reference: str, said: str) -> None:
    assert refusal(own.allow, [reference]).startswith(said)
    assert refusal(own.load, reference).startswith(said)


def test_a_name_that_is_not_there() -> None:
    written("mine.py", "class Leapfrog: ...")
    own.allow(["mine.py:Leapfrg"])
    assert refusal(own.load, "mine.py:Leapfrg") == "there is no Leapfrg in mine.py. Did you mean Leapfrog?"


def test_a_link_is_the_file_that_it_points_to() -> None:
    written("real/mine.py", "X = 1")
    Path("link.py").symlink_to("real/mine.py")
    own.allow(["link.py:X", "real/mine.py:X"])
    assert own.path_of("link.py:X") == Path("real/mine.py").resolve()
    assert own.digest("link.py:X") == own.digest("real/mine.py:X")
    assert str(Path("real/mine.py").resolve()) in refusal(
        own.check_recorded, {"link.py:Y": own.digest("link.py:X")}, "r"
    )


def test_what_was_recorded() -> None:
    sha256 = written("mine.py", "class Net: ...")
    said = refusal(own.check_recorded, {"mine.py:Net": sha256}, "runs/a")
    assert said.startswith(f"runs/a needs code that is not inkwash's: mine.py:Net ({Path('mine.py').resolve()}, sha256")
    own.allow(["mine.py:Net"])
    own.check_recorded({"mine.py:Net": sha256}, "runs/a")
    other = "0" * 64
    said = refusal(own.check_recorded, {"mine.py:Net": other}, "runs/a")
    assert said.startswith("runs/a was made with mine.py:Net of sha256 000000000000, and ")
    assert sha256[:12] in said
    assert said.endswith("put the old file back.")
    own.check_recorded({}, "runs/a")


def test_the_refusal_says_whether_the_file_is_another_now_or_gone() -> None:
    written("mine.py", "class Net: ...")
    assert "changed since: it had 000000000000" in refusal(own.check_recorded, {"mine.py:Net": "0" * 64}, "r")
    said = refusal(own.check_recorded, {"gone.py:Net": "0" * 64}, "r")
    assert "of sha256 000000000000, which is not there now" in said
    assert "of which no file is known" in refusal(own.check_recorded, {"__main__:Net": ""}, "r")


def test_the_same_bytes_elsewhere_will_do() -> None:
    """A run that recorded mine.py:Net is opened from another folder, where the file is below code/."""
    sha256 = written("code/mine.py", "class Net: ...")
    written("code/other.py", "class Net:\n    pass")
    own.allow(["code/other.py:Net"])
    assert "allow it" in refusal(own.check_recorded, {"mine.py:Net": sha256}, "r")
    own.allow(["code/mine.py:Net"])
    own.check_recorded({"mine.py:Net": sha256}, "r")
    assert own.load("mine.py:Net") is own.load("code/mine.py:Net")
    assert own.digests(["mine.py:Net"]) == {"mine.py:Net": sha256}
    assert "allow it" in refusal(own.check_recorded, {"mine.py:Other": sha256}, "r")  # another name was not allowed


def test_objects_that_python_passes() -> None:
    class Net: ...

    sha256 = written("mine.py", "class Net: ...")
    for name, held in (("__main__:Net", ""), ("mine.py:Net", sha256), ("mine:Net", sha256), ("nowhere:Net", "")):
        own.provide(name, Net)
        assert own.load(name) is Net
        assert own.digest(name) == held
        own.check_recorded({name: "whatever it was"}, "r")
    assert "is no reference" in refusal(own.provide, "Net", Net)


def test_what_another_process_cannot_have() -> None:
    own.provide("here:f", lambda: 1)
    own.provide("there:Path", Path)
    assert own.bound_here(["here:f", "there:Path", "neither:X"]) == ["here:f"]
    assert set(own.permits().given) == {"there:Path"}


def test_another_process_is_allowed_the_same_and_sees_the_same_file() -> None:
    written("mine.py", "def f(): return 1")
    own.allow(["mine.py:f"])
    own.check_recorded({"elsewhere.py:f": own.digest("mine.py:f")}, "r")
    granted = own.permits()
    forget()  # as in the other
    own.adopt(granted)
    assert own.load("elsewhere.py:f")() == 1
    forget()
    written("mine.py", "def f(): return 2")
    assert "was changed while it was used" in refusal(own.adopt, granted)


def test_an_error_is_blamed_on_the_line_that_raised_it() -> None:
    written("mine.py", "def f(x):\n    return g(x)\n\n\ndef g(x):\n    return len(x)\n")
    written("broken.py", "x = (\n")
    written("raising.py", "import json\n\njson.loads('{')\n")
    own.allow(["mine.py:f", "broken.py:x", "raising.py:x"])
    places = []
    for function in (
        lambda: own.load("mine.py:f")(3),
        lambda: own.load("broken.py:x"),
        lambda: own.load("raising.py:x"),
    ):
        with pytest.raises(Exception) as caught:  # noqa: PT011 of several kinds
            function()
        places.append(str(own.blamed(caught.value)))
    here = Path.cwd().resolve()
    assert places[0] == f"{here}/mine.py, line 6: TypeError: object of type 'int' has no len()."
    assert places[1].startswith(f"{here}/broken.py, line 1: SyntaxError: '(' was never closed")
    assert places[2].startswith(f"{here}/raising.py, line 3: JSONDecodeError: Expecting property name")
    with pytest.raises(ValueError, match="inkwash's own") as caught:
        raise ValueError("inkwash's own")
    assert own.blamed(caught.value) is None


def test_the_references_of_settings_and_no_other_words() -> None:
    sampler = Sampler(solver="a.py:A", spacing="b.py:B", limit="c.py:C")
    assert references(sampler) == ("a.py:A", "b.py:B", "c.py:C")
    assert references(Sampling(text="a:b", label="c.py:D", guide="e.py:F")) == ()
    run = RunSettings("digits", Data(source="s.py:S"), OwnNetwork("n.py:N"), process=Process(schedule="p.q:R"))
    assert references(run, Training(weight="w.py:W", draw="s.py:S")) == ("s.py:S", "n.py:N", "p.q:R", "w.py:W")
    assert references(Sweep(solver=("ddim", "a.py:A"), spacing=("b.py:B",)), Scoring(features="f.py:F")) == (
        "a.py:A", "b.py:B", "f.py:F",
    )  # fmt: skip
