"""What a finished cell is worth: from its record to what scoring needs, and to its score."""

import pandas as pd

from lge_sweep.config import Cell
from lge_sweep.errors import DamagedError, TrialError
from lge_sweep.labels import SCORED, class_names
from lge_sweep.scoring import Result, mean_of_all, score_result
from lge_sweep.study.cell_files import read_per_image
from lge_sweep.study.plan import Plan
from lge_sweep.study.records import REMEDY, CellRecord


def read_result(record: CellRecord, plan: Plan, cell: Cell) -> Result:
    """Return what scoring needs of a finished cell: the image means by class, and how much they vary.

    Args:
        record: the cell's record.
        plan: the sweep.
        cell: the cell.

    Raises:
        DamagedError: the record lacks a metric or a class, or the table that it was made of is damaged.
    """
    summary, emphasis = record.summary, plan.config.selection.emphasis
    try:
        by_class = {
            metric: {name: summary.image_mean[metric][name] for name in class_names(cell.stage)}
            for metric in summary.image_mean
        }
        spreads = [summary.std[metric] for metric in SCORED]
    except KeyError as error:
        raise DamagedError(plan.cell_files(cell).outcome, f"summary: there is no {error}", REMEDY) from None
    if emphasis:
        from lge_sweep.scoring import over_classes, wide  # imports scipy

        # the spread of what is scored; `std` is that of plain means over the classes
        values = over_classes(wide(read_per_image(plan.cell_files(cell).per_image)), emphasis)
        spreads = [None if pd.isna(value) else float(value) for value in values.std(ddof=1)]
    return Result(cell.name, by_class, summary.collapsed, mean_of_all(spreads))


def score_record(record: CellRecord, plan: Plan, cell: Cell) -> float:
    """Return a finished cell's score by the sweep's rule.

    Args:
        record: the cell's record.
        plan: the sweep.
        cell: the cell.

    Raises:
        DamagedError: as `read_result`.
    """
    rule = plan.config.selection
    return score_result(read_result(record, plan, cell), rule.rule, rule.emphasis).value


def costs_of(record: CellRecord, plan: Plan) -> list[float]:
    """Return what a finished cell's training has cost, in the order of the search's objectives; nothing for a grid.

    Args:
        record: the cell's record.
        plan: the sweep.

    Raises:
        TrialError: one of them was not measured.
    """
    known, costs = {"seconds": record.seconds.training, "memory": record.memory_mb}, []
    for objective in plan.config.search.costs if plan.config.search is not None else ():
        if (cost := known[objective]) is None:
            raise TrialError(
                f"search.objectives: {objective} was not measured where {record.cell.name} was trained, which needs "
                "Linux or a GPU; take search.objectives=[score,seconds]"
            )
        costs.append(cost)
    return costs
