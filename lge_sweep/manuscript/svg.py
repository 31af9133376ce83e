"""A figure of matplotlib as an element of the page: vector, its text as text, nothing that refers elsewhere."""

import io
import itertools
import re
from xml.etree import ElementTree

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
ElementTree.register_namespace("", _SVG)
ElementTree.register_namespace("xlink", _XLINK)


def figure_svg(figure: Figure, name: str, label: str) -> str:
    """Draw a figure as an `svg` element.

    Args:
        figure: what to draw.
        name: unique on the page; what is referred to within the drawing begins with it.
        label: what a reader hears who does not see it.
    """
    drawn = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.set_canvas(FigureCanvasSVG(figure))
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    root = ElementTree.fromstring(drawn.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)  # its one rule is the page's own; it would hold for all of the page
    _rename(root, name)
    width, height = (float(root.attrib.pop(side).removesuffix("pt")) for side in ("width", "height"))
    root.set("viewBox", f"0 0 {width:g} {height:g}")
    root.set("style", f"width:100%;max-width:{width * 4 / 3:.0f}px;height:auto")
    root.set("role", "img")
    root.set("aria-label", label)
    return ElementTree.tostring(root, encoding="unicode")


def _rename(root: ElementTree.Element, name: str) -> None:
    """Drop the ids that nothing refers to, and begin the others with a name that is the drawing's own."""
    wanted: set[str] = set()
    for element in root.iter():
        for value in element.attrib.values():
            wanted.update(_REFERENCE.findall(value))
        wanted.add(element.get(f"{{{_XLINK}}}href", "").removeprefix("#"))
    numbers = dict(zip(sorted(wanted), itertools.count(), strict=False))
    for element in root.iter():
        for key, value in list(element.attrib.items()):
            if key == "id":
                del element.attrib["id"]
                if value in numbers:
                    element.set("id", f"{name}-{numbers[value]}")
            elif key == f"{{{_XLINK}}}href":
                element.set(key, f"#{name}-{numbers[value.removeprefix('#')]}")
            else:
                element.set(key, _REFERENCE.sub(lambda found: f"url(#{name}-{numbers[found[1]]})", value))
