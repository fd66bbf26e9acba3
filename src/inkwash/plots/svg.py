"""Matplotlib figures as SVG: the same figure gives the same text, small enough to stand inside a page."""

import io
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Attributed = tuple[dict[str, str], str]  # attributes of an element, and its text
SVG = "http://www.w3.org/2000/svg"
LINK = "{http://www.w3.org/1999/xlink}href"
FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', sans-serif"
CHINESE = ("Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "PingFang SC", "Hiragino Sans GB",
           "Microsoft YaHei", "SimHei")  # fmt: skip


@contextmanager
def drawing() -> Iterator[None]:
    """Figures are made and written inside this: text stays text, names are names and no formulas.

    It sets matplotlib's global settings and puts them back, so only one thread may be drawing.
    """
    import matplotlib
    from matplotlib.font_manager import fontManager

    there = {font.name for font in fontManager.ttflist}
    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "inkwash",  # else ids are chance
        "text.parse_math": False,  # a run may be called a$b$
        "font.family": ["DejaVu Sans", *(name for name in CHINESE if name in there)],  # a run may be called 水墨
    }
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # that no font here has; it shows as a box
        yield


def to_svg(figure: "Figure") -> str:
    """A figure as the text of an SVG file, without date and with a font of the reader's for its words."""
    held = io.BytesIO()
    figure.savefig(held, format="svg", metadata={"Date": None})
    root = ET.fromstring(held.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            name = child.tag.removeprefix(f"{{{SVG}}}")
            if "}" in name or name in ("metadata", "style"):  # its one style is for *, in a page for everything
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{SVG}}}")
        if LINK in element.attrib:
            element.set("href", element.attrib.pop(LINK))
        if "style" in element.attrib:
            element.set("style", re.sub(r"'DejaVu Sans'[^;]*", FONTS, element.attrib["style"]))
        if "d" in element.attrib:
            element.set("d", " ".join(element.attrib["d"].split()))
        element.tail = None
        if element.tag != "text":
            element.text = None
    root.set("xmlns", SVG)
    root.set("style", "stroke-linejoin: round; stroke-linecap: butt")
    return ET.tostring(root, encoding="unicode") + "\n"


def inlined(svg: str, prefix: str, words: Mapping[str, Sequence[Attributed]], described_by: str) -> str:
    """What `to_svg` gave as an element of a page.

    Ids get a prefix, so that no two figures share one, and the figure is as wide as its box. A text that is a key of
    `words` is replaced by one element for each of its entries, with the entry's attributes and text. `described_by`
    is the id of what a screen reader reads instead.
    """
    root = ET.fromstring(svg.replace(f' xmlns="{SVG}"', "", 1))
    for element in root.iter():
        for name, value in element.attrib.items():
            if name == "id":
                element.set(name, prefix + value)
            elif name == "href" and value.startswith("#"):
                element.set(name, f"#{prefix}{value[1:]}")
            elif "url(#" in value:
                element.set(name, value.replace("url(#", f"url(#{prefix}"))
    for parent in list(root.iter()):
        for i, child in reversed(list(enumerate(parent))):
            if child.tag == "text" and (child.text or "") in words:
                parent.remove(child)
                for attributes, text in reversed(words[child.text or ""]):
                    twin = ET.Element("text", child.attrib | attributes)
                    twin.text = text
                    parent.insert(i, twin)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.attrib |= {"role": "img", "aria-labelledby": described_by}
    return ET.tostring(root, encoding="unicode")
