"""restore, degrade, edit and posterior as a user runs them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import inkwash
from cli_runner import TINY, did, refused
from inkwash import choices
from inkwash.choices import Choice
from inkwash.runs.trained import methods_without
from inkwash.view import read_provenance

FEW = ("--steps", 4, "-n", 2)

OWN = """
from inkwash.inverse import Operator


class Mirror(Operator):
    def forward(self, x):
        return (x + x.flip(3)) / 2


class Nothing:
    def __init__(self, argument=""):
        self.argument = argument

    def __call__(self, walk, measured, schedule):
        return walk
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    ramp = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    Image.fromarray(ramp).save("p.png")


def test_restore_replays_and_does_not_depend_on_n(trained: Path) -> None:
    out = did("restore", trained, "test:0", "p.png", "--operator", "mask:box", "--noise", 0.1, *FEW,
              "--out", "a.png", "--out", "a.npz")  # fmt: skip
    assert out.out.split() == ["a.png", "a.npz"]
    assert "(expected: 0.1), psnr of the mean" in out.err
    about = read_provenance("a.png")
    assert (about["command"], about["restoring"]["operator"]) == ("restore", "mask:box")
    did("replay", "a.png", "--run", trained)
    did("replay", "a.npz", "--run", trained)
    did("restore", trained, "test:0", "--operator", "mask:box", "--noise", 0.1, "--steps", 4, "-n", 9, "--out", "b.npz")
    assert np.array_equal(np.load("a.npz")["images"][:2], np.load("b.npz")["images"][:2])


@pytest.mark.parametrize("method", methods_without())
def test_every_method_runs_on_a_network(trained: Path, method: str) -> None:
    operator = "lowpass:2" if method == "ilvr" else "downsample:2"
    spec = {"twisted": "twisted:4", "repaint": "repaint:2:2"}.get(method, method)
    did("restore", trained, "p.png", "--operator", operator, "--noise", 0.1, "--method", spec, "--steps", 3, "-n", 1,
        "--out", "a.npz")  # fmt: skip
    assert np.load("a.npz")["images"].shape == (1, 8, 8, 1)


def test_a_measurement_made_elsewhere(trained: Path) -> None:
    did("degrade", "p.png", "--operator", "downsample:2", "--noise", 0.1, "--out", "y.npz")
    did("degrade", "p.png", "--operator", "downsample:2", "--out", "y.png")
    assert np.asarray(Image.open("y.png")).shape == (4, 4)
    did("replay", "y.npz")
    did("replay", "y.png")
    did("restore", trained, "p.png", "--operator", "downsample:2", "--noise", 0.1, *FEW, "--out", "a.npz")
    did("restore", trained, "y.npz", *FEW, "--out", "b.npz")
    assert np.array_equal(np.load("a.npz")["images"], np.load("b.npz")["images"])
    did("restore", trained, "y.png", "--measured", "--operator", "downsample:2", "--method", "ddnm", *FEW,
        "--out", "c.npz")  # fmt: skip
    small = np.load("c.npz")["images"].astype(float).reshape(2, 4, 2, 4, 2).mean((2, 4))
    assert np.abs(small - np.asarray(Image.open("y.png"))).max() < 30  # but for clipping
    assert "leave out --operator and --noise" in refused("restore", trained, "y.npz", "--operator", "grey")


def test_a_changed_picture_is_not_replayed(trained: Path) -> None:
    did("restore", trained, "p.png", "--operator", "mask:half", *FEW, "--out", "a.png")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save("p.png")
    assert "another picture" in refused("replay", "a.png", "--run", trained)


def test_edits(trained: Path) -> None:
    mask = np.zeros((8, 8), np.uint8)
    mask[:, 4:] = 255
    Image.fromarray(mask).save("m.png")
    did("edit", trained, "p.png", "--strength", 0.5, "--mask", "m.png", *FEW, "--out", "e.npz", "--out", "e.png")
    images = np.load("e.npz")["images"]
    assert images.shape == (2, 8, 8, 1)
    assert np.array_equal(images[0, :, :4, 0], np.asarray(Image.open("p.png"))[:, :4])
    did("replay", "e.png", "--run", trained)
    did("edit", trained, "p.png", "--low-pass", 2, *FEW, "--out", "e.png")
    assert "say how to edit" in refused("edit", trained, "p.png", *FEW)
    assert "one of them" in refused("edit", trained, "p.png", "--strength", 0.5, "--low-pass", 2)


