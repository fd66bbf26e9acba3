"""The command line: quick to start, helpful, and never a traceback."""

import errno
import os
import resource
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cli_runner import TINY, Command, Fuse, did, inkwash, refused
from inkwash import __version__, commands, recipes
from inkwash.settings import Sampling
from inkwash.training.checkpoint import LAST, facts

HEAVY = {"torch", "matplotlib", "PIL", "accelerate", "imageio", "imageio_ffmpeg", "requests", "safetensors"}
COMMANDS = (
    "train", "data", "distill", "tune", "sample", "play", "restore", "degrade", "edit", "evaluate", "study",
    "posterior", "race", "gallery", "figure", "forward", "info", "models", "recipes", "replay",
    "import", "export", "push", "check", "demo",
)  # fmt: skip


def process(*args: object, **env: str) -> subprocess.CompletedProcess[str]:
    """`inkwash ARGS` as a person starts it."""
    line = [sys.executable, "-m", "inkwash", *(str(arg) for arg in args)]
    return subprocess.run(
        line, capture_output=True, text=True, errors="replace", check=False, env={**os.environ, **env}
    )


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ("--help", 0),
        ("recipes", 0),
        ("train --help", 0),
        ("train mnist --help", 0),
        ("--version", 0),
        ("train mnits", 2),
        ("train mnist --lr -1", 2),
        ("sample", 2),
    ],
)
def test_it_starts_without_torch(args: str, code: int) -> None:
    script = (
        "import sys\nfrom inkwash.cli import main\n"
        f"try: main({args.split()!r})\nexcept SystemExit as ended: assert ended.code == {code}, ended.code\n"
        f"found = {HEAVY!r} & set(sys.modules)\nassert not found, found"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert bool(done.stdout) == (code == 0)


# ---- help


def test_help_names_every_command_in_order() -> None:
    told = did("--help").out
    assert f"{{{','.join(COMMANDS)}}}" in "".join(told.split())
    assert did().out == told
    assert did("-h").out == told


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    assert "usage: inkwash " + command in did(command, "--help").out


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_has_help(name: str) -> None:
    told = did("train", name, "--help").out
    assert recipes.summary(recipes.names()[name])[:40] in " ".join(told.split())
    assert "--lr" in told
    assert name in did("train", "--help").out
    assert name in did("recipes").out


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("tr", "train"),
        ("train lab", "lab06-eps lab06-v"),
        ("train mnist --batch", "--batch-size"),
        ("sample run --solver d", "ddpm ddim ddim-lab dpmpp2m deis"),
    ],
)
def test_shell_completion(line: str, words: str, tmp_path: Path) -> None:
    assert "lab06" in did("--tyro-print-completion", "zsh").out
    script = did("--tyro-print-completion", "bash").out
    ask = f"COMP_WORDS=(inkwash {line}); COMP_CWORD={len(line.split())}; _tyro_inkwash; echo ${{COMPREPLY[*]}}"
    # through a pipe: as an argument the script would be longer than Linux takes
    done = subprocess.run(["bash"], input=f"{script}\n{ask}\n", capture_output=True, text=True, check=True)
    assert done.stdout.split() == words.split()


def test_completion_for_a_shell_that_has_none() -> None:
    assert refused("--tyro-print-completion", "tcsh") == "completion can be had for bash and zsh."


def test_version() -> None:
    assert did("--version").out == f"inkwash {__version__}\n"
    done = process("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"inkwash {__version__}\n", "")


# ---- asked wrongly


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (
            "trian",
            "there is no command 'trian'. Did you mean train? The commands are train, data, distill, tune, sample, ",
        ),
        ("frobnicate", "there is no command 'frobnicate'. The commands are"),
        ("train", "train needs a recipe: inkwash train RECIPE. They are digits, mnist"),
        ("train --resume", "train needs a recipe"),
        ("train mnits", "there is no recipe 'mnits'. Did you mean mnist? The recipes are digits, mnist"),
        ("train photos/", "Nor is there a folder or file photos/."),
        ("train folder", "the recipe folder needs images: `inkwash train FOLDER`, or --source FOLDER."),
        ("forward folder", "the recipe folder needs images"),
        ("forward digts", "Did you mean digits?"),
        ("forward digits --images 0", "--images should be greater than or equal to 1 (got 0)."),
        ("forward digits --seed -1", "--seed should be greater than or equal to 0 (got -1)."),
        ("forward digits --size 4", "digits is 8×8 and cannot be padded to 4×4; give a size of 8 or more."),
        ("forward digits --out a.gif", "give --out a name ending in .png (got a.gif)."),
        ("forward digits --out a.txt", "a.txt ends in .txt, which cannot be written."),
        ("sample nowhere", "there is no checkpoint at nowhere/last.safetensors; give the folder that"),
        ("info nowhere", "there is no checkpoint at nowhere/last.safetensors"),
        ("replay nowhere", "There is no nowhere."),
        ("sample nowhere --steps 0", "--steps should be greater than or equal to 1 (got 0)."),
        ("sample nowhere -n 0", "--n should be greater than or equal to 1 (got 0)."),
    ],
)
def test_asked_wrongly(args: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert words in refused(*args.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ("train mnist --steps many", "invalid literal for int() with base 10: 'many'"),
        ("train mnist --seed", "Missing value for argument '--seed'"),
        ("train mnist --stepps 3", "--steps"),
        ("train mnist --loss huber", "invalid choice 'huber'"),
        ("train sysu-mnist --channels 8", "Unrecognized options: --channels"),
        ("train mnist --kind unet", "Unrecognized options: --kind"),
        ("sample", "Missing from inkwash sample"),
        ("recipes all", "Unrecognized options: all"),
    ],
)
def test_not_understood(args: str, words: str) -> None:
    """What cannot be parsed is told by the parser, in its own frame, with the same exit code."""
    done = inkwash(*args.split())
    assert done.code == 2
    assert done.out == ""
    assert words in " ".join(done.err.split())
    assert "Traceback" not in done.err


