"""What a user asks for is what is drawn: labels, scales, weaker runs and classifiers; and image i is still alone."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cli_runner import TINY, did, inkwash, refused
from inkwash.core import Level, Seeded, prior
from inkwash.data import to_uint8
from inkwash.errors import InkwashError, UsageError
from inkwash.networks import UNet
from inkwash.runs import build
from inkwash.runs.conditions.by_class import ByClass
from inkwash.runs.conditions.by_text import ByText
from inkwash.runs.draw import CPU_BATCH, channels_last, draw
from inkwash.runs.guidance import guided, scale
from inkwash.runs.model import Model, TrainedModel, open_model
from inkwash.sample import last, sample
from inkwash.settings import Conditioning, Data, Process, RunSettings, Sampling
from inkwash.study.exact import Exact
from inkwash.training.checkpoint import LAST, facts
from inkwash.view import read_provenance

CLASSES = ("ink", "wash", "brush")
STEPS = 4
BY_CLASS, ALWAYS, PLAIN = Conditioning("class"), Conditioning("class", condition_dropout=0.0), Conditioning()


@cache
def model(conditioning: Conditioning = BY_CLASS, seed: int = 0) -> TrainedModel:
    """Untrained, with random numbers where layers begin at zero, so that the output depends on everything."""
    process = Process(schedule="continuous-cosine", prediction="v")
    run = RunSettings("mine", Data("digits"), UNet(channels=8, mults=(1, 2), blocks=1), conditioning, process)
    told = ByClass(CLASSES) if conditioning.condition == "class" else None
    denoiser = build.denoiser(run, (1, 8, 8), torch.float32, told).requires_grad_(False).eval()
    generator = torch.Generator().manual_seed(seed)
    for parameter in denoiser.parameters():
        if not parameter.any():
            parameter.normal_(0, 0.15, generator=generator)
    about = {"classes": list(CLASSES), "data_dir": None}
    schedule = build.schedule(run.process)
    return TrainedModel(
        name="mine", shape=(1, 8, 8), denoiser=denoiser, schedule=schedule, device=torch.device("cpu"), digest="",
        condition=told, folder=Path("mine"), which="last", run=run, facts=about,
    )  # fmt: skip


ASK = Sampling(n=5, steps=STEPS, limit="none")


def drawn(sampling: Sampling, first: int = 0, of: Model | None = None, **how: Any) -> Any:
    return draw(of or model(), sampling, first=first, **how).images


# ---- one image


@pytest.mark.parametrize(
    "how", [{}, {"scale": 1.0}, {"scale": 0.0}, {"interval": (0.3, 3.0)}, {"rescale": 0.7}], ids=str
)
@pytest.mark.parametrize("solver", ["ddim", "ddpm", "heun", "dpmpp2m"])
def test_an_image_is_alone(solver: str, how: dict[str, Any]) -> None:
    """Whatever n, where the drawing begins, the batch size, and what its neighbours are asked for."""
    sampling = replace(ASK, n=21, solver=solver, **how)
    each = {label: drawn(replace(sampling, label=label)) for label in CLASSES}
    assert np.array_equal(drawn(replace(sampling, label="2", n=1), first=3), each["brush"][3:4])
    assert np.array_equal(drawn(replace(sampling, label="2", n=3), first=15, batch_size=2), each["brush"][15:18])
    in_turn = drawn(sampling)
    assert all(np.array_equal(in_turn[i], each[CLASSES[i % 3]][i]) for i in range(21))
    assert np.array_equal(drawn(replace(sampling, label="all")), in_turn)
    assert np.array_equal(drawn(replace(sampling, n=2), first=7), in_turn[7:9])
    different = [(each[a] != each[b]).any((1, 2, 3)).all() for a, b in (("ink", "wash"), ("wash", "brush"))]
    assert different == ([False, False] if how == {"scale": 0.0} else [True, True])


def test_what_is_asked_for_image_by_image() -> None:
    """A caller's own list of labels has the images that these labels have alone."""
    labels = torch.randint(0, 3, (40,), generator=torch.Generator().manual_seed(0))

    def asked(indices: Sequence[int]) -> Tensor:
        return labels[list(indices)]

    images = drawn(replace(ASK, n=20), asked=asked)
    each = [drawn(replace(ASK, n=20, label=label)) for label in CLASSES]
    assert all(np.array_equal(images[i], each[labels[i]][i]) for i in range(20))
    assert np.array_equal(drawn(replace(ASK, n=2), first=9, asked=asked), images[9:11])


