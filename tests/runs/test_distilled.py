"""inkwash distill: its stages, its students, stopping and going on, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cli_runner import TINY, did, inkwash, refused
from inkwash import load
from inkwash.runs.distill import Request, distill
from inkwash.settings import Training
from inkwash.training.checkpoint import LAST, facts
from inkwash.training.checkpoint import load as read
from inkwash.view import read_provenance

V = ("--prediction", "v", "--schedule", "continuous-cosine")
FEW = ("--updates", 6, "--batch-size", 16, "--device", "cpu")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teacher") / "run"
    did("train", "digits", *TINY, *V, "--steps", 6, "--condition", "class", "--out", folder)
    return folder


@pytest.fixture(scope="module")
def student(teacher: Path) -> Path:
    out = teacher.parent / "student"
    did("distill", teacher, "--steps", 2, "--teacher-steps", 8, *FEW, "--out", out)
    return out


def test_each_stage_is_a_run_of_its_own(teacher: Path, student: Path) -> None:
    stages = [student / "stages" / "01", student]
    taught = [facts(folder / LAST) for folder in stages]
    assert [about["run"]["distillation"]["steps"] for about in taught] == [4, 2]
    assert [about["begun_from"]["run"] for about in taught] == ["run", "01"]
    first, second = (about["run"]["distillation"] for about in taught)
    assert first["sha256"] == read(teacher / LAST).sha256
    assert (first["scale"], second["scale"]) == (2.0, 1.0)  # the first stage learns the guidance
    assert second["sha256"] == read(stages[0] / LAST).sha256
    assert taught[1]["run"]["conditioning"]["condition_dropout"] == 0
    assert "2 steps" in did("info", student).out


def test_it_draws_with_no_flags_in_its_evaluations(student: Path, tmp_path: Path) -> None:
    done = did("sample", student, "-n", 10, "--out", tmp_path / "a.png")
    assert "10 images, 2 network evaluations each" in done.err
    assert read_provenance(tmp_path / "a.png")["sampling"]["steps"] == 2
    did("replay", tmp_path / "a.png", "--run", student, "--out", tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    did("sample", student, "--label", 3, "-n", 4, "--out", tmp_path / "c.png")
    assert load(student).sample(3, label=3).shape[0] == 3


def test_an_image_does_not_depend_on_the_others(student: Path) -> None:
    run = load(student)
    many, few = run.sample(20, seed=4), run.sample(3, seed=4)
    assert np.array_equal(np.asarray(many)[:3], np.asarray(few))


def test_another_sampler_is_refused(student: Path, tmp_path: Path) -> None:
    out = ("-n", 1, "--out", tmp_path / "x.png")
    for how in (("--steps", 3), ("--solver", "heun"), ("--eta", 0.5), ("--spacing", "karras"), ("--churn", 1)):
        assert "was distilled for 2 steps of ddim" in refused("sample", student, *how, *out)
    assert "was always told its condition" in refused("sample", student, "--scale", 3, *out)
    assert not (tmp_path / "x.png").exists()


def test_a_training_from_a_student_has_its_recipes_sampler(student: Path, tmp_path: Path) -> None:
    how = ("--steps", 2, "--batch-size", 16, "--device", "cpu", "--out", tmp_path / "run")
    did("train", "digits", "--from", student, *how)
    assert load(tmp_path / "run").settings.distillation is None
    assert load(tmp_path / "run").settings.sampler.steps == 50
    did("sample", tmp_path / "run", "--steps", 3, "-n", 1, "--out", tmp_path / "x.png")


def test_it_is_evaluated_and_studied(student: Path) -> None:
    assert "Fréchet" in did("evaluate", student, "-n", 40, "--features", "pixels", "--jobs", 1).out
    assert "was distilled for 2 steps" in refused("study", student, "--steps", "2,3", "-n", 40, "--jobs", 1)


def test_stopped_and_resumed_it_has_the_same_bits(teacher: Path, student: Path, tmp_path: Path) -> None:
    training = Training(
        steps=6, batch_size=16, draw="stratified", lr=5e-4, warmup=20, decay="linear", ema=0.99, beta2=0.999,
        device="cpu", save_every=100,
    )  # fmt: skip
    request, out, counted = Request(teacher, "progressive", 2, 8, training), tmp_path / "student", 0

    def stop() -> bool:
        nonlocal counted
        counted += 1
        return counted == 4  # in the first stage, and again later in the second

    for i in range(4):
        stages = list(_run(distill(request, out, i > 0, stop)))
        if i == 0:
            assert stages == ["4 steps"]
        if (out / LAST).exists() and facts(out / LAST)["step"] == 6:
            break
        counted = 0 if i == 0 else 10
    ours, whole = read(out / LAST), read(student / LAST)
    for name, tensor in whole.parts["ema"].items():
        assert torch.equal(ours.parts["ema"][name], tensor), name


def _run(stages):  # type: ignore[no-untyped-def]
    for name, job in stages:
        for _ in job.progress if job else ():
            pass
        yield name


def test_ctrl_c_and_resume_by_the_command(teacher: Path, student: Path) -> None:
    assert "already holds a run" in refused(
        "distill", teacher, "--steps", 2, "--teacher-steps", 8, *FEW, "--out", student
    )
    done = did("distill", teacher, "--steps", 2, "--teacher-steps", 8, *FEW, "--out", student, "--resume")
    assert done.err.count("was trained before") == 2


def test_a_teacher_that_changed_is_refused(teacher: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(teacher, tmp_path / "run")
    out = tmp_path / "student"
    did("distill", tmp_path / "run", "--steps", 2, "--teacher-steps", 4, *FEW, "--out", out)
    did("train", tmp_path / "run", "--resume", "--steps", 8)
    how = ("--steps", 2, "--teacher-steps", 4, *FEW, "--out", out, "--resume")
    assert "was begun with other settings (sha256" in refused("distill", tmp_path / "run", *how)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--steps", 4, "--teacher-steps", 24), "halved again and again is never 4"),
        (("--steps", 0), "--steps"),
        (("--minutes", 0), "--minutes"),
        (("--updates", 0), "--updates"),
        (("--method", "meanflow"), "there is no method of distillation 'meanflow'"),
        (("--resume",), "there is nothing to resume"),
    ],
)
def test_bad_input(teacher: Path, tmp_path: Path, args: tuple[object, ...], said: str) -> None:
    done = inkwash("distill", teacher, *args, "--out", tmp_path / "x")
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "x").exists()


def test_runs_that_cannot_be_distilled(teacher: Path, student: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "x")
    did("train", "digits", *TINY, "--prediction", "eps", "--steps", 1, "--out", tmp_path / "eps")
    assert "leaves the image open at the noisiest level" in refused("distill", tmp_path / "eps", *out)
    assert "was distilled itself" in refused("distill", student, *out)
    assert "is the run that is distilled" in refused("distill", teacher, "--out", teacher)
    assert "there is no checkpoint at" in refused("distill", tmp_path, *out)
    assert not (tmp_path / "x").exists()
