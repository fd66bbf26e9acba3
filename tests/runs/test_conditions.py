"""What images show and what is asked for, as rows for an embedder."""

import re
import unicodedata
from collections import Counter
from itertools import pairwise

import pytest
import torch
import tyro

from inkwash import recipes
from inkwash.data import Images, digits
from inkwash.errors import UsageError
from inkwash.runs.conditions import condition
from inkwash.runs.conditions.by_class import ByClass, class_index, requested_class
from inkwash.runs.conditions.by_text import ByText
from inkwash.settings import Conditioning, RunSettings, Sampling
from inkwash.text import Joint, find

CLASSES = ("T-shirt", "Trouser", "Sneaker", "Ankle boot")


def pictures(captions: tuple[tuple[str, ...], ...] = (), n: int = 4, labelled: bool = False) -> Images:
    labels, classes = (torch.arange(n) % 4, CLASSES) if labelled else (None, ())
    return Images("pictures", "train", torch.zeros(n, 1, 2, 2, dtype=torch.uint8), labels, classes, captions=captions)


# ---- classes by name and number


def test_every_class_has_a_name_in_any_case_and_a_number() -> None:
    for i, name in enumerate(CLASSES):
        for label in (name, name.lower(), name.upper(), name.swapcase(), str(i), f"0{i}"):
            assert class_index(label, CLASSES) == i


def test_a_name_comes_before_a_number() -> None:
    """Where classes are called by numbers that are not their places, a number that is no name is refused."""
    names = ("2", "10", "0")
    assert [class_index(name, names) for name in names] == [0, 1, 2]
    assert [class_index(f"0{name}", names) for name in names] == [0, 1, 2]
    assert [class_index(f"number:{i}", names) for i in range(3)] == [0, 1, 2]
    for label in ("1", "01"):
        with pytest.raises(UsageError, match=rf"no class '{label}', and as names here hold numbers.*are 2, 10, 0, or"):
            class_index(label, names)


NUMBERED = tuple(f"{i:02}" for i in range(1, 11))


@pytest.mark.parametrize(("label", "place"), [("1", 0), ("01", 0), ("001", 0), ("7", 6), ("10", 9), ("number:1", 1)])
def test_classes_called_by_numbers_from_one(label: str, place: int) -> None:
    assert class_index(label, NUMBERED) == place


@pytest.mark.parametrize(
    "names",
    [("01", "02", "03"), ("001.Albatross", "002.Auklet", "003.Bunting"), ("class1", "class10", "class2"),
     ("1", "01", "2"), ("iPhone 12", "Pixel", "Nokia"), ("3 (three)", "four", "five")],
)  # fmt: skip
def test_a_number_that_could_be_a_name_or_a_place_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match=r"there is no class '9999'\."):
        class_index("9999", names)
    for label in ("0", "000"):
        with pytest.raises(
            UsageError, match=re.escape(f"number:{label}, counted from 0. The classes are {names[0]}, ")
        ):
            class_index(label, names)
    for i, name in enumerate(names):
        assert class_index(name, names) == class_index(f"class:{name}", names) == class_index(f"number:{i}", names) == i


def test_two_classes_of_one_number() -> None:
    assert class_index("1", ("1", "01")) == 0
    with pytest.raises(UsageError, match="there is no class '001', and as names here hold numbers"):
        class_index("001", ("1", "01"))


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_are_compared_in_any_unicode_form(form: str) -> None:
    names = tuple(unicodedata.normalize("NFD", name) for name in ("café", "thé", "가"))
    for i, name in enumerate(names):
        assert class_index(unicodedata.normalize(form, name), names) == i
        assert class_index(unicodedata.normalize(form, name.upper()), names) == i


SPECIAL = ("None", "a b", "all", "class:x", "number:0")


@pytest.mark.parametrize(
    ("label", "place"),
    [("None", 0), ("none", 0), ("class:None", 0), ("class:all", 2), ("ALL", 2), ("class:x", 3), ("class:class:x", 3),
     ("number:0", 4), ("number:2", 2), ("class:a b", 1)],
)  # fmt: skip
def test_classes_of_names_that_mean_something(label: str, place: int) -> None:
    assert requested_class(label, SPECIAL) == place
    assert ByClass(SPECIAL).requested(Sampling(label=label))(range(3)).tolist() == [place] * 3


