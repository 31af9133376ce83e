"""How sure the ranking is: each cell's score with its interval, and the probability of each rank."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lge_sweep.arrays import Matrix
from lge_sweep.report import style
from lge_sweep.report.tables import RankLine, SweepTables
from lge_sweep.scoring import chance

if TYPE_CHECKING:
    from lge_sweep.scoring import Standing

_SCALE = LinearSegmentedColormap.from_list("probability", ["white", style.SKY, style.BLUE, "#002B4D"])


def rank_order(lines: Sequence[RankLine]) -> list[RankLine]:
    """Sort by expected rank; then the cells without one, by score, the collapsed ones last."""

    def key(line: RankLine) -> tuple[bool, bool, float, float]:
        rank, score = line.standing.expected_rank, line.standing.score
        last = rank is None and bool(line.standing.collapsed)
        return last, rank is None, 0.0 if rank is None else rank, -score if math.isfinite(score) else math.inf

    return sorted(lines, key=key)


def is_best(standing: "Standing", best: Sequence[str]) -> bool:
    """Whether a standing is that of one of the best cells, or of the configuration that one of them is a seed of."""
    return any(name == standing.name or name.startswith(f"{standing.name}-seed") for name in best)


def rank_values(standings: "Sequence[Standing]") -> Matrix:
    """Probability of each rank [cells, ranks], 1 first; NaN for cells that are not ranked."""
    most = max((len(standing.ranks) for standing in standings), default=0)
    values = np.full((len(standings), max(1, most)), np.nan)
    for row, standing in enumerate(standings):
        if standing.ranks:
            values[row] = 0.0
            values[row, : len(standing.ranks)] = standing.ranks
    return values


def figure_rank_probability(sweep: SweepTables) -> Figure:
    """Left the score with its 95 % interval, right the probability of each rank; a row a cell, the likeliest first.

    A collapsed cell, in vermillion, has a score but no rank while another stands; it is then at the foot.
    The best cells' labels, or their configurations', are bold.
    """
    heading = f"{sweep.title}: how sure the ranking is, stage {sweep.stage}"
    if not sweep.ranks:
        return style.blank_figure(heading, style.NO_CELL)
    lines = rank_order(sweep.ranks)
    standings = [line.standing for line in lines]
    best = [is_best(standing, sweep.best) for standing in standings]
    figure = style.new_figure(heading, 1.9 + style.row_inches(len(lines)) * len(lines))
    score, numbers, heat = figure.subplots(1, 3, sharey=True, width_ratios=[1.25, 0.75, 2.0])
    _draw_scores(score, standings)
    _write_numbers(numbers, standings)
    _draw_heat(figure, heat, standings)
    score.set_yticks(range(len(lines)), labels=[style.drawable(line.title, 40) for line in lines])
    score.set_ylim(len(lines) - 0.4, -0.6)
    for label, standing, bold in zip(score.get_yticklabels(), standings, best, strict=True):
        label.set(fontweight="bold" if bold else "normal", color=style.VERMILLION if standing.collapsed else style.INK)
    handles = [
        Line2D([], [], color=style.BLUE, marker="o", markersize=4, linewidth=1.4, label="score, 95 % interval"),
    ]
    if any(standing.collapsed for standing in standings):
        handles.append(
            Line2D([], [], color=style.VERMILLION, marker="o", markersize=4, linewidth=1.4, label="collapsed")
        )
    notes = [
        "sorted by expected rank (1 is best)",
        "bold: the best" if len(lines) > 1 and any(best) else "",
        "no whisker: no interval" if any(found.low is None or found.high is None for found in standings) else "",
    ]
    style.footer(figure, handles, ["; ".join(filter(None, notes))])
    return figure


def _draw_scores(ax: Axes, standings: "Sequence[Standing]") -> None:
    """Draw a dot a score and a whisker an interval; n/a where there is no score."""
    style.style_axes(ax)
    for row, standing in enumerate(standings):
        colour = style.VERMILLION if standing.collapsed else style.BLUE
        if standing.low is not None and standing.high is not None:
            ax.plot([standing.low, standing.high], [row, row], color=colour, linewidth=1.4, solid_capstyle="butt")
        if math.isfinite(standing.score):
            ax.plot([standing.score], [row], color=colour, marker="o", markersize=4, linestyle="none")
        else:
            ax.text(
                0.5, row, "n/a", transform=ax.get_yaxis_transform(), ha="center", va="center", fontsize=style.SMALL,
                color=style.INK,
            )  # fmt: skip
    ax.margins(x=0.06)
    ax.locator_params(axis="x", nbins=5)
    ax.set_xlabel("score", fontsize=style.SMALL, color=style.INK)


def _write_numbers(ax: Axes, standings: "Sequence[Standing]") -> None:
    """Write each cell's probability of being best and its expected rank, as two columns."""
    style.style_axes(ax, grid="none")
    for side in ax.spines.values():
        side.set_visible(False)
    ax.tick_params(left=False, top=False, bottom=False, labelleft=False, labelbottom=False, labeltop=True)
    ax.set_xlim(-0.5, 1.5)
    ax.set_xticks([0, 1], labels=["P(best)", "expected\nrank"])
    for row, standing in enumerate(standings):
        rank = standing.expected_rank
        texts = ["-" if rank is None else chance(standing.best), "-" if rank is None else f"{rank:.1f}"]
        for place, text in enumerate(texts):
            ax.text(place, row, text, ha="center", va="center", fontsize=style.SMALL, color=style.INK)


def _draw_heat(figure: Figure, ax: Axes, standings: "Sequence[Standing]") -> None:
    """Paint the probabilities of the ranks, white for 0; a cell without rank says so."""
    style.style_axes(ax, grid="none")
    values = rank_values(standings)
    ranked = np.isfinite(values)
    picture = ax.imshow(
        np.ma.masked_invalid(values), cmap=_SCALE, vmin=0, vmax=float(values[ranked].max(initial=0.0)) or 1.0,
        aspect="auto", interpolation="nearest",
    )  # fmt: skip
    ax.tick_params(left=False, labelleft=False)
    ax.hlines(np.arange(1, len(standings)) - 0.5, -0.5, values.shape[1] - 0.5, color="#EBEBEB", linewidth=0.6)
    every = 1 if values.shape[1] <= 20 else 5
    places = [place for place in range(values.shape[1]) if place == 0 or (place + 1) % every == 0]
    ax.set_xticks(places, labels=[str(place + 1) for place in places])
    ax.set_xlabel("rank", fontsize=style.SMALL, color=style.INK)
    for row, standing in enumerate(standings):
        if not ranked[row].any():
            ax.text(
                (values.shape[1] - 1) / 2, row, "collapsed: no rank" if standing.collapsed else "no rank", ha="center",
                va="center", fontsize=style.SMALL, color=style.VERMILLION if standing.collapsed else style.INK,
            )  # fmt: skip
    bar = figure.colorbar(picture, ax=ax, fraction=0.05, pad=0.03, aspect=40)
    bar.set_label("probability of the rank", fontsize=style.SMALL, color=style.INK)
    bar.ax.tick_params(labelsize=style.SMALL, labelcolor=style.INK)
    bar.outline.set_visible(False)
