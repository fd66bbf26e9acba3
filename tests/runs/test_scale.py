"""Several processes make what one makes: the same training to rounding, the same images to the bit."""

import shutil
from pathlib import Path

import pytest
import torch
from pairs import pair

from cli_runner import TINY, Done, did, refused
from inkwash.runs.record import described
from inkwash.training.checkpoint import BEST, LAST, facts, load
from inkwash.training.rates import rate

UNIT = 2.0**-24  # the largest relative error of one rounding in float32
ROUNDINGS = 16  # by which a sum over batch and places may differ in another order

TRAIN = (
    "train", "digits", *TINY, "--mults", 1, "--blocks", 1, "--condition", "class", "--condition-dropout", 0.5,
    "--accumulate", 2, "--decay", "none", "--save-every", 1,
)  # fmt: skip


def train(out: Path, steps: int, *more: object) -> tuple[object, ...]:
    return (*TRAIN, "--steps", steps, "--out", out, *more)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five steps by one process that was never stopped."""
    out = tmp_path_factory.mktemp("alone") / "run"
    did(*train(out, 5))
    return out


def assert_same_training(one: Path, other: Path, curve: str) -> None:
    """Weights, their average and moments to float32's rounding, and a loss curve: "history" or "held_out".

    Gradients are clipped to norm 1, so no sum in one is off by more than ROUNDINGS·UNIT, nor is a moment. Adam divides
    each by its own size √v̂, so a weight is off by as much as its moment over that, once a step for the learning rate:
    a weight whose gradient is nothing but rounding may end anywhere in reach.
    """
    a, b = load(one / LAST), load(other / LAST)
    training, n = described(one / LAST, a.facts).training, a.facts["step"]
    assert (n, training.clip) == (b.facts["step"], 1.0)
    assert {part: set(named) for part, named in a.parts.items()} == {
        part: set(named) for part, named in b.parts.items()
    }
    reach, error = sum(rate(training, step, n) for step in range(n)), ROUNDINGS * UNIT
    for name, square in a.parts["exp_avg_sq"].items():
        size = (square / (1 - training.beta2**n)).sqrt() + 1e-8
        for part in ("model", "ema"):
            weight = a.parts[part][name]
            allowed = reach * (error / size).clamp(max=2) + error * weight.abs()
            assert bool(((b.parts[part][name] - weight).abs() <= allowed).all()), (part, name)
        for part in ("exp_avg", "exp_avg_sq"):
            torch.testing.assert_close(b.parts[part][name], a.parts[part][name], atol=2 * error, rtol=0)
    assert b.facts[curve] == [[step, pytest.approx(loss, rel=error)] for step, loss in a.facts[curve]]


def both(*args: object, folder: Path) -> list[Done]:
    """Two processes that succeed, and of which the first alone speaks."""
    first, second = pair(args, folder)
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert (second.out, second.err) == ("", "")
    assert "Warning" not in first.err
    return [first, second]


@pytest.mark.slow  # 'divided' below is its like
def test_a_sharded_training(alone: Path, tmp_path: Path) -> None:
    """Weights, gradients and moments in two parts make the training of one process, and one plain file; and a sheet."""
    both(*train(tmp_path / "run", 5, "--shard", "--preview-every", 5), folder=tmp_path)
    did("replay", tmp_path / "run" / "previews" / "step-00000005.png", "--out", tmp_path / "again.png")
    for curve in ("history", "held_out"):
        assert_same_training(alone, tmp_path / "run", curve)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [BEST, LAST, "metrics.jsonl"]
    assert set(load(tmp_path / "run" / BEST).parts) == {"model", "ema", "exp_avg", "exp_avg_sq"}
    # and one process draws from it, and has nothing left to train
    did("sample", tmp_path / "run", "-n", 1, "--steps", 1, "--out", tmp_path / "a.png")
    assert "already trained" in did(*train(tmp_path / "run", 5, "--no-shard", "--resume")).out


@pytest.mark.parametrize("divided", [pytest.param((), marks=pytest.mark.slow), ("--shard",)], ids=["whole", "divided"])
def test_orthogonal_updates(divided: tuple[str, ...], tmp_path: Path) -> None:
    """As one process makes them, to rounding, of which the iteration makes up to 500 times as much."""
    few = (*TRAIN, "--optimizer", "muon", "--steps", 3)
    did(*few, "--out", tmp_path / "one")
    both(*few, *divided, "--out", tmp_path / "two", folder=tmp_path)
    one, two = load(tmp_path / "one" / LAST), load(tmp_path / "two" / LAST)
    for part, named in one.parts.items():
        assert set(named) == set(two.parts[part])
        for name, tensor in named.items():
            torch.testing.assert_close(two.parts[part][name], tensor, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_a_training_goes_from_one_process_to_two_and_back(alone: Path, tmp_path: Path) -> None:
    """1 process, 2 with the whole network each, 2 with a part each, and 1 again: one training."""
    out = tmp_path / "run"
    did(*train(out, 2))
    both(*train(out, 3, "--resume"), folder=tmp_path / "whole")
    both(*train(out, 4, "--resume", "--shard"), folder=tmp_path / "parts")
    assert facts(out / LAST)["run"]["training"]["shard"]
    did(*train(out, 5, "--resume", "--no-shard"))
    assert_same_training(alone, out, "held_out")


def test_nothing_to_divide_among(tmp_path: Path) -> None:
    said = refused(*train(tmp_path / "run", 5, "--shard"))
    assert "--shard divides a network among processes, and this is the only one; give --no-shard" in said
    assert "torchrun --nproc-per-node 2" in said
    assert not (tmp_path / "run").exists()


# ---- sampling

OUTS = ("a.png", "a.gif", "a.npz", "folder")


def sample(run: Path, folder: Path, *more: object) -> tuple[object, ...]:
    outs = [word for name in OUTS for word in ("--out", folder / name)]
    return ("sample", run, "-n", 50, "--steps", 3, "--eta", 0.5, "--label", "all", "--device", "cpu", *outs, *more)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_two_processes_draw_what_one_draws(alone: Path, tmp_path: Path) -> None:
    """Every file to the byte, from a batch that both had a part of; one line a file, and one bar."""
    one, two = tmp_path / "one", tmp_path / "two"
    told = did(*sample(alone, one))
    first, _ = both(*sample(alone, two), folder=tmp_path)
    assert len(files(one)) == 3 + 50 + 1
    assert files(one) == files(two)
    assert first.out == told.out.replace(str(one), str(two))
    assert first.err.splitlines()[-1] == told.err.splitlines()[-1]
    assert told.err.splitlines()[-1].startswith("50 images, 6 network evaluations each")


def test_one_of_two_fails_to_draw(alone: Path, tmp_path: Path) -> None:
    """The other does not wait for it."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "kept").write_text("in use")
    first, second = pair(sample(alone, tmp_path), tmp_path)
    assert (first.code, second.code) == (2, 1)
    assert "is in use" in first.sentence
    assert second.sentence == "another process of this command has ended, and says why; run it again."
    assert files(tmp_path / "folder") == {"kept": b"in use"}


# ---- evaluating


@pytest.mark.slow
def test_two_processes_find_what_one_finds(alone: Path, tmp_path: Path) -> None:
    """The same scores to the last digit, and the same figures to the byte."""
    runs = [Path(shutil.copytree(alone, tmp_path / name / "run")) for name in ("one", "two")]
    asked = ("--steps", 2, "-n", 40, "--features", "pixels", "--device", "cpu")
    told = did("evaluate", runs[0], *asked, "--jobs", 1)
    first, _ = both("evaluate", runs[1], *asked, folder=tmp_path)
    assert first.out == told.out.replace(str(runs[0]), str(runs[1]))
    one, two = (files(run / "evaluation") for run in runs)
    assert one.keys() == two.keys()
    differ = {name for name in one if one[name] != two[name]}
    assert all("cells" in name for name in differ)  # which also keep how long they took
