"""Trained restoration: what the network is shown, the run's own operator, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import inkwash
from cli_runner import TINY, did, refused
from inkwash.data import Batches, digits
from inkwash.errors import UsageError
from inkwash.inverse import Measurement, as_images, make_operator, same
from inkwash.runs.conditions import condition
from inkwash.runs.conditions.by_image import ByImage
from inkwash.runs.model import open_model
from inkwash.settings import Conditioning, RunSettings
from inkwash.study.subject import Trained
from inkwash.training.checkpoint import LAST, facts, load
from inkwash.view import read_provenance

FEW = ("--steps", 4, "-n", 2)
SHAPE = (3, 8, 8)
LINEAR = ("mask:box", "downsample:2", "downsample:3:bicubic", "grey", "fourier:0.5", "projection:0.5")


def kind_of(spec: str, noise: float = 0.0, shape: tuple[int, int, int] = (1, 8, 8), seed: int = 0) -> ByImage:
    told = Conditioning("image", operator=spec, noise=noise)
    run = RunSettings("mine", conditioning=told)
    found = condition(run, (), shape=shape)
    assert isinstance(found, ByImage)
    return found


# ---- what the network is shown


@pytest.mark.parametrize("spec", LINEAR)
def test_images_of_measurements_measure_the_same(spec: str) -> None:
    """A·A⁺y = y: nothing that was measured is lost; with noise, less is believed and the image is smaller."""
    operator, x = make_operator(spec, SHAPE), torch.randn(4, *SHAPE, dtype=torch.float64)
    y = operator.forward(x)
    shown = as_images(Measurement(operator, y, 0.0))
    assert shown.shape == x.shape
    assert (operator.forward(shown) - y).abs().max() < 1e-9
    assert (as_images(Measurement(operator, y, 0.5)).norm() < 0.99 * shown.norm()).all()


@pytest.mark.parametrize("spec", ["blur:2", "lowpass:2", "jpeg:10", "clip:2", "quantize:3"])
def test_measurements_that_are_images_are_shown_as_they_are(spec: str) -> None:
    operator = make_operator(spec, SHAPE)
    y = operator.forward(torch.rand(2, *SHAPE))
    assert as_images(Measurement(operator, y, 0.1)) is y


def test_measurements_that_are_no_images_are_refused() -> None:
    with pytest.raises(UsageError, match="reads measurements as images"):
        kind_of("phase")


def test_rows_are_a_function_of_seed_step_and_image() -> None:
    source, indices = digits("train"), torch.tensor([3, 900, 17, 4])
    shown = kind_of("downsample:2", 0.3).shown(source)
    rows, order = shown(indices, 5), torch.tensor([2, 0, 3, 1])
    assert torch.equal(kind_of("downsample:2", 0.3).shown(source)(indices, 5), rows)
    assert torch.equal(shown(indices[order], 5), rows[order])
    assert torch.equal(shown(indices[1:2], 5), rows[1:2])
    assert not torch.equal(shown(indices, 6), rows)
    clean = kind_of("downsample:2").shown(source)(indices, 5)
    assert (kind_of("downsample:2", 1e-4).shown(source)(indices, 5) - clean).abs().max() < 1e-2
    large = torch.arange(1000)
    y = kind_of("blur:1", 0.3).shown(source)(large, 0) - kind_of("blur:1").shown(source)(large, 0)
    assert abs(float(y.std()) - 0.3) < 0.005  # 64,000 numbers: 6 standard errors
    assert abs(float((y[:-1] * y[1:]).mean())) < 5 * 0.3**2 / 64_000**0.5


def test_a_mirrored_image_is_shown_its_own_measurement() -> None:
    source, kind = digits("train"), kind_of("downsample:2")
    batch = Batches(source, 32, 0, flip=True, condition_of=kind.shown(source)).at(3)
    assert batch.condition is not None
    y = kind.operator.forward(batch.images)
    assert torch.equal(batch.condition, as_images(Measurement(kind.operator, y, 0.0)))
    unturned = kind.shown(source)(batch.indices, 3)
    assert 4 < int((batch.condition != unturned).flatten(1).any(1).sum()) < 28  # about half are mirrored


def test_operators_in_other_words() -> None:
    def made(spec: str, seed: int = 0) -> object:
        return make_operator(spec, SHAPE, seed)

    assert same(made("downsample:2"), made("downsample:2:area"))  # type: ignore[arg-type]
    assert not same(made("downsample:2"), made("downsample:2:bicubic"))  # type: ignore[arg-type]
    assert same(made("mask:random"), made("mask:random:0.5"))  # type: ignore[arg-type]
    assert not same(made("mask:random"), made("mask:random", 1))  # type: ignore[arg-type]


# ---- runs


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4).save("p.png")


def train(
    out: Path,
    *flags: object,
    operator: str = "downsample:2",
    noise: float = 0.1,
    steps: int = 2,
    dropped: float = 0.0,
) -> Path:
    told = ("--condition", "image", "--operator", operator, "--noise", noise, "--condition-dropout", dropped)
    did("train", "digits", *TINY, *told, "--decay", "none", "--steps", steps, "--out", out, *flags)
    return out


@pytest.fixture(scope="module")
def restorer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps that restores from a quarter of the pixels with noise 0.1."""
    return train(tmp_path_factory.mktemp("restorer") / "run")