def test_interpolation_ends_at_the_pictures(trained: Path) -> None:
    Image.fromarray(np.asarray(Image.open("p.png"))[::-1]).save("q.png")
    asked = ("edit", trained, "p.png", "--to", "q.png")
    did(*asked, "--inversion", "edict", "--steps", 4, "-n", 3, "--out", "i.npz", "--out", "i.png")
    images = np.load("i.npz")["images"][..., 0].astype(int)
    ends = [np.asarray(Image.open(name)).astype(int) for name in ("p.png", "q.png")]
    assert np.abs(images[0] - ends[0]).max() <= 1
    assert np.abs(images[2] - ends[1]).max() <= 1
    assert min(np.abs(images[1] - end).mean() for end in ends) > 5
    assert [each["name"][-5:] for each in read_provenance("i.npz")["pictures"]] == ["p.png", "q.png"]
    did("replay", "i.png", "--run", trained)
    cases = [
        (("--strength", 0.5), "leave out --strength and --low-pass"),
        (("--mask", "m.png"), "takes no --mask"),
        (("--scale", 2), "without guidance"),
        (("-n", 1), "at least its two ends"),
    ]
    for more, said in cases:
        assert said in refused(*asked, *more, "--out", "no.png")
    assert "no picture nowhere.png" in refused("edit", trained, "p.png", "--to", "nowhere.png", "--out", "no.png")
    assert not Path("no.png").exists()
    Image.fromarray(np.asarray(Image.open("q.png"))[:, ::-1]).save("q.png")
    assert "another picture" in refused("replay", "i.png", "--run", trained)


def test_small_strengths_change_little(trained: Path) -> None:
    apart = []
    for strength in (0.05, 0.6):
        did("edit", trained, "p.png", "--strength", strength, "--steps", 40, "-n", 2, "--out", f"{strength}.npz")
        images = np.load(f"{strength}.npz")["images"][..., 0].astype(float)
        apart.append(np.abs(images - np.asarray(Image.open("p.png"))).mean())
    assert apart[0] < 0.3 * apart[1]


def test_code_of_ones_own(trained: Path) -> None:
    Path("mine.py").write_text(OWN)
    asked = ("restore", trained, "p.png", "--operator", "mine.py:Mirror")
    did(*asked, "--method", "ddnm", *FEW, "--out", "a.npz")
    images = np.load("a.npz")["images"][..., 0].astype(float)
    truth = np.asarray(Image.open("p.png")).astype(float)
    assert np.abs((images + images[..., ::-1])[0] - (truth + truth[:, ::-1])).max() < 60
    assert list(read_provenance("a.npz")["code"]) == ["mine.py:Mirror"]
    assert "allow it with --code" in refused("replay", "a.npz", "--run", trained)
    did("replay", "a.npz", "--run", trained, "--code", "mine.py:Mirror")
    did(*asked, "--method", "mine.py:Nothing", *FEW, "--out", "b.npz")


