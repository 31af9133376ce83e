"""What a search has shown: how much each setting matters, all trials at once, and each setting alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from lge_sweep.report import style
from lge_sweep.report.search_tables import NOT_DRAWN, SearchSetting, SearchTables, SearchTrial
from lge_sweep.report.tables import SweepTables

_SCALE = LinearSegmentedColormap.from_list("score", ["#CFE8F7", style.SKY, style.BLUE, "#002B4D"])
FEW = 20
"""Trials below which importances are called a hint."""
ACROSS = 3
"""Panels in a row."""


def figure_search_importance(sweep: SweepTables) -> Figure:
    """A bar a setting: its share of the scores' variance that single settings explain, most important first."""
    heading, search = f"{sweep.title}: what mattered in the search, stage {sweep.stage}", _search(sweep)
    known = [setting for setting in search.settings if setting.importance is not None]
    if not known:
        return style.blank_figure(heading, "too few finished trials, or all scored the same: no importance is known")
    figure = style.new_figure(heading, 1.7 + 0.34 * len(known))
    ax = figure.subplots()
    style.style_axes(ax, grid="x")
    most = len(search.trials)
    names = [setting.name + ("" if setting.trials == most else f" ({setting.trials} trials)") for setting in known]
    shares = [setting.importance or 0.0 for setting in known]
    partial = [setting.trials < most for setting in known]
    ax.barh(range(len(known)), shares, color=[style.ORANGE if part else style.BLUE for part in partial], height=0.62)
    for row, share in enumerate(shares):
        ax.text(share + 0.01, row, f"{share:.2f}", va="center", fontsize=style.SMALL, color=style.INK)
    ax.set_yticks(range(len(known)), labels=[style.drawable(name, 40) for name in names])
    ax.set_ylim(len(known) - 0.4, -0.6)
    ax.set_xlim(0, max(1.0, *shares) * 1.06)
    ax.set_xlabel("share of the variance that single settings explain", fontsize=style.SMALL, color=style.INK)
    handles = [Line2D([], [], color=style.BLUE, linewidth=6, label="of all trials, sum 1")]
    if any(partial):
        label = "of some losses alone: share among their trials"
        handles.append(Line2D([], [], color=style.ORANGE, linewidth=6, label=label))
    hint = f": below {FEW}, a hint at most" if most < FEW else ""
    notes = [f"fANOVA (Hutter et al. 2014) of {most} finished trials{hint}; what two settings do together is not shown"]
    style.footer(figure, handles, notes)
    return figure