def test_it_records_its_operator_and_resumes_to_the_same_bits(restorer: Path) -> None:
    told = facts(restorer / LAST)["run"]["conditioning"]
    assert (told["condition"], told["operator"], told["noise"]) == ("image", "downsample:2", 0.1)
    assert "images measured by downsample:2 with noise 0.1" in did("info", restorer).out
    whole, parted = train(Path("whole"), steps=4), train(Path("parted"))
    did("train", "parted", "--resume", "--steps", 4)
    one, other = (load(run / LAST).parts["model"] for run in (whole, parted))
    assert all(torch.equal(one[name], other[name]) for name in one)
    before = load(restorer / LAST).parts["model"]
    assert not all(torch.equal(one[name], before[name]) for name in one)
    assert "begun with other settings (noise: 0.1 then, 0.2 now)" in refused(
        "train", "parted", "--resume", "--noise", 0.2, "--steps", 5
    )


def test_restore_is_trained_by_default_and_replays(restorer: Path) -> None:
    done = did("restore", restorer, "test:0", "p.png", *FEW, "--out", "a.png", "--out", "a.npz")
    assert "(expected: 0.1)" in done.err
    asked = read_provenance("a.png")["restoring"]
    assert (asked["method"], asked["operator"], asked["noise"]) == ("trained", "downsample:2", 0.1)
    did("replay", "a.png", "--run", restorer)
    did("replay", "a.npz", "--run", restorer)
    did("restore", restorer, "test:0", "--operator", "downsample:2:area", "--noise", 0.1, "--method", "trained",
        "--steps", 4, "-n", 9, "--out", "b.npz")  # fmt: skip
    assert np.array_equal(np.load("a.npz")["images"][:2], np.load("b.npz")["images"][:2])
    found = inkwash.restore(inkwash.load(restorer), "p.png", n=2, steps=4, progress=False)
    assert found.restoring.method == "trained"
    assert found.tensor().shape == (1, 2, 1, 8, 8)


def test_the_network_reads_the_measurement(restorer: Path) -> None:
    """The same noise with another picture is another restoration."""
    Image.fromarray(255 - np.asarray(Image.open("p.png"))).save("q.png")
    for name in ("p", "q"):
        did("restore", restorer, f"{name}.png", *FEW, "--out", f"{name}.npz")
    assert not np.array_equal(np.load("p.npz")["images"], np.load("q.npz")["images"])


def test_measurements_made_elsewhere(restorer: Path) -> None:
    did("degrade", "p.png", "--operator", "downsample:2", "--noise", 0.1, "--out", "y.npz")
    did("restore", restorer, "y.npz", *FEW, "--out", "a.npz")
    did("restore", restorer, "p.png", *FEW, "--out", "b.npz")
    assert np.array_equal(np.load("a.npz")["images"], np.load("b.npz")["images"])
    did("replay", "a.npz", "--run", restorer)
    did("degrade", "p.png", "--operator", "downsample:2", "--out", "y.png")
    did("restore", restorer, "y.png", "--measured", *FEW, "--out", "c.npz")
    for words in (("downsample:2", "--noise", 0.2), ("downsample:4", "--noise", 0.1)):
        did("degrade", "p.png", "--operator", *words, "--out", "other.npz")
        said = refused("restore", restorer, "other.npz", *FEW, "--out", "d.npz")
        assert "was measured otherwise than by downsample:2 with noise 0.1" in said
    assert not Path("d.npz").exists()


def test_an_operator_that_draws_at_random_is_that_of_the_training() -> None:
    train(Path("run"), operator="mask:random", noise=0)
    did("restore", "run", "p.png", "--seed", 5, *FEW, "--out", "a.npz")
    for seed in (0, 5):
        did("degrade", "p.png", "--operator", "mask:random", "--seed", seed, "--out", f"{seed}.npz")
    did("restore", "run", "0.npz", *FEW, "--out", "b.npz")
    assert "was measured otherwise" in refused("restore", "run", "5.npz", *FEW, "--out", "c.npz")


