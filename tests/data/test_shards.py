"""WebDataset, Parquet and the data sets of Hugging Face: the same images as a folder of them."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from cli_runner import TINY, did, refused
from inkwash.data import Batches, Images, Streamed, load
from inkwash.data.collect import Asked
from inkwash.data.formats import format_of, read
from inkwash.errors import UsageError
from inkwash.training.checkpoint import LAST
from inkwash.training.checkpoint import load as load_checkpoint

N, SHARDS = 24, 3
PIXELS = np.random.default_rng(0).integers(0, 256, (N, 8, 8, 3), dtype=np.uint8)
NAMES = ("cat", "dog", "fox")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def png(i: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS[i]).save(file, "PNG")
    return file.getvalue()


def shard(path: Path, samples: list[dict[str, bytes]], start: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for i, sample in enumerate(samples):
            for kind, content in sample.items():
                info = tarfile.TarInfo(f"{start + i:06d}.{kind}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return path


def sample(i: int) -> dict[str, bytes]:
    return {"png": png(i), "cls": str(i % 3).encode(), "txt": f"image {i}\nno. {i}".encode()}


def webdataset(root: Path, test: bool = True) -> Path:
    each = N // SHARDS
    for s in range(SHARDS):
        split = "test" if test and s == SHARDS - 1 else "train"
        shard(root / f"pets-{split}-{s:05d}.tar", [sample(i) for i in range(s * each, (s + 1) * each)], s * each)
    (root / "dataset_info.json").write_text("{}")
    return root


def table(rows: range, named: bool = True) -> pa.Table:
    columns = {
        "image": pa.array([{"bytes": png(i), "path": f"{i}.png"} for i in rows]),
        "label": pa.array([i % 3 for i in rows]),
        "text": pa.array([[f"image {i}", f"no. {i}"] for i in rows]),
    }
    made = pa.table(columns)
    about = {"info": {"features": {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": NAMES}}}}
    return made.replace_schema_metadata({"huggingface": json.dumps(about)}) if named else made


def parquet(root: Path) -> Path:
    (root / "data").mkdir(parents=True)
    pq.write_table(table(range(16)), root / "data" / "train-00000-of-00001.parquet", row_group_size=5)
    pq.write_table(table(range(16, N)), root / "data" / "test-00000-of-00001.parquet")
    (root / "README.md").write_text("# Pets")
    return root


def saved(root: Path) -> Path:
    for split, rows in (("train", range(16)), ("test", range(16, N))):
        (root / split).mkdir(parents=True)
        name = "data-00000-of-00001.arrow"
        found = table(rows)
        with pa.OSFile(str(root / split / name), "wb") as sink, pa.ipc.new_stream(sink, found.schema) as out:
            out.write_table(found, max_chunksize=5)
        (root / split / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
    (root / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    return root


SETS: dict[str, tuple[Callable[[Path], Path], str, tuple[str, ...]]] = {
    "webdataset": (webdataset, "WebDataset", ("0", "1", "2")),
    "parquet": (parquet, "Parquet", NAMES),
    "save_to_disk": (saved, "SavedDataset", NAMES),
}


@pytest.mark.parametrize("limit", [0, 1 << 20])
@pytest.mark.parametrize(("make", "kind", "names"), SETS.values(), ids=SETS)
def test_images_labels_captions_and_splits(
    tmp_path: Path, make: Callable[[Path], Path], kind: str, names: tuple[str, ...], limit: int
) -> None:
    root = make(tmp_path / "pets")
    assert format_of(root).__name__ == kind  # type: ignore[union-attr]
    seen = 0
    for split, count in (("train", 16), ("test", 8)):
        source = read(root, Asked(split, in_memory_bytes=limit))
        assert isinstance(source, Images if limit else Streamed)
        assert (source.name, source.split, len(source), source.classes) == ("pets", split, count, names)
        pixels = torch.from_numpy(PIXELS[seen : seen + count]).permute(0, 3, 1, 2)
        assert torch.equal(source.take(torch.arange(count)), pixels)
        assert source.labels.tolist() == [i % 3 for i in range(seen, seen + count)]
        assert source.captions[-1] == (f"image {seen + count - 1}", f"no. {seen + count - 1}")
        seen += count
    undivided = read(root, Asked("train", splits="none", held_out="none", in_memory_bytes=limit))
    assert len(undivided) == N


@pytest.mark.parametrize(("make", "kind", "names"), SETS.values(), ids=SETS)
def test_any_batch_of_a_stream_is_the_batch_of_memory(
    tmp_path: Path, make: Callable[[Path], Path], kind: str, names: tuple[str, ...]
) -> None:
    """So a training that stopped within a shard goes on with the very next image."""
    root = make(tmp_path / "pets")
    streamed, memory = (read(root, Asked("train", in_memory_bytes=limit)) for limit in (0, 1 << 20))
    walk = Batches(streamed, 5, seed=0, flip=True).walk(7)
    for step in range(7, 12):
        assert torch.equal(next(walk).images, Batches(memory, 5, seed=0, flip=True).at(step).images)
    walk.close()
    again = read(root, Asked("train", in_memory_bytes=0))
    assert again.fingerprint == streamed.fingerprint


@pytest.mark.slow
def test_a_training_on_shards_resumes_to_the_same_bits(tmp_path: Path) -> None:
    root, once, twice = webdataset(tmp_path / "pets"), tmp_path / "once", tmp_path / "twice"
    flags = (*TINY, "--batch-size", 5, "--condition", "class")
    did("train", root, *flags, "--steps", 4, "--decay", "none", "--out", once)
    did("train", root, *flags, "--steps", 2, "--decay", "none", "--out", twice)
    did("train", twice, "--resume", "--steps", 4)
    one, other = (load_checkpoint(run / LAST).parts for run in (once, twice))
    assert all(torch.equal(one[part][name], other[part][name]) for part in one for name in one[part])


def test_a_single_shard_and_json(tmp_path: Path) -> None:
    about = [
        {"png": png(i), "json": json.dumps({"label": NAMES[i % 3], "caption": f"no {i}"}).encode()} for i in range(6)
    ]
    path = shard(tmp_path / "pets.tar", about)
    source = load(path, "train", held_out="none")
    assert (source.classes, source.captions[2], source.name) == (NAMES, ("no 2",), "pets")


def test_a_tar_without_labels_is_an_archive(tmp_path: Path) -> None:
    path = shard(tmp_path / "pets.tar", [{"png": png(i), "txt": f"no {i}".encode()} for i in range(6)])
    assert format_of(path).__name__ == "Archive"  # type: ignore[union-attr]
    assert load(path, "train", held_out="none").captions[2] == ("no 2",)


def _of(*samples: dict[str, bytes]) -> Callable[[Path], Path]:
    return lambda root: shard(root / "a-0.tar", list(samples)).parent


def _cut(root: Path) -> Path:
    file = webdataset(root) / "pets-train-00001.tar"
    file.write_bytes(file.read_bytes()[:3000])
    return root


def _cut_parquet(root: Path) -> Path:
    (file,) = (parquet(root) / "data").glob("train*")
    file.write_bytes(file.read_bytes()[:-100])
    return root


def _cut_arrow(root: Path) -> Path:
    (file,) = (saved(root) / "train").glob("*.arrow")
    file.write_bytes(file.read_bytes()[:-400])
    return root


def _columns(root: Path, **columns: list[object]) -> Path:
    root.mkdir()
    pq.write_table(pa.table(columns), root / "a.parquet")
    return root


def _climbing(root: Path) -> Path:
    (saved(root) / "train" / "state.json").write_text(json.dumps({"_data_files": [{"filename": "../../x.arrow"}]}))
    return root


BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "two images": (_of({"left.png": png(0), "right.png": png(1), "cls": b"0"}), "a sample of 2 images"),
    "no label": (_of(sample(0), sample(1), {"png": png(2), "txt": b"x"}), "1 of 3 images have no label"),
    "no caption": (_of(sample(0), {"png": png(2), "cls": b"1"}), "1 of 2 images have no caption"),
    "large label": (_of(sample(0), {**sample(1), "cls": b"99999999"}), "labels from 0 to 99999999"),
    "json": (_of({"png": png(0), "json": b"{"}), "is no JSON"),
    "no text": (_of({"png": png(0), "cls": b"\xff"}), "is no text in UTF-8"),
    "no images": (_of({"cls": b"0"}), "holds no images"),
    "cut": (_cut, "no whole tar archive"),
    "parquet cut": (_cut_parquet, "is no whole parquet file"),
    "arrow cut": (_cut_arrow, "is no whole arrow file"),
    "no column": (lambda root: _columns(root, a=[1, 2]), "0 columns of encoded images .* its columns are a"),
    "two columns": (lambda root: _columns(root, a=[b"x"], b=[b"x"]), "2 columns of encoded images"),
    "paths": (lambda root: _columns(root, image=[{"bytes": None, "path": "a.png"}, {"bytes": b"x", "path": ""}]),
              "row 0 of image holds no image"),
    "no images in it": (lambda root: _columns(root, image=[b"x", b"y"]), "holds no images; 2"),
    "bomb": (lambda root: _columns(root, image=[bytes(2**18)] * 40), "as images never do"),
    "climbing": (_climbing, "names no files of a data set"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "words"), BAD.values(), ids=BAD)
def test_bad_sets(tmp_path: Path, make: Callable[[Path], Path], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inkwash.data.unpacked._SMALL", 2**20)  # in place of 256 MiB
    root = make(tmp_path / "pets")
    with pytest.raises(UsageError, match=words):
        load(root, "train")
    assert not list((tmp_path / "cache").rglob(".inkwash-*"))


def test_samples_without_an_image_or_a_label_are_left_out(tmp_path: Path) -> None:
    root = _of(*(sample(i) for i in range(5)), {"png": png(5), "txt": b"x"}, {"cls": b"1"})(tmp_path / "pets")
    source = load(root, "train", unreadable="skip", held_out="none")
    assert len(source) == 5
    assert source.notes[0] == "Left out: 1 sample(s) without an image, such as 000006.cls."


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = parquet(tmp_path / "pets")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    assert "pip install 'inkwash[parquet]'" in refused("data", root)
