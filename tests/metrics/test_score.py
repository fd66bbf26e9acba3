"""The scores see what is wrong with images, each in its own way, and say nothing against real ones."""

import json
import math
import statistics
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from inkwash.data import Images, load, to_float, to_uint8
from inkwash.errors import UsageError
from inkwash.metrics import score as module
from inkwash.metrics.classifier import Classifier, classifier
from inkwash.metrics.features import Pixels
from inkwash.metrics.neighbours import copied, neighbours
from inkwash.metrics.score import DRAWS, SCORES, Reference, Scores, as_json, from_json, summary

TRAIN, TEST = load("digits", "train"), load("digits", "test")
N = 250
REAL, SHOWN = TEST.pixels[:N], TEST.labels[:N]


@pytest.fixture(scope="module")
def reader() -> Classifier:
    return classifier(TRAIN, TEST)


@pytest.fixture(scope="module")
def ruler(reader: Classifier) -> Reference:
    return Reference(TRAIN, N, reader, reader)


@pytest.fixture(scope="module")
def pixelwise(reader: Classifier) -> Reference:
    return Reference(TRAIN, N, Pixels(), reader)


def away(ruler: Reference, scores: Scores) -> dict[str, float]:
    """How far each score lies from the floor, in standard deviations of the floor over its draws."""
    floor = summary(list(ruler.floor))
    scored = {name: value for name in floor if (value := scores[name]) is not None}  # accuracy needs asking
    return {name: (value - floor[name][0]) / floor[name][1] for name, value in scored.items()}


FAR = 6.0


def seen(ruler: Reference, images: Tensor) -> set[str]:
    """The scores that are worse than the floor, as "recall-" or "frechet+"."""
    apart = away(ruler, ruler.score(images))
    worse = {"frechet": 1, "kernel": 1, "precision": -1, "recall": -1, "density": -1, "coverage": -1, "entropy": -1}
    found = {name for name, sign in worse.items() if sign * apart[name] > FAR}
    return found | ({"spread"} if abs(apart["spread"]) > FAR else set())


# ---- what is wrong with images


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def blurred() -> Tensor:
    kernel = torch.tensor([1.0, 2.0, 1.0])
    kernel = kernel[:, None] * kernel / 16
    return torch.nn.functional.conv2d(REAL.float(), kernel[None, None], padding=1).round().to(torch.uint8)


def noise() -> Tensor:
    return torch.randint(0, 256, REAL.shape, generator=generator(), dtype=torch.uint8)


