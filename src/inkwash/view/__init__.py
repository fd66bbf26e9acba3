"""Grids, animations and figures, written to files that contain their provenance.

All functions take uint8 arrays, channels last, or plain numbers. Pillow, matplotlib and ffmpeg are loaded on first use.
"""

from inkwash.view.curves import forward_figure, levels_figure, loss_figure, panels_figure
from inkwash.view.frames import pick
from inkwash.view.grid import grid
from inkwash.view.out import check_out, needs_frames
from inkwash.view.provenance import read as read_provenance
from inkwash.view.write import to_png, write

__all__ = [
    "check_out",
    "forward_figure",
    "grid",
    "levels_figure",
    "loss_figure",
    "needs_frames",
    "panels_figure",
    "pick",
    "read_provenance",
    "to_png",
    "write",
]
