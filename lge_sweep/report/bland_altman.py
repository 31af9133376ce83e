"""Bland and Altman's plot of volumes, mass and scar burden against the truth: a panel a quantity, a point a case."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lge_sweep.arrays import Matrix
from lge_sweep.quantify import Agreement, agreement, complete_pairs
from lge_sweep.report import style
from lge_sweep.report.clinical_tables import QUANTITIES, Quantity

_PLOTTED: dict[str, Quantity] = {name: QUANTITIES[name] for name in ("scar_ml", "wall_g", "scar_percent")}
"""The quantities that are drawn unless others are asked for."""


def figure_bland_altman(title: str, frame: pd.DataFrame, quantities: Mapping[str, Quantity] = _PLOTTED) -> Figure:
    """Draw the difference (predicted minus true) against the mean of the two, with bias and limits of agreement.

    Args:
        title: the heading.
        frame: a `lge_sweep.report.clinical_tables.clinical_frame`.
        quantities: column -> what it is; a panel each, at least one.

    Source: Bland and Altman, Stat Methods Med Res 8, 1999: against the mean, because the difference against the truth
        alone leans where there is no relation.
    """
    figure = style.new_figure(f"{title}: agreement with the truth", 4.3)
    panels = figure.subplots(1, len(quantities), squeeze=False)[0]
    for ax, (name, quantity) in zip(panels, quantities.items(), strict=True):
        measured, truth = frame[f"{name}_predicted"].tolist(), frame[f"{name}_truth"].tolist()
        _draw_panel(ax, complete_pairs(measured, truth)[0], agreement(measured, truth), quantity)
    handles = [
        Line2D([], [], color=style.INK, marker="o", markersize=4, linestyle="none", label="a case"),
        Line2D([], [], color=style.BLUE, linewidth=1.6, label="bias"),
        Line2D([], [], color=style.VERMILLION, linewidth=1.4, linestyle="--", label="95 % limits of agreement"),
        Patch(facecolor=style.ABSENT, alpha=0.35, label="their 95 % confidence intervals"),
    ]
    style.footer(figure, handles, [])
    return figure


def _draw_panel(ax: Axes, both: Matrix, found: Agreement, quantity: Quantity) -> None:
    """Draw one quantity; `both` is [n, 2], predicted and true."""
    style.style_axes(ax, grid="none")
    heading = f"{quantity.title}\n{found.cases} cases" + (f", {found.missing} without a value" if found.missing else "")
    ax.set_title(heading, fontsize=style.NORMAL, color=style.INK)
    ax.set_xlabel(f"mean of predicted and true, {quantity.unit}", fontsize=style.SMALL, color=style.INK)
    ax.set_ylabel(f"predicted minus true, {quantity.unit}", fontsize=style.SMALL, color=style.INK)
    if not len(both):
        style.write_message(ax, "no case has a value")
        return
    ax.axhline(0, color=style.ABSENT, linewidth=0.8)
    ax.scatter(both.mean(axis=1), both[:, 0] - both[:, 1], s=16, color=style.INK, alpha=0.75, linewidths=0, zorder=3)
    for value, low, high, colour, dashes in (
        (found.bias, found.bias_low, found.bias_high, style.BLUE, "-"),
        (found.lower, found.lower_low, found.lower_high, style.VERMILLION, "--"),
        (found.upper, found.upper_low, found.upper_high, style.VERMILLION, "--"),
    ):
        if value is None or low is None or high is None or (found.sd == 0 and dashes != "-"):
            continue  # limits that fall on the bias would only hide it
        ax.axhspan(low, high, color=colour, alpha=0.13, linewidth=0)
        ax.axhline(value, color=colour, linestyle=dashes, linewidth=1.4)
        ax.text(
            1.015,
            value,
            f"{value:+z.1f}",
            transform=ax.get_yaxis_transform(),
            va="center",
            fontsize=style.SMALL,
            color=colour,
        )
    ax.margins(x=0.08, y=0.1)
