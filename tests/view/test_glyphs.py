"""Class names on sheets: glyphs of installed fonts, where the own font has none."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from inkwash.view import glyphs, label
from inkwash.view.glyphs import DEJAVU, Face, face_of
from inkwash.view.label import INK, PADDING, margin, unshown


@pytest.mark.parametrize("text", ["cat", "η = 0.5", "собака", "عربي", "T-shirt/top"])
def test_what_the_own_font_has_is_drawn_by_it(text: str) -> None:
    sheet = margin([text], 40, 0, 255)
    paper = Image.new("L", (sheet.shape[1], 40), 255)
    font = ImageFont.truetype(DEJAVU.file, 18)
    ImageDraw.Draw(paper).text((sheet.shape[1] - PADDING, 20), text, fill=INK, font=font, anchor="rm")
    assert np.array_equal(sheet, np.asarray(paper))
    assert unshown([text]) == ()


def test_chinese_is_drawn_from_an_installed_font() -> None:
    face = face_of("猫")
    if face is None:
        pytest.skip("no font with Chinese is installed here")
    assert face != DEJAVU
    assert unshown(["猫", "a 猫"]) == ()
    cat, dog = margin(["猫"], 40, 0, 255), margin(["狗"], 40, 0, 255)
    assert not np.array_equal(cat, dog)  # two boxes would be alike
    mixed = margin(["a猫"], 40, 0, 255)
    assert mixed.shape[1] > cat.shape[1]


def test_what_no_font_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glyphs, "_installed", lambda: ())
    face_of.cache_clear()
    try:
        assert unshown(["cat", "猫", "a 🐈 b", "é", "x\n"]) == (1, 2)
        assert margin(["cat", "猫"], 40, 2, 255).shape[0] == 82
    finally:
        face_of.cache_clear()


def test_damaged_fonts_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.ttf").write_bytes(b"no font")
    (tmp_path / "empty.otf").touch()
    monkeypatch.setattr(glyphs, "_folders", lambda: [tmp_path, tmp_path / "nowhere"])
    glyphs._installed.cache_clear()
    face_of.cache_clear()
    try:
        assert face_of("猫") is None
        assert face_of("a") == DEJAVU
    finally:
        glyphs._installed.cache_clear()
        face_of.cache_clear()


def test_emoji_of_one_size_are_scaled_to_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Noto's, which come at 109 pixels alone; here another font takes their part."""
    plain = margin(["oxo"], 40, 0, 255).astype(int)
    monkeypatch.setattr(label, "face_of", lambda c: Face(DEJAVU.file, 0, 109))
    scaled = margin(["oxo"], 40, 0, 255).astype(int)
    assert abs(scaled.shape[1] - plain.shape[1]) <= 1
    for axis in (0, 1):
        middles = [np.where(each < 200)[axis].mean() for each in (plain, scaled)]
        assert abs(middles[0] - middles[1]) < 2
    darkness = (255 - scaled).sum() / (255 - plain).sum()
    assert 0.8 < darkness < 1.25


@pytest.mark.parametrize("name", ["a\nb", "caf\udce9", "\x1b]0;title\x07", "\u202egnp.exe", "x" * 5000, "e\u0301", ""])
def test_any_name_can_be_drawn(name: str) -> None:
    sheet = margin([name, "cat"], 20, 2, 255)
    assert sheet.shape[0] == 42
    assert sheet.shape[1] < 1200
    assert unshown([name]) == ()


def test_composed_and_decomposed_names_take_one_run() -> None:
    for form in ("NFC", "NFD"):
        assert len(label._runs(unicodedata.normalize(form, "café"), 18)) == 1
