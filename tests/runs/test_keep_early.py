"""--keep-early: a copy from early in the training, which guides the run."""

from pathlib import Path

import pytest
import torch

from cli_runner import TINY, did, refused
from inkwash.training.checkpoint import LAST, facts, load


def test_the_copy_is_of_the_first_save_after_the_share_and_guides(tmp_path: Path) -> None:
    run, plain = tmp_path / "run", tmp_path / "plain"
    how = ("train", "digits", *TINY, "--steps", 12, "--save-every", 2)
    did(*how, "--keep-early", 0.3, "--out", run)
    did(*how, "--out", plain)
    assert facts(run / "early" / LAST)["step"] == 4
    ours, theirs = load(run / LAST), load(plain / LAST)
    assert all(torch.equal(tensor, theirs.parts["ema"][name]) for name, tensor in ours.parts["ema"].items())
    assert not (plain / "early").exists()
    did("sample", run, "--guide", run / "early", "--scale", 2, "-n", 2, "--steps", 2, "--out", tmp_path / "a.png")
    did("train", run, "--resume", "--steps", 14)
    assert facts(run / "early" / LAST)["step"] == 4  # kept once


@pytest.mark.parametrize("share", ["0", "1", "-0.1", "nan"])
def test_other_shares_are_refused(tmp_path: Path, share: str) -> None:
    said = refused("train", "digits", *TINY, "--steps", 2, "--keep-early", share, "--out", tmp_path / "x")
    assert "--keep-early" in said
    assert not (tmp_path / "x").exists()
