"""What was asked wrongly gets one sentence and exit code 2, what failed gets 1, and nothing is lost."""

import gzip
import json
import resource
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
from PIL import Image
from processes import TINY

from inkwash.cli import main
from inkwash.train.checkpoint import LAST, facts, load

TRAIN = ("train", "digits", *TINY, "--steps", 4)


def refused(capsys: pytest.CaptureFixture[str], code: int, *args: object) -> str:
    """Runs `inkwash ARGS`, expects the code, and returns what was said."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main([str(arg) for arg in args])
    said = capsys.readouterr().err
    assert ended.value.code == code, said
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (("train", "mnits"), "Did you mean mnist?"),
        (("tran",), "Did you mean train?"),
        (("train",), "needs a recipe"),
        ((*TRAIN, "--steps", 0), "--steps should be greater than or equal to 1 (got 0)"),
        ((*TRAIN, "--lr", -1), "--lr should be greater than 0"),
        ((*TRAIN, "--lr", "nan"), "--lr"),
        ((*TRAIN, "--ema", 2), "--ema"),
        ((*TRAIN, "--mults", 0), "--mults"),
        ((*TRAIN, "--heads", 3), "heads"),
        ((*TRAIN, "--prediction", "w"), "invalid choice"),
        ((*TRAIN, "--stepps", 3), "--steps"),
        ((*TRAIN, "--source", "nowhere"), "nowhere"),
        ((*TRAIN, "--schedule", "flow", "--beta-low", 0.1), "no free ends"),
        ((*TRAIN, "--resume"), "no run to resume"),
        ((*TRAIN, "--size", 7), "7"),
        (("train", "sysu-mnist", "--source", "digits", "--size", 32), "28×28"),
        (("sample", "nowhere"), "no checkpoint"),
        (("forward", "nowhere"), "nowhere"),
        (("info", "nowhere"), "no checkpoint"),
        (("replay", "nowhere.png"), "nowhere.png"),
    ],
)
def test_asked_wrongly(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: tuple, word: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert word in refused(capsys, 2, *args)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (("--eta", 2), "--eta should be less than or equal to 1"),
        (("--solver", "heun", "--eta", 1), "has no η"),
        (("--solver", "heun", "--spacing", "trailing"), "karras"),
        (("--solver", "heun", "--variance", "large"), "adds no noise"),
        (("--out", "a.jpg"), ".jpg"),
        (("--out", "missing.txt/"), "missing.txt"),
        (("--steps", 0), "--steps"),
        (("--batch-size", 0), "--batch-size"),
        (("-n", 0), "--n"),
    ],
)
def test_sampling_asked_wrongly(
    run: Path,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    args: tuple,
    word: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "missing.txt").write_text("a file")
    assert word in refused(capsys, 2, "sample", run, *args)


def test_a_run_is_never_written_over(run: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    before = (run / LAST).read_bytes()
    assert "already holds a run" in refused(capsys, 2, *TRAIN, "--out", run)
    assert "lr: 0.002 then, 0.1 now" in refused(capsys, 2, *TRAIN, "--lr", 0.1, "--out", run, "--resume")
    assert "recipe digits, not mnist" in refused(capsys, 2, "train", "mnist", "--out", run, "--resume")
    assert (run / LAST).read_bytes() == before
    file = tmp_path / "file"
    file.write_text("kept")
    assert "is a file" in refused(capsys, 2, *TRAIN, "--out", file)
    assert file.read_text() == "kept"


def test_folders_of_images(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    small = ("--channels", 8, "--mults", 1, "--steps", 2, "--batch-size", 4, "--device", "cpu", "--attention")
    assert "photos" in refused(capsys, 2, "train", photos, *small, "--out", out)  # empty
    rng = np.random.default_rng(0)
    for i in range(6):
        Image.fromarray(rng.integers(0, 255, (12, 12 + i % 2, 3), np.uint8)).save(photos / f"{i}.png")
    (photos / "notes.txt").write_text("no image")
    said = refused(capsys, 2, "train", photos, *small, "--size", 8, "--out", out)
    assert "notes.txt" in said
    assert "skip" in said
    assert "--size" in refused(capsys, 2, "train", photos, *small, "--unreadable", "skip", "--out", out)
    assert not out.exists()
    main([str(arg) for arg in ("train", photos, *small, "--size", 8, "--unreadable", "skip", "--out", out)])
    assert facts(out / LAST)["step"] == 2
    assert facts(out / LAST)["shape"] == [3, 8, 8]


def test_damaged_data_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "mnist"
    folder.mkdir()
    with gzip.open(folder / "train-images-idx3-ubyte.gz", "wb") as file:
        file.write(struct.pack(">IIII", 2051, 60000, 28, 28) + b"\0" * 1000)
    said = refused(capsys, 1, "train", "mnist", "--data-dir", tmp_path, "--out", tmp_path / "out")
    assert "train-images-idx3-ubyte.gz" in said
    assert not (tmp_path / "out").exists()
    assert "absent" in refused(
        capsys, 2, "train", "mnist", "--data-dir", tmp_path / "absent", "--out", tmp_path / "out"
    )


def test_damaged_and_newer_checkpoints(run: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    whole = (copy / LAST).read_bytes()
    (copy / LAST).write_bytes(whole[: len(whole) // 2])
    for command in (("sample", copy), ("info", copy), (*TRAIN, "--out", copy, "--resume")):
        assert "damaged" in refused(capsys, 1, *command)
    (copy / LAST).write_bytes(whole)
    saved = load(copy / LAST)
    tensors = {f"{part}.{name}": tensor for part, named in saved.parts.items() for name, tensor in named.items()}
    newer = {"inkwash": json.dumps({**saved.facts, "format": 99, "version": "9.0"})}
    safetensors.torch.save_file(tensors, copy / LAST, metadata=newer)
    said = refused(capsys, 2, "sample", copy)
    assert "9.0" in said
    assert "Upgrade" in said


def test_a_full_disk_loses_nothing(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    before = (copy / LAST).read_bytes()

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    line = [sys.executable, "-m", "inkwash", *map(str, (*TRAIN, "--steps", 40, "--out", copy, "--resume"))]
    done = subprocess.run(line, capture_output=True, text=True, preexec_fn=limit, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "could not be written" in done.stderr
    assert (copy / LAST).read_bytes() == before
    assert sorted(path.name for path in copy.iterdir()) == ["best.safetensors", LAST]


def test_a_loss_that_explodes_stops_at_the_last_good_checkpoint(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    wild = ("--lr", 1e30, "--clip", "None", "--warmup", 0, "--steps", 60, "--save-every", 5)
    said = refused(capsys, 1, "train", "digits", *TINY, *wild, "--out", tmp_path / "out")
    assert "no longer a number" in said
    assert "--lr" in said
    weights = load(tmp_path / "out" / LAST).parts["ema"]
    assert all(bool(tensor.isfinite().all()) for tensor in weights.values())


def test_help_and_lists_need_no_torch() -> None:
    heavy = "{'torch', 'matplotlib', 'PIL', 'sklearn', 'accelerate', 'imageio'}"
    for args in (["--help"], ["recipes"], ["train", "--help"], ["train", "mnist", "--help"], ["--version"]):
        code = (
            f"import sys; sys.argv = ['inkwash', *{args!r}]\nfrom inkwash.cli import main\n"
            f"try:\n    main()\nexcept SystemExit as e:\n    assert not e.code\nassert not {heavy} & set(sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout
