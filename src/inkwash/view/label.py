"""The texts to the left of a grid's rows."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from inkwash.view.pixels import Pixels

INK = 40
PADDING = 8  # px on both sides of the text


def margin(labels: Sequence[str], row_height: int, gap: int, background: int) -> Pixels:
    """Draw one text per row, each in the middle of its row and flush right, where the pictures begin.

    Args:
        labels: the texts, one per row, each on one line.
        row_height: px.
        gap: px between two rows.
        background: the grey to write on, 0..255.

    Returns:
        uint8 [rows*(row_height+gap)-gap, W], W as the longest text needs.
    """
    # Pillow's own font has no Greek, and labels here are often "η = 0.5"; matplotlib brings one that has.
    import matplotlib

    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    font = ImageFont.truetype(str(file), size=max(9, min(18, row_height // 2)))
    width = round(max(font.getlength(label) for label in labels)) + 2 * PADDING
    paper = Image.new("L", (width, len(labels) * (row_height + gap) - gap), background)
    draw = ImageDraw.Draw(paper)
    for i, label in enumerate(labels):
        middle = i * (row_height + gap) + row_height / 2
        draw.text((width - PADDING, middle), label, fill=INK, font=font, anchor="rm")
    return np.asarray(paper)
