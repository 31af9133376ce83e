"""The pictures of the one evaluation on the test subset: the paper's Table VIII, and the pipelines' scar Dice."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lge_sweep.arrays import LabelImage, Pixels8
from lge_sweep.labels import Label
from lge_sweep.report import style
from lge_sweep.report.final_tables import AGGREGATE_TITLES
from lge_sweep.report.overlays import class_handles, dice_text, draw_row, title_columns
from lge_sweep.report.tables import by_class, pick_slices
from lge_sweep.scoring import Intervals

_SCAR = Label.SCAR.title
_MISSED, _FALSE_ALARM = "missed scar", "false alarm"
_ROW_INCHES, _PAGE_INCHES = 2.5, 7.9
_FORM_COLOURS = {"image_mean": style.BLUE, "pooled": style.ORANGE, "present_only": style.PURPLE}


class QualitativeImage(NamedTuple):
    """An image chosen for Table VIII, and why."""

    role: str
    image: str


def pick_qualitative(per_image: pd.DataFrame) -> list[QualitativeImage]:
    """Choose the images of Table VIII.

    Best, median and worst by the Dice of scar, of the images whose truth has scar (ties as in `pick_slices`); then the
    missed scar (of those where no scar is predicted, the one with most), then the false alarm (of those without scar in
    the truth, the one with most predicted). An image that is two of these comes once, with both names.

    Args:
        per_image: the table of `lge_sweep.metrics.evaluate` with the class scar; names of images are unique.

    Returns:
        At most five; one for which there is no image is left out.
    """
    scar = per_image[per_image["class"] == _SCAR]
    true, found = scar["tp"] + scar["fn"], scar["tp"] + scar["fp"]
    roles = {pick.image: [pick.role] for pick in pick_slices(scar[true > 0], [_SCAR])}
    for role, pixels in ((_MISSED, true.where(found == 0, 0)), (_FALSE_ALARM, found.where(true == 0, 0))):
        if (pixels > 0).any():
            roles.setdefault(scar["image"].iloc[int(pixels.argmax())], []).append(role)
    return [QualitativeImage(", ".join(names), image) for image, names in roles.items()]


def figure_qualitative(
    title: str,
    per_image: pd.DataFrame,
    images: Pixels8,
    labels: tuple[LabelImage, LabelImage],
    classes: Sequence[str],
) -> Figure:
    """Draw Table VIII: a row an image of `pick_qualitative`, with its truth and the prediction.

    Args:
        title: the heading, such as the pipeline's name.
        per_image: table of the images, of all four classes; gives the order of the arrays' rows and the Dice values.
        images: [N, H, W], intensities 0 to 255.
        labels: truth and prediction, each [N, H, W], channel indices into `classes`.
        classes: names, background first.

    Source: paper Table VIII.
    """
    order = {image: place for place, image in enumerate(per_image["image"].unique())}
    for name, array in zip(("images", "truth", "prediction"), (images, *labels), strict=True):
        assert len(array) == len(order), f"{name}: {len(array)} slices, but per_image has {len(order)} images"
    shown = pick_qualitative(per_image)
    if not shown:
        return style.blank_figure(title, "no image has scar, in the truth or predicted")
    dice = by_class(per_image, classes)
    figure = style.new_figure(title, 1.2 + _ROW_INCHES * len(shown), width=_PAGE_INCHES)
    axes = figure.subplots(len(shown), 3, squeeze=False)
    for row, (role, image) in zip(axes, shown, strict=True):
        place = order[image]
        draw_row(row, images[place], (labels[0][place], labels[1][place]), classes)
        row[0].set_ylabel(f"{role}\n{style.drawable(image, 30)}", fontsize=style.NORMAL, color=style.INK)
        values = dict(zip(classes, dice.loc[image, list(classes)].to_numpy(float), strict=True))
        row[2].set_xlabel(f"Dice: {dice_text(values, classes)}", fontsize=style.SMALL, color=style.INK)
    title_columns(axes[0])
    style.footer(figure, class_handles(classes), _qualitative_notes(per_image, shown))
    return figure


def _qualitative_notes(per_image: pd.DataFrame, shown: Sequence[QualitativeImage]) -> list[str]:
    """How the images were chosen, what there is none of, and how many more there are."""
    scar = per_image[per_image["class"] == _SCAR]
    true, found = scar["tp"] + scar["fn"] > 0, scar["tp"] + scar["fp"] > 0
    missed, alarms = int((true & ~found).sum()), int((~true & found).sum())
    return [
        "best, median and worst: by the Dice of scar, of the images with scar; missed scar and false alarm: the "
        "largest",
        f"scar missed altogether on {missed} of {int(true.sum())} images with scar; false alarms on {alarms} of "
        f"{int((~true).sum())} without",
        "a dashed frame shows the part enlarged",
    ]


def figure_pipelines(title: str, results: Mapping[str, Intervals], name: str = _SCAR) -> Figure:
    """Draw each pipeline's Dice of one class in the three forms, with intervals: a row a pipeline.

    Args:
        title: the heading.
        results: pipeline -> intervals of its table, in the order to show them from the top.
        name: the class.
    """
    heading = f"{title}: Dice of {name}"
    if not results:
        return style.blank_figure(heading, "no pipeline was evaluated")
    figure = style.new_figure(heading, 1.7 + 0.62 * len(results))
    ax = figure.subplots()
    style.style_axes(ax, grid="x")
    gap = False
    for row, found in enumerate(results.values()):
        for place, form in enumerate(AGGREGATE_TITLES):
            estimate, height = found.find(form, "dice", name), row + 0.24 * (place - 1)
            if estimate.value is None:
                gap = True
                continue
            if estimate.low is not None and estimate.high is not None:
                ax.plot([estimate.low, estimate.high], [height, height], color=_FORM_COLOURS[form], linewidth=1.6)
            ax.plot([estimate.value], [height], color=_FORM_COLOURS[form], marker="o", markersize=5)
            ax.text(
                1.02, height, f"{estimate.value:.3f}", transform=ax.get_yaxis_transform(), va="center",
                fontsize=style.SMALL, color=_FORM_COLOURS[form],
            )  # fmt: skip
    for row in range(1, len(results)):
        ax.axhline(row - 0.5, color="#EBEBEB", linewidth=0.7)
    ax.set_yticks(range(len(results)), labels=[style.drawable(pipeline, 40) for pipeline in results])
    ax.set_ylim(len(results) - 0.45, -0.55)
    ax.set_xlim(0, 1)
    ax.set_xlabel("Dice (0 to 1)", fontsize=style.SMALL, color=style.INK)
    handles = [
        Line2D([], [], color=_FORM_COLOURS[form], marker="o", markersize=5, linewidth=1.6, label=words)
        for form, words in AGGREGATE_TITLES.items()
    ]
    some = next(iter(results.values()))
    notes = [
        f"{some.images} images of {some.cases} cases; "
        + (f"whiskers: {100 * some.level:g} % bootstrap intervals over cases" if some.resamples else "no intervals"),
        "no point: no value" if gap else "",
    ]
    style.footer(figure, handles, ["; ".join(filter(None, notes))])
    return figure
