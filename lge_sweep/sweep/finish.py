"""The end of a sweep: rank, select, draw, and show it in MLflow."""

import csv
import io
from collections.abc import Mapping

from lge_sweep.errors import SelectionError
from lge_sweep.labels import class_names
from lge_sweep.report import CellTables, write_sweep_figures
from lge_sweep.scoring import Result, Selection, select
from lge_sweep.sweep.files import write_json, write_text
from lge_sweep.sweep.plan import Plan
from lge_sweep.sweep.publish import log_selection, ranking_columns
from lge_sweep.sweep.tables import read_tables
from lge_sweep.tracking import TrackedRun

RANKING = "ranking.csv"
SELECTION = "selection.json"


def finish_sweep(
    plan: Plan,
    results: Mapping[str, Result],
    failed: Mapping[str, str],
    run: TrackedRun,
    allow_incomplete: bool = False,
) -> Selection:
    """Rank a sweep's cells, select, write `ranking.csv`, `selection.json` and the figures, and log them.

    Args:
        plan: the sweep.
        results: results of the finished cells, in grid order.
        failed: reasons of the cells that failed.
        run: the sweep's MLflow run; it is ended here.
        allow_incomplete: select although cells failed.

    Raises:
        SelectionError: the sweep is incomplete, or nothing can be scored; the run is marked FAILED.
    """
    chosen = plan.config.selection
    try:
        selection = select(
            list(results.values()), chosen.rule, chosen.keep, chosen.part, chosen.emphasis, failed, allow_incomplete
        )
    except SelectionError as error:
        run.tag({"failed": str(error)[:500]})
        run.finish("FAILED")
        raise
    write_text(plan.folder / RANKING, _csv(ranking_columns(selection)))
    write_json(plan.folder / SELECTION, {"sweep": plan.name, "data_digest": plan.data_digest, **selection.to_dict()})
    figures = _draw(plan, results, selection)
    log_selection(run, plan, selection, [RANKING, SELECTION, "sweep.yaml", *figures])
    return selection


def _draw(plan: Plan, results: Mapping[str, Result], selection: Selection) -> list[str]:
    tables: list[CellTables] = [
        read_tables(plan.cell_folder(cell), cell, results[cell.name].collapsed)
        for cell in plan.cells
        if cell.name in results
    ]
    stage = plan.config.stage
    best = [entry.name for entry in selection.ranking[:2]]
    config = plan.config
    title = f"{config.phase}, {config.data}, {config.profile}, {config.selection.part} part"
    paths = write_sweep_figures(plan.folder, title, tables, best, class_names(stage), stage)
    return [path.name for path in paths]


def _csv(columns: Mapping[str, list[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()