def test_what_asks_for_each_class_in_turn() -> None:
    assert requested_class("all", SPECIAL) is None
    for label in (None, "all", "None"):
        assert requested_class(label, CLASSES) is None
        assert ByClass(CLASSES).requested(Sampling(label=label))(range(5)).tolist() == [0, 1, 2, 3, 0]


def test_the_command_line_keeps_the_word_none() -> None:
    given = tyro.cli(Sampling, args=["--label", "None", "--text", "None"])
    assert (given.label, given.text) == ("None", ("None",))
    assert tyro.cli(Sampling, args=[]) == Sampling()


def test_classes_that_were_not_trained_on_are_not_drawn() -> None:
    kind = ByClass(("a", "b", "c"), (3, 0, 2))
    assert kind.requested(Sampling())(range(5)).tolist() == [0, 2, 0, 2, 0]
    assert kind.requested(Sampling(label="c"))(range(2)).tolist() == [2, 2]
    with pytest.raises(UsageError, match=r"no image of class b was trained on, .* ask for one of a, c"):
        kind.requested(Sampling(label="b"))
    assert kind.embedder().vector == ByClass(("a", "b", "c")).embedder().vector


def test_two_classes_that_differ_by_case() -> None:
    assert [class_index(name, ("A", "a")) for name in ("A", "a")] == [0, 1]


@pytest.mark.parametrize(
    ("label", "near"),
    [("sneeker", "Sneaker"), ("TROUSERS", "Trouser"), ("ankle-boot", "Ankle boot"), ("4", None), ("-1", None),
     ("1.0", None), ("²", None), ("", None), ("zebra", None)],
)  # fmt: skip
def test_no_such_class(label: str, near: str | None) -> None:
    """The nearest name, where one is near, and all that there are."""
    with pytest.raises(UsageError) as told:
        class_index(label, CLASSES)
    said = str(told.value)
    assert said.startswith(f"there is no class {label!r}.")
    assert said.endswith("The classes are T-shirt, Trouser, Sneaker, Ankle boot, or all.")
    assert (f"Did you mean {near}?" in said) if near else ("Did you mean" not in said)


def test_what_is_wanted_is_a_function_of_the_image_alone() -> None:
    """Any division of a request into batches has the rows of the whole."""
    for sampling in (Sampling(), Sampling(label="all"), Sampling(label="sneaker"), Sampling(label="2")):
        wanted = ByClass(CLASSES).requested(sampling)
        whole = wanted(range(20))
        assert whole.dtype == torch.int64
        for ends in ((0, 3, 20), (0, 16, 20), tuple(range(21))):
            parts = [wanted(range(a, b)) for a, b in pairwise(ends)]
            assert torch.equal(torch.cat(parts), whole)
        backwards = wanted(list(reversed(range(20))))
        assert torch.equal(backwards.flip(0), whole)
        expected = [i % 4 for i in range(20)] if sampling.label in (None, "all") else [2] * 20
        assert whole.tolist() == expected


def test_classes_know_no_text() -> None:
    with pytest.raises(UsageError, match=r"knows classes, not text; ask with `label` for one of T-shirt, Trouser, "):
        ByClass(CLASSES).requested(Sampling(text="a boot"))


def test_images_show_their_labels_at_every_step() -> None:
    source = digits("train")
    shown = ByClass(source.classes).shown(source)
    chosen = torch.tensor([5, 0, 1499, 5])
    for step in (0, 1, 10**6):
        assert torch.equal(shown(chosen, step), source.labels[chosen])
    with pytest.raises(UsageError, match="pictures has no labels; leave out `condition='class'`"):
        ByClass(CLASSES).shown(pictures())


def test_the_kinds_of_conditions() -> None:
    run = recipes.find("digits")
    assert condition(run, CLASSES) is None
    assert isinstance(condition(RunSettings("mine", conditioning=Conditioning("class")), CLASSES), ByClass)
    assert isinstance(condition(RunSettings("mine", conditioning=Conditioning("text")), ()), ByText)
    for classes, words in (((), "no classes"), (("all",), "one class")):
        with pytest.raises(UsageError, match=f"^digits has {words}, so none can be asked for; leave out"):
            condition(RunSettings("mine", conditioning=Conditioning("class")), classes)