@pytest.mark.parametrize("args", ["train ~nobody-here/photos", "forward ~nobody-here", "sample ~nobody-here/run"])
def test_no_such_home(args: str) -> None:
    assert "~nobody-here" in refused(*args.split())


def test_no_such_home_in_a_flag(tmp_path: Path) -> None:
    said = refused("train", "digits", "--source", "~nobody-here/photos", "--out", tmp_path / "run")
    assert said == "there is no such home folder here; write paths in full, and give --data-dir."


@pytest.mark.parametrize("command", ["train", "sample", "forward", "info", "replay", "train digits --out"])
def test_a_name_too_long(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = inkwash(*command.split(), "a" * 300)
    assert done.code == 1
    assert "File name too long" in done.sentence


# ---- a command from outside

OUTSIDE = """
from dataclasses import dataclass
from typing import Annotated, ClassVar
import tyro
from inkwash.commands import Command
from inkwash.errors import UsageError
from inkwash.settings import Sampling

@dataclass(frozen=True)
class Refuse(Command):
    "Refuse with any message."
    order: ClassVar[int] = 35
    message: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SENTENCE")]
    sampling: Sampling
    times_told: int = 1
    as_it_is: bool = False

    def run(self) -> None:
        if self.as_it_is:
            print(self.message)
        else:
            raise UsageError(" ".join([self.message] * self.times_told))
"""


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with one more command, which is one file."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "print_.py").write_text(OUTSIDE)
    (folder / "refuse_all.py").write_text(OUTSIDE)
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(folder)])
    yield folder
    for module in ("print_", "refuse_all"):
        sys.modules.pop(f"inkwash.commands.{module}", None)


def test_a_command_is_one_file(outside: Path) -> None:
    """Its name is the file's, its place the order that it states, its help the class's."""
    expected = [*COMMANDS[:10], "print", "refuse-all", *COMMANDS[10:]]
    overview = did("--help").out
    assert f"{{{','.join(expected)}}}" in "".join(overview.split())
    assert "Refuse with any message." in overview
    assert "--times-told INT" in did("refuse-all", "--help").out
    assert did("print", "hello", "--as-it-is").out == "hello\n"
    assert refused("refuse-all", "no.", "--times-told", 2) == "no. no."
    assert refused("refuse-al") == (
        f"there is no command 'refuse-al'. Did you mean refuse-all? The commands are {', '.join(expected)}."
    )
    assert "refuse-all" in did("--tyro-print-completion", "zsh").out


def test_a_file_without_a_command(outside: Path) -> None:
    (outside / "print_.py").write_text("from inkwash.commands import Command\n")
    with pytest.raises(TypeError, match=r"print_ holds 0 commands; it must hold one class that derives from Command"):
        inkwash("print", "hello")


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("`times_told` is too small", "--times-told is too small"),
        ("give `message`", "give SENTENCE"),
        ("`n` and `batch_size`, of a part and of training", "--n and --batch-size, of a part and of training"),
        ("`folder` and `nothing_of_ours` are no flags here", "`folder` and `nothing_of_ours` are no flags here"),
        ("run `inkwash refuse`, or `n + 1`", "run `inkwash refuse`, or `n + 1`"),
        ("take `solver='heun'`", "take --solver heun"),
        ("take `text='a red fox'`", 'take --text "a red fox"'),
        ("take `scale=2.5` and `steps=5`", "take --scale 2.5 and --steps 5"),
        ("take `guide=FOLDER`", "take --guide FOLDER"),
        ("take `as_it_is=True`", "take --as-it-is"),
        ("leave out `as_it_is=False`", "leave out --no-as-it-is"),
        ("a `recipe` and a `kind` are not to be given", "a `recipe` and a `kind` are not to be given"),
    ],
)
def test_arguments_are_shown_as_flags(message: str, words: str, outside: Path) -> None:
    assert refused("refuse-all", message) == words


