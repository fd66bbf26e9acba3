"""Damaged and edited checkpoints: every change is noticed, nothing of one is built, and the memory stays bounded."""

import json
import random
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from cli_runner import TINY, did, inkwash, refused
from inkwash.errors import InkwashError, UsageError
from inkwash.runs.model import open_model
from inkwash.training import load, save
from inkwash.training.checkpoint import BEST, LAST, Checkpoint

PEAK = 2 * 2**30  # bytes


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of the tiny run, to be damaged."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def as_format_4(path: Path, changes: dict[str, Any]) -> None:
    """The checkpoint in a format without digests, with edited facts."""
    saved = load(path)
    tensors = {f"{part}.{name}": tensor for part, named in saved.parts.items() for name, tensor in named.items()}
    facts = {**saved.facts, "format": 4, **changes}
    safetensors.torch.save_file(tensors, path, metadata={"inkwash": json.dumps(facts)})


# ---- one bit


def flips(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Copies with one bit flipped: a third of them in the header, the rest anywhere."""
    chance, header = random.Random(seed), 8 + int.from_bytes(content[:8], "little")
    for i in range(count):
        place = chance.randrange(header if i % 3 == 0 else len(content))
        yield content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :]


def check_flips(path: Path, count: int, seed: int) -> None:
    for content in flips(path.read_bytes(), count, seed):
        path.write_bytes(content)
        with pytest.raises(InkwashError):
            load(path)


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    """Each of the first 60 bytes, up to the digest, and every seventeenth of all."""
    path = tmp_path / LAST
    save(path, Checkpoint({"ema": {"net.a": torch.randn(2), "net.b": torch.randn(2)}}, {"step": 7}))
    load(path)
    content = path.read_bytes()
    for bit in (*range(8 * 60), *range(8 * 60, 8 * len(content), 17)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.raises(InkwashError):
            load(path)


@pytest.mark.slow
def test_a_thousand_flipped_bits(run: Path) -> None:
    check_flips(run / LAST, 1000, seed=1)


def test_swapped_names_are_noticed(tmp_path: Path) -> None:
    save(tmp_path / LAST, Checkpoint({"ema": {"net.a": torch.zeros(4), "net.b": torch.ones(4)}}, {}))
    content = (tmp_path / LAST).read_bytes()
    names = {b'"ema.net.a"': b'"ema.net.b"', b'"ema.net.b"': b'"ema.net.a"'}
    swapped = re.sub(rb'"ema\.net\.[ab]"', lambda found: names[found[0]], content)
    assert swapped != content
    (tmp_path / LAST).write_bytes(swapped)
    with pytest.raises(InkwashError, match="its digest differs"):
        load(tmp_path / LAST)


def test_the_digest_of_a_file_is_what_sha256sum_says(run: Path) -> None:
    import hashlib

    assert load(run / LAST).sha256 == open_model(run, device="cpu").digest
    assert load(run / LAST).sha256 == hashlib.sha256((run / LAST).read_bytes()).hexdigest()


# ---- info --verify


def test_verify(run: Path) -> None:
    lines = did("info", run, "--verify").out.splitlines()
    assert [re.sub(r"[0-9a-f]{64}", "HEX", line) for line in lines] == [
        "last         whole, sha256 HEX",
        "best         whole, sha256 HEX",
    ]
    as_format_4(run / BEST, {})
    assert "best         no digest: format 4 has none" in did("info", run, "--verify").out
    did("sample", run, "--checkpoint", "best", "-n", 1, "--steps", 1, "--out", run / "a.png")
    content = bytearray((run / LAST).read_bytes())
    content[-100] ^= 4
    (run / LAST).write_bytes(content)
    for command in (("info", run, "--verify"), ("sample", run, "-n", 1, "--steps", 1)):
        done = inkwash(*command)
        assert done.code == 1
        assert "last.safetensors is damaged" in done.sentence
        assert "best.safetensors beside it, of step 12, can take its place: open it with" in done.sentence
    assert "--checkpoint best, or rename it to last.safetensors" in done.sentence


# ---- edited facts

ABSURD: tuple[Any, ...] = (
    None, True, -1, 0, 1, 5, 2**31, 2**63, 10**300, -(10**30), 0.5, float("nan"), float("inf"), "", "int8", "~nobody",
    "x" * 5000, "\ud800", "a\0b", "../..", [], [[]], [1], ["a", 1], [1, 10**9, 10**9], {}, {"a": {}}, {"kind": "unet"},
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values in JSON, but for the first."""
    items = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    for name, each in items:
        yield (*path, name)
        yield from places(each, (*path, name))


def changed(facts: dict[str, Any], path: tuple[Any, ...], to: Any, leave_out: bool) -> dict[str, Any]:
    copy = json.loads(json.dumps(facts))
    *way, name = path
    owner = copy
    for step in way:
        owner = owner[step]
    if leave_out:
        del owner[name]
    else:
        owner[name] = to
    return dict(copy)


def check_mutations(run: Path, count: int, seed: int) -> int:
    """Opens the run with mutated facts. Returns how many of them were refused; the others are harmless."""
    chance, original = random.Random(seed), (run / LAST).read_bytes()
    facts = load(run / LAST).facts
    ways, wrong = list(places(facts)), 0
    for i in range(count):
        mutated = changed(facts, chance.choice(ways), chance.choice(ABSURD), leave_out=i % 8 == 0)
        (run / LAST).write_bytes(original)
        as_format_4(run / LAST, {"format": 4, **mutated, **({"format": 4} if mutated.get("format") == 5 else {})})
        commands = (
            ("info", run),
            ("sample", run, "-n", 1, "--steps", 1, "--out", run / "a.png"),
            ("train", "digits", "--out", run, "--resume", "--steps", 12),
        )
        done = inkwash(*commands[i % 3])
        assert done.code in (0, 1, 2), (mutated, done)
        assert done.code == 0 or done.sentence
        wrong += done.code != 0
    return wrong


def test_mutated_facts(run: Path) -> None:
    assert check_mutations(run, 6, seed=0) > 2


@pytest.mark.slow
def test_a_thousand_mutated_facts(run: Path) -> None:
    import resource

    assert check_mutations(run, 1000, seed=1) > 500
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < PEAK


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"precision": "int8"}, "precision: Input should be 'float32' or 'bfloat16'"),
        ({"version": None}, "version: Input should be a valid string"),
        ({"data_dir": 5}, "data_dir: Input should be a valid string"),
        ({"shape": [1, 8, 10**6]}, "shape.2: Input should be less than or equal to 16384"),
        ({"classes": "abc"}, "classes: Input should be a valid array"),
        ({"data": {"classes": [1] * 3}}, "data.classes counts images of 3 classes, where 10 have names"),
    ],
)
def test_impossible_facts(changes: dict[str, Any], words: str, run: Path) -> None:
    saved = load(run / LAST)
    save(run / LAST, Checkpoint(saved.parts, saved.facts))
    as_format_4(run / LAST, changes)
    assert words in refused("sample", run)


