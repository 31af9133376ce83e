"""Outlines of classes on a slice, and the part of it that holds the heart."""

from collections.abc import Sequence
from typing import Any

import contourpy
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.patheffects import AbstractPathEffect, Normal, Stroke

from lge_sweep.arrays import FloatPixels, LabelImage, Vector
from lge_sweep.labels import Label
from lge_sweep.report import style

HALO: list[AbstractPathEffect] = [Stroke(linewidth=2.6, foreground=style.BLACK), Normal()]
"""Of every outline: a dark edge, so that it shows on any grey."""
_LINE: dict[str, Any] = {"fill": False, "linewidth": 1.4, "joinstyle": "round", "path_effects": HALO, "zorder": 2}
_OUTLINES = [label.title for label in (Label.MYOCARDIUM, Label.CAVITY, Label.SCAR)]
"""The order in which outlines are drawn, over those of other classes."""


def zoom_box(labels: Sequence[LabelImage]) -> tuple[int, int, int]:
    """The square that holds every labelled pixel with a margin; at least 40 % of the image, and inside it.

    Args:
        labels: truth and prediction, each [H, W].

    Returns:
        First row, first column, side; the whole shorter side if nothing is labelled.
    """
    rows, columns = labels[0].shape
    marked = np.argwhere(np.any([mask > 0 for mask in labels], axis=0))
    shorter = min(rows, columns)
    if len(marked) == 0:
        return (rows - shorter) // 2, (columns - shorter) // 2, shorter
    low, high = marked.min(axis=0), marked.max(axis=0) + 1
    side = int(min(shorter, max(1.3 * (high - low).max(), 0.4 * shorter)))
    corner = (low + high - side) // 2
    top, left = (int(np.clip(start, 0, size - side)) for start, size in zip(corner, (rows, columns), strict=True))
    return top, left, side


def draw_contours(ax: Axes, labels: LabelImage, classes: Sequence[str]) -> None:
    """Outline each foreground class of a label image [H, W] in its colour; the image's edge closes an outline.

    Where two classes touch one line hides the other: the cavity's that of the myocardium, the scar's both.

    Args:
        ax: the axes, which show the image.
        labels: [H, W] channel indices into `classes`.
        classes: names of the classes.
    """
    rows, columns = labels.shape
    for name in sorted(classes, key=lambda name: _OUTLINES.index(name) if name in _OUTLINES else -1):
        channel = list(classes).index(name)
        mask = np.pad((labels == channel).astype(float), 1)
        if name != Label.BACKGROUND.title and mask.any():
            path = _outline(mask, np.arange(-1, columns + 1), np.arange(-1, rows + 1))
            ax.add_artist(PathPatch(path, edgecolor=style.class_colour(name), **_LINE))


def _outline(mask: FloatPixels, x: Vector, y: Vector) -> Path:
    """Return the line half-way between what is in a mask and what is not, as `Axes.contour` finds it.

    That draws the same, but takes three times as long to prepare levels, labels and colours, of which there is one.

    Args:
        mask: [H, W], 0 or 1.
        x: [W], where its columns are.
        y: [H], where its rows are.
    """
    kind = contourpy.LineType.SeparateCode
    found: Any = contourpy.contour_generator(x, y, mask, name="mpl2014", line_type=kind).lines(0.5)
    lines, codes = found
    return Path(np.concatenate(lines), np.concatenate(codes))
