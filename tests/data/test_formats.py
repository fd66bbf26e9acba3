"""Arrays and tables of other programs: what is written is read, and what is damaged is refused."""

from __future__ import annotations

import gzip
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from cli_runner import did, refused
from inkwash import choices
from inkwash.data import Source, load
from inkwash.data.formats import format_of
from inkwash.errors import UsageError

N = 40
GREY = np.random.default_rng(0).integers(0, 256, (N, 6, 6), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (N, 32, 32, 3), dtype=np.uint8)
LABELS = np.arange(N) % 4


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def write_csv(path: Path, header: bool = True, last: bool = False) -> None:
    rows = GREY.reshape(N, -1)
    table = np.concatenate([rows, LABELS[:, None]] if last else [LABELS[:, None], rows], 1)
    names = ",".join(["label", *(f"pixel{i}" for i in range(36))]) if header else ""
    np.savetxt(path, table, "%d", ",", header=names, comments="")


def write_idx(path: Path, dot: bool = False, packed: bool = True, raw: bool = False) -> None:
    folder = path / "raw" if raw else path
    folder.mkdir(parents=True)
    for start, images, labels in (("train", GREY[:30], LABELS[:30]), ("t10k", GREY[30:], LABELS[30:])):
        for kind, array in (("images", images), ("labels", labels)):
            name = f"{start}-{kind}{'.' if dot else '-'}idx{array.ndim}-ubyte"
            content = idx(array)
            (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(content) if packed else content)


def write_cifar(path: Path, protocol: int = 2) -> None:
    path.mkdir()
    planes = COLOUR.transpose(0, 3, 1, 2).reshape(N, 3072)
    names = [f"kind {i}" for i in range(10)]
    (path / "batches.meta").write_bytes(pickle.dumps({b"label_names": [n.encode() for n in names]}, protocol))
    for i in range(5):
        part = slice(6 * i, 6 * i + 6)
        batch = {b"data": planes[part], b"labels": LABELS[part].tolist(), "filenames": [b"x"] * 6}
        (path / f"data_batch_{i + 1}").write_bytes(pickle.dumps(batch, protocol))
    batch = {b"data": planes[30:], b"labels": LABELS[30:].tolist()}
    (path / "test_batch").write_bytes(pickle.dumps(batch, protocol))


def test_a_batch_as_python_2_wrote_it(tmp_path: Path) -> None:
    """Its bytes are texts, which Python 3 would decode."""
    write_cifar(tmp_path / "c")
    pixels = np.random.default_rng(2).integers(0, 256, (2, 3072), dtype=np.uint8)
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x02M\x00\x0c\x86"
        b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
        + struct.pack("<I", pixels.size) + pixels.tobytes() + b"tb"
    )  # fmt: skip
    batch = b"\x80\x02}(U\x04data" + array + b"U\x06labels](K\x00K\x01eu."
    assert np.array_equal(pickle.loads(batch, encoding="bytes")[b"data"], pixels)  # numpy's own reading
    (tmp_path / "c" / "test_batch").write_bytes(batch)
    assert torch.equal(load(tmp_path / "c", "test").pixels, torch.from_numpy(pixels).reshape(2, 3, 32, 32))


def split_of(path: Path) -> tuple[Source, Source]:
    return load(path, "train"), load(path, "test")


DIVIDED: dict[str, tuple[str, Callable[[Path], object], np.ndarray]] = {
    "idx": ("MNIST", write_idx, GREY),
    "idx, raw": ("MNIST", lambda path: write_idx(path, raw=True), GREY),
    "idx, dots": ("MNIST", lambda path: write_idx(path, dot=True, packed=False), GREY),
    "cifar": ("cifar-10-batches-py", write_cifar, COLOUR),
    "cifar, protocol 4": ("cifar-10-batches-py", lambda path: write_cifar(path, 4), COLOUR),
    "keras": ("a.npz", lambda path: np.savez(path, x_train=GREY[:30], y_train=LABELS[:30], x_test=GREY[30:],
                                              y_test=LABELS[30:]), GREY),
    "medmnist": ("a.npz", lambda path: np.savez(path, train_images=GREY[:30], train_labels=LABELS[:30, None],
                                                 test_images=GREY[30:], test_labels=LABELS[30:, None]), GREY),
}  # fmt: skip


def channels_first(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array[:, None] if array.ndim == 3 else array.transpose(0, 3, 1, 2).copy())


@pytest.mark.parametrize(("name", "make", "pixels"), DIVIDED.values(), ids=DIVIDED)
def test_sets_with_a_test_split(tmp_path: Path, name: str, make: Callable[[Path], object], pixels: np.ndarray) -> None:
    make(tmp_path / name)
    train, test = split_of(tmp_path / name)
    assert torch.equal(train.pixels, channels_first(pixels)[:30])
    assert torch.equal(test.pixels, channels_first(pixels)[30:])
    assert torch.equal(torch.cat([train.labels, test.labels]), torch.from_numpy(LABELS))
    assert len(train.classes) == (10 if "cifar" in name else 4)
    with pytest.raises(UsageError, match="leave out `held_out`"):
        load(tmp_path / name, "train", held_out="5")