def test_a_mask_that_has_changed() -> None:
    Image.fromarray(np.repeat(np.array([0, 255], np.uint8), 32).reshape(8, 8)).save("m.png")
    train(Path("run"), operator="mask:m.png", noise=0)
    did("restore", "run", "p.png", *FEW, "--out", "a.npz")
    Image.fromarray(np.repeat(np.array([255, 0], np.uint8), 32).reshape(8, 8)).save("m.png")
    said = inkwash_failed("restore", "run", "p.png", *FEW, "--out", "b.npz")
    assert "was trained on measurements by another mask:" in said


def inkwash_failed(*words: object) -> str:
    from cli_runner import inkwash as ran

    done = ran(*words)
    assert done.code == 1
    return done.sentence


def test_what_is_refused(restorer: Path, trained: Path) -> None:
    cases = [
        (("restore", restorer, "p.png", "--operator", "mask:box"), "trained to restore what went through downsample:2"),
        (("restore", restorer, "p.png", "--noise", 0.2), "leave out --operator and --noise"),
        (("restore", restorer, "p.png", "--method", "ddnm", "--operator", "mask:box"), "without another method"),
        (("restore", restorer, "p.png", "--label", 3), "told what was measured, and nothing else"),
        (("restore", restorer, "p.png", "--guidance", "classifier"), "leave out --guidance"),
        (("restore", restorer, "p.png", "--scale", 2), "always told its condition"),
        (("restore", trained, "p.png", "--operator", "grey", "--method", "trained"), "was not trained to restore"),
        (("sample", restorer), "use `inkwash restore RUN PICTURE`"),
        (("gallery", restorer), "use `inkwash restore RUN PICTURE`"),
        (("edit", restorer, "p.png", "--strength", 0.5), "use `inkwash restore RUN PICTURE`"),
        (("edit", restorer, "p.png", "--from-label", 3, "--label", 8), "use `inkwash restore RUN PICTURE`"),
        (("export", restorer, "--html", "p.html"), "was trained on the condition image; export with --onnx"),
        (("figure", "denoise", restorer), "needs its condition"),
        (("train", "digits", *TINY, "--condition", "image", "--out", "no"), "say with --operator what"),
        (("train", "digits", *TINY, "--operator", "blur:2", "--out", "no"), "which --condition none does not read"),
        (("train", "digits", *TINY, "--noise", 0.1, "--out", "no"), "which --condition none does not read"),
        (("train", "digits", *TINY, "--condition", "image", "--operator", "grey", "--out", "no"), "3 channels"),
        (("train", "digits", *TINY, "--condition", "image", "--operator", "blurr", "--out", "no"), "mean blur?"),
        (("train", "digits", "--network", "mlp", "--condition", "image", "--operator", "blur:1", "--out", "no"), "MLP"),
    ]
    before = sorted(path.name for path in Path().iterdir())
    for words, said in cases:
        assert said in refused(*words), words
    assert sorted(path.name for path in Path().iterdir()) == before


def test_a_run_whose_condition_was_dropped_is_also_a_prior() -> None:
    train(Path("run"), dropped=0.5)
    did("restore", "run", "p.png", "--operator", "mask:box", "--method", "ddnm", "--scale", 0, *FEW, "--out", "a.npz")
    images = np.load("a.npz")["images"][..., 0].astype(int)
    kept = np.ones((8, 8), bool)
    kept[2:6, 2:6] = False
    assert np.abs(images - np.asarray(Image.open("p.png")).astype(int))[:, kept].max() <= 1
    assert "or add --scale 0" in refused("restore", "run", "p.png", "--operator", "mask:box", "--method", "ddnm")
    assert "use `inkwash restore RUN PICTURE`" in refused("sample", "run")


def test_studies_ask_for_held_out_images(restorer: Path) -> None:
    order = Trained(restorer).condition_order()
    assert order is not None
    assert order.source.split == "test"
    kind = open_model(restorer).condition
    assert isinstance(kind, ByImage)
    assert kind.noise == 0.1
    assert order([0, 1]).shape == (2, 1, 8, 8)


@pytest.mark.slow
def test_training_beats_the_pseudo_inverse() -> None:
    """500 steps of a small network: restorations on average 2 dB and their mean 4 dB nearer to the truth than A⁺y."""
    train(Path("run"), noise=0, steps=500)
    found = inkwash.restore(inkwash.load("run"), [f"test:{i}" for i in range(8)], n=8, steps=20, progress=False)
    score = {name: float(np.mean([each[name] for each in found.scores])) for name in found.scores[0]}
    assert score["psnr of one"] > score["psnr of A⁺y"] + 2
    assert score["psnr of the mean"] > score["psnr of A⁺y"] + 4
