"""The end of a sweep: rank, select, doubt, draw, show it in MLflow, register the winner."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import pandas as pd

from lge_sweep.atomic import write_text
from lge_sweep.config import Cell, configurations, short_configurations, short_names
from lge_sweep.csv_files import frame_text
from lge_sweep.engine.publish import log_selection
from lge_sweep.errors import ConfigError, SelectionError
from lge_sweep.labels import class_names
from lge_sweep.report import CellTables, RankLine, write_sweep_figures
from lge_sweep.scoring import Result, Selection, merge_seeds, override, score_result, select
from lge_sweep.scoring.paired import WinnerTest
from lge_sweep.scoring.ranking import ranking_frame
from lge_sweep.scoring.uncertainty import Candidate, Uncertainty, assess_uncertainty
from lge_sweep.study.files import OVERRIDE, SELECTION
from lge_sweep.study.plan import Plan
from lge_sweep.study.records import (
    OverrideRecord,
    SelectionRecord,
    read_record,
    read_selection,
    set_damaged_aside,
    write_record,
)
from lge_sweep.study.tables import read_tables
from lge_sweep.tracking import TrackedRun, Tracker


@dataclass(frozen=True)
class Outcome:
    """What a sweep came to.

    Attributes:
        selection: what was chosen.
        uncertainty: how sure that is.
        registered: a sentence on the registered model, None where none is (phase 1, search).
        names: configuration -> the name to print.
        settings: of a search, the `KEY=VALUE` settings that train its winner in phase 2; else none.
    """

    selection: Selection
    uncertainty: Uncertainty
    registered: str | None
    names: Mapping[str, str]
    settings: tuple[str, ...]


@dataclass(frozen=True)
class Decree:
    """A person's choice of a configuration and the reason; no name: the rule's choice, whatever was decreed before."""

    name: str | None = None
    reason: str = ""


RANKING = "ranking.csv"
COMPARISONS = "comparisons.csv"


def conclude(
    tracker: Tracker,
    plan: Plan,
    results: Mapping[str, Result],
    failed: Mapping[str, str],
    run: TrackedRun,
    allow_incomplete: bool = False,
    promote: bool = False,
) -> Outcome:
    """Rank a sweep's configurations, select, quantify the doubt, draw, and log and register what came out.

    Writes `ranking.csv`, `comparisons.csv`, `selection.json` (last) and the figures into the sweep's folder.

    Args:
        tracker: MLflow.
        plan: the sweep.
        results: results of the finished cells, in grid order.
        failed: reasons of the cells that have none.
        run: the sweep's MLflow run; it is ended here.
        allow_incomplete: select although cells failed.
        promote: make the winner the champion even if the selection is not new.

    Raises:
        SelectionError: the sweep is incomplete, or nothing can be scored; the run is marked FAILED.
        ConfigError: the person's choice that is kept does not fit the results.
        RunsError: the winner cannot be registered; what was selected is kept.
    """
    try:
        selection = choose(plan, results, failed, allow_incomplete)
    except SelectionError as error:
        (plan.folder / SELECTION).unlink(missing_ok=True)  # an earlier one no longer holds
        run.tag({"failed": str(error)[:500]})
        run.finish("FAILED")
        raise
    tables = _tables(plan, results)
    uncertainty = _assess(plan, tables, selection)
    champion = best_cell(plan, results, selection.selected[0])
    write_text(plan.folder / RANKING, frame_text(ranking_frame(selection.ranking, uncertainty.standings)))
    tests = pd.DataFrame(uncertainty.comparisons, columns=[field.name for field in fields(WinnerTest)])
    write_text(plan.folder / COMPARISONS, frame_text(tests))
    figures = _draw(plan, results, tables, selection, uncertainty)
    config, groups = plan.config, configurations(plan.cells)
    registered = None
    record = SelectionRecord(
        sweep=plan.name,
        data_digest=plan.data_digest,
        basis=plan.basis,
        models=tuple(dict.fromkeys(groups[name][0].model for name in selection.selected)),
        champion=champion.name,
        **vars(selection),
        uncertainty=uncertainty,
    )
    before = set_damaged_aside(plan.folder / SELECTION, read_selection)
    if config.phase == "phase2":
        from lge_sweep.engine.register import register_winner  # loads torch, which other phases' drivers do without

        new = promote or before is None or not before.registered or before.champion != champion.name
        # what was selected is kept, whatever becomes of the registry
        write_record(plan.folder / SELECTION, record.model_copy(update={"registered": False}))
        with tracker.required():
            registered = register_winner(tracker, plan, champion, selection, uncertainty, new)
    write_record(plan.folder / SELECTION, record)
    log_selection(run, plan, selection, uncertainty, [RANKING, COMPARISONS, SELECTION, "sweep.yaml", *figures])
    settings = () if config.search is None else tuple(champion.settings)
    return Outcome(selection, uncertainty, registered, short_configurations(plan.cells), settings)


def choose(
    plan: Plan,
    results: Mapping[str, Result],
    failed: Mapping[str, str],
    allow_incomplete: bool = False,
    decree: Decree | None = None,
) -> Selection:
    """Select by the sweep's rule, or as a person has decreed.

    Args:
        plan: the sweep.
        results: results of the finished cells, in grid order.
        failed: reasons of the cells that have none.
        allow_incomplete: select although cells failed.
        decree: a person's choice; None: the one kept in `override.json`, if there is one.

    Raises:
        SelectionError: the sweep is incomplete, or nothing can be scored.
        ConfigError: the person's choice does not fit the results.
    """
    merged = [
        merge_seeds(name, finished)
        for name, group in configurations(plan.cells).items()
        if (finished := [results[cell.name] for cell in group if cell.name in results])
    ]
    rule = plan.config.selection
    selection = select(
        merged, rule.rule, rule.keep, rule.subset, rule.emphasis, rule.tie_margin, failed, allow_incomplete
    )
    path = plan.folder / OVERRIDE
    if decree is None and path.is_file():
        remedy = f"Take the choice back (lge-sweep select {plan.name} --withdraw), or choose again (--override)"
        kept = read_record(OverrideRecord, path, remedy)
        decree = Decree(kept.name, kept.reason)
    if decree is None or decree.name is None:
        return selection
    try:
        return override(selection, decree.name, decree.reason)
    except ConfigError as error:
        if not path.is_file():
            raise
        raise ConfigError(
            f"{error} (kept in {path}; take it back with: lge-sweep select {plan.name} --withdraw)"
        ) from None


def best_cell(plan: Plan, results: Mapping[str, Result], configuration: str) -> Cell:
    """Return the cell of a configuration whose seed scored best; the first of equals."""
    rule = plan.config.selection

    def points(cell: Cell) -> float:
        return score_result(results[cell.name], rule.rule, rule.emphasis).value

    return max((cell for cell in configurations(plan.cells)[configuration] if cell.name in results), key=points)


def _tables(plan: Plan, results: Mapping[str, Result]) -> dict[str, CellTables]:
    """Read the tables of all finished cells: cell -> its tables, in order."""
    titles = short_names(plan.cells)
    return {
        cell.name: read_tables(plan.cell_folder(cell), cell, titles[cell.name], results[cell.name].collapsed)
        for cell in plan.cells
        if cell.name in results
    }


def _assess(plan: Plan, tables: Mapping[str, CellTables], selection: Selection) -> Uncertainty:
    entries = {entry.name: entry for entry in selection.ranking}
    candidates = [
        Candidate(name, [tables[cell.name].per_image for cell in group if cell.name in tables], entries[name].collapsed)
        for name, group in configurations(plan.cells).items()
        if name in entries
    ]
    rule = plan.config.selection
    return assess_uncertainty(
        candidates, selection.selected[0], rule.rule, rule.emphasis, names=short_configurations(plan.cells)
    )


def _draw(
    plan: Plan,
    results: Mapping[str, Result],
    tables: Mapping[str, CellTables],
    selection: Selection,
    uncertainty: Uncertainty,
) -> list[str]:
    stage, config = plan.config.stage, plan.config
    top = dict.fromkeys([*selection.selected, *(entry.name for entry in selection.ranking)])
    best = [best_cell(plan, results, name).name for name in [*top][:2]]
    names = short_configurations(plan.cells)
    lines = [
        RankLine(
            name=standing.name,
            title=names[standing.name],
            score=standing.score,
            low=standing.low,
            high=standing.high,
            best=standing.best or 0.0,
            expected_rank=standing.expected_rank,
            ranks=standing.ranks,
            collapsed=bool(standing.collapsed),
        )
        for standing in uncertainty.standings
    ]
    title = f"{config.phase}, {config.data}, {config.profile}, {config.selection.subset} subset"
    paths = write_sweep_figures(plan.folder, title, list(tables.values()), best, class_names(stage), stage, lines)
    return [path.name for path in paths]
