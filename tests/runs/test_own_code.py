"""Code of a user's own in runs and artifacts: recorded, run where it is allowed, refused where it was changed."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli_runner import did, inkwash, refused
from inkwash import own, recipes
from inkwash.errors import UsageError
from inkwash.networks import UNet
from inkwash.race.race import Terms
from inkwash.race.race import begin as begin_race
from inkwash.settings import Sampler, Scoring
from inkwash.study.axes import Sweep
from inkwash.study.references import forget
from inkwash.study.session import begin
from inkwash.study.subject import Trained
from inkwash.training.checkpoint import LAST, facts, load, save
from inkwash.view import read_provenance

BRIEF = ("--batch-size", "8", "--precision", "float32", "--device", "cpu", "--steps", "4")
DRAW = ("--steps", "3", "-n", "4")

FILES = {
    "net.py": """
        import torch
        class Net(torch.nn.Module):
            def __init__(self, image_channels):
                super().__init__()
                self.inner = torch.nn.Conv2d(image_channels, image_channels, 3, padding=1)
                self.never_used = torch.nn.Linear(2, 2)
            def forward(self, x, t, cond):
                return self.inner(x)
    """,
    "weight.py": """
        class Half:
            def __call__(self, level, on_x0):
                return on_x0 * 0 + 0.5
    """,
    "solver.py": """
        class Euler:
            def step(self, denoise, x, t, s, memory, noise):
                x0 = denoise(x, t)
                return s.alpha * x0 + s.sigma / t.sigma * (x - t.alpha * x0), None
    """,
    "flat.py": """
        from inkwash.core import linear
        def flat(num_timesteps):
            return linear(num_timesteps, 0.001, 0.02)
    """,
}


def write(name: str, text: str) -> str:
    """A file of the current folder: its sha256. Whoever runs it leaves a file NAME.run."""
    lines = text.splitlines()[1:]
    indent = len(lines[0]) - len(lines[0].lstrip())
    text = "\n".join(line[indent:] for line in lines) + "\nopen(__file__ + '.run', 'w').close()\n"
    Path(name).write_text(text)
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files, and in `run` and `weighed` runs that were trained with them; to be read only."""
    folder = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, text in FILES.items():
            write(name, text)
        did("train", "digits", *BRIEF, "--network", "net.py:Net", "--schedule", "flat.py:flat", "--out", "run")
        did("train", "digits", *BRIEF, "--channels", 8, "--weight", "weight.py:Half", "--out", "weighed")
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder: files of the same names, not run yet, and in `run` and `weighed` the runs."""
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        write(name, text)
    for run in ("run", "weighed"):
        Path(run).symlink_to(made / run)
    yield tmp_path
    forget()


def ran(name: str) -> bool:
    return Path(f"{name}.run").exists()


CODE = ("--code", "net.py:Net", "--code", "flat.py:flat")


def test_a_checkpoint_records_the_code_that_its_run_names(made: Path, trained: Path) -> None:
    sums = {name: hashlib.sha256((made / name).read_bytes()).hexdigest() for name in FILES}
    about = facts(made / "run" / LAST)
    assert about["code"] == {"flat.py:flat": sums["flat.py"], "net.py:Net": sums["net.py"]}
    assert about["run"]["network"] == {"reference": "net.py:Net", "kind": "own"}
    assert facts(made / "weighed" / LAST)["code"] == {"weight.py:Half": sums["weight.py"]}
    assert "code" not in facts(trained / LAST)


def test_opening_it_is_refused_until_all_of_it_is_allowed(here: Path) -> None:
    sha256 = hashlib.sha256(Path("net.py").read_bytes()).hexdigest()
    for command in (("sample", "run"), ("evaluate", "run", "-n", 20), ("gallery", "run"), ("study", "run")):
        said = refused(*command)
        assert said == (
            f"run/{LAST} needs code that is not inkwash's: net.py:Net ({here.resolve()}/net.py, sha256 {sha256[:12]}). "
            "None of it was run. Read it, and allow it with --code net.py:Net."
        )
    assert "allow it with --code flat.py:flat" in refused("sample", "run", "--code", "net.py:Net")
    assert "flat.py:flat" in refused("forward", "run")
    assert not ran("net.py")
    assert not ran("flat.py")
    did("sample", "run", *DRAW, *CODE)
    assert ran("net.py")
    did("forward", "run", "--code", "flat.py:flat")


def test_what_tells_of_it_runs_nothing(here: Path) -> None:
    out = did("info", "run").out
    assert f"code         net.py:Net, sha256 {hashlib.sha256(Path('net.py').read_bytes()).hexdigest()}" in out
    assert "network      net.py:Net, " in out
    assert not ran("net.py")


def test_code_that_is_not_needed_need_not_be_allowed(here: Path) -> None:
    did("sample", "weighed", *DRAW)
    assert not ran("weight.py")


def test_going_on_needs_it_again(made: Path, here: Path) -> None:
    for run, flags, again in (
        ("run", ("--network", "net.py:Net", "--schedule", "flat.py:flat"), "net.py:Net"),
        ("weighed", ("--weight", "weight.py:Half"), "weight.py:Half"),
    ):
        Path(run).unlink()
        Path(run).mkdir()
        Path(run, LAST).write_bytes((made / run / LAST).read_bytes())
        said = refused("train", "digits", "--resume", "--steps", 6, "--out", run)
        assert f"allow it with --code {again}" in said or "flat.py:flat" in said
        did("train", "digits", "--resume", "--steps", 6, "--out", run, *flags)
        allowing = ["--code" if word.startswith("--") else word for word in flags]
        did("train", "digits", "--resume", "--steps", 8, "--out", run, *allowing)
        assert facts(Path(run, LAST))["step"] == 8


def test_a_changed_file_is_refused(here: Path) -> None:
    before = hashlib.sha256(Path("net.py").read_bytes()).hexdigest()
    after = write("net.py", FILES["net.py"].replace("padding=1", "padding='same'"))
    assert refused("sample", "run", *CODE) == (
        f"run/{LAST} was made with net.py:Net of sha256 {before[:12]}, and {here.resolve()}/net.py now has "
        f"{after[:12]}; put the old file back."
    )
    assert f"changed since: it had {before[:12]}" in refused("sample", "run")
    assert not ran("net.py")


def test_from_another_folder_it_is_named_from_there(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("below").mkdir()
    monkeypatch.chdir("below")
    assert "net.py:Net (of sha256 " in refused("sample", "../run", *DRAW)
    did("sample", "../run", *DRAW, "--out", "a.npz", "--code", "../net.py:Net", "--code", "../flat.py:flat")
    assert set(read_provenance("a.npz")["code"]) == {"net.py:Net", "flat.py:flat"}


def test_a_record_that_leaves_the_code_out_runs_none(here: Path) -> None:
    saved = load(Path("run", LAST))
    Path("forged").mkdir()
    save(
        Path("forged", LAST),
        replace(saved, facts={k: v for k, v in saved.facts.items() if k not in ("code", "format")}),
    )
    assert "None of it was run" in refused("sample", "forged", *DRAW)
    assert not ran("net.py")


def test_an_artifact_records_it_and_is_drawn_again_with_it_alone(here: Path, trained: Path) -> None:
    did("sample", trained, *DRAW, "--solver", "solver.py:Euler", "--out", "a.png")
    sha256 = hashlib.sha256(Path("solver.py").read_bytes()).hexdigest()
    assert read_provenance("a.png")["code"] == {"solver.py:Euler": sha256}
    Path("solver.py.run").unlink()
    assert f"a.png needs code that is not inkwash's: solver.py:Euler ({here.resolve()}" in refused("replay", "a.png")
    assert not ran("solver.py")
    did("replay", "a.png", "--run", trained, "--code", "solver.py:Euler")
    write("solver.py", FILES["solver.py"] + "\n        # other\n")
    assert "a.png was made with solver.py:Euler of sha256" in refused("replay", "a.png", "--code", "solver.py:Euler")
    did("sample", trained, *DRAW, "--out", "plain.png")
    assert "code" not in read_provenance("plain.png")


def test_so_does_the_forward_process(here: Path) -> None:
    did("forward", "run", "--out", "f.png", "--code", "flat.py:flat")
    assert list(read_provenance("f.png")["code"]) == ["flat.py:flat"]
    assert "f.png needs code" in refused("replay", "f.png")
    did("replay", "f.png", "--code", "flat.py:flat")


def test_an_evaluation_records_it(here: Path) -> None:
    did("evaluate", "run", "--steps", 2, "-n", 20, "--jobs", 1, "--features", "pixels", "--solver", "solver.py:Euler",
        "--out", "e", *CODE)  # fmt: skip
    names = ["flat.py:flat", "net.py:Net", "solver.py:Euler"]
    assert list(json.loads(Path("e/scores.json").read_text())["code"]) == names
    assert list(read_provenance("e/neighbours.png")["code"]) == names


def test_a_race_records_it(here: Path) -> None:
    own.allow(["solver.py:Euler"])
    run = replace(recipes.find("digits"), network=UNet(8, (1,), 1))
    sampler, scoring = Sampler("solver.py:Euler", 2), Scoring(n=20, features="pixels")
    begin_race([run], Terms(minutes=1), sampler, scoring, here / "race")
    about = json.loads((here / "race" / "digits.json").read_text())["about"]
    assert list(about["code"]) == ["solver.py:Euler"]


def session(run: Path, folder: Path, solver: str) -> Any:
    subject = Trained(run.resolve())
    return begin([subject], [Sweep(steps=(2,), solver=(solver,))], Scoring(n=20, features="pixels"), folder, 20)


def test_a_changed_solver_makes_other_cells(here: Path, trained: Path) -> None:
    def keys() -> set[str]:
        return {unit.key for unit in session(trained, here, "solver.py:Euler").units}

    own.allow(["solver.py:Euler"])
    before = keys()
    assert keys() == before
    write("solver.py", FILES["solver.py"] + "\n        # other\n")
    assert keys() == before  # this process has run the old one
    own.allow(["solver.py:Euler"])
    assert not keys() & before


@pytest.mark.slow  # starts torchrun and a study's processes
def test_several_processes_run_what_this_one_may(here: Path, trained: Path) -> None:
    own.allow(["solver.py:Euler"])
    done = session(trained, here / "study", "solver.py:Euler").finish(jobs=2)
    assert list(done.facts["code"]) == ["solver.py:Euler"]
    write("solver.py", FILES["solver.py"] + "\n        raise ValueError('changed')\n")
    job = session(trained, here / "another", "solver.py:Euler")
    with pytest.raises(UsageError, match=r"solver\.py was changed while it was used"):
        job.finish(jobs=2)


def test_an_object_of_this_process_is_drawn_with_here(here: Path, trained: Path) -> None:
    class Euler:
        def step(self, denoise: Any, x: Any, t: Any, s: Any, memory: Any, noise: Any) -> Any:
            x0 = denoise(x, t)
            return s.alpha * x0 + s.sigma / t.sigma * (x - t.alpha * x0), None

    name = "__main__:Euler"
    own.provide(name, Euler)
    job = session(trained, here / "study", name)
    with pytest.raises(UsageError, match="exists in this process alone, so no other can draw with it"):
        job.finish(jobs=2)
    assert job.finish().rows[0].cell.sampling.solver == name


@pytest.mark.parametrize(
    ("flag", "text", "said"),
    [
        (
            "--solver",
            "class Bad: ...",
            "the solver bad.py:Bad cannot be used: type Bad has no step; docs/extending.md shows",
        ),
        (
            "--solver",
            "class Bad:\n    def step(self, *a): return a[1]",
            "the solver bad.py:Bad gives the type Tensor; (x, memory)",
        ),
        (
            "--solver",
            "class Bad:\n    def step(self, *a): return a[1][0], 0",
            "the solver bad.py:Bad gives torch.float32",
        ),
        (
            "--solver",
            "class Bad:\n    def __init__(self, k): ...",
            "Bad needs the arguments k, and inkwash gives it eta, large",
        ),
        ("--solver", "Bad = 3", "bad.py:Bad is of type int; a class or a function that makes a solver is expected."),
        ("--solver", "bad = 3", "there is no Bad in bad.py. Did you mean bad?"),
        ("--spacing", "def Bad(schedule, steps): return []", "the spacing bad.py:Bad must give a list of two levels"),
        (
            "--spacing",
            "def Bad(schedule, steps): return [schedule.at(3)] * 4",
            "the plan of the spacing bad.py:Bad must",
        ),
        ("--limit", "def Bad(denoise): return lambda x, level: x[0]", "the limit bad.py:Bad gives torch.float32"),
        ("--limit", "def Bad(denoise): return 3", "the limit bad.py:Bad makes the type int; a denoiser"),
    ],
)
def test_bad_ways_of_drawing(flag: str, text: str, said: str, here: Path, trained: Path) -> None:
    Path("bad.py").write_text(text)
    assert refused("sample", trained, *DRAW, flag, "bad.py:Bad").startswith(said)


MODULE = "import torch\nclass Bad(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
SOURCE = "import torch\nfrom inkwash.data import Images\ndef Bad(split):\n"


@pytest.mark.parametrize(
    ("flag", "text", "said"),
    [
        (
            "--schedule",
            "class Bad: ...",
            "the schedule bad.py:Bad cannot be used: type Bad has no first, num_timesteps, time",
        ),
        ("--prediction", "class Bad: ...", "the prediction bad.py:Bad cannot be used: type Bad has no row;"),
        (
            "--prediction",
            "class Bad:\n    def row(self, level): return 0, 0",
            "the prediction bad.py:Bad gives the row (0, 0)",
        ),
        (
            "--weight",
            "class Bad:\n    def __call__(self, level, on_x0): return on_x0.sum()",
            "the weight bad.py:Bad gives torch",
        ),
        (
            "--weight",
            "class Bad:\n    def __call__(self, level, on_x0): return 1.0",
            "the weight bad.py:Bad gives the type float;",
        ),
        (
            "--draw",
            "def Bad():\n    return lambda schedule, chance: schedule.at(3)",
            "the draw bad.py:Bad must give a Level",
        ),
        (
            "--network",
            "def Bad(): return 3",
            "the network bad.py:Bad makes the type int; a torch.nn.Module is expected.",
        ),
        ("--network", MODULE, "the network bad.py:Bad has no parameters that could be trained."),
        (
            "--network",
            MODULE + "        self.a = torch.nn.Linear(8, 4)\n    def forward(self, x, t, cond): return self.a(x)",
            "the network bad.py:Bad gives torch.float32 of shape [2, 1, 8, 4], where x has [2, 1, 8, 8];",
        ),
        (
            "--source",
            "def Bad(): return 3",
            "the data set bad.py:Bad cannot be used: type int has no name, split, shape",
        ),
        (
            "--source",
            SOURCE + "    return Images('a', split, torch.zeros(3, 1, 8, 8))",
            "a: images must be a uint8 tensor",
        ),
        (
            "--source",
            SOURCE + "    class S(type('B', (), vars(Images('a', split, torch.zeros(3, 1, 8, 8).byte())))):\n"
            "        shape, fingerprint = (1, 8, 8), ''\n        def __len__(self): return 3\n"
            "        def take(self, i): return torch.zeros(1, 1, 8, 8)\n    return S()",
            "the data set bad.py:Bad gives torch.float32 [1, 1, 8, 8] for its first image; torch.uint8 [1, 1, 8, 8] is",
        ),
        (
            "--optimizer",
            "def Bad(model, settings, precision): return 3",
            "the optimizer bad.py:Bad cannot be used: type int",
        ),
        ("--condition", "class Bad: ...", "the condition bad.py:Bad cannot be used: type type has no of, describe;"),
        ("--network", "def Bad():\n    x = {}\n    return x['size']", "bad.py, line 3: KeyError: 'size'."),
        (
            "--schedule",
            "import nowhere_at_all",
            "bad.py, line 1: ModuleNotFoundError: No module named 'nowhere_at_all'.",
        ),
        ("--weight", "def Bad(:", "bad.py, line 1: SyntaxError: invalid syntax."),
    ],
)
def test_bad_ways_of_training(flag: str, text: str, said: str, here: Path) -> None:
    Path("bad.py").write_text(text)
    found = refused("train", "digits", *BRIEF, flag, "bad.py:Bad", "--out", "bad")
    assert found.removeprefix(f"{here.resolve()}/").startswith(said)
    assert not Path("bad").exists()


def test_an_error_on_the_way_is_a_sentence_with_its_place(here: Path, trained: Path) -> None:
    write(
        "solver.py",
        FILES["solver.py"].replace(
            "x0 = denoise(x, t)", "x0 = denoise(x, t)[:, :, :, : 8 if t.t is None or t.sigma < 0.7 else 5]"
        ),
    )
    done = inkwash("sample", trained, *DRAW, "--solver", "solver.py:Euler", "--spacing", "trailing")
    assert done.code == 2
    assert done.sentence.startswith(
        f"{here.resolve()}/solver.py, line 4: RuntimeError: The size of tensor a (8) must match"
    )


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--solver", "nope.py:X"), "there is no file nope.py (for nope.py:X) in "),
        (("--solver", "no.such.module:X"), "there is no module no.such.module (for no.such.module:X)"),
        (("--code", "mine"), "'mine' is no reference to code; write FILE.py:NAME or package.module:NAME."),
        (("--solver", "solver.py"), "there is no solver 'solver.py'."),
    ],
)
def test_what_is_not_there(flags: tuple[str, ...], said: str, here: Path, trained: Path) -> None:
    assert refused("sample", trained, *DRAW, *flags).startswith(said)


def test_weights_that_are_tied_are_kept(here: Path) -> None:
    tied = "self.never_used = torch.nn.Conv2d(1, 1, 3); self.never_used.weight = self.inner.weight"
    write("net.py", FILES["net.py"].replace("self.never_used = torch.nn.Linear(2, 2)", tied))
    did("train", "digits", *BRIEF, "--network", "net.py:Net", "--out", "tied")
    did("train", "digits", "--resume", "--steps", 6, "--network", "net.py:Net", "--out", "tied")
    did("sample", "tied", *DRAW, "--code", "net.py:Net")