def test_embedders_take_the_rows() -> None:
    x = torch.zeros(4, 1, 2, 2)
    captions = (("a fox",), ("a cat", "a pet"), ("a boat",), ("a red boat", "a ship", "a vessel"))
    for kind, source in ((ByClass(CLASSES), pictures(labelled=True)), (ByText(find("joint")), pictures(captions))):
        embedder, kept = kind.embedder(), torch.ones(4, dtype=torch.bool)
        rows = kind.shown(source)(torch.arange(4), 0)
        blank = embedder.null(x)
        assert (rows.shape, rows.dtype) == (blank.shape, blank.dtype)
        assert embedder(rows, kept).vector.shape == (4, embedder.vector)


# ---- captions

WORDS = tuple(tuple(f"image{i} wording{k}" for k in range(1 + i % 4)) for i in range(60))


def texts(source: Images) -> dict[bytes, str]:
    """What each row says."""
    every = sorted({text for each in source.captions for text in each})
    return {row.numpy().tobytes(): text for row, text in zip(Joint()(every), every, strict=True)}


def test_wordings_are_a_function_of_image_and_step_alone() -> None:
    """Whatever else is in the batch, and in which order, and however the source was made ready."""
    source = pictures(WORDS, 60)
    first, again = ByText(find("joint")).shown(source), ByText(find("joint")).shown(source)
    for step in (0, 1, 17, 10**9):
        whole = first(torch.arange(60), step)
        assert torch.equal(again(torch.arange(60), step), whole)
        order = torch.randperm(60, generator=torch.Generator().manual_seed(step))
        assert torch.equal(first(order, step), whole[order])
        assert torch.equal(first(torch.tensor([7, 7, 3]), step), whole[[7, 7, 3]])


def test_an_image_is_never_told_anothers_wording() -> None:
    source, rows = pictures(WORDS, 60), texts(pictures(WORDS, 60))
    shown = ByText(find("joint")).shown(source)
    for step in range(50):
        for i, row in enumerate(shown(torch.arange(60), step)):
            assert rows[row.numpy().tobytes()] in WORDS[i]


def test_all_wordings_get_their_turn_and_equally_often() -> None:
    """Over the steps for one image, and over the images at one step; no two images take turns together."""
    source, rows, steps = pictures(WORDS, 60), texts(pictures(WORDS, 60)), 600
    shown = ByText(find("joint")).shown(source)
    told = [[rows[row.numpy().tobytes()] for row in shown(torch.arange(60), step)] for step in range(steps)]
    for i, wordings in enumerate(WORDS):
        counted, share = Counter(each[i] for each in told), 1 / len(wordings)
        for text in wordings:  # within 5 standard errors
            assert abs(counted[text] / steps - share) <= 5 * (share * (1 - share) / steps) ** 0.5
    turns = torch.tensor([[WORDS[i].index(each[i]) for i in range(3, 60, 4)] for each in told])  # of four wordings
    at_once = torch.stack([(turns == k).double().mean() for k in range(4)])
    assert (at_once - 0.25).abs().max() < 5 * (0.25 * 0.75 / turns.numel()) ** 0.5
    together = (turns[:, 1:] == turns[:, :-1]).double().mean(0)
    assert (together < 1).all()
    assert (turns[1:] != turns[:-1]).any(0).all()  # another one at another step


def test_images_without_captions() -> None:
    with pytest.raises(UsageError, match=r"pictures has no captions, which say what to draw; put a captions"):
        ByText(find("joint")).shown(pictures())


def test_a_text_is_wanted_of_every_image() -> None:
    kind = ByText(find("joint"))
    wanted = kind.requested(Sampling(text="a red fox"))
    assert torch.equal(wanted(range(5)), Joint()(["a red fox"]).expand(5, -1, -1))
    assert wanted([3]).shape[0] == 1
    assert kind.requested(Sampling())(range(5)) is None
    with pytest.raises(UsageError, match="knows text, not classes; ask with `text='what to draw'`"):
        kind.requested(Sampling(label="3"))
    for blank in ("", "  \n", "…"):
        with pytest.raises(UsageError, match="Say in words what the image shows"):
            kind.requested(Sampling(text=blank))