# ---- by hand


def by_hand(denoise: Any, sampling: Sampling) -> Any:
    """The sampler of `sampling` round a denoiser of one's own."""
    plan, noise = build.plan(sampling, model().schedule), Seeded(sampling.seed, range(CPU_BATCH))
    x = prior(noise, plan[0], torch.empty(CPU_BATCH, 1, 8, 8))
    x = last(sample(build.limit(sampling, denoise), x, plan, build.solver(sampling), noise))
    return channels_last(to_uint8(x[: sampling.n]))


@pytest.mark.parametrize("limit", ["none", "clip"])
@pytest.mark.parametrize("label", [0, 2])
def test_scales_1_and_0_are_the_model_under_its_condition_and_under_none(label: int, limit: str) -> None:
    labels, denoiser = torch.full((CPU_BATCH,), label), model().denoiser
    sampling = replace(ASK, label=str(label), limit=limit)
    assert np.array_equal(drawn(replace(sampling, scale=1.0)), by_hand(denoiser.given(labels), sampling))
    assert np.array_equal(drawn(replace(sampling, scale=0.0)), by_hand(denoiser.given(None), sampling))


@pytest.mark.parametrize("strength", [2.0, 4.5])
def test_guidance_by_hand(strength: float) -> None:
    """x̂₀ = free + s·(told − free), by two calls; the limit holds what was guided. Within the last bit of a pixel."""
    labels, denoiser = torch.full((CPU_BATCH,), 1), model().denoiser

    def denoise(x: Tensor, level: Level) -> Tensor:
        free = denoiser(x, level)
        return free + strength * (denoiser(x, level, labels) - free)

    sampling = replace(ASK, label="wash", scale=strength, limit="clip")
    apart = drawn(sampling).astype(int) - by_hand(denoise, sampling)
    assert abs(apart).max() <= 1
    assert (apart != 0).mean() < 0.02


def test_a_run_has_a_scale_of_its_own() -> None:
    own = model(Conditioning("class", scale=3.5))
    assert np.array_equal(drawn(replace(ASK, label="1"), of=own), drawn(replace(ASK, label="1", scale=3.5), of=own))
    assert scale(own, ASK) == 3.5
    assert scale(own, replace(ASK, scale=1.5)) == 1.5
    assert scale(model(ALWAYS), ASK) == 1
    assert scale(model(PLAIN), ASK) == 1


@pytest.mark.parametrize(
    ("how", "times"),
    [({}, 2), ({"scale": 3.0}, 2), ({"scale": 1.0}, 1), ({"scale": 0.0}, 1), ({"rescale": 0.5}, 2),
     ({"interval": (0.0, 1e-9)}, 1), ({"interval": (0.0, float("inf"))}, 2)],
)  # fmt: skip
def test_what_an_image_costs(how: dict[str, Any], times: int) -> None:
    """Twice the evaluations where guidance acts, else once; Heun takes two a step but the last."""
    for n in (1, 5, 20):
        assert draw(model(), replace(ASK, n=n, **how)).evaluations == times * STEPS
    assert draw(model(), replace(ASK, solver="heun", **how)).evaluations == times * (2 * STEPS - 1)


def test_a_run_told_nothing_costs_what_it_did() -> None:
    assert draw(model(PLAIN), ASK).evaluations == STEPS