def figure_search_parallel(sweep: SweepTables) -> Figure:
    """An axis a setting and one of the score; a line a trial, darker for a higher score, the highest black."""
    heading, search = f"{sweep.title}: all trials of the search, stage {sweep.stage}", _search(sweep)
    if not search.trials:
        return style.blank_figure(heading, style.NO_CELL)
    figure = style.new_figure(heading, 5.2)
    ax, scale = figure.subplots(), _colours(search.trials)
    places = range(len(search.settings) + 1)
    for trial in sorted(search.trials, key=lambda trial: trial.score):
        height = [setting.place(trial.values.get(setting.name)) for setting in search.settings]
        line = [*height, scale.place(trial.score)]
        best = trial is search.best
        colour = style.BLACK if best else scale.colour(trial.score)
        dashes = "--" if trial.collapsed else "-"
        ax.plot(places, line, dashes, color=colour, linewidth=2.0 if best else 1.0, zorder=3 if best else 2)
    for place, setting in enumerate(search.settings):
        _draw_axis(ax, place, _ticks(setting))
    low, high = scale.low, scale.high
    _draw_axis(ax, len(search.settings), [(0.0, f"{low:.3f}"), (1.0, f"{high:.3f}")])
    ax.set_xlim(-0.15, len(search.settings) + 0.45)
    ax.set_ylim(NOT_DRAWN - 0.06, 1.06)
    names = [*(setting.name.replace("_", "\n") for setting in search.settings), "score"]
    ax.set_xticks(list(places), labels=names, fontsize=style.NORMAL, color=style.INK)
    ax.tick_params(length=0, labelleft=False, left=False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    partial = any(len(trial.values) < len(search.settings) for trial in search.trials)
    style.footer(figure, _legend(search), ["at the foot of an axis: not of that trial's loss" if partial else ""])
    return figure


def figure_search_slices(sweep: SweepTables) -> Figure:
    """A panel a setting, most important first: the score of each trial by the value that it drew, later ones darker."""
    heading, search = f"{sweep.title}: each setting of the search, stage {sweep.stage}", _search(sweep)
    if not search.trials:
        return style.blank_figure(heading, style.NO_CELL)
    rows = math.ceil(len(search.settings) / ACROSS)
    figure = style.new_figure(heading, 1.0 + 2.5 * rows)
    panels = figure.subplots(rows, ACROSS, sharey=True, squeeze=False).ravel()
    scale = _Colours(0, max(1, *(trial.number for trial in search.trials)))
    for ax, setting in zip(panels, search.settings, strict=False):
        _draw_slice(ax, setting, search, scale)
    for ax in panels[len(search.settings) :]:
        ax.set_axis_off()
    for ax in panels[::ACROSS]:
        ax.set_ylabel("score", fontsize=style.SMALL, color=style.INK)
    handles = [
        Line2D(
            [], [], color=style.BLUE, marker="o", markersize=4, linestyle="none", label="a trial, later ones darker"
        ),
        Line2D(
            [],
            [],
            color=style.BLACK,
            marker="o",
            markersize=8,
            markerfacecolor="none",
            linestyle="none",
            label="highest score",
        ),
    ]
    if any(trial.collapsed for trial in search.trials):
        mark = Line2D([], [], color=style.VERMILLION, marker="x", markersize=5, linestyle="none", label="collapsed")
        handles.append(mark)
    style.footer(figure, handles, ["other settings differ, too: a panel is no proof of what its setting does"])
    return figure


def _search(sweep: SweepTables) -> SearchTables:
    assert sweep.search is not None  # what has none has no such figure
    return sweep.search


@dataclass(frozen=True)
class _Colours:
    """Colours of numbers between two, darker for a higher one."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Return where a number is, from 0 to 1."""
        return (value - self.low) / (self.high - self.low)

    def colour(self, value: float) -> tuple[float, float, float, float]:
        """Return the colour of a number."""
        return _SCALE(self.place(value))


def _colours(trials: Sequence[SearchTrial]) -> _Colours:
    """Return the colours of scores."""
    scores = [trial.score for trial in trials]
    low, high = min(scores), max(scores)
    return _Colours(low, high if high > low else low + 1e-3)


def _legend(search: SearchTables) -> list[Line2D]:
    handles = [
        Line2D([], [], color=style.BLUE, label="a trial, darker for a higher score"),
        Line2D([], [], color=style.BLACK, linewidth=2, label="highest score"),
    ]
    if any(trial.collapsed for trial in search.trials):
        handles.append(Line2D([], [], color=style.BLUE, linestyle="--", label="collapsed"))
    return handles


def _ticks(setting: SearchSetting) -> list[tuple[float, str]]:
    """Return what is written at an axis, and where."""
    if setting.choices:
        return [(setting.place(choice), _short(choice)) for choice in setting.choices]
    middle = math.sqrt(setting.low * setting.high) if setting.log else (setting.low + setting.high) / 2
    return [(setting.place(value), f"{value:.2g}") for value in (setting.low, middle, setting.high)]


def _short(choice: str) -> str:
    """Return a choice without its family: ``deeplabv3plus_xception`` is ``xception``."""
    family, _, rest = choice.partition("_")
    return style.drawable(rest if rest and len(choice) > 14 else choice, 14) if family else choice


def _draw_axis(ax: Axes, place: int, ticks: Sequence[tuple[float, str]]) -> None:
    """Draw one of several parallel axes, with what is written at it."""
    ax.plot([place, place], [0, 1], color=style.ABSENT, linewidth=1.2, zorder=1)
    for height, text in ticks:
        box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8}
        ax.text(place + 0.04, height, text, fontsize=style.SMALL, color=style.INK, va="center", bbox=box, zorder=4)


def _draw_slice(ax: Axes, setting: SearchSetting, search: SearchTables, scale: _Colours) -> None:
    """Draw the trials that have a setting: their scores by its value."""
    style.style_axes(ax)
    shift = np.random.default_rng(0).uniform(-0.18, 0.18, len(search.trials))  # trials of one choice side by side
    for trial, aside in zip(search.trials, shift, strict=True):
        if setting.name not in trial.values:
            continue
        value = trial.values[setting.name]
        x = setting.choices.index(str(value)) + float(aside) if setting.choices else float(value)
        colour = style.VERMILLION if trial.collapsed else scale.colour(trial.number)
        ax.plot([x], [trial.score], "x" if trial.collapsed else "o", color=colour, markersize=4)
        if trial is search.best:
            ax.plot([x], [trial.score], "o", color=style.BLACK, markersize=9, markerfacecolor="none")
    if setting.choices:
        ax.set_xlim(-0.5, len(setting.choices) - 0.5)
        ax.set_xticks(range(len(setting.choices)), labels=[_short(choice) for choice in setting.choices])
        if len(setting.choices) > 3:
            ax.tick_params(axis="x", rotation=30)
    elif setting.log:
        ax.set_xscale("log")
        ax.set_xlim(setting.low / 1.3, setting.high * 1.3)
        ax.xaxis.set_minor_locator(NullLocator())
    ax.set_title(style.drawable(setting.name, 30), fontsize=style.NORMAL, color=style.INK)
