"""A run that begins with the weights of another one."""

from pathlib import Path

import pytest
import torch

import inkwash
from cli_runner import TINY, did, refused
from inkwash.errors import UsageError
from inkwash.runs.info import run_facts
from inkwash.training.checkpoint import LAST, facts, load

STILL = ("--steps", 1, "--lr", 1e-38, "--warmup", 0)  # so small a rate that no weight changes
SMALL = ("--mults", 1, "--attention", "--heads", 1, "--patch", 1)


@pytest.fixture(scope="module")
def by_class(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 4 steps on images of two classes, to be read only."""
    root = tmp_path_factory.mktemp("by-class")
    did("train", pets(root / "pets", "cats", "dogs"), *TINY, *SMALL, "--condition", "class", "--steps", 4,
        "--out", root / "run")  # fmt: skip
    return root / "run"


def pets(root: Path, *classes: str, channels: int = 1) -> Path:
    from inkwash.data import Images, write_archive

    made = torch.Generator().manual_seed(len(classes))
    pixels = torch.randint(0, 256, (12 * len(classes), channels, 8, 8), dtype=torch.uint8, generator=made)
    root.mkdir()
    write_archive(root / "a.npz", Images("a", "train", pixels, torch.arange(len(pixels)) % len(classes), classes))
    return root / "a.npz"


def weights(run: Path, part: str = "ema") -> dict[str, torch.Tensor]:
    return load(run / LAST).parts[part]


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.allclose(one, other, rtol=0, atol=1e-30)


def test_the_weights_are_those_of_the_other_run(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = did("train", "digits", "--size", 10, "--from", trained, *TINY[2:], *STILL, "--out", run)
    assert f"The weights are those of {trained}, step 12, averaged; 100.0% of this network's." in done.err
    before = weights(trained)
    for part in ("model", "ema"):
        assert all(same(tensor, before[name]) for name, tensor in weights(run, part).items())
    digest = load(trained / LAST).sha256
    assert facts(run / LAST)["begun_from"] == {"run": trained.name, "sha256": digest, "step": 12}
    assert dict(run_facts(run))["begun from"] == f"the weights of {trained.name}, step 12, sha256 {digest}"
    assert facts(run / LAST)["run"]["network"] == facts(trained / LAST)["run"]["network"]  # --channels 8 is that run's


def test_a_resumed_run_has_the_bits_of_one_that_did_not_stop(trained: Path, tmp_path: Path) -> None:
    once, twice = tmp_path / "once", tmp_path / "twice"
    flags = ("train", "digits", "--from", trained, *TINY[2:], "--decay", "none")
    did(*flags, "--steps", 4, "--out", once)
    did(*flags, "--steps", 2, "--out", twice)
    did(*flags, "--steps", 4, "--out", twice, "--resume")
    one, other = (load(run / LAST) for run in (once, twice))
    assert all(torch.equal(one.parts[part][name], other.parts[part][name]) for part in one.parts
               for name in one.parts[part])  # fmt: skip
    assert one.facts["begun_from"] == other.facts["begun_from"]
    did("train", twice, "--resume", "--steps", 5)
    assert facts(twice / LAST)["begun_from"] == one.facts["begun_from"]


def test_classes_keep_what_was_learned_by_their_names(by_class: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    source = pets(tmp_path / "pets", "birds", "dogs", "cats")
    done = did("train", source, "--condition", "class", "--from", by_class, *TINY[2:], *STILL, "--out", run)
    assert "The classes dogs, cats keep what was learned of them; birds begin anew." in done.err
    before, now = weights(by_class), weights(run)
    (table,) = [name for name in now if now[name].shape != before[name].shape]
    assert same(now[table][:, [2, 1]], before[table])
    assert not any(torch.equal(now[table][:, 0], column) for column in before[table].T)
    assert all(same(now[name], before[name]) for name in now if name != table)


def test_other_classes_begin_anew_even_if_they_are_as_many(by_class: Path, tmp_path: Path) -> None:
    source, run = pets(tmp_path / "pets", "cars", "planes"), tmp_path / "run"
    done = did("train", source, "--condition", "class", "--from", by_class, *TINY[2:], *STILL, "--out", run)
    assert "Begun anew, since they do not fit: cond_embed.0.weight." in done.err
    name = "net.net.cond_embed.0.weight"
    assert weights(run)[name].shape == weights(by_class)[name].shape
    assert not torch.equal(weights(run)[name], weights(by_class)[name])


@pytest.mark.slow
def test_with_and_without_a_condition(by_class: Path, trained: Path, tmp_path: Path) -> None:
    source = pets(tmp_path / "pets", "cats", "dogs")
    done = did("train", source, "--from", by_class, *TINY[2:], *STILL, "--out", tmp_path / "without")
    assert "Not taken over, since this network lacks them: cond_embed.0.bias, cond_embed.0.weight" in done.err
    before = weights(by_class)
    assert all(same(tensor, before[f"net.{name}"]) for name, tensor in weights(tmp_path / "without").items())
    done = did("train", source, "--condition", "class", "--from", tmp_path / "without", *TINY[2:], *STILL,
               "--out", tmp_path / "with")  # fmt: skip
    assert "Begun anew, since they do not fit: cond_embed.0.weight, cond_embed.0.bias" in done.err


@pytest.mark.slow
def test_other_colours_begin_the_outer_layers_anew(by_class: Path, tmp_path: Path) -> None:
    source = pets(tmp_path / "pets", "cats", "dogs", channels=3)
    done = did("train", source, "--from", by_class, *TINY[2:], *STILL, "--out", tmp_path / "run")
    (line,) = [line for line in done.err.splitlines() if line.startswith("Begun anew")]
    assert line.endswith("first.weight, last.weight, last.bias.") or line.count(",") == 3, line


def test_what_is_refused(trained: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "run")
    said = refused("train", "digits", "--from", trained, "--channels", 16, *out)
    assert "has another network: 0% of the weights fit, where half were expected" in said
    assert said.endswith("Leave out the flags of the network, or --from.")
    assert "there is no run in" in refused("train", "digits", "--from", tmp_path / "nowhere", *out)
    assert "--from is given twice" in refused("train", "digits", "--from", trained, "--from", trained, *out)
    assert not (tmp_path / "run" / LAST).exists()
    did("train", "digits", *TINY, "--steps", 1, *out)
    said = refused("train", "digits", "--from", trained, *TINY, "--steps", 2, "--resume", *out)
    assert "began with new weights; leave out --from to resume it" in said


@pytest.mark.slow
def test_another_process_is_told(trained: Path, tmp_path: Path) -> None:
    done = did(
        "train", "digits", "--from", trained, "--prediction", "eps", *TINY[2:], *STILL, "--out", tmp_path / "run"
    )
    assert "warning: the weights were trained for something else (prediction v there, eps here)." in done.err


@pytest.mark.slow
def test_from_python(trained: Path, tmp_path: Path) -> None:
    run = inkwash.train("digits", from_run=trained, out=tmp_path / "run", steps=1, lr=1e-38, warmup=0,
                        precision="float32", device="cpu", progress=False)  # fmt: skip
    assert facts(run.folder / LAST)["begun_from"]["step"] == 12
    with pytest.raises(UsageError, match="there is no run"):
        inkwash.train("digits", from_run=tmp_path / "nowhere", out=tmp_path / "other")