def test_part_of_the_levels_costs_part() -> None:
    plan = build.plan(ASK, model().schedule)
    ratios = [level.sigma / level.alpha if level.alpha else float("inf") for level in plan[:-1]]
    middle = (ratios[2], ratios[0])  # (low, high]: the first two levels
    assert draw(model(), replace(ASK, interval=middle)).evaluations == STEPS + 2


# ---- what cannot be asked


@pytest.mark.parametrize(
    ("conditioning", "how", "words"),
    [
        (PLAIN, {"label": "ink"}, "so `label` has no effect; train one with `condition='class'`"),
        (PLAIN, {"text": "ink"}, "so `text` has no effect; train one with `condition='text'`"),
        (PLAIN, {"scale": 2.0}, "trained without a condition, so it has no guidance scale; leave out `scale`"),
        (PLAIN, {"scale": 1.0}, "trained without a condition, so it has no guidance scale"),
        (BY_CLASS, {"text": "ink"}, "knows classes, not text; ask with `label` for one of ink, wash, br"),
        (BY_CLASS, {"label": "washh"}, "there is no class 'washh'. Did you mean wash?"),
        (BY_CLASS, {"label": "3"}, "there is no class '3'. The classes are ink, wash, brush, or all."),
        (BY_CLASS, {"interval": (2.0, 1.0)}, "guidance takes a finite scale, an interval"),
        (ALWAYS, {"scale": 2.0}, "always told its condition, so guidance has not"),
        (ALWAYS, {"scale": 0.0}, "always told its condition, so guidance has not"),
    ],
)  # fmt: skip
def test_asked_in_vain(conditioning: Conditioning, how: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as told:
        drawn(replace(ASK, **how), of=model(conditioning))
    assert words in str(told.value)


@pytest.mark.parametrize("how", [{"interval": (0.5, 2.0)}, {"rescale": 0.7}], ids=str)
def test_the_rest_of_guidance_is_not_asked_in_vain(how: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        drawn(replace(ASK, **how), of=model(PLAIN))


def test_a_run_that_was_always_told_draws_without_guidance() -> None:
    always = model(ALWAYS)
    for strength in (None, 1.0):
        sampling = replace(ASK, label="brush", scale=strength)
        assert draw(always, sampling).evaluations == STEPS
        expected = by_hand(always.denoiser.given(torch.full((CPU_BATCH,), 2)), sampling)
        assert np.array_equal(drawn(sampling, of=always), expected)


# ---- by a weaker run


def images(out: Path) -> Any:
    with np.load(out, allow_pickle=False) as archive:
        return archive["images"]


@pytest.mark.parametrize("name", ["by_class", "trained", "by_text"])
def test_a_run_guided_away_from_itself_is_not_guided(name: str, request: pytest.FixtureRequest) -> None:
    run: Path = request.getfixturevalue(name)
    of, how = open_model(run), {"label": "7"} if name == "by_class" else {}
    how = {"text": "a red fox"} if name == "by_text" else how
    for strength in (None, 3.0):
        apart = drawn(replace(ASK, guide=str(run), scale=strength, **how), of=of)
        without = {} if name == "trained" else {"scale": 1.0}
        assert np.array_equal(apart, drawn(replace(ASK, **without, **how), of=of))


def test_a_weaker_run_guides(by_class: Path, never_dropped: Path) -> None:
    """base + s·(model − base) with the weaker run as the base, under the same labels."""
    of, weaker, strength = open_model(by_class), open_model(never_dropped), 2.0
    labels = torch.full((CPU_BATCH,), 4)

    def denoise(x: Tensor, level: Level) -> Tensor:
        free = weaker.denoiser(x, level, labels)
        return free + strength * (of.denoiser(x, level, labels) - free)

    sampling = replace(ASK, label="4", guide=str(never_dropped), scale=strength)
    assert np.array_equal(drawn(sampling, of=of), by_hand(denoise, sampling))
    assert np.array_equal(drawn(replace(sampling, scale=1.0), of=of), drawn(replace(ASK, label="4", scale=1.0), of=of))
    assert np.array_equal(
        drawn(replace(sampling, scale=0.0), of=of), drawn(replace(ASK, label="4", scale=1.0), of=weaker)
    )


def test_what_a_weaker_run_costs_is_counted(by_class: Path, never_dropped: Path) -> None:
    of = open_model(by_class)
    for strength, times in ((2.0, 2), (1.0, 1), (0.0, 1)):
        sampling = replace(ASK, label="4", guide=str(never_dropped), scale=strength)
        assert draw(of, sampling).evaluations == times * STEPS


def test_only_a_run_of_the_same_kind_guides(by_class: Path, by_text: Path, trained: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    did("train", "digits", *TINY, "--schedule", "flow", "--steps", 1, "--out", other)
    for run, weaker in ((by_class, trained), (trained, by_class), (trained, other), (by_text, trained)):
        with pytest.raises(UsageError, match=f"^{weaker} cannot guide {run}: its images, schedule, classes or"):
            guided(open_model(run), replace(ASK, guide=str(weaker)))
    with pytest.raises(UsageError, match="there is no checkpoint at nowhere"):
        guided(open_model(trained), replace(ASK, guide="nowhere"))


# ---- by a classifier


@pytest.fixture(scope="module")
def quick_classifier(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A classifier that is learned in no time, in a cache of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("inkwash.metrics.classifier.STEPS", 150)
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.usefixtures("quick_classifier")
def test_a_classifier_steers_a_run_that_knows_no_classes(trained: Path) -> None:
    """Towards the class asked for: log p(label) of what is drawn rises with the scale."""
    from inkwash.metrics.classifier import classifier
    from inkwash.runs.draw import channels_first

    of = open_model(trained)
    judge = classifier(*(build.images(of.run.data, split, None) for split in ("train", "test")))
    steered = replace(ASK, n=16, steps=8, guidance="classifier", limit="clip")
    for label in (3, 8):
        means = []
        for strength in (0.0, 1.0, 4.0):
            seen = channels_first(drawn(replace(steered, label=str(label), scale=strength), of=of))
            p = judge.log_p(seen.float() / 127.5 - 1, torch.full((16,), label))
            means.append(p.mean().item())
        assert means[0] < means[1] < means[2]
    assert np.array_equal(
        drawn(replace(steered, label="3", scale=0.0), of=of), drawn(replace(ASK, n=16, steps=8, limit="clip"), of=of)
    )


@pytest.mark.usefixtures("quick_classifier")
def test_and_an_image_is_alone_there_too(trained: Path, by_class: Path) -> None:
    for run in (trained, by_class):
        of, steered = open_model(run), replace(ASK, n=18, steps=2, guidance="classifier")
        one, every = drawn(replace(steered, label="2"), of=of), drawn(replace(steered, label="all"), of=of)
        assert np.array_equal(every[2], one[2])
        assert np.array_equal(every[12], one[12])
        assert np.array_equal(drawn(replace(steered, n=2, label="2"), first=15, of=of), one[15:17])
        assert np.array_equal(drawn(replace(steered, label="2", scale=1.0), of=of), one)
        assert draw(of, replace(steered, label="2")).evaluations == 2


@pytest.mark.usefixtures("quick_classifier")
def test_a_classifier_needs_a_class(trained: Path) -> None:
    for how, words in (
        ((), "steers to a class; ask for it with --label"),
        (("--text", "three"), "steers to a class; ask for it with --label, and leave out --text."),
        (("--label", 3, "--interval", "1,2"), "takes neither --guide nor --interval nor --rescale; leave these out."),
        (("--label", "ten"), "there is no class 'ten'. The classes are 0, 1"),
    ):
        assert words in refused("sample", trained, "--guidance", "classifier", *how)


def test_nor_can_it_steer_a_run_that_was_always_told(never_dropped: Path) -> None:
    said = refused("sample", never_dropped, "--guidance", "classifier", "--label", 3)
    assert "cannot draw without its condition; leave out --guidance classifier." in said


# ---- the commands


def test_a_labelled_sample_and_its_replay(by_class: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.png"
    done = did("sample", by_class, "--label", 3, "--scale", 2.5, "-n", 3, "--steps", 3, "--out", out)
    assert "3 images, 6 network evaluations each" in done.err
    about = read_provenance(out)["sampling"]
    assert (about["label"], about["scale"], about["text"], about["guidance"]) == ("3", 2.5, [], "free")
    assert "the same pixels as" in did("replay", out, "--run", by_class).out


@pytest.mark.parametrize(
    "how",
    [
        (),
        ("--label", "all", "--scale", 4),
        ("--label", 0, "--interval", "0.3,5", "--rescale", 0.7),
        ("--scale", 0, "--solver", "ddpm"),
        ("--label", 5, "--guide", "WEAKER", "--scale", 1.5),
    ],
)
def test_replay(how: tuple[object, ...], by_class: Path, never_dropped: Path, tmp_path: Path) -> None:
    flags = [never_dropped if flag == "WEAKER" else flag for flag in how]
    for name in ("a.npz", "a.gif"):
        did("sample", by_class, "-n", 2, "--steps", 3, *flags, "--out", tmp_path / name)
        did("replay", tmp_path / name, "--run", by_class, "--guide", never_dropped)


def test_the_commands_images_are_the_functions(by_class: Path, tmp_path: Path) -> None:
    how = ("-n", 4, "--steps", 3, "--label", 7, "--scale", 3, "--interval", "0.2,inf")
    did("sample", by_class, *how, "--out", tmp_path / "a.npz")
    sampling = Sampling(n=4, steps=3, label="7", scale=3.0, interval=(0.2, float("inf")))
    assert np.array_equal(images(tmp_path / "a.npz"), drawn(sampling, of=open_model(by_class)))
    others = drawn(replace(sampling, label="1"), of=open_model(by_class))
    assert not np.array_equal(images(tmp_path / "a.npz"), others)  # 40 steps are enough to tell them apart


def test_a_run_moved_or_copied_draws_the_same(by_class: Path, tmp_path: Path) -> None:
    shutil.copytree(by_class, tmp_path / "copy")
    for run, name in ((by_class, "a.npz"), (tmp_path / "copy", "b.npz")):
        did("sample", run, "--label", 2, "-n", 2, "--steps", 2, "--out", tmp_path / name)
    assert np.array_equal(images(tmp_path / "a.npz"), images(tmp_path / "b.npz"))


@pytest.mark.parametrize(
    ("name", "flags", "words"),
    [
        ("by_class", ("--label", "ten"), "there is no class 'ten'. The classes are 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, or"),
        ("by_class", ("--label", 10), "there is no class '10'. Did you mean 1?"),
        ("by_class", ("--text", "a four"), "this run knows classes, not text; ask with --label for one of 0, 1, "),
        ("by_class", ("--scale", -1), "--scale should be greater than or equal to 0 (got -1.0)."),
        ("by_class", ("--scale", "nan"), "--scale should be a finite number (got nan)."),
        ("by_class", ("--interval", "2,1"), "guidance takes a finite scale, an interval of σ/α from 0 or more to more"),
        ("by_class", ("--interval", "-1,1"), "--interval should be greater than or equal to 0 (got (-1.0, 1.0))."),
        ("by_class", ("--rescale", 2), "--rescale should be less than or equal to 1 (got 2.0)."),
        ("by_class", ("--guide", "nowhere"), "there is no checkpoint at nowhere/last.safetensors"),
        ("trained", ("--label", 3), "so --label has no effect; train one with --condition class; or steer it by"),
        ("trained", ("--text", "a fox"), "so --text has no effect; train one with --condition text."),
        ("trained", ("--scale", 2), "was trained without a condition, so it has no guidance scale; leave out --scale"),
        ("never_dropped", ("--scale", 2), "was always told its condition, so guidance has nothing to compare with"),
        ("by_text", ("--label", 3), 'this run knows text, not classes; ask with --text "what to draw".'),
        ("by_text", ("--text", ""), "Say in words what the image shows"),
        ("by_text", ("--text", "?!"), "There is no word in '?!'. Say in words what the image shows."),
    ],
)  # fmt: skip
def test_one_sentence_and_nothing_written(
    name: str, flags: tuple[object, ...], words: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    run: Path = request.getfixturevalue(name)
    assert words in refused("sample", run, "-n", 1, "--steps", 1, *flags, "--out", tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_an_interval_that_is_no_pair_of_numbers(by_class: Path) -> None:
    for wrong in ("a,b", "1,", ""):
        done = inkwash("sample", by_class, "--interval", wrong)
        assert done.code == 2
        assert "is not one of its values" in " ".join(done.err.split())
        assert "Traceback" not in done.err


def test_training_refuses_conditions_that_cannot_be_had(captioned: Path, tmp_path: Path) -> None:
    for recipe, flags, words in (
        (
            "digits",
            ("--condition", "text"),
            "digits has no captions, which say what to draw; put a captions.jsonl with lines such as",
        ),
        (captioned, ("--condition", "class"), "has no classes, so none can be asked for; leave out --condition class"),
        ("digits", ("--condition-dropout", 1.5), "--condition-dropout should be less than or equal to 1 (got 1.5)."),
        ("sysu-mnist", ("--source", "digits", "--condition", "class"), "28×28"),
        ("digits", ("--condition", "text", "--encoder", "nowhere"), "nowhere"),
    ):
        assert words in refused("train", recipe, *flags, "--steps", 1, "--device", "cpu", "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_goes_on_with_its_condition(by_class: Path, tmp_path: Path) -> None:
    shutil.copytree(by_class, tmp_path / "run")
    for flags in (("--condition", "none"), ("--condition-dropout", 0.2)):
        said = refused("train", "digits", *flags, "--out", tmp_path / "run", "--resume")
        assert f"{flags[0].removeprefix('--').replace('-', '_')}: " in said
    did("train", "digits", "--steps", 42, "--out", tmp_path / "run", "--resume")
    about = facts(tmp_path / "run" / LAST)
    assert (about["step"], about["run"]["conditioning"]["condition"]) == (42, "class")


@pytest.mark.parametrize("name", ["class", "text"])
def test_bfloat16(name: str, captioned: Path, tmp_path: Path) -> None:
    """Conditions pass through autocast, when training and when drawing."""
    source, ask = ("digits", ("--label", 3)) if name == "class" else (captioned, ("--text", "a red fox"))
    flags = ("--condition", name, "--precision", "bfloat16", "--attention", 1, "--steps", 2)
    did("train", source, *TINY, *flags, "--out", tmp_path / "run")
    did("sample", tmp_path / "run", *ask, "-n", 1, "--steps", 2, "--out", tmp_path / "a.npz")
    did("replay", tmp_path / "a.npz")


# ---- words


def test_a_run_on_captions_is_asked_in_words(by_text: Path, tmp_path: Path) -> None:
    out, how = tmp_path / "a.png", ("-n", 2, "--steps", 3)
    done = did("sample", by_text, *how, "--text", "a red fox", "--out", out)
    assert "2 images, 6 network evaluations each" in done.err
    assert read_provenance(out)["sampling"]["text"] == ["a red fox"]
    assert "the same pixels as" in did("replay", out, "--run", by_text).out


def test_words_change_what_is_drawn_and_none_ask_for_nothing(by_text: Path) -> None:
    of, sampling = open_model(by_text), replace(ASK, limit="clip")
    asked = {text: drawn(replace(sampling, text=text, scale=6.0), of=of) for text in ("a red fox", "fox number 3")}
    assert not np.array_equal(*asked.values())
    assert np.array_equal(drawn(replace(sampling, text="A  Red Fox!", scale=6.0), of=of), asked["a red fox"])
    free = drawn(sampling, of=of)
    assert draw(of, sampling).evaluations == STEPS
    assert np.array_equal(drawn(replace(sampling, text="a red fox", scale=0.0), of=of), free)
    third = drawn(replace(sampling, n=1, text="a red fox", scale=6.0), first=2, of=of)
    assert np.array_equal(third[0], asked["a red fox"][2])


def test_other_captions_are_other_images(captioned: Path, tmp_path: Path) -> None:
    """A run on words goes on with the words it was begun with."""
    photos = tmp_path / "photos"
    shutil.copytree(captioned, photos)
    small = (*TINY, "--mults", 1, "--attention", 0, "--patch", 1, "--condition", "text")
    did("train", photos, *small, "--steps", 1, "--out", tmp_path / "run")
    did("train", photos, *small, "--steps", 2, "--out", tmp_path / "run", "--resume")
    file = photos / "captions.jsonl"
    file.write_text(file.read_text().replace("fox number 3", "a boat"))
    said = refused("train", photos, *small, "--steps", 3, "--out", tmp_path / "run", "--resume")
    assert "was trained on other images than" in said


def test_a_guide_that_cannot_act_is_refused(by_class: Path, never_dropped: Path) -> None:
    """A run whose own scale is 1, and no other scale."""
    of = open_model(by_class)
    own = replace(of, run=replace(of.run, conditioning=replace(of.run.conditioning, scale=1.0)))
    with pytest.raises(UsageError, match="nothing guides at scale 1"):
        guided(own, replace(ASK, label="4", guide=str(never_dropped)))


def test_a_run_on_text_is_not_guided_to_nothing(by_text: Path) -> None:
    for how in ({"scale": 3.0}, {"interval": (0.5, 2.0)}, {"rescale": 0.5}):
        with pytest.raises(UsageError, match="nothing is; add `text='a red fox'`"):
            guided(open_model(by_text), replace(ASK, **how))


def test_the_interval_of_the_run_is_taken_unless_told(by_class: Path, tmp_path: Path) -> None:
    of = open_model(by_class)
    own = replace(of, run=replace(of.run, conditioning=replace(of.run.conditioning, interval=(0.5, 2.0))))
    asked = replace(ASK, label="4", scale=3.0)
    assert np.array_equal(drawn(asked, of=own), drawn(replace(asked, interval=(0.5, 2.0)), of=of))
    everywhere = drawn(replace(asked, interval=(0.0, float("inf"))), of=own)
    assert np.array_equal(everywhere, drawn(asked, of=of))
    assert not np.array_equal(everywhere, drawn(asked, of=own))


def test_a_model_that_is_no_run(by_class: Path) -> None:
    """It is drawn from, and what only runs have is refused by its name."""
    exact = Exact().model()
    assert exact.run is None
    assert drawn(Sampling(n=2, steps=2), of=exact).shape == (2, 8, 8, 1)
    for asked, words in (
        ({"label": "1", "guidance": "classifier"}, "gaussian-v is not a trained run, so no classifier"),
        ({"label": "1"}, "gaussian-v was trained without a condition, so `label`"),
        ({"scale": 3.0}, "gaussian-v was trained without a condition, so it has no guidance scale"),
        ({"guide": str(by_class), "scale": 2.0}, "cannot guide gaussian-v: "),
    ):
        with pytest.raises(UsageError, match=words):
            guided(exact, Sampling(n=2, steps=2, **asked))


def test_another_encoder_of_the_same_name_is_refused(by_text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ByText, "digest", "another")
    with pytest.raises(InkwashError, match="was trained on texts read by another joint than is there now"):
        open_model(by_text)