def test_an_operator_and_a_method_are_a_file_and_a_row(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("place_inverse.py").write_text(OWN)
    for kind, name, thing in ((choices.OPERATORS, "mirror", "Mirror"), (choices.METHODS, "nothing", "Nothing")):
        row = Choice(name, f"place_inverse:{thing}", "of another")
        monkeypatch.setattr(kind, "rows", (*kind.rows, row))
    did("restore", trained, "p.png", "--operator", "mirror", "--method", "nothing:7", *FEW, "--out", "a.npz")
    assert "code" not in read_provenance("a.npz")


def test_from_python(trained: Path) -> None:
    run = inkwash.load(trained)
    did("restore", trained, "p.png", "--operator", "blur:1", "--noise", 0.1, *FEW, "--out", "a.png")
    found = inkwash.restore(run, "p.png", operator="blur:1", noise=0.1, n=2, steps=4, progress=False)
    assert found.tensor().shape == (1, 2, 1, 8, 8)
    found.sheet().save("b.png")
    assert np.array_equal(np.asarray(Image.open("a.png")), np.asarray(Image.open("b.png")))
    of_truth = {f"{score} of {what}" for score in ("psnr", "ssim") for what in ("the mean", "one")}
    assert set(found.scores[0]) == {"misfit", "psnr of A⁺y", "coverage", *of_truth}
    inkwash.edit(run, "p.png", strength=0.5, n=2, steps=4).save("e.png")


def test_bad_input_is_one_sentence_and_writes_nothing(trained: Path) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save("black.png")
    Image.fromarray(np.zeros((9, 8), np.uint8)).save("tall.png")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save("colour.png")
    before = sorted(path.name for path in Path().iterdir())
    cases = [
        (("p.png",), "say what the pictures went through with --operator"),
        (("nowhere.png", "--operator", "mask:box"), "there is no picture nowhere.png"),
        (("test:99999", "--operator", "mask:box"), "is not there"),
        (("p.png", "--operator", "mask:black.png"), "no hole"),
        (("p.png", "--operator", "mask:tall.png"), "9×8 pixels"),
        (("tall.png", "--operator", "mask:box"), "--resize"),
        (("colour.png", "--operator", "mask:box"), "8×8 pixels (height × width) in grey is needed"),
        (("p.png", "--operator", "mask:box", "--noise", -1), "--noise"),
        (("p.png", "--operator", "clip:2", "--method", "ddrm"), "These can: dps, daps, twisted"),
        (("p.png", "--operator", "mask:box", "--method", "ilvr"), "image of the same size"),
        (("p.png", "--operator", "mask:box", "--method", "twisted"), "give --noise above 0"),
        (
            ("p.png", "--operator", "mask:box", "--method", "ddrm", "--solver", "heun", "--eta", "None"),
            "its own solver",
        ),
        (("p.png", "--operator", "mask:box", "--out", "x.gif"), ".npz or a folder"),
        (("p.png", "--operator", "mask:box", "--method", "dpss"), "Did you mean dps?"),
        (("p.png", "--operator", "mask:box", "--engine", "onnx"), "--engine torch"),
        (("p.png", "--operator", "fourier", "--measured"), "has the shape"),
        ((), "no picture"),
    ]
    for words, said in cases:
        out = () if "--out" in words else ("--out", "x.png")
        assert said in refused("restore", trained, *words, *FEW, *out), words
    assert "nonlinear" not in refused("degrade", "p.png", "--operator", "grey", "--out", "x.npz")
    assert sorted(path.name for path in Path().iterdir()) == before


def test_a_run_by_class_must_be_told(tmp_path: Path) -> None:
    did("train", "digits", *TINY, "--steps", 2, "--condition", "class", "--out", "run")
    asked = ("restore", "run", "p.png", "--operator", "mask:box", *FEW, "--out", "x.png")
    assert "say what the picture shows with --label, or restore without it: --scale 0" in refused(*asked)
    did(*asked, "--scale", 0)
    did(*asked, "--label", 3)
    did("edit", "run", "p.png", "--from-label", 3, "--label", 8, "--steps", 3, "--out", "e.png")
    did("replay", "e.png", "--run", "run")


@pytest.fixture(scope="module")
def trained_class(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on classes, of two steps."""
    folder = tmp_path_factory.mktemp("by-class") / "run"
    did("train", "digits", *TINY, "--steps", 2, "--condition", "class", "--out", folder)
    return folder


@pytest.mark.parametrize("inversion", choices.INVERSIONS.names)
def test_every_inversion_edits_and_replays(trained_class: Path, inversion: str) -> None:
    asked = ("--from-label", 3, "--label", 8, "--steps", 3, "--inversion", inversion)
    did("edit", trained_class, "p.png", *asked, "--out", "e.png")
    did("replay", "e.png", "--run", trained_class)


def test_an_inversion_of_ones_own(trained_class: Path, tmp_path: Path) -> None:
    Path("mine.py").write_text(
        "from inkwash.sample.inversion import FlowInversion\n\n\nclass Mine(FlowInversion):\n    pass\n"
    )
    asked = ("--from-label", 3, "--label", 8, "--steps", 3)
    did("edit", trained_class, "p.png", *asked, "--inversion", "mine.py:Mine", "--out", "e.png")
    assert list(read_provenance("e.png")["code"]) == ["mine.py:Mine"]
    assert "None of it was run" in refused("replay", "e.png", "--run", trained_class)
    did("replay", "e.png", "--run", trained_class, "--code", "mine.py:Mine")


def test_edict_returns_the_picture_and_takes_no_mask(trained_class: Path) -> None:
    same = ("--from-label", 3, "--label", 3, "--scale", 1, "--limit", "none", "--steps", 10, "--inversion", "edict")
    did("edit", trained_class, "p.png", *same, "--out", "e.npz")
    edited = np.load("e.npz")["images"][0, ..., 0]
    assert np.array_equal(edited, np.asarray(Image.open("p.png")))
    Image.fromarray(np.repeat(np.array([0, 255], np.uint8), 32).reshape(8, 8)).save("m.png")
    assert "takes no --mask" in refused("edit", trained_class, "p.png", *same, "--mask", "m.png")
    for flags in (("--solver", "ddim"), ("--eta", 0), ("--spacing", "trailing"), ("--tolerance", 0.1)):
        assert f"takes no {flags[0]}" in refused("edit", trained_class, "p.png", *same, *flags, "--out", "no.png")
    assert "leave out --strength" in refused("edit", trained_class, "p.png", "--strength", 0.5, "--inversion", "edict")


def test_the_table_of_methods() -> None:
    did("posterior", "--operator", "mask:box", "--noise", "0.05", "--method", "ddnm,ddrm", "-n", 20, "--steps", 5,
        "--jobs", 1, "--out", "t")  # fmt: skip
    rows = Path("t/posterior.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 1 + 3 * 3
    assert "not linear" in refused("posterior", "--operator", "clip:2")
