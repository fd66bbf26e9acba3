"""The Python front door: what `import inkwash` gives."""

import inspect
import os
import signal
import subprocess
import sys
from dataclasses import MISSING, fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from own_nets import Plain

import inkwash
from cli_runner import did
from inkwash.data import Batch, Batches, digits, hold_out, to_float
from inkwash.errors import UsageError
from inkwash.networks import UNet
from inkwash.runs import build, record
from inkwash.settings import RunSettings, Sampler, Sampling, Scoring, Training
from inkwash.training import Saved, State, Step, train
from inkwash.view import read_provenance

SMALL = {"channels": 8, "batch_size": 16, "precision": "float32", "device": "cpu"}
QUIET = {"progress": False}


@pytest.fixture(scope="module")
def run(trained: Path) -> inkwash.Run:
    return inkwash.load(str(trained), device="cpu")


def python(code: str, *args: object) -> str:
    """What a fresh Python prints for this code."""
    command = [sys.executable, "-c", code, *map(str, args)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout.strip()


# ---- importing


def test_importing_inkwash_imports_neither_torch_nor_numpy() -> None:
    heavy = ("torch", "numpy", "pydantic", "tyro", "PIL", "tqdm", "matplotlib")
    assert python(f"import sys, inkwash; print([name for name in {heavy} if name in sys.modules])") == "[]"


def test_all_names_are_there() -> None:
    assert set(inkwash.__all__) <= set(dir(inkwash))
    for name in inkwash.__all__:
        assert getattr(inkwash, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        inkwash.lode  # noqa: B018


def test_opening_a_run_imports_nothing_that_trains(trained: Path) -> None:
    code = (
        "import sys, inkwash; inkwash.load(sys.argv[1]);"
        "print(sorted(m for m in sys.modules if m == 'accelerate' or m.startswith('inkwash.training.')))"
    )
    assert python(code, trained) == "['inkwash.training.checkpoint']"


# ---- a run


@pytest.mark.parametrize("kind", [str, Path, os.fsencode], ids=["str", "Path", "neither"])
def test_paths(kind: type, trained: Path) -> None:
    if kind is os.fsencode:
        with pytest.raises(TypeError):
            inkwash.load(kind(trained))  # type: ignore[arg-type]
        return
    run = inkwash.load(kind(trained), checkpoint="best", device="cpu")
    assert run.folder == trained
    assert run.model.which == "best"


def test_what_a_run_says(run: inkwash.Run, trained: Path) -> None:
    assert repr(run) == f"Run({str(trained)!r}: digits, 8×8×1, 12 of 12 steps, on cpu)"
    assert isinstance(run.settings, RunSettings)
    assert run.shape == (1, 8, 8)
    assert run.classes == tuple("0123456789")
    assert [step for step, _ in run.history] == [10, 12]
    assert [step for step, _ in run.held_out] == [0, 4, 8, 12]
    assert f"<td>{12:,} of {12:,} steps" in run._repr_html_()
    x = torch.zeros(2, 1, 8, 8)
    level = run.schedule.at(0.5)
    assert run.denoiser(x, level).shape == x.shape


SAME = [
    ({}, []),
    ({"solver": "ddpm", "variance": "large"}, ["--solver", "ddpm", "--variance", "large"]),
    ({"eta": 0.5, "spacing": "leading"}, ["--eta", 0.5, "--spacing", "leading"]),
    ({"solver": "heun", "limit": "none", "seed": 5}, ["--solver", "heun", "--limit", "none", "--seed", 5]),
]


@pytest.mark.parametrize(("settings", "flags"), SAME)
def test_the_command_line_draws_the_same_pixels(
    settings: dict[str, object], flags: list[object], run: inkwash.Run, tmp_path: Path
) -> None:
    images = run.sample(18, steps=4, **settings, **QUIET)  # type: ignore[arg-type]
    did("sample", run.folder, "-n", 18, "--steps", 4, "--device", "cpu", *flags, "--out", tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as found:
        assert np.array_equal(images, found["images"])
    images.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def defaults(of: type) -> dict[str, object]:
    return {
        entry.name: entry.default_factory() if entry.default is MISSING else entry.default  # type: ignore[misc]
        for entry in fields(of)  # type: ignore[arg-type]
    }


@pytest.mark.parametrize(("method", "kinds"), [("sample", (Sampling,)), ("evaluate", (Sampler, Scoring))])
def test_a_method_takes_each_setting_of_its_command(method: str, kinds: tuple[type, ...]) -> None:
    parameters = inspect.signature(getattr(inkwash.Run, method)).parameters
    for kind in kinds:
        for name, default in defaults(kind).items():
            of_recipe = name in (*defaults(Sampler), "stretch")  # None stands for the run's own
            assert parameters[name].default == (None if of_recipe else default), name


# ---- images


def test_images_are_an_array(run: inkwash.Run) -> None:
    images = run.sample(6, steps=2, **QUIET)
    assert images.shape == np.asarray(images).shape == images.numpy().shape == (6, 8, 8, 1)
    assert len(images) == 6
    assert np.asarray(images).dtype == np.uint8
    assert np.array_equal(images[2], images.numpy()[2])
    assert all(np.array_equal(a, b) for a, b in zip(images, images.numpy(), strict=True))
    tensor = images.tensor()
    assert tensor.shape == (6, 1, 8, 8)
    assert tensor.dtype == torch.float32
    assert -1 <= tensor.min() <= tensor.max() <= 1
    assert np.mean(images) == images.numpy().mean()
    images.numpy()[:] = 0  # a copy
    assert np.asarray(images).any()


def test_a_part_of_images_is_images(run: inkwash.Run) -> None:
    images = run.sample(6, steps=2, **QUIET)
    pixels = images.numpy()
    for index in (slice(2), slice(1, 4), slice(None, None, -1), [4, 0], np.arange(6) % 2 == 0):
        part = images[index]
        assert isinstance(part, inkwash.Images)
        assert np.array_equal(part, pixels[index])
    assert np.array_equal(images[1:][1:3], pixels[2:4])
    assert images[1:][1:3].chosen == (2, 3)
    assert images[:2].sampling == replace(images.sampling, n=2)
    with pytest.raises(UsageError, match="selects no images; there are 6"):
        images[6:]


def test_what_images_say(run: inkwash.Run) -> None:
    images = run.sample(3, steps=2, seed=4, **QUIET)
    assert repr(images) == "Images(3 of 8×8×1, uint8, from run, seed 4)"
    assert images._repr_png_().startswith(b"\x89PNG")
    assert images.grid()._repr_png_() == images._repr_png_()
    assert repr(images.grid(3)).startswith("Picture(")


def test_saved_images_are_those_of_the_command(run: inkwash.Run, tmp_path: Path) -> None:
    flags = ["-n", 40, "--steps", 3, "--device", "cpu"]
    names = ["a.png", "a.gif", "a.webp", "a.npz", "a"]
    outs = [flag for name in names for flag in ("--out", f"{tmp_path}/cli-{name}")]
    did("sample", run.folder, *flags, *outs)
    images = run.sample(40, steps=3, **QUIET)
    for name in names:
        mine, theirs = images.save(tmp_path / f"py-{name}", **QUIET), tmp_path / f"cli-{name}"
        for one, other in zip([mine, *sorted(mine.glob("*"))], [theirs, *sorted(theirs.glob("*"))], strict=True):
            assert one.is_dir() or one.read_bytes() == other.read_bytes()
    images.grid().save(tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").read_bytes() == (tmp_path / "cli-a.png").read_bytes()


@pytest.mark.parametrize("name", ["a.png", "a.npz", "a"])
def test_a_selection_can_be_drawn_again(name: str, run: inkwash.Run, tmp_path: Path) -> None:
    part = run.sample(6, steps=2, **QUIET)[[4, 1]]
    part.save(tmp_path / name)
    assert read_provenance(tmp_path / name)["chosen"] == [4, 1]
    did("replay", tmp_path / name, "--run", run.folder)


def test_a_selection_has_no_animation(run: inkwash.Run, tmp_path: Path) -> None:
    images = run.sample(4, steps=2, **QUIET)
    with pytest.raises(UsageError, match=r"save `images\[:8\]`"):
        images[2:].save(tmp_path / "a.gif")
    images[:2].save(tmp_path / "b.gif", **QUIET)
    did("replay", tmp_path / "b.gif", "--run", run.folder)


def test_the_forward_process(run: inkwash.Run, tmp_path: Path) -> None:
    picture = run.forward(2)
    assert np.asarray(picture).shape[2] == 3
    picture.save(tmp_path / "mine.png")
    did("forward", run.folder, "--images", 2, "--out", tmp_path / "theirs.png")
    assert (tmp_path / "mine.png").read_bytes() == (tmp_path / "theirs.png").read_bytes()
    with pytest.raises(UsageError, match=r"ending in \.png"):
        picture.save(tmp_path / "a.gif")


def test_images_come_back_from_their_code(run: inkwash.Run) -> None:
    images = run.sample(3, steps=40, solver="heun", limit="none", **QUIET)
    noise = run.encode(images, steps=80)
    assert noise.shape == (3, 1, 8, 8)
    plan = inkwash.core.karras(run.schedule, 80)
    walk = inkwash.sample.sample(run.denoiser, noise, plan, inkwash.sample.Heun(), torch.zeros_like)
    back = inkwash.sample.last(walk)
    x0 = images.tensor()
    assert (back - x0).abs().mean() < 0.1 * x0.abs().mean()  # uint8 and two solvers' errors
    assert torch.equal(run.encode(x0, steps=80), noise)
    with pytest.raises(UsageError, match=r"`images` is uint8 \[n,8,8,1\], or float \[n,1,8,8\]"):
        run.encode(np.zeros((1, 4, 4)))


def test_evaluate_and_study(run: inkwash.Run, tmp_path: Path) -> None:
    scores = run.evaluate(20, steps=2, features="pixels", out=tmp_path / "e", **QUIET)
    assert set(scores.scores) <= set(scores.floor)
    assert scores["frechet"] == scores.scores["frechet"][0] > 0
    assert str(scores).startswith("run, checkpoint ")
    assert repr(scores).startswith("Scores(frechet ")
    assert all(path.is_file() for path in scores.paths)
    study = run.study(steps=[2, 4], n=20, features="pixels", out=tmp_path / "s", **QUIET)
    assert len(study.table.rows) == 2
    assert repr(study) == f"Study(2 cells, report in {study.paths[0]})"
    assert study.paths[0].is_file()
    assert study.summary
    with pytest.raises(UsageError, match="no axis `stepz`; the axes are prediction, solver, steps, "):
        run.study(stepz=3)


def test_an_evaluation_after_more_training_is_of_the_new_weights(tmp_path: Path) -> None:
    first = inkwash.train("digits", out=tmp_path / "run", steps=2, **SMALL, **QUIET)
    before = first.evaluate(20, steps=2, features="pixels", **QUIET)
    second = inkwash.train("digits", out=tmp_path / "run", steps=30, resume=True, **SMALL, **QUIET)
    after = second.evaluate(20, steps=2, features="pixels", **QUIET)
    assert before["frechet"] != after["frechet"]


# ---- training


def test_a_recipe_is_trained_as_the_command_does(trained: Path, tmp_path: Path) -> None:
    run = inkwash.train("digits", out=str(tmp_path / "run"), steps=12, save_every=4, **SMALL, **QUIET)
    weights = inkwash.load(trained, device="cpu").denoiser.state_dict()
    mine = run.denoiser.state_dict()
    assert all(torch.equal(mine[name], tensor) for name, tensor in weights.items())
    assert run.settings == inkwash.load(trained).settings


def test_progress(tmp_path: Path) -> None:
    events = list(inkwash.train_steps("digits", out=tmp_path, steps=12, save_every=10, **SMALL))
    assert [type(event) for event in events] == [Saved, Step, Step, Saved, Step, Saved]
    assert [event.step for event in events] == [0, 1, 10, 10, 12, 12]


def test_who_stops_iterating_stops_the_training(tmp_path: Path) -> None:
    for event in inkwash.train_steps("digits", out=tmp_path, steps=1000, save_every=10, **SMALL):
        if isinstance(event, Saved) and event.step == 10:
            break
    assert inkwash.load(tmp_path).model.facts["step"] == 10
    assert inkwash.train("digits", out=tmp_path, steps=12, save_every=10, resume=True, **SMALL, **QUIET).history


def test_an_interrupt_ends_training_after_the_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Bar:
        """As tqdm's; the first time it moves, the user presses the button."""

        n = initial = total = 0

        def __enter__(self) -> "Bar":
            return self

        def __exit__(self, *error: object) -> None: ...
        def set_postfix_str(self, text: str, refresh: bool) -> None: ...
        def update(self, steps: int) -> None:
            if not self.n:
                os.kill(os.getpid(), signal.SIGINT)
            self.n += steps

    monkeypatch.setattr("inkwash.api.train.bar", lambda *about: Bar())
    with pytest.warns(UserWarning, match=r"stopped at step 2 of 1000, and saved; go on with `resume=True`\."):
        run = inkwash.train("digits", out=tmp_path, steps=1000, **SMALL)
    assert run.model.facts["step"] == 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_bar_is_shown_unless_it_is_not_wanted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inkwash.train("digits", out=tmp_path / "quiet", steps=2, **SMALL, **QUIET)
    assert capsys.readouterr() == ("", "")


def test_what_the_loop_itself_writes_opens_too(tmp_path: Path) -> None:
    settings = RunSettings("mine", network=UNet(channels=8, mults=(1,), blocks=1), training=Training(steps=2, warmup=0))
    source, test = digits("train"), digits("test")
    denoiser = build.denoiser(settings, source.shape, torch.float32)
    state = State.fresh(denoiser, settings.training)
    about = record.about(settings, tmp_path, source, torch.float32)
    held_out = Batch(to_float(test.take(torch.arange(8))), None, torch.arange(8))
    batches = Batches(source, 16, 0)
    loop = train(
        state, build.objective(settings), batches, held_out, settings.training, tmp_path, about, Accelerator(cpu=True)
    )
    list(loop)
    run = inkwash.load(tmp_path, device="cpu")
    assert run.settings == settings
    weights = run.denoiser.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in state.ema.model.state_dict().items())


DIGITS = digits("train")


@pytest.mark.parametrize(
    "data",
    [DIGITS.pixels[:200], DIGITS.pixels[:200].numpy(), DIGITS.pixels[:200] / 127.5 - 1, DIGITS.part(torch.arange(200))],
    ids=["tensor", "array", "floats", "source"],
)
def test_a_network_and_images_of_ones_own(data: object, tmp_path: Path) -> None:
    run = inkwash.train(Plain, data=data, out=tmp_path / "run", steps=3, batch_size=16, **QUIET)
    assert run.settings.network.reference == "own_nets:Plain"  # type: ignore[union-attr]
    assert run.model.facts["images"] == len(hold_out(DIGITS.part(torch.arange(200)))[0])
    longer = inkwash.train(Plain, data=data, out=tmp_path / "run", steps=5, batch_size=16, resume=True, **QUIET)
    assert [longer.model.facts[name] for name in ("step", "images")] == [5, run.model.facts["images"]]
    run = longer
    moved = (tmp_path / "run").rename(tmp_path / "moved")
    again = inkwash.load(moved, network=Plain)
    assert np.array_equal(again.sample(2, steps=2, **QUIET), run.sample(2, steps=2, **QUIET))
    assert again.forward(2)._repr_png_()  # the images are in the folder
    assert again.evaluate(20, steps=2, features="pixels", **QUIET).scores


def test_labels_make_classes(tmp_path: Path) -> None:
    labels = torch.arange(60) % 3
    run = inkwash.train(
        "digits", data=DIGITS.pixels[:60], labels=labels, condition="class", out=tmp_path, steps=2, **SMALL, **QUIET
    )
    assert run.classes == ("0", "1", "2")
    assert run.sample(4, steps=2, label=2, **QUIET).sampling.label == "2"
    did("sample", tmp_path, "--label", 1, "-n", 2, "--steps", 2)


def test_images_of_a_file(tmp_path: Path, run: inkwash.Run) -> None:
    run.sample(40, steps=2, **QUIET).save(tmp_path / "drawn.npz")
    again = inkwash.train(tmp_path / "drawn.npz", out=tmp_path / "run", steps=2, **SMALL, **QUIET)
    assert again.settings.data.source == str(tmp_path / "drawn.npz")
    assert again.shape == (1, 8, 8)


def test_an_instance_begins_with_its_own_weights_and_keeps_them(tmp_path: Path) -> None:
    net = Plain(width=12)
    with torch.no_grad():
        net.first.weight.fill_(0.25)
    with pytest.warns(UserWarning, match="Plain was built with arguments that no command knows"):
        run = inkwash.train(net, data="digits", out=tmp_path, steps=1, lr=1e-9, warmup=0, precision="float32", **QUIET)
    assert torch.equal(net.first.weight, torch.full_like(net.first.weight, 0.25))
    trained = run.denoiser.net.first.weight
    assert torch.allclose(trained, torch.full_like(trained, 0.25), atol=1e-6)
    opened = inkwash.load(tmp_path, network=Plain(width=12))
    assert torch.equal(opened.denoiser.net.first.weight, trained)
    with pytest.raises(inkwash.InkwashError, match="is of another network than it describes"):
        inkwash.load(tmp_path, network=Plain(width=4))


def test_a_network_that_no_command_can_find(tmp_path: Path) -> None:
    class Inner(Plain):
        pass

    with pytest.warns(UserWarning, match=r"Inner was defined inside a function, so the command line cannot open"):
        inkwash.train(Inner, data="digits", out=tmp_path, steps=1, **QUIET)
    code = "import inkwash, sys; inkwash.load(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert "UsageError" in done.stderr
    assert "__main__:Inner" in done.stderr


TEN_LINES = """\
import torch, inkwash

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 1, 3, padding=1)
    def forward(self, x, t, cond=None):
        return self.conv(x)

if __name__ == "__main__":
    inkwash.train(Net, data=torch.rand(64, 1, 8, 8) * 2 - 1, out="run", steps=2, progress=False)
"""


def test_ten_lines(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(TEN_LINES)
    subprocess.run([sys.executable, "mine.py"], cwd=tmp_path, check=True, timeout=120)
    reference = f"{tmp_path / 'mine.py'}:Net"
    with pytest.raises(UsageError, match="None of it was run"):
        inkwash.load(tmp_path / "run")
    run = inkwash.load(tmp_path / "run", network=reference)
    assert run.sample(2, steps=2, **QUIET).shape == (2, 8, 8, 1)


WRONG = [
    (lambda run: run.sample(0), r"\bn\b.* greater than or equal to 1"),
    (lambda run: run.sample(2, solver="dimm"), "Did you mean ddim"),
    (lambda run: run.sample(2, label=3), "without a condition"),
    (lambda run: run.sample(2).save("a.jpg"), r"a\.jpg ends in \.jpg"),
    (lambda run: inkwash.load(run.folder, "lust"), "`checkpoint` is 'last' or 'best'"),
    (lambda run: inkwash.load(run.folder / "nowhere"), "there is no checkpoint"),
    (lambda run: inkwash.load(run.folder, network=Plain), "leave out `network`"),
    (lambda run: inkwash.train("digitz"), "Did you mean digits"),
    (lambda run: inkwash.train("digits", out=run.folder), "already holds a run"),
    (lambda run: inkwash.train("digits", chanels=8), "no setting `chanels`; did you mean `channels`"),
    (lambda run: inkwash.train("digits", data=torch.zeros(4, 8, 8)), r"`data` must be \[N,C,H,W\]"),
    (lambda run: inkwash.train("digits", data=torch.zeros(4, 8, 8, 3)), "put the channels second"),
    (lambda run: inkwash.train("digits", data=torch.rand(4, 1, 8, 8)), r"give 2 \* `data` - 1"),
    (lambda run: inkwash.train("digits", data=torch.rand(4, 1, 8, 8) * 255), "rescale `data`"),
    (lambda run: inkwash.train("digits", data=torch.zeros(4, 1, 8, 8, dtype=torch.int64)), "got int64"),
    (lambda run: inkwash.train("digits", data=object()), "is a data set's name"),
    (lambda run: inkwash.train("digits", labels=[1]), "give it as `data`"),
    (lambda run: inkwash.train(Plain), "a network needs images"),
    (lambda run: inkwash.train(Plain, data="digits", network=Plain), "given twice"),
    (lambda run: inkwash.train(lambda depth: Plain(), data="digits"), "needs the arguments depth, and inkwash"),
    (lambda run: inkwash.train(lambda: 3, data="digits"), "makes a int; a torch.nn.Module is expected"),
]  # fmt: skip


@pytest.mark.parametrize(("ask", "words"), WRONG, ids=[words for _, words in WRONG])
def test_what_is_wrong_is_said_in_a_sentence(ask: object, words: str, run: inkwash.Run, tmp_path: Path) -> None:
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        with pytest.raises(UsageError, match=words):
            ask(run)  # type: ignore[operator]
        assert not list(tmp_path.iterdir())  # nothing was written
    finally:
        os.chdir(here)


def test_the_command_line_refuses_what_it_cannot_build(tmp_path: Path) -> None:
    inkwash.train(Plain, data="digits", out=tmp_path / "run", steps=1, **QUIET)
    assert "None of it was run" in refused_elsewhere(tmp_path / "run")


def refused_elsewhere(run: Path) -> str:
    """What `inkwash sample` says in a process where nothing was provided."""
    done = subprocess.run(
        [sys.executable, "-m", "inkwash", "sample", str(run)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2
    return done.stderr
