"""Laws of the emoji set. Those that draw all of it need an installed font, and skip where there is none."""

from __future__ import annotations

import hashlib
import itertools
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from small_web import Mirror, Server

from inkwash.data import font as fonts
from inkwash.data.emoji import draw, emoji, held_out
from inkwash.data.font import emoji_font, installed
from inkwash.data.wordings import base_of, in_test, is_flag, sequences, wordings
from inkwash.errors import InkwashError, UsageError

HERE = next(installed(), None)
needs_font = pytest.mark.skipif(HERE is None, reason="no font with emoji in colour is installed here")
DEJAVU = Path(pytest.importorskip("matplotlib").get_data_path()) / "fonts/ttf/DejaVuSans.ttf"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests, so that emoji are drawn once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _use_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.delenv("INKWASH_DATA", raising=False)


@pytest.mark.parametrize(
    "same",
    [
        "👋 👋🏻 👋🏿",
        "🏃 🏃‍♀️ 🏃🏽‍♂️ 🏃‍➡️ 🏃🏽‍♂️‍➡️",
        "🧑‍🚒 👩‍🚒 👨🏿‍🚒",
        "👩 👨🏽 🧑",
        "👫 👭🏽 🧑🏻‍🤝‍🧑🏿 👩🏻‍🤝‍👨🏼",
        "💑 👨‍❤️‍👨 👩🏻‍❤️‍👨🏿",
        "💏 👩‍❤️‍💋‍👨",
        "👪 👨‍👩‍👧‍👦 👩‍👦 🧑‍🧑‍🧒",
        "🎅 🤶🏽 🧑‍🎄",
        "🤝 🫱🏻‍🫲🏿",
        "❤️ ❤",
    ],
)
def test_variants_have_one_base(same: str) -> None:
    assert len({base_of(sequence) for sequence in same.split()}) == 1


def test_bases_are_apart_and_a_twentieth_is_for_testing() -> None:
    bases = {base_of(sequence) for sequence in sequences()}
    assert "" not in bases
    some = ["❤️", "📗", "☺️", "🇫🇷", "♀️", "♂️", "➡️", "👩", "👵", "👩‍🚒", "👪", "💑", "💏", "🏃", "🧑‍🦰", "❤️‍🔥", "🏴", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]
    assert len({base_of(sequence) for sequence in some}) == len(some)
    assert len(bases) > 1500
    assert 0.03 < sum(map(in_test, bases)) / len(bases) < 0.07
    # part of what the split is: models trained on one side must not meet it later
    assert [c for c in "❤📗😊📕👍🍕🦟🔄" if in_test(c)] == list("😊📕👍🍕🦟🔄")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_held_out_wordings_are_no_captions(language: str) -> None:
    said = wordings(language)
    assert set(said) == set(sequences())
    known = {"".join(k.split()) for one in said.values() for k in one.known}
    held = {"".join(h.split()) for one in said.values() for h in one.held_out}
    assert not known & held
    for one in said.values():
        assert one.known
        texts = [*one.known, *one.held_out]
        assert len(set(texts)) == len(texts)
        assert all(text and text == text.strip().lower() and "_" not in text and ":" not in text for text in texts)
    assert all(one.held_out for sequence, one in said.items() if is_flag(sequence))


def test_wordings_that_people_will_try() -> None:
    english, chinese = wordings("en"), wordings("zh")
    assert english["❤️"].known[0] == "red heart"
    assert english["📗"].known == ("green book",)
    assert english["☺️"].known[0] == "smiling face"
    assert english["👋🏽"].known == ("waving hand medium skin tone",)
    assert english["👞"].known[0] == "man's shoe"
    assert english["🇫🇷"] == (("flag france", "france flag"), ("flag of france",))
    assert english["🇺🇲"].known[0] == "flag us outlying islands"
    assert english["🏴󠁧󠁢󠁥󠁮󠁧󠁿"].held_out == ("flag of england",)
    assert chinese["❤️"].known == ("红心",)
    assert chinese["🇫🇷"] == (("旗 法国", "法国旗"), ("法国的旗",))
    with pytest.raises(UsageError, match="in 'en' or 'zh'; got 'fr'"):
        wordings("fr")


def test_about_half_of_what_can_be_asked_is_held_out_and_made_of_known_words() -> None:
    said = wordings("en")
    taught = {word for s, one in said.items() if not in_test(base_of(s)) for word in one.known[0].split()} | {"of"}
    asked = [text for s, one in said.items() if not is_flag(s) for text in one.held_out]
    assert len(asked) > 80
    assert "panda face" in asked
    assert all(set(text.split()) <= taught for text in asked)