def a_tenth_noise() -> Tensor:
    return torch.cat([noise()[: N // 10], REAL[N // 10 :]])


def grainy() -> Tensor:
    return to_uint8(to_float(REAL) + 0.3 * torch.randn(REAL.shape, generator=generator()))


def mirrored() -> Tensor:
    return REAL.flip(-1)


def of_one_class() -> Tensor:
    threes = TRAIN.pixels[TRAIN.labels == 3]
    return torch.cat([threes, threes])[:N]


def one_image() -> Tensor:
    return REAL[:1].expand(N, -1, -1, -1)


def a_few_images() -> Tensor:
    return REAL[: N // 10].repeat(10, 1, 1, 1)


def all_threes_as_eights() -> Tensor:
    images, threes = REAL.clone(), (SHOWN == 3).nonzero().flatten()
    images[threes] = TRAIN.pixels[TRAIN.labels == 8][: len(threes)]
    return images


def copies() -> Tensor:
    return TRAIN.pixels[:N]


def test_real_images_score_as_the_floor(ruler: Reference, pixelwise: Reference) -> None:
    """In either direction."""
    for each in (ruler, pixelwise):
        assert max(map(abs, away(each, each.score(REAL)).values())) < FAR


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (blurred, {"frechet", "kernel", "precision", "recall", "coverage", "spread"}),
        (noise, {"frechet", "kernel", "precision", "recall", "density", "coverage", "entropy", "spread"}),
        (a_tenth_noise, {"frechet", "precision", "spread"}),
        (grainy, {"frechet", "kernel"}),
        (mirrored, {"frechet", "kernel", "precision", "recall", "density", "coverage", "entropy"}),
        (of_one_class, {"frechet", "kernel", "recall", "coverage", "entropy", "spread"}),
        (one_image, {"frechet", "kernel", "recall", "coverage", "entropy", "spread"}),
        (a_few_images, {"frechet", "kernel", "recall", "coverage", "entropy"}),
        (all_threes_as_eights, {"frechet", "kernel", "entropy"}),
    ],
)
def test_what_is_wrong_is_seen(wrong: Callable[[], Tensor], expected: set[str], ruler: Reference) -> None:
    """By all scores that should see it."""
    assert expected <= seen(ruler, wrong())


@pytest.mark.parametrize(
    ("wrong", "unseen"),
    [
        (of_one_class, {"precision", "density"}),
        (one_image, {"precision", "density"}),
        (a_few_images, {"precision", "density", "spread"}),
        (all_threes_as_eights, {"precision", "density", "coverage"}),
        (mirrored, {"spread"}),
        (copies, set(SCORES)),
    ],
)
def test_and_by_no_others(wrong: Callable[[], Tensor], unseen: set[str], ruler: Reference) -> None:
    assert not unseen & seen(ruler, wrong())


def test_pixels_see_grain_that_classes_do_not_need(ruler: Reference, pixelwise: Reference) -> None:
    assert {"frechet", "kernel", "precision", "density", "coverage"} <= seen(pixelwise, grainy())
    assert not {"precision", "density"} & seen(ruler, grainy())


def test_copies_are_seen_by_neighbours_alone(ruler: Reference) -> None:
    assert seen(ruler, copies()) == set()
    assert copied(neighbours(copies(), TRAIN.pixels)) == 1
    assert copied(neighbours(REAL, TRAIN.pixels)) < 0.01


def test_the_histogram_shows_a_swapped_class(ruler: Reference) -> None:
    before, after = (ruler.score(images).histogram for images in (REAL, all_threes_as_eights()))
    assert before is not None
    assert after is not None
    assert sum(after) == pytest.approx(1)
    assert after[3] < 0.02
    assert after[8] == pytest.approx(before[3] + before[8], abs=0.02)
    for name in (0, 1, 2, 4, 5, 6, 7, 9):
        assert after[name] == pytest.approx(before[name], abs=0.02)


def test_entropy_is_that_of_the_histogram(ruler: Reference) -> None:
    for images in (REAL, noise(), of_one_class()):
        found = ruler.score(images)
        assert found.histogram is not None
        assert found["entropy"] == pytest.approx(-sum(p * math.log2(p) for p in found.histogram if p > 0), abs=1e-12)
        assert 0 <= found["entropy"] <= math.log2(10)


def test_accuracy_is_of_what_was_asked_for(ruler: Reference) -> None:
    right, wrong = ruler.score(REAL, SHOWN)["accuracy"], ruler.score(REAL, (SHOWN + 1) % 10)["accuracy"]
    swapped = ruler.score(all_threes_as_eights(), SHOWN)["accuracy"]
    assert right is not None
    assert right > 0.95
    assert wrong is not None
    assert wrong < 0.02
    assert swapped == pytest.approx(right - (SHOWN == 3).double().mean().item(), abs=0.02)
    assert ruler.score(REAL)["accuracy"] is None


# ---- the yardstick


def test_the_order_of_the_images_does_not_matter(ruler: Reference, pixelwise: Reference) -> None:
    shuffled = torch.randperm(N, generator=generator())
    for each in (ruler, pixelwise):
        one, other = each.score(REAL, SHOWN), each.score(REAL[shuffled], SHOWN[shuffled])
        for name in SCORES:
            assert one[name] == pytest.approx(other[name], rel=1e-9, abs=1e-11), name
        assert one.histogram == other.histogram


def test_images_without_labels_are_scored_by_their_pixels() -> None:
    ruler = Reference(Images("photos", "train", TRAIN.pixels), N, Pixels(), None)
    found = ruler.score(blurred())
    assert (found["entropy"], found["accuracy"], found.histogram) == (None, None, None)
    assert set(summary(list(ruler.floor))) == {*SCORES} - {"entropy", "accuracy"}
    floor = summary(list(ruler.floor))["frechet"]
    assert found["frechet"] > floor[0] + FAR * floor[1]


class Watched:
    """Images that remember which of them were taken."""

    def __init__(self, source: Images) -> None:
        self.source, self.taken = source, list[list[int]]()

    def __getattr__(self, name: str) -> object:
        return getattr(self.source, name)

    def __len__(self) -> int:
        return len(self.source)

    def take(self, indices: Tensor) -> Tensor:
        self.taken.append(indices.tolist())
        return self.source.take(indices)


@pytest.mark.parametrize("n", [4, 100, 375])
def test_the_floor_and_what_all_is_compared_with_share_no_image(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for most in (10_000, n + 5):
        monkeypatch.setattr(module, "AT_MOST", most)
        watched = Watched(TRAIN)
        ruler = Reference(watched, n, Pixels(), None)
        assert len(ruler.floor) == DRAWS
        ruler.score(REAL[:1].expand(n, -1, -1, -1))
        every = [i for indices in watched.taken for i in indices]
        assert sorted(map(len, watched.taken)) == sorted([n, n, n, ruler.compared])
        assert len(set(every)) == len(every) == 3 * n + ruler.compared
        assert ruler.compared == min(most, 1500 - 3 * n) >= n


def test_the_floor_is_the_score_of_real_images(ruler: Reference) -> None:
    """Draw by draw, and no two draws are alike."""
    order = torch.randperm(1500, generator=generator())  # how the images are dealt out never changes
    for i, scores in enumerate(ruler.floor):
        part = order[i * N : (i + 1) * N]
        assert ruler.score(TRAIN.pixels[part], TRAIN.labels[part]) == scores  # asked for what they are
    assert len({scores["frechet"] for scores in ruler.floor}) == DRAWS
    mean, sd = summary(list(ruler.floor))["recall"]
    drawn = [scores["recall"] for scores in ruler.floor]
    assert (mean, sd) == pytest.approx((statistics.mean(drawn), statistics.stdev(drawn)))


def test_the_floor_is_of_images_that_the_features_have_not_seen(reader: Classifier) -> None:
    """Where the other split has enough of them."""
    n = len(TEST) // DRAWS
    unseen = Reference(TRAIN, n, reader, reader, TEST)
    assert unseen.floor_source is TEST
    order = torch.randperm(len(TEST), generator=generator())
    for i, scores in enumerate(unseen.floor):
        part = order[i * n : (i + 1) * n]
        assert unseen.score(TEST.pixels[part], TEST.labels[part]) == scores
    seen = Reference(TRAIN, n, reader, reader)
    assert unseen.compared == seen.compared
    assert unseen.digest != seen.digest
    few = Reference(TRAIN, n + 1, reader, reader, TEST)
    assert few.floor_source is TRAIN
    assert few.digest == Reference(TRAIN, n + 1, reader, reader).digest


@pytest.mark.parametrize("n", [1, 3, 376, 10_000])
def test_an_n_that_the_set_does_not_allow(n: int) -> None:
    with pytest.raises(UsageError, match=rf"need 4 images or more .* quarter of digits's train split, which is 375 "
                                           rf"\(got `n={n}`\)"):  # fmt: skip
        Reference(TRAIN, n, Pixels(), None)


def test_a_yardstick_is_for_one_n(ruler: Reference) -> None:
    with pytest.raises(ValueError, match="this reference scores 250 images at a time; got 249"):
        ruler.score(REAL[1:])


def test_the_digest_is_of_all_that_scores_depend_on(ruler: Reference, reader: Classifier) -> None:
    dimmer = TRAIN.pixels.clone()
    dimmer[7, 0, 4, 4] ^= 1
    others = [
        Reference(TRAIN, N - 1, reader, reader),
        Reference(TEST, 50, reader, reader),
        Reference(Images("digits", "test", TEST.pixels, TEST.labels, TEST.classes), 51, reader, reader),
        Reference(TRAIN, N, Pixels(), reader),
        Reference(TRAIN, N, Pixels(), None),
        Reference(replace(TRAIN, pixels=dimmer), N, reader, reader),
        Reference(replace(TRAIN, split="test"), N, reader, reader),
        Reference(TRAIN, N, reader, replace(reader, digest="another")),
    ]
    assert len({each.digest for each in (ruler, *others)}) == 9
    assert Reference(replace(TRAIN, name="renamed"), N, reader, reader).digest == ruler.digest


def test_scores_come_back_from_json(ruler: Reference) -> None:
    unlabelled = Scores({**ruler.floor[0].values, "entropy": None, "accuracy": None})
    for scores in (ruler.floor[0], ruler.score(REAL, SHOWN), unlabelled):
        assert from_json(json.loads(json.dumps(as_json(scores)))) == scores
    for lacking in (*SCORES, "histogram"):
        facts = as_json(unlabelled)
        del facts[lacking]
        with pytest.raises(KeyError, match=lacking):
            from_json(facts)


def test_images_that_are_all_alike_have_no_spread_to_compare_with() -> None:
    black = torch.zeros(40, 1, 4, 4, dtype=torch.uint8)
    found = Reference(Images("black", "train", black), 10, Pixels(), None).score(black[:10])
    assert math.isnan(found["spread"])
    assert (found["frechet"], found["precision"], found["recall"], found["coverage"]) == (0, 1, 1, 1)
