"""Figures of a search: how much each setting mattered, against variances worked out by hand, and what is drawn."""

import itertools
import math

import numpy as np
import pytest
from matplotlib.figure import Figure
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from lge_sweep.engine.search_space import LEAST, importances
from lge_sweep.report import SearchSetting, SearchTables, SearchTrial
from lge_sweep.report.search_figures import (
    figure_search_importance,
    figure_search_parallel,
    figure_search_slices,
)
from lge_sweep.report.search_tables import NOT_DRAWN
from lge_sweep.report.tables import SweepTables

THREE = CategoricalDistribution(["0", "1", "2"])
SETTINGS = [
    SearchSetting("learning_rate", low=1e-5, high=1e-2, log=True, importance=0.7, trials=4),
    SearchSetting("loss", choices=("dice", "focal"), importance=0.3, trials=4),
    SearchSetting("gamma", low=0.5, high=5.0, importance=0.25, trials=2),
    SearchSetting("weight_decay", low=1e-6, high=1e-2, log=True, trials=4),
]
TRIALS = [
    SearchTrial(0, {"learning_rate": 1e-5, "loss": "dice", "weight_decay": 1e-4}, 0.2, collapsed=True),
    SearchTrial(1, {"learning_rate": 1e-3, "loss": "focal", "gamma": 2.75, "weight_decay": 1e-6}, 0.8),
    SearchTrial(2, {"learning_rate": 1e-2, "loss": "focal", "gamma": 0.5, "weight_decay": 1e-2}, 0.6),
    SearchTrial(4, {"learning_rate": 1e-4, "loss": "dice", "weight_decay": 1e-3}, 0.5),
]


def sweep(search: SearchTables) -> SweepTables:
    return SweepTables("search, phantom", [], [], ["background", "scar"], 2, (), search)


def words(figure: Figure) -> str:
    figure.draw_without_rendering()
    found = [text.get_text() for ax in figure.axes for text in ax.texts]
    found += [label.get_text() for ax in figure.axes for label in (*ax.get_xticklabels(), *ax.get_yticklabels())]
    found += [ax.get_title() for ax in figure.axes]
    found += [text.get_text() for legend in figure.legends for text in (*legend.get_texts(), legend.get_title())]
    return " | ".join(found)


def test_importances_are_shares_of_variance() -> None:
    """Score 2 a + b of all combinations of a, b and c in {0, 1, 2}: variances 4, 1 and 0 to each other."""
    space: dict[str, BaseDistribution] = dict.fromkeys("abc", THREE)
    trials = [
        SearchTrial(number, dict(zip("abc", drawn, strict=True)), 2.0 * int(drawn[0]) + int(drawn[1]))
        for number, drawn in enumerate(itertools.product("012", repeat=3))
    ]
    found = importances(space, trials)
    assert sum(found.values()) == pytest.approx(1)
    assert [found[name] for name in "abc"] == pytest.approx([0.8, 0.2, 0.0], abs=0.06)
    assert importances(space, trials) == found  # the same forest each time


def test_a_setting_of_some_losses_is_compared_among_their_trials() -> None:
    """Of the focal trials the score is gamma alone; the others, which have none, score 0."""
    space = {"loss": CategoricalDistribution(["dice", "focal"]), "gamma": FloatDistribution(0.0, 1.0)}
    focal = [SearchTrial(k, {"loss": "focal", "gamma": k / 9}, 5 + k / 9) for k in range(10)]
    dice = [SearchTrial(10 + k, {"loss": "dice"}, 0.0) for k in range(10)]
    found = importances(space, focal + dice)
    assert found["loss"] == pytest.approx(1)  # the only one that all have
    assert found["gamma"] > 0.9
    few = importances(space, focal[: LEAST - 1] + dice)
    assert few.keys() == {"loss"}