@needs_font
def test_laws_of_the_set() -> None:
    size = 16
    train, test = emoji("train", size), emoji("test", size)
    assert (train.name, train.split, test.split, train.labels) == ("emoji", "train", "test", None)
    assert train.shape == test.shape == (3, size, size)
    assert len(train) > 1000
    assert len(test) > 50
    both = torch.cat([train.pixels, test.pixels]).flatten(1)
    assert len({row.numpy().tobytes() for row in both}) == len(both)
    assert (both != 255).any(1).all()
    words = [{w for c in part.captions for w in c} for part in (train, test)]
    assert not words[0] & words[1]
    kept = [held_out(split, size) for split in ("train", "test")]
    assert [len(k) for k in kept] == [len(train), len(test)]
    assert not {h for k in kept for texts in k for h in texts} & (words[0] | words[1])
    of_france = next(i for i, texts in enumerate(kept[0]) if "flag of france" in texts)
    assert "flag france" in train.captions[of_france]
    blue, red = train.pixels[of_france, :, size // 2, 2], train.pixels[of_france, :, size // 2, -3]
    assert blue[2] > blue[0] + 50
    assert red[0] > red[2] + 50


@needs_font
def test_from_the_cache_as_anew(cache: Path) -> None:
    def fingerprints(language: str) -> tuple[str, str]:
        return emoji("train", 16, language=language).fingerprint, emoji("test", 16, language=language).fingerprint

    first = fingerprints("en")
    (file,) = (cache / "inkwash" / "emoji").iterdir()
    file.write_bytes(file.read_bytes()[:1000])  # damaged: drawn anew
    assert fingerprints("en") == first == fingerprints("en")
    assert len({*first, *fingerprints("zh")}) == 4
    assert torch.equal(emoji("train", 16, language="zh").pixels, emoji("train", 16).pixels)


@needs_font
def test_what_the_font_does_not_know_is_left_out() -> None:
    _, font = emoji_font()
    texts = ["😀", "\U0010fffe", "😀🏽", "🇽🇽", "🇶🇶", "🟥", "😀", "👋", "👋🏽", " "]
    groups, pixels = draw(font, texts, 24)
    assert groups == [["😀", "😀"], ["🟥"], ["👋"], ["👋🏽"]]
    assert (pixels.shape, pixels.dtype) == ((4, 3, 24, 24), np.uint8)
    red = pixels[1, :, 12, 12]
    assert red[0] > 150 > red[1] + 50
    for one, other in itertools.combinations(pixels, 2):
        assert (one != other).any()
    assert np.array_equal(draw(font, texts, 24)[1], pixels)
    assert draw(font, [" "], 24)[1].shape == (0, 3, 24, 24)


def test_fonts_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.ttf is not a file; .*Leave it out to use one that is installed"):
        emoji("train", font=tmp_path / "nowhere.ttf")
    (tmp_path / "text.ttf").write_text("not a font")
    with pytest.raises(UsageError, match=r"text\.ttf is no font that Pillow reads \(unknown file format\)\. Give"):
        emoji("train", font=tmp_path / "text.ttf")
    with pytest.raises(UsageError, match=r"DejaVuSans\.ttf has no emoji in colour that Pillow draws\. Give another"):
        emoji("train", font=DEJAVU)


def test_arguments_that_cannot_be() -> None:
    with pytest.raises(UsageError, match="got 'val'"):
        emoji("val")
    with pytest.raises(UsageError, match="8 or more; got 4"):
        emoji("train", 4)
    with pytest.raises(UsageError, match="got 'fr'"):
        held_out("train", language="fr")


def test_pillow_without_raqm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.features.check", lambda feature: feature != "raqm")
    with pytest.raises(UsageError, match=r"has no Raqm, .*pip install .*libfribidi0"):
        emoji("train")


@needs_font
def test_a_font_is_downloaded_where_none_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    assert HERE is not None
    content = HERE.read_bytes()
    mirrors = (server.add("first", Mirror(status=404)), server.add("second", Mirror(content)))
    monkeypatch.setattr(fonts, "installed", lambda: iter([DEJAVU]))  # installed, but not in colour: passed over
    monkeypatch.setattr(fonts, "_NOTO_MIRRORS", mirrors)
    with pytest.raises(InkwashError, match=r"the checksum is wrong.*put it at .*fonts/NotoColorEmoji\.ttf"):
        emoji_font(data_dir=tmp_path)
    monkeypatch.setattr(fonts, "_NOTO_SHA256", hashlib.sha256(content).hexdigest())
    path, font = emoji_font(data_dir=tmp_path)
    assert path == tmp_path / "fonts" / "NotoColorEmoji.ttf"
    assert len(draw(font, ["😀"], 16)[0]) == 1
    monkeypatch.setattr(fonts, "_NOTO_MIRRORS", ())
    assert emoji_font(data_dir=tmp_path)[0] == path


@needs_font
def test_skin_tones_are_one_kind_and_all_else_is_its_own() -> None:
    images = emoji("train", 16)
    assert images.kinds is not None
    by_kind: dict[int, list[str]] = {}
    for kind, captions in zip(images.kinds.tolist(), images.captions, strict=True):
        by_kind.setdefault(kind, []).append(captions[0])
    for names in by_kind.values():
        assert len({re.sub(r"( (medium-)?(light|medium|dark) skin tone)+", "", name) for name in names}) == 1
    assert 1_400 < sum(len(names) == 1 for names in by_kind.values()) < len(by_kind) < 2_000
