"""The front of a search with several objectives, from the folders of its finished trials."""

import math
from collections.abc import Mapping

from optuna.distributions import BaseDistribution

from lge_sweep.config import Cell
from lge_sweep.config.grid import AXES
from lge_sweep.engine.pareto import on_front
from lge_sweep.engine.search_space import drawn_values, search_space
from lge_sweep.errors import TrialError
from lge_sweep.scoring import Front, FrontTrial
from lge_sweep.study import CellRecord, HardwareFacts, Plan, costs_of, read_record, score_record


def search_front(plan: Plan) -> Front | None:
    """Return the front of a search with several objectives; None of anything else.

    Trials whose folder was removed are left out.

    Args:
        plan: the sweep; of a search with the cells that it finished.

    Raises:
        DamagedError: what a finished trial has left is damaged.
    """
    search = plan.config.search
    if search is None or not search.costs:
        return None
    found, trained_on, space = [], dict[str, None](), search_space(plan)
    for cell in plan.cells:
        outcome = plan.cell_files(cell).outcome
        if not outcome.is_file():
            continue
        record = read_record(CellRecord, outcome)
        try:
            costs = costs_of(record, plan)
        except TrialError:  # it failed
            continue
        score = score_record(record, plan, cell)
        if math.isfinite(score):
            found.append((cell, score, costs, bool(record.summary.collapsed)))
            trained_on[_words(record.hardware)] = None
    marks = on_front([(score, *costs) for _, score, costs, _ in found], [fell for *_, fell in found])
    trials = tuple(
        FrontTrial(cell.trial or 0, cell.configuration, score, tuple(costs), fell, mark, _drawn(cell, space))
        for (cell, score, costs, fell), mark in zip(found, marks, strict=True)
    )
    return Front(search.costs, trials, plan.config.selection.tie_margin, tuple(trained_on))


def _drawn(cell: Cell, space: Mapping[str, BaseDistribution]) -> dict[str, str | int | float]:
    """Return what was drawn for a cell, the grid's axes first."""
    values = drawn_values(cell, space)
    return dict(sorted(values.items(), key=lambda item: item[0] not in AXES))


def _words(hardware: HardwareFacts) -> str:
    threads = f", {hardware.threads} threads" if hardware.threads and hardware.accelerator == "cpu" else ""
    return f"{hardware.accelerator} {hardware.precision}{threads}"
