"""What a training refuses before it begins, and what it never loses."""

import gzip
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from cli_runner import TINY, Command, did, inkwash, refused
from inkwash import recipes
from inkwash.runs.record import stored
from inkwash.training.checkpoint import BEST, LAST, Checkpoint, facts, load, save

SMALL = (*TINY, "--steps", 2, "--mults", 1, "--attention", "--heads", 1, "--patch", 1)


def pictures(folder: Path, n: int = 6, side: int = 8, start: int = 0) -> Path:
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for i in range(start, start + n):
        Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    return folder


# ---- a folder of images


def test_a_folder(tmp_path: Path) -> None:
    photos, out = pictures(tmp_path / "photos"), tmp_path / "run"
    did("train", photos, *SMALL, "--out", out)
    assert facts(out / LAST)["shape"] == [3, 8, 8]
    assert facts(out / LAST)["run"]["data"]["source"] == str(photos)
    did("sample", out, "-n", 2, "--steps", 2, "--out", tmp_path / "a.png")
    did("forward", photos, "--out", tmp_path / "b.png")
    did("forward", out, "--out", tmp_path / "c.png")


def test_a_folder_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From anywhere, with the same images alone."""
    photos, out = pictures(tmp_path / "photos"), tmp_path / "run"
    monkeypatch.chdir(tmp_path)
    did("train", "photos", *SMALL, "--out", out)
    monkeypatch.chdir(photos)
    did("train", "../photos", *SMALL, "--steps", 4, "--out", out, "--resume")
    assert facts(out / LAST)["step"] == 4
    copy = pictures(tmp_path / "copy")
    did("train", copy, *SMALL, "--steps", 6, "--out", out, "--resume")
    pictures(copy, 1, start=6)
    said = refused("train", copy, *SMALL, "--steps", 8, "--out", out, "--resume")
    assert f"was trained on other images than {copy} holds now" in said
    assert facts(out / LAST)["step"] == 6


def empty(folder: Path) -> None:
    folder.mkdir()


def single(folder: Path) -> None:
    pictures(folder, 1)


def with_text(folder: Path) -> None:
    pictures(folder)
    (folder / "notes.txt").write_text("hello")


def truncated(folder: Path) -> None:
    pictures(folder)
    (folder / "0.png").write_bytes((folder / "1.png").read_bytes()[:60])


def of_two_sizes(folder: Path) -> None:
    pictures(folder)
    pictures(folder, 1, side=9, start=6)


def a_file(folder: Path) -> None:
    folder.write_text("no folder")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (empty, "holds no images. Give a folder of images."),
        (single, "Cannot hold out 1 of the 1 image(s)"),
        (with_text, "1 of the 7 files in"),
        (with_text, "notes.txt (not an image"),
        (truncated, "0.png (image file is truncated). Leave them out with --unreadable skip, or move"),
        (of_two_sizes, "differ in size: 0.png is 8×8 pixels, 6.png is 9×9. Give the size"),
        (a_file, "is of no format that inkwash reads; these are npz, npy, csv, idx, "),
    ],
)
def test_folders_that_cannot_be_used(make: Any, words: str, tmp_path: Path) -> None:
    make(tmp_path / "photos")
    said = refused("train", "folder", "--source", tmp_path / "photos", *SMALL, "--out", tmp_path / "run")
    assert words in said
    assert not (tmp_path / "run").exists()


def test_a_run_among_its_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files would be counted among them when it goes on."""
    monkeypatch.chdir(pictures(tmp_path / "photos"))
    for out in ((), ("--out", "."), ("--out", "../photos/run")):
        assert f"lies among the images of {tmp_path}/photos; choose an --out" in refused("train", ".", *SMALL, *out)
    did("train", ".", *SMALL, "--out", "../run")


def test_and_what_the_sentences_advise(tmp_path: Path) -> None:
    for make, advice in ((with_text, ("--unreadable", "skip")), (of_two_sizes, ("--size", 8))):
        make(tmp_path / make.__name__)
        did("train", tmp_path / make.__name__, *SMALL, *advice, "--out", tmp_path / "run" / make.__name__)


def test_a_recipes_name_is_not_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures(tmp_path / "digits")
    monkeypatch.chdir(tmp_path)
    did("train", "digits", *SMALL, "--out", "a")
    did("train", "./digits", *SMALL, "--out", "b")
    assert facts(Path("a") / LAST)["shape"] == [1, 8, 8]
    assert facts(Path("b") / LAST)["shape"] == [3, 8, 8]


