"""What a search draws from, and how much each of its settings mattered."""

import math
from collections.abc import Mapping
from dataclasses import replace

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import create_trial

from lge_sweep.config import Cell
from lge_sweep.config.grid import AXES
from lge_sweep.config.losses import SEARCHED
from lge_sweep.report import SearchSetting, SearchTables, SearchTrial
from lge_sweep.scoring import Front, Result, score_result
from lge_sweep.study import Plan

optuna.logging.set_verbosity(optuna.logging.WARNING)  # else each study is told of

LEAST = 6
"""Finished trials below which no importance is computed: a forest of fewer says nothing."""


def search_space(plan: Plan) -> dict[str, BaseDistribution]:
    """Return what each name that a trial can have is drawn from.

    Args:
        plan: of a search.
    """
    search = plan.config.search
    assert search is not None
    axes = {axis: values for axis, values in plan.config.grid.model_dump().items() if len(values) > 1}
    if search.batch_size is not None:
        axes["batch_size"] = search.batch_size
    numbers = ("learning_rate", "weight_decay", *SEARCHED)
    intervals = {name: bounds for name in numbers if (bounds := getattr(search, name)) is not None}
    return {name: CategoricalDistribution(list(values)) for name, values in axes.items()} | {
        name: FloatDistribution(bounds.low, bounds.high, log=bounds.log) for name, bounds in intervals.items()
    }


def drawn_values(cell: Cell, space: Mapping[str, BaseDistribution]) -> dict[str, str | int | float]:
    """Return what was drawn for a cell, by name.

    Args:
        cell: of a search.
        space: what its names are drawn from.
    """
    return dict(cell.drawn) | {axis: cell.parameters[axis] for axis in AXES if axis in space}


def search_tables(plan: Plan, results: Mapping[str, Result], front: Front | None = None) -> SearchTables:
    """Return what the figures of a search are drawn of, its settings by importance.

    Args:
        plan: of a search, with the cells that it finished.
        results: cell -> its result.
        front: its front, if it has several objectives.
    """
    rule, space = plan.config.selection, search_space(plan)
    trials = [
        SearchTrial(
            cell.trial or 0,
            drawn_values(cell, space),
            score_result(results[cell.name], rule.rule, rule.emphasis).value,
            bool(results[cell.name].collapsed),
        )
        for cell in plan.cells
        if cell.name in results
    ]
    trials = [trial for trial in trials if math.isfinite(trial.score)]
    known = importances(space, trials)
    settings = [
        replace(_setting(name, bounds), importance=known.get(name), trials=sum(name in t.values for t in trials))
        for name, bounds in space.items()
    ]
    settings.sort(key=lambda setting: (setting.trials < len(trials), -(setting.importance or 0.0)))
    shown = [
        replace(trial, values={name: _plain(value, space[name]) for name, value in trial.values.items()})
        for trial in trials
    ]
    return SearchTables(settings, shown, front)


def importances(space: Mapping[str, BaseDistribution], trials: list[SearchTrial]) -> dict[str, float]:
    """Return, of the scores' variance that single settings explain, each one's share, by fANOVA.

    Those that every trial has share 1. One that belongs to some losses alone is compared with those among the trials
    that have it. What fewer than `LEAST` trials have is left out, and so is all where every trial scored the same.

    Args:
        space: what the settings are drawn from.
        trials: the finished ones.

    Source: Hutter, Hoos, Leyton-Brown: An efficient approach for assessing hyperparameter importance, ICML 2014.
    """
    if len(trials) < LEAST:
        return {}
    study = optuna.create_study(direction="maximize")
    study.add_trials(
        [
            create_trial(
                value=trial.score, params=dict(trial.values), distributions={name: space[name] for name in trial.values}
            )
            for trial in trials
        ]
    )
    counts = {name: sum(name in trial.values for trial in trials) for name in space}
    common = [name for name in space if counts[name] == len(trials)]
    found = _fanova(study, common) if common else {}
    for name in space:
        if name not in common and counts[name] >= LEAST:
            own = _fanova(study, [*common, name])
            found |= {name: own[name]} if name in own else {}
    return found


def _fanova(study: optuna.Study, names: list[str]) -> dict[str, float]:
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances  # loads scikit-learn

    try:
        found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0), params=names)
    except RuntimeError:  # no variance: all scored the same
        return {}
    return {name: float(share) for name, share in found.items()}


def _setting(name: str, bounds: BaseDistribution) -> SearchSetting:
    if isinstance(bounds, CategoricalDistribution):
        return SearchSetting(name, choices=tuple(map(str, bounds.choices)))
    assert isinstance(bounds, FloatDistribution)
    return SearchSetting(name, low=bounds.low, high=bounds.high, log=bounds.log)


def _plain(value: str | float, bounds: BaseDistribution) -> str | float:
    return str(value) if isinstance(bounds, CategoricalDistribution) else value
