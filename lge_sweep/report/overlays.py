"""The best, the median and the worst slice of a cell: image, true contours, predicted contours."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from lge_sweep.arrays import LabelImage, Pixels8
from lge_sweep.report import style
from lge_sweep.report.outlines import HALO, draw_contours, zoom_box
from lge_sweep.report.tables import CellImages, by_class, foreground, pick_slices

_COLUMNS = ("image", "truth", "prediction")


def figure_overlays(cell: CellImages) -> Figure:
    """Three columns (image, truth, prediction), a row each for the best, the median and the worst slice.

    The slices are those of `pick_slices`. Truth and prediction are enlarged; a frame in the image shows what part.
    """
    heading, note = f"Overlays: {cell.tables.name}", style.collapse_note(cell.tables)
    per_image, classes = cell.tables.per_image, cell.classes
    if per_image.empty:
        return style.blank_figure(heading, "no image was evaluated", note)
    order = {image: place for place, image in enumerate(per_image["image"].unique())}
    for name, array in (("images", cell.images), ("truth", cell.truth), ("prediction", cell.prediction)):
        assert len(array) == len(order), f"{name}: {len(array)} slices, but per_image has {len(order)} images"
    picks = pick_slices(per_image, classes)
    if not picks:
        return style.blank_figure(heading, "no slice has a value for any foreground class", note)
    dice = by_class(per_image, classes)
    cases = per_image.drop_duplicates("image").set_index("image")["case"]
    figure = style.new_figure(heading, 1.3 + 3.0 * len(picks), note)
    axes = figure.subplots(len(picks), len(_COLUMNS), squeeze=False)
    for row, pick in zip(axes, picks, strict=True):
        place = order[pick.image]
        draw_row(row, cell.images[place], (cell.truth[place], cell.prediction[place]), classes)
        label = f"{pick.role}: case {style.drawable(cases[pick.image], 20)}\nmean Dice {pick.score:.2f}"
        row[0].set_ylabel(label, fontsize=style.NORMAL, color=style.INK)
        values = dice.loc[[pick.image], list(classes)].to_numpy(float)[0]
        text = dice_text(dict(zip(classes, values, strict=True)), classes)
        row[2].set_xlabel(f"Dice: {text}", fontsize=style.SMALL + 0.5, color=style.INK)
    title_columns(axes[0])
    style.footer(
        figure,
        class_handles(classes),
        ["mean Dice: over the foreground classes that have a value; a dashed frame shows the part enlarged"],
    )
    return figure


def title_columns(axes: Sequence[Axes]) -> None:
    """Name the columns over the first row's axes."""
    for ax, name in zip(axes, _COLUMNS, strict=True):
        ax.set_title(name, fontsize=style.NORMAL, color=style.INK)


def class_handles(classes: Sequence[str]) -> list[Line2D]:
    """Legend entries of the foreground classes, as their outlines are drawn."""
    return [
        Line2D([], [], color=style.class_colour(name), linewidth=2, path_effects=HALO, label=style.drawable(name))
        for name in foreground(classes)
    ]


def dice_text(dice: Mapping[str, float], classes: Sequence[str]) -> str:
    """One image's Dice per foreground class in words, n/a where there is none."""
    values = {name: float(dice[name]) for name in foreground(classes)}
    return ", ".join(
        f"{style.drawable(name, 20)} {value:.2f}" if np.isfinite(value) else f"{style.drawable(name, 20)} n/a"
        for name, value in values.items()
    )


def draw_row(
    row: Sequence[Axes],
    image: Pixels8,
    labels: tuple[LabelImage, LabelImage],
    classes: Sequence[str],
) -> None:
    """Draw one slice into three axes: the whole image, then enlarged the true and the predicted contours.

    Args:
        row: axes for image, truth and prediction.
        image: [H, W], intensities 0 to 255.
        labels: truth and prediction, each [H, W], channel indices into `classes`.
        classes: names, background first.
    """
    top, left, side = zoom_box(labels)
    for ax in row:
        ax.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        ax.set_xticks([])
        ax.set_yticks([])
        for spine in ax.spines.values():
            spine.set_visible(False)
    if side < max(image.shape):
        frame = Rectangle((left - 0.5, top - 0.5), side, side, fill=False, edgecolor="white", linestyle="--")
        row[0].add_patch(frame)
    for ax, mask in zip(row[1:], labels, strict=True):
        draw_contours(ax, mask, classes)
        ax.set_xlim(left - 0.5, left + side - 0.5)
        ax.set_ylim(top + side - 0.5, top - 0.5)


def figure_case(
    names: Sequence[str], images: Pixels8, labels: tuple[LabelImage, LabelImage], classes: Sequence[str]
) -> Figure:
    """Draw every slice of a case: image, true and predicted outlines, a row a slice.

    Args:
        names: of the slices.
        images: [N, H, W], intensities 0 to 255.
        labels: truth and prediction, each [N, H, W], channel indices into `classes`.
        classes: names, background first.
    """
    figure = style.new_figure("", 0.6 + 2.0 * len(names), width=6.4)
    axes = figure.subplots(len(names), len(_COLUMNS), squeeze=False)
    for place, (row, name) in enumerate(zip(axes, names, strict=True)):
        draw_row(row, images[place], (labels[0][place], labels[1][place]), classes)
        row[0].set_ylabel(style.drawable(name, 30), fontsize=style.SMALL, color=style.INK)
    title_columns(axes[0])
    style.footer(figure, class_handles(classes), [])
    return figure