def test_deep_facts(run: Path) -> None:
    deep: Any = []
    for _ in range(900):
        deep = [deep]
    as_format_4(run / LAST, {"classes": deep})
    assert "its facts are nested more than 32 deep" in inkwash("info", run).sentence


def test_a_network_larger_than_its_file_is_never_built(run: Path) -> None:
    settings = load(run / LAST).facts["run"]
    network = {**settings["network"], "channels": 4096, "mults": [64, 64]}
    as_format_4(run / LAST, {"run": {**settings, "network": network}})
    assert "is of another network than it describes" in inkwash("sample", run).sentence
    assert "is of another network than it describes" in inkwash("train", "digits", "--out", run, "--resume").sentence


# ---- encoders that a file names


def test_an_encoder_that_a_file_names_is_not_opened(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a folder, whose files could be anything, nor a name to download; a flag allows it."""
    asked: list[str] = []

    def find(name: str) -> Any:
        asked.append(name)
        raise UsageError("found")

    monkeypatch.setattr("inkwash.runs.conditions.by_text.find", find)
    settings = load(run / LAST).facts["run"]
    (tmp_path / "encoder").mkdir()
    for name in (str(tmp_path / "encoder"), "someone/something"):
        conditioning = {**settings["conditioning"], "condition": "text", "encoder": name}
        as_format_4(run / LAST, {"run": {**settings, "conditioning": conditioning}})
        for command in (("sample", run), ("evaluate", run, "-n", 8), ("train", "digits", "--out", run, "--resume")):
            assert f"If you know it, allow it with --encoder {name}." in refused(*command)
        assert asked == []
        monkeypatch.chdir(tmp_path)
        given = "encoder" if name.endswith("encoder") else name
        assert refused("sample", run, "--encoder", given) == "found"
        assert asked == [name]
        asked.clear()


# ---- requests that cannot be


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            ("train", "digits", *TINY, "--batch-size", 2**31 - 1),
            "of memory are needed for 2,147,483,647 images of a batch, and this machine has 32 GiB",
        ),
        (
            ("train", "digits", "--channels", 4096, "--mults", 64, 64, "--device", "cpu"),
            "are needed for the network's weights",
        ),
        (("sample", "RUN", "-n", 2**31 - 1), "are needed for 2,147,483,647 images, and"),
        (("sample", "RUN", "--steps", 10**9), "--steps should be less than or equal to 1000000"),
    ],
)
def test_what_cannot_fit_is_refused_at_once(
    command: tuple[Any, ...], words: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inkwash.runs.memory.total", lambda device: 2**35)
    monkeypatch.chdir(tmp_path)
    began = time.process_time()
    assert words in refused(*(trained if word == "RUN" else word for word in command))
    assert time.process_time() - began < 3
    assert not list(tmp_path.iterdir())


def test_images_too_large_for_the_machine(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inkwash.runs.memory.total", lambda device: 2**35)
    as_format_4(run / LAST, {"shape": [1, 16384, 16384]})
    assert "at least 48 GiB of memory are needed for 16 images of 16384×16384 at a time" in refused("sample", run)