WHOLE: dict[str, tuple[str, Callable[[Path], object], np.ndarray, bool]] = {
    "npy": ("a.npy", lambda path: np.save(path, GREY), GREY, False),
    "npy, channels last": ("a.npy", lambda path: np.save(path, COLOUR), COLOUR, False),
    "npy, channels first": ("a.npy", lambda path: np.save(path, COLOUR.transpose(0, 3, 1, 2)), COLOUR, False),
    "npy, flat": ("a.npy", lambda path: np.save(path, GREY.reshape(N, -1)), GREY, False),
    "npy, to 1": ("a.npy", lambda path: np.save(path, GREY / 255), GREY, False),
    "npy, from −1": ("a.npy", lambda path: np.save(path, (GREY / 127.5 - 1).astype(np.float32)), GREY, False),
    "npy, int64": ("a.npy", lambda path: np.save(path, GREY.astype(np.int64)), GREY, False),
    "adm": ("a.npz", lambda path: np.savez(path, COLOUR, LABELS), COLOUR, True),
    "csv": ("a.csv", write_csv, GREY, True),
    "csv, no names": ("a.csv", lambda path: write_csv(path, header=False), GREY, True),
    "csv, no labels": ("a.csv", lambda path: np.savetxt(path, GREY.reshape(N, -1), "%d", ","), GREY, False),
}


@pytest.mark.parametrize(("name", "make", "pixels", "labelled"), WHOLE.values(), ids=WHOLE)
def test_sets_of_one_part(
    tmp_path: Path, name: str, make: Callable[[Path], object], pixels: np.ndarray, labelled: bool
) -> None:
    make(tmp_path / name)
    found = load(tmp_path / name, "train", held_out="none")
    assert torch.equal(found.pixels, channels_first(pixels))
    assert (found.labels is None) != labelled
    assert not labelled or torch.equal(found.labels, torch.from_numpy(LABELS))
    train, test = split_of(tmp_path / name)
    assert (len(train), len(test)) == (38, 2)


def test_arrays_that_are_left_out_are_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", train_images=GREY[:30], val_images=GREY[:2], test_images=GREY[30:])
    assert load(tmp_path / "a.npz", "train").notes == ("Left out: the array(s) val_images of a.npz.",)


def test_the_label_of_a_table_may_come_last(tmp_path: Path) -> None:
    rows = GREY.reshape(N, -1).copy()
    rows[:, 0] = 0
    np.savetxt(tmp_path / "a.csv", np.concatenate([rows, LABELS[:, None]], 1), "%d", ",")
    found = load(tmp_path / "a.csv", "train", held_out="none")
    assert torch.equal(found.labels, torch.from_numpy(LABELS))
    assert found.notes == ("Column 37 of a.csv is taken for the labels.",)


def test_samples_are_trained_on_again(trained: Path, tmp_path: Path) -> None:
    """Images that inkwash wrote, in again: the same pixels."""
    did("sample", trained, "--steps", 1, "-n", 6, "--out", tmp_path / "a.npz", "--out", f"{tmp_path / 'pngs'}/")
    (tmp_path / "pngs" / "provenance.json").rename(tmp_path / "provenance.json")
    drawn = torch.from_numpy(np.load(tmp_path / "a.npz")["images"]).permute(0, 3, 1, 2)
    for name in ("a.npz", "pngs"):
        assert torch.equal(load(tmp_path / name, "train", held_out="none").pixels, drawn)