# ---- the data sets


def idx(path: Path, shape: tuple[int, ...], n_bytes: int) -> None:
    path.parent.mkdir(exist_ok=True)
    head = struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)
    path.write_bytes(gzip.compress(head + bytes(n_bytes)))


def test_a_truncated_data_file(tmp_path: Path) -> None:
    idx(tmp_path / "mnist" / "train-images-idx3-ubyte.gz", (60000, 28, 28), 1000)
    for command in (("train", "mnist", "--out", tmp_path / "run"), ("forward", "mnist", "--out", tmp_path / "a.png")):
        done = inkwash(*command, "--data-dir", tmp_path)
        assert done.code == 1
        assert "train-images-idx3-ubyte.gz is truncated: its header says 47040016 bytes" in done.sentence
    assert [path.name for path in tmp_path.iterdir()] == ["mnist"]


def test_a_data_folder_that_is_not_there(tmp_path: Path) -> None:
    said = refused("train", "mnist", "--data-dir", tmp_path / "data", "--out", tmp_path / "run")
    assert "is not a folder. Make it, or give one that exists." in said


def test_mnist(data_dir: Path, tmp_path: Path) -> None:
    """The real one, where this machine has it."""
    did("train", "mnist", "--data-dir", data_dir, *TINY, "--steps", 2, "--out", tmp_path / "run")
    assert facts(tmp_path / "run" / LAST)["images"] == 60_000


# ---- what cannot be trained


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--heads", 3), "3 heads do not divide 8 channels; choose a divisor."),
        (("--attention", 0, 2), "attention at (0, 2) asks for levels that are not there; --mults makes 2 of them"),
        (("--channels", 9), "--channels should be a multiple of 2 (got 9)."),
        (("--mults",), "--mults should have at least 1 item (got ())."),
        (("--mults", 0), "--mults should be greater than or equal to 1 (got (0,))."),
        (("--lr", "nan"), "--lr should be a finite number (got nan)."),
        (("--lr", -1), "--lr should be greater than 0 (got -1.0)."),
        (("--ema", 2), "--ema should be less than or equal to 1 (got 2.0)."),
        (("--steps", 0), "--steps should be greater than or equal to 1 (got 0)."),
        (("--size", 4), "digits is 8×8 and cannot be padded to 4×4; give a size of 8 or more."),
        (("--image-channels", 3), "digits has 1 channel; got channels=3. Leave it out."),
        (
            ("--source", "digitz"),
            "'digitz' is neither a folder or file nor one of the sets digits, mnist, fashion-mnist, cifar10, emoji, ",
        ),
        (("--beta-low", 0.1), "the continuous-cosine schedule has no free ends; leave out --beta-low and --beta-high"),
        (("--schedule", "ve", "--beta-low", 5, "--beta-high", 1), "a VE schedule needs 0 < low < high"),
        (("--schedule", "linear", "--beta-high", 3), "betas must be a list of numbers between 0 and 1"),
    ],
)
def test_settings_that_do_not_fit(flags: tuple[object, ...], words: str, tmp_path: Path) -> None:
    assert words in refused("train", "digits", *TINY, *flags, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
@pytest.mark.parametrize("command", ["train", "sample"])
def test_cuda_where_there_is_none(command: str, trained: Path, tmp_path: Path) -> None:
    args = ("train", "digits", "--out", tmp_path / "run") if command == "train" else ("sample", trained)
    assert "this machine has no cuda that torch can use" in refused(*args, "--device", "cuda")


def test_the_reports_network_takes_28_pixels(tmp_path: Path) -> None:
    for flags in (("--source", "digits"), ("--source", "digits", "--size", 32)):
        assert "takes 28×28 images" in refused("train", "sysu-mnist", *flags, "--out", tmp_path / "run")


# ---- the folder of the run


def test_a_run_is_never_overwritten(trained: Path) -> None:
    before = (trained / LAST).read_bytes()
    said = refused("train", "digits", *TINY, "--out", trained)
    assert "already holds a run of digits, 12 steps long; add --resume to go on with it" in said
    assert (trained / LAST).read_bytes() == before


def test_nothing_to_resume(tmp_path: Path) -> None:
    assert "there is no run to resume in" in refused("train", "digits", "--out", tmp_path, "--resume")
    assert "there is no run to resume in" in refused("train", "digits", f"--out={tmp_path}/nowhere", "--resume")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--lr", 0.5), "(lr: 0.002 then, 0.5 now); a resumed run keeps its settings."),
        (("--batch-size", 8, "--seed", 1), "(batch_size: 16 then, 8 now, seed: 0 then, 1 now)"),
        (("--channels", 16), "(channels: 8 then, 16 now)"),
        (("--flip",), "(flip: False then, True now)"),
        (("--mults", 1, 2, 2), "(mults: (1, 2) then, (1, 2, 2) now)"),
        (("--schedule", "flow"), "(schedule: continuous-cosine then, flow now)"),
    ],
)
def test_resuming_with_other_settings(flags: tuple[object, ...], words: str, trained: Path) -> None:
    before = (trained / LAST).read_bytes()
    assert words in refused("train", "digits", *TINY, *flags, "--out", trained, "--resume")
    assert (trained / LAST).read_bytes() == before