def test_there_is_no_importance_of_few_trials_or_of_equal_scores() -> None:
    space: dict[str, BaseDistribution] = {"a": THREE}
    assert importances(space, []) == {}
    assert importances(space, [SearchTrial(k, {"a": str(k % 3)}, k) for k in range(LEAST - 1)]) == {}
    assert importances(space, [SearchTrial(k, {"a": str(k % 3)}, 0.5) for k in range(20)]) == {}


def test_the_best_is_one_that_stands() -> None:
    high = SearchTrial(9, {}, 0.9, collapsed=True)
    best = SearchTables(SETTINGS, [*TRIALS, high]).best
    assert best is not None
    assert best.number == 1
    assert SearchTables(SETTINGS, [high]).best is high
    assert SearchTables(SETTINGS, []).best is None


def test_importance_is_drawn_as_bars_in_order() -> None:
    figure = figure_search_importance(sweep(SearchTables(SETTINGS, TRIALS)))
    (ax,) = figure.axes
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([0.7, 0.3, 0.25])  # type: ignore[attr-defined]  # bars
    said = words(figure)
    assert "gamma (2 trials)" in said
    assert "0.70 | 0.30 | 0.25" in said
    assert "of 4 finished trials: below 20, a hint at most" in said
    assert "weight_decay" not in said  # its importance is not known
    unknown = [SearchSetting("loss", choices=("dice",))]
    assert "no importance is known" in words(figure_search_importance(sweep(SearchTables(unknown, TRIALS))))


def test_every_trial_is_a_line_across_all_axes() -> None:
    (ax,) = figure_search_parallel(sweep(SearchTables(SETTINGS, TRIALS))).axes
    lines = [line for line in ax.lines if len(line.get_xdata()) == len(SETTINGS) + 1]  # type: ignore[arg-type]  # arrays
    heights = [list(line.get_ydata()) for line in lines]  # type: ignore[arg-type]  # arrays
    assert len(heights) == len(TRIALS)
    assert heights[0] == pytest.approx([0, 0.25, NOT_DRAWN, 0.5, 0])  # the lowest score first, so that others are above
    assert heights[-1] == pytest.approx([2 / 3, 0.75, 0.5, 0, 1])
    assert [line.get_linestyle() for line in lines] == ["--", "-", "-", "-"]  # the first has collapsed
    assert lines[-1].get_color() == "#000000"
    said = words(figure_search_parallel(sweep(SearchTables(SETTINGS, TRIALS))))
    assert "1e-05 | 0.00032 | 0.01" in said
    assert "0.200 | 0.800" in said
    assert "not of that trial's loss" in said


def test_every_setting_is_a_panel_of_the_trials_that_have_it() -> None:
    figure = figure_search_slices(sweep(SearchTables(SETTINGS, TRIALS)))
    panels = {ax.get_title(): ax for ax in figure.axes if ax.get_title()}
    assert list(panels) == [setting.name for setting in SETTINGS]

    def points(name: str) -> list[tuple[float, ...]]:
        marks = [line for line in panels[name].lines if line.get_markersize() == 4]
        return [tuple(float(np.asarray(data).ravel()[0]) for data in line.get_data()) for line in marks]

    assert points("gamma") == [(2.75, 0.8), (0.5, 0.6)]
    assert points("learning_rate") == [(trial.values["learning_rate"], trial.score) for trial in TRIALS]
    assert panels["learning_rate"].get_xscale() == "log"
    assert panels["gamma"].get_xscale() == "linear"
    assert [round(x) for x, *_ in points("loss")] == [0, 1, 1, 0]
    assert "collapsed" in words(figure)


def test_one_trial_and_none_can_be_drawn() -> None:
    for trials in (TRIALS[:1], []):
        for draw in (figure_search_importance, figure_search_parallel, figure_search_slices):
            words(draw(sweep(SearchTables(SETTINGS, trials))))
    assert math.isfinite(SETTINGS[0].place(1e-5))
