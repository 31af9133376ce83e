"""The trials of a search with several objectives: what a training costs against what it scores, the front marked."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lge_sweep.report import style
from lge_sweep.report.tables import SweepTables
from lge_sweep.scoring import Front

WIDE = 20
"""A cost of which the largest is so many times the smallest has a logarithmic axis."""
LABELLED = 15
"""Trials of a front that are labelled with their numbers, at most."""


def figure_search_front(sweep: SweepTables) -> Figure:
    """A panel a cost: each finished trial's score by it; the front numbered, the selected one ringed."""
    assert sweep.search is not None  # what has none has no such figure
    front = sweep.search.front
    assert front is not None
    heading = f"{sweep.title}: what a score costs, stage {sweep.stage}"
    if not front.trials:
        return style.blank_figure(heading, style.NO_CELL)
    figure = style.new_figure(heading, 4.9)
    panels = figure.subplots(1, len(front.costs), sharey=True, squeeze=False).ravel()
    for place, ax in enumerate(panels):
        _draw_panel(ax, front, place, sweep.best[0] if sweep.best else "")
    panels[0].set_ylabel("score (0 to 1)", fontsize=style.NORMAL, color=style.INK)
    notes = [front.sentence, *front.notes]
    style.footer(figure, _legend(front), [f"{note[:1].upper()}{note[1:]}." for note in notes])
    return figure


def _draw_panel(ax: Axes, front: Front, place: int, selected: str) -> None:
    """Draw the trials by one of the costs.

    Args:
        ax: where.
        front: the trials.
        place: of the cost, among all.
        selected: the configuration that was selected.
    """
    style.style_axes(ax)
    costs = [trial.costs[place] for trial in front.trials]
    if min(costs) > 0 and max(costs) / min(costs) > WIDE:
        ax.set_xscale("log")
    ax.margins(0.08)
    if len(front.costs) == 1:  # of more than two objectives the front is no line
        steps = sorted(front.best, key=lambda trial: trial.costs)
        xs, ys = [trial.costs[place] for trial in steps], [trial.score for trial in steps]
        ax.plot(xs, ys, drawstyle="steps-post", color=style.BLUE, linewidth=1.0, zorder=1)
    for trial in front.trials:
        x, y = trial.costs[place], trial.score
        if trial.collapsed:
            ax.plot([x], [y], "x", color=style.VERMILLION, markersize=5, zorder=2)
        elif not trial.on_front:
            ax.plot([x], [y], "o", color=style.ABSENT, markersize=4, zorder=2)
        if trial.on_front:
            ax.plot([x], [y], "o", color=style.BLUE, markersize=6, zorder=3)
        if trial.name == selected:
            ax.plot([x], [y], "o", color=style.BLACK, markersize=11, markerfacecolor="none", zorder=4)
    for trial in front.best[:LABELLED]:
        ax.annotate(
            f"#{trial.number}", (trial.costs[place], trial.score), (5, -10), textcoords="offset points",
            fontsize=style.SMALL, color=style.INK,
        )  # fmt: skip
    ax.set_xlabel(front.titles[place], fontsize=style.NORMAL, color=style.INK)


def _legend(front: Front) -> list[Line2D]:
    width = 1.0 if len(front.costs) == 1 else 0.0  # of more than two objectives the front is no line
    handles = [
        Line2D([], [], color=style.BLUE, marker="o", markersize=6, linewidth=width, label="on the front"),
        Line2D([], [], color=style.ABSENT, marker="o", markersize=4, linestyle="none", label="another is better"),
        Line2D(
            [], [], color=style.BLACK, marker="o", markersize=10, markerfacecolor="none", linestyle="none",
            label="selected",
        ),
    ]  # fmt: skip
    if any(trial.collapsed for trial in front.trials):
        mark = Line2D([], [], color=style.VERMILLION, marker="x", markersize=5, linestyle="none", label="collapsed")
        handles.append(mark)
    return handles