EVIL = b"cos\nsystem\n(S'touch evil'\ntR."
BAD: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "npy cut": ("a.npy", lambda p: (np.save(p, GREY), p.write_bytes(p.read_bytes()[:-5])), "where its header says"),
    "npy none": ("a.npy", lambda p: p.write_bytes(b"GIF89a"), "cannot be read as an .npy file"),
    "npy objects": ("a.npy", lambda p: np.save(p, np.array([{}])), "cannot be read as an .npy file"),
    "npy shape": ("a.npy", lambda p: np.save(p, np.zeros((4, 5), np.uint8)), r"is uint8 \[4, 5\]; images are"),
    "npy nan": ("a.npy", lambda p: np.save(p, np.full((4, 5, 5), np.nan)), "no numbers"),
    "csv cut": ("a.csv", lambda p: (write_csv(p), p.write_bytes(p.read_bytes()[:-30])), "no table of pixels"),
    "csv words": ("a.csv", lambda p: p.write_text("file_name,text\na.png,a fox\n"), "no table of pixels"),
    "csv values": ("a.csv", lambda p: p.write_text("\n".join(["0,300,1,2"] * 3)), "values from 0 to 300"),
    "csv columns": ("a.csv", lambda p: p.write_text("1,2,3\n"), "a.csv has 3 columns; the pixels of a square"),
    "csv binary": ("a.csv", lambda p: p.write_bytes(b"\xff\xfe\x00"), "no table of pixels"),
    "csv empty": ("a.csv", lambda p: p.write_bytes(b""), "a.csv"),
    "labels": ("a.npz", lambda p: np.savez(p, images=COLOUR, labels=LABELS[:5]), "for each of the 40 images"),
    "another ending": ("a.xyz", lambda p: p.write_bytes(b"x"), "of no format that inkwash reads"),
    "pickle": ("c", lambda p: (write_cifar(p), (p / "test_batch").write_bytes(EVIL)), "names os.system"),
    "pickle cut": ("c", lambda p: (write_cifar(p), (p / "test_batch").write_bytes(
        (p / "test_batch").read_bytes()[:-99])), "cannot be read as a batch of CIFAR"),
    "pickle lacking": ("c", lambda p: (write_cifar(p), (p / "data_batch_3").unlink()), "lacks data_batch_3"),
    "pickle objects": ("c", lambda p: (write_cifar(p), (p / "test_batch").write_bytes(
        pickle.dumps({"data": np.zeros((2, 3072)), "labels": [0, 1]}, 2))), "is no batch of CIFAR"),
    "pickle labels": ("c", lambda p: (write_cifar(p), (p / "test_batch").write_bytes(
        pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [0, 10]}, 2))), "labels outside of 0..9"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "make", "words"), BAD.values(), ids=BAD)
def test_bad_files(
    tmp_path: Path, name: str, make: Callable[[Path], object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / name)
    with pytest.raises(UsageError, match=words):
        load(tmp_path / name, "train")
    assert not (tmp_path / "evil").exists()


def test_splits_have_the_same_classes(tmp_path: Path) -> None:
    write_idx(tmp_path / "set", packed=False)
    (tmp_path / "set" / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(10)))
    assert load(tmp_path / "set", "test").classes == load(tmp_path / "set", "train").classes == ("0", "1", "2", "3")
    assert did("data", tmp_path / "set").out.splitlines()[-1].split() == ["3", "3", "7", "0"]


def test_batches_without_the_names_of_classes(tmp_path: Path) -> None:
    write_cifar(tmp_path / "c")
    (tmp_path / "c" / "batches.meta").unlink()
    assert load(tmp_path / "c", "train").classes[:3] == ("airplane", "automobile", "bird")


def test_cifar_100(tmp_path: Path) -> None:
    planes = COLOUR.transpose(0, 3, 1, 2).reshape(N, 3072)
    (tmp_path / "c").mkdir()
    names = {"fine_label_names": [f"kind {i}" for i in range(100)], "coarse_label_names": ["x"] * 20}
    (tmp_path / "c" / "meta").write_bytes(pickle.dumps(names, 2))
    for file, part in (("train", slice(30)), ("test", slice(30, N))):
        batch = {"data": planes[part], "fine_labels": LABELS[part].tolist(), "coarse_labels": [0] * N}
        (tmp_path / "c" / file).write_bytes(pickle.dumps(batch, 2))
    train, test = split_of(tmp_path / "c")
    assert (train.name, len(train.classes), len(train), len(test)) == ("cifar100", 100, 30, 10)
    assert torch.equal(test.pixels, channels_first(COLOUR)[30:])
    assert test.labels.tolist() == LABELS[30:].tolist()


def test_an_idx_file_that_is_cut_short(tmp_path: Path) -> None:
    write_idx(tmp_path / "set", packed=False)
    file = tmp_path / "set" / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(UsageError, match=r"is truncated: .* Put a good copy there\."):
        load(tmp_path / "set", "train")


def test_the_command_line_refuses_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"GIF89a")
    for command in ("data", "train"):
        out = ("--out", tmp_path / "run") if command == "train" else ()
        assert "cannot be read as an .npy file" in refused(command, tmp_path / "a.npy", *out)
    np.save(tmp_path / "a.npy", GREY)
    assert "--fit is for image files" in refused("data", tmp_path / "a.npy", "--fit", "pad")
    assert "--background" in refused("data", "digits", "--background", "black")
    assert [each.name for each in tmp_path.iterdir()] == ["a.npy"]


def test_every_format_is_named_in_the_help_and_the_documentation() -> None:
    overview = " ".join(did("train", "--help").out.split())
    for name in (".zip", ".tar", ".npz", ".npy", ".csv", ".parquet", "IDX", "CIFAR", "shards"):
        assert name in overview
    told = " ".join(did("train", "folder", "--help").out.split())
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    for row in choices.FORMATS:
        assert row.help.split(" ")[0] in told.replace("│ │", "")
        assert f"`{row.name}`" in page


def test_a_folder_of_images_is_no_other_format(tmp_path: Path) -> None:
    assert format_of(tmp_path).__name__ == "Folder"  # type: ignore[union-attr]
    assert format_of(tmp_path / "nowhere") is None