def test_resuming_another_recipe(trained: Path) -> None:
    said = refused("train", "mnist", "--out", trained, "--resume")
    assert said == "that run is of the recipe digits, not mnist; choose another --out."


def test_a_resumed_run_needs_no_flags_again(tmp_path: Path) -> None:
    did("train", "digits", *TINY, "--lr", 0.01, "--steps", 2, "--out", tmp_path / "run")
    did("train", "digits", "--steps", 3, "--out", tmp_path / "run", "--resume")
    about = facts(tmp_path / "run" / LAST)
    assert (about["step"], about["run"]["training"]["lr"]) == (3, 0.01)


def test_a_flag_that_says_what_the_recipe_says(tmp_path: Path) -> None:
    """It was given, though it changes nothing of the recipe: the run was begun otherwise."""
    out, recipe = tmp_path / "run", recipes.find("digits").training.lr
    did("train", "digits", *TINY, "--lr", 0.01, "--steps", 2, "--out", out)
    said = refused("train", "digits", "--resume", "--lr", recipe, "--steps", 3, "--out", out)
    assert f"(lr: 0.01 then, {recipe} now)" in said
    assert "are given twice" in refused("train", "digits", "--resume", "--no-resume", "--out", out)
    did("train", "digits", "--resume", "--lr", 0.01, "--steps", 3, f"--out={out}")
    assert facts(out / LAST)["step"] == 3


def test_out_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    said = refused("train", "digits", "--out", tmp_path / "file")
    assert said == f"{tmp_path}/file is a file, and a run is a folder; choose another --out."
    said = refused("train", "digits", *TINY, "--out", tmp_path / "file" / "run")
    assert said == f"{tmp_path}/file is not a folder; choose another --out."
    assert (tmp_path / "file").read_text() == "mine"


# ---- a damaged run


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained run, to damage."""
    (tmp_path / "run").mkdir()
    for name in (LAST, BEST):
        (tmp_path / "run" / name).write_bytes((trained / name).read_bytes())
    return tmp_path / "run"


def rewrite(path: Path, **changes: Any) -> None:
    """A checkpoint with edited JSON; None leaves a fact out."""
    saved = load(path)
    about = {name: value for name, value in {**saved.facts, **changes}.items() if changes.get(name, "") is not None}
    if "format" not in changes:
        save(path, Checkpoint(saved.parts, about))
        return
    tensors = {f"{part}.{name}": tensor for part, named in saved.parts.items() for name, tensor in named.items()}
    safetensors.torch.save_file(tensors, path, metadata={"inkwash": json.dumps(about)})


def everything(run: Path) -> tuple[tuple[object, ...], ...]:
    return (
        ("train", "digits", "--out", run, "--resume"),
        ("train", "digits", "--out", run),
        ("sample", run, "--out", run.parent / "a.png"),
        ("info", run),
        ("forward", run, "--out", run.parent / "a.png"),
        ("demo", "--out", run),
    )


def test_a_truncated_checkpoint(run: Path) -> None:
    whole = (run / LAST).read_bytes()
    (run / LAST).write_bytes(whole[:-1000])
    for command in everything(run):
        done = inkwash(*command)
        assert done.code == 1, command
        assert "last.safetensors is damaged or no checkpoint of inkwash" in done.sentence
        assert "best.safetensors beside it, of step 12, can take its place: open it with" in done.sentence
    did("sample", run, "-n", 1, "--steps", 1, "--checkpoint", "best", "--out", run.parent / "a.png")
    (run / LAST).write_bytes((run / BEST).read_bytes())
    did("train", "digits", "--out", run, "--steps", 13, "--resume")


@pytest.mark.parametrize(("timesteps", "ends"), [(1000, (None, None)), (200, (1e-4, 0.02))])
def test_a_run_of_format_3_keeps_the_ends_of_its_schedule(
    run: Path, timesteps: int, ends: tuple[float | None, float | None]
) -> None:
    process = {**load(run / LAST).facts["run"]["process"], "schedule": "linear", "timesteps": timesteps}
    settings = {**load(run / LAST).facts["run"], "process": process}
    rewrite(run / LAST, format=3, run=settings)
    found = stored(run)
    assert found is not None
    assert (found.process.beta_low, found.process.beta_high) == ends
    rewrite(run / LAST, format=4)
    found = stored(run)
    assert found is not None
    assert (found.process.beta_low, found.process.beta_high) == (None, None)


@pytest.mark.parametrize(("flags", "warned"), [((), False), (("--beta-high", 0.001), True)])
def test_a_schedule_whose_last_level_shows_the_image_is_told(
    tmp_path: Path, flags: tuple[object, ...], warned: bool
) -> None:
    done = did(
        "train",
        "digits",
        *TINY,
        "--schedule",
        "linear",
        "--timesteps",
        50,
        *flags,
        "--steps",
        1,
        "--out",
        tmp_path / "r",
    )
    assert ("the noisiest level of the linear schedule keeps signal (α = 0.9" in done.err) == warned
    assert not warned or "--beta-high" in done.err


def test_a_newer_checkpoint(run: Path) -> None:
    rewrite(run / LAST, format=6, version="9.9")
    for command in everything(run):
        assert "was written by inkwash 9.9 in format 6" in refused(*command)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"run": None}, "can make (without run); train again."),
        ({"shape": None, "step": None}, "(without shape, step)"),
        ({"run": {"recipe": "digits", "network": 7}}, "(network"),
        ({"run": {"recipe": "digits", "training": {"lr": -1}}}, "(training.lr: Input should be greater than 0)"),
        ({"run": "digits"}, "does not describe a run"),
    ],
)
def test_a_checkpoint_with_edited_settings(changes: dict[str, Any], words: str, run: Path) -> None:
    rewrite(run / LAST, **changes)
    for command in everything(run):
        assert words in refused(*command)


def test_a_checkpoint_of_another_network(run: Path) -> None:
    about = facts(run / LAST)["run"]
    rewrite(run / LAST, run={**about, "network": {**about["network"], "channels": 16}})
    for command in (everything(run)[0], everything(run)[2]):
        done = inkwash(*command)
        assert done.code == 1
        assert "is of another network than it describes; train again." in done.sentence


def test_a_loss_that_is_no_number(tmp_path: Path) -> None:
    out = tmp_path / "run"
    flags = ("--lr", 1e30, "--clip", "None", "--warmup", 0, "--steps", 40, "--save-every", 3)
    done = inkwash("train", "digits", *TINY, *flags, "--out", out)
    assert done.code == 1
    assert "the loss was no longer a number at step" in done.sentence
    assert f"{out / LAST} holds the last good weights. Try a lower --lr" in done.sentence
    assert all(tensor.isfinite().all() for named in load(out / LAST).parts.values() for tensor in named.values())
    did("sample", out, "-n", 1, "--steps", 1, "--out", tmp_path / "a.png")


@pytest.mark.parametrize("minutes", [1e-6, 0.01])
def test_minutes(minutes: float, tmp_path: Path) -> None:
    did("train", "digits", *TINY, "--steps", 100_000, "--minutes", minutes, "--out", tmp_path / "run")
    about = facts(tmp_path / "run" / LAST)
    assert about["step"] == about["steps"] < 2000
    assert about["seconds"] < 60 * minutes + 2
    assert "already trained" in did("train", "digits", "--out", tmp_path / "run", "--resume").out


def test_a_world_that_is_not_there(tmp_path: Path) -> None:
    done = Command(("train", "digits", "--out", tmp_path / "run"), tmp_path, env={"WORLD_SIZE": "2"}).wait()
    assert done.code == 1
    assert "$WORLD_SIZE announces 2 processes, but they are not connected" in done.sentence
    assert "torchrun --nproc-per-node 2" in done.sentence
