"""Pictures of a result: slices with the outlines of the classes, the bull's-eye of its segments. All as PNG."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from PIL import Image

from lge_sweep.config.data import Intensity
from lge_sweep.data import to_8_bit
from lge_sweep.deliver.result import Result
from lge_sweep.labels import Label
from lge_sweep.quantify import ScarExtent
from lge_sweep.report import draw_contours, style, zoom_box

_DPI = 100
_SLICE_PIXELS = 640
"""Longer side of a picture of a slice, in pixels."""
_CLASS_TITLES = tuple(label.title for label in Label)


def slice_pngs(result: Result) -> Iterator[bytes]:
    """Draw each whole slice with the outlines of its classes, as wide and high as it is in mm."""
    rows, columns = result.labels.shape[1:]
    return _draw_panels(result, (0, 0, rows, columns), _SLICE_PIXELS, beside=False)


def heart_pngs(result: Result, side: int) -> Iterator[bytes]:
    """Draw the part of each slice that holds the heart, without outlines and with them, side by side.

    The part is the same for all slices: the square that holds every label of the exam, with a margin.

    Args:
        result: the labels.
        side: longer side of each of the two pictures, in pixels.
    """
    top, left, length = zoom_box(list(result.labels))
    return _draw_panels(result, (top, left, length, length), side, beside=True)


def bullseye_png(extent: ScarExtent) -> bytes:
    """Draw the scar of each segment, per cent of its wall, as the AHA's bull's-eye; grey where there is no wall.

    The anterior wall is on top, the septum on the left, the apex in the middle.
    """
    figure = Figure(figsize=(5.2, 4.4), dpi=_DPI * 1.5, layout="constrained", facecolor="white")
    ax = figure.add_subplot(projection="polar")
    scale = LinearSegmentedColormap.from_list("scar", [(1.0, 1.0, 1.0), style.class_colour(Label.SCAR.title)])
    values = list(extent.percent)
    for first, (count, inner) in zip((0, 6, 12, 16), ((6, 0.75), (6, 0.5), (4, 0.25), (1, 0.0)), strict=True):
        for k in range(count):
            percent = values[first + k]
            middle = np.pi / 2 + k * 2 * np.pi / count
            colour = style.FAINT if percent is None else scale(percent / 100)
            edge = 1.0 if count > 1 else 0.0
            ax.bar(middle, 0.25, 2 * np.pi / count, inner, color=colour, edgecolor=style.INK, linewidth=edge)
            text = f"{first + k + 1}\n" + ("no wall" if percent is None else f"{percent:.0f} %")
            where = (middle, inner + 0.125) if count > 1 else (0.0, 0.0)
            ax.text(*where, text, ha="center", va="center", fontsize=style.SMALL, color=style.INK)
    for degrees, name in ((90, "anterior"), (180, "septum"), (270, "inferior"), (0, "lateral")):
        turned = {180: 90, 0: 270}.get(degrees, 0)
        ax.text(np.deg2rad(degrees), 1.09, name, ha="center", va="center", rotation=turned, fontsize=style.NORMAL)
    ax.set_ylim(0, 1)
    ax.set_axis_off()
    return _encode_png(figure)


def _draw_panels(result: Result, box: tuple[int, int, int, int], longest: int, beside: bool) -> Iterator[bytes]:
    """Draw a part (first row, first column, rows, columns) of each slice, its intensities spread over what is shown.

    With `beside`, it is drawn twice, without outlines and with them. One figure serves all slices: to make its axes
    takes longer than to draw a slice.
    """
    top, left, rows, columns = box
    row_mm, column_mm, _ = result.exam.spacing_mm or (1.0, 1.0, 1.0)
    high, wide = rows * row_mm, columns * column_mm
    scale = longest / max(high, wide) / _DPI
    panels = 2 if beside else 1
    figure = Figure(figsize=(wide * scale * panels, high * scale), dpi=_DPI, facecolor="black")
    edges = (left - 0.5, left + columns - 0.5, top + rows - 0.5, top - 0.5)
    greys = colormaps["gray"](np.arange(256), bytes=True)  # to let `imshow` look them up takes twice as long
    shown = []
    for panel in range(panels):
        ax = figure.add_axes((panel / panels, 0, 1 / panels, 1))
        blank = np.zeros((rows, columns, 4), dtype=np.uint8)
        shown.append(ax.imshow(blank, interpolation="nearest", aspect="auto", extent=edges))
        ax.set_xlim(edges[:2])
        ax.set_ylim(edges[2:])
        ax.set_axis_off()
    for pixels, labels in zip(result.exam.pixels, result.labels, strict=True):
        part = to_8_bit(pixels[top : top + rows, left : left + columns], Intensity())
        for image in shown:
            image.set_data(greys[part])
        draw_contours(ax, labels, _CLASS_TITLES)
        yield _encode_png(figure)
        for outline in list(ax.patches):
            outline.remove()


def _encode_png(figure: Figure) -> bytes:
    """Draw a figure, whose background is opaque, as a PNG without an alpha channel.

    It is packed fast: so it takes a third of the time and is as large as with one that is packed well.
    """
    canvas: Any = FigureCanvasAgg(figure)  # which has no types
    canvas.draw()
    buffer = io.BytesIO()
    picture = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba())
    picture.convert("RGB").save(buffer, format="png", dpi=(figure.dpi, figure.dpi), compress_level=1)
    return buffer.getvalue()