# ---- what goes wrong on the way


def fail(error: BaseException) -> Callable[..., None]:
    def failing(*args: object) -> None:
        raise error

    return failing


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "the memory ran out; try a smaller --batch-size"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "the memory ran out"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), "the memory ran out"),
        (RuntimeError("Connection closed by peer. This is caused by a remote worker"), "another process of this"),
        (PermissionError(errno.EACCES, "Permission denied", "/secret"), "/secret: Permission denied."),
        (OSError("ffmpeg was not found"), "ffmpeg was not found"),
    ],
)
def test_failures_are_told(error: BaseException, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inkwash.commands.recipes.Recipes.run", fail(error))
    done = inkwash("recipes")
    assert done.code == 1
    assert words in done.sentence


def test_mistakes_of_our_own_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inkwash.commands.recipes.Recipes.run", fail(RuntimeError("shapes cannot be multiplied")))
    with pytest.raises(RuntimeError, match="shapes"):
        inkwash("recipes")


def test_ctrl_c_before_there_is_anything_to_save(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inkwash.commands.recipes.Recipes.run", fail(KeyboardInterrupt()))
    done = inkwash("recipes")
    assert (done.code, done.sentence) == (130, "stopped.")


def test_ctrl_c_while_sampling(trained: Path, tmp_path: Path) -> None:
    fuse = Fuse("inkwash.denoise:Denoiser.forward", 3, number=signal.SIGINT)
    out = tmp_path / "a.png"
    done = Command(("sample", trained, "-n", 4, "--out", out), tmp_path / "command", fuse).wait()
    assert (done.code, done.sentence) == (130, "stopped.")
    assert not out.exists()


def test_memory_that_runs_out(tmp_path: Path) -> None:
    """1,500 images of this size take 400 GB."""
    big = ("train", "digits", *TINY, "--size", 16384, "--out", tmp_path / "run")
    done = Command(big, tmp_path, limits={resource.RLIMIT_AS: 16 << 30}).wait()
    assert done.code == 1
    assert done.sentence.startswith("the memory ran out")


def test_a_closed_pipe() -> None:
    line = f"{sys.executable} -m inkwash recipes | true"
    done = subprocess.run(
        ["bash", "-c", f"for i in 1 2 3; do {line}; done"], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""


@pytest.mark.parametrize(
    "closed", [*(pytest.param(one, marks=pytest.mark.slow) for one in ("2>&-", ">&-")), ">&- 2>&-"]
)
def test_no_terminal_at_all(closed: str, tmp_path: Path) -> None:
    args = ("train", "digits", *TINY, "--steps", 2, "--out", tmp_path / "run")
    line = f"{sys.executable} -m inkwash {shlex.join(str(arg) for arg in args)} {closed}"
    assert subprocess.run(["bash", "-c", line], capture_output=True, check=False).returncode == 0
    assert facts(tmp_path / "run" / LAST)["step"] == 2


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_terminals_that_lack_our_signs(encoding: str) -> None:
    for args, code in ((("recipes",), 0), (("sample", "--help"), 0), (("train", "水墨"), 2)):
        done = process(*args, PYTHONIOENCODING=encoding, PYTHONUTF8="0")
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr


def test_folders_of_any_name(tmp_path: Path, trained: Path) -> None:
    out = tmp_path / "水墨 'η'\n\udcff" / "a.png"
    for command in (("sample", trained, "-n", 1, "--steps", 1, "--out", out), ("replay", out, "--run", trained)):
        done = Command(command, tmp_path).wait()
        assert done.code == 0, done.err
        assert "水墨 'η'" in done.out


# ---- the demo


def test_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trains, draws three pictures, and a second time draws again."""
    real, few = recipes.find, {"steps": 2, "batch_size": 8}
    monkeypatch.setattr(recipes, "find", lambda name: replace(real(name), training=replace(real(name).training, **few)))
    monkeypatch.setattr("inkwash.commands.demo.Sampling", lambda n, steps, **_: Sampling(n=n // 16, steps=steps // 20))
    did("demo", "--out", tmp_path / "demo")
    made = {
        "mnist-class.png",
        "last.safetensors",
        "best.safetensors",
        "metrics.jsonl",
        "samples.png",
        "denoising.gif",
        "forward.png",
    }
    assert {path.name for path in (tmp_path / "demo").iterdir()} == made
    assert "already trained" in did("demo", "--out", tmp_path / "demo").out
