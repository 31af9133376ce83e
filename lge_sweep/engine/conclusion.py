"""The end of a sweep: rank, select, say how sure that is, draw, show it in MLflow, register the winner."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd

from lge_sweep.config import Cell, configurations, short_configurations, short_names
from lge_sweep.csv_files import write_frame
from lge_sweep.engine.finished import FinishedSweep
from lge_sweep.engine.publish import Chosen, log_selection
from lge_sweep.engine.search_space import search_tables
from lge_sweep.engine.winner import Winner
from lge_sweep.errors import ConfigError, SelectionError
from lge_sweep.labels import class_names
from lge_sweep.report import CellTables, RankLine, SweepTables, write_sweep_figures
from lge_sweep.scoring import (
    Candidate,
    Front,
    Result,
    Selection,
    Uncertainty,
    WinnerTest,
    assess_uncertainty,
    front_frame,
    merge_seeds,
    override,
    ranking_frame,
    score_result,
    select,
)
from lge_sweep.study import (
    OverrideRecord,
    Plan,
    SelectionRecord,
    read_record,
    read_selection,
    read_tables,
    set_damaged_aside,
    write_record,
)
from lge_sweep.tracking import TrackedRun, Tracker


@dataclass(frozen=True)
class SweepOutcome:
    """What a sweep came to.

    Attributes:
        selection: what was chosen.
        uncertainty: how sure that is.
        registered: a sentence on the registered model, None where none is (phase 1, search).
        names: configuration -> the name to print.
        settings: of a search, the `KEY=VALUE` settings that train its winner in phase 2; else none.
        front: of a search with several objectives, the trials to choose from.
    """

    selection: Selection
    uncertainty: Uncertainty
    registered: str | None
    names: Mapping[str, str]
    settings: tuple[str, ...]
    front: Front | None = None


def conclude(
    tracker: Tracker,
    run: TrackedRun,
    finished: FinishedSweep,
    allow_incomplete: bool = False,
    promote: bool = False,
) -> SweepOutcome:
    """Rank a sweep's configurations, select, quantify the uncertainty, draw, and log and register what came out.

    Writes `ranking.csv`, `comparisons.csv`, `front.csv` of a search with several objectives, `selection.json` (last)
    and the figures into the sweep's folder.

    Args:
        tracker: MLflow.
        run: the sweep's MLflow run; it is ended here.
        finished: the sweep's cells.
        allow_incomplete: select although cells failed.
        promote: make the winner the champion even if the selection is not new.

    Raises:
        SelectionError: the sweep is incomplete, or nothing can be scored; the run is marked FAILED.
        ConfigError: the person's choice that is kept does not fit the results.
        RunsError: the winner cannot be registered; what was selected is kept.
    """
    plan = finished.plan
    try:
        selection = _choose_as_kept(finished, allow_incomplete)
    except SelectionError as error:
        plan.files.selection.unlink(missing_ok=True)  # an earlier one no longer holds
        run.fail(str(error))
        raise
    tables = _tables(finished)
    uncertainty = _assess(plan, tables, selection)
    champion = best_cell(plan, finished.results, selection.selected[0])
    winner = Winner(plan, champion, finished.trials.get(champion.name, 0), selection, uncertainty)
    _write_tables(plan, selection, uncertainty)
    files, front = plan.files, finished.front
    kept = [files.ranking, files.comparisons, files.selection, files.settings]
    if front is not None:
        write_frame(files.front, front_frame(front))
        kept.append(files.front)
    chosen = Chosen(selection, uncertainty, front)
    figures = _draw(finished, tables, chosen)
    registered = _record(tracker, winner, promote)
    log_selection(run, plan, chosen, [*kept, *figures])
    settings = () if plan.config.search is None else tuple(champion.settings)
    return SweepOutcome(selection, uncertainty, registered, short_configurations(plan.cells), settings, front)


def choose(finished: FinishedSweep, allow_incomplete: bool = False, choice: OverrideRecord | None = None) -> Selection:
    """Select by the sweep's rule, or as a person has chosen.

    Args:
        finished: the sweep's cells.
        allow_incomplete: select although cells failed.
        choice: a person's; None: the rule's.

    Raises:
        SelectionError: the sweep is incomplete, or nothing can be scored.
        ConfigError: the person's choice does not fit the results.
    """
    plan, results = finished.plan, finished.results
    merged = [
        merge_seeds(name, done)
        for name, group in configurations(plan.cells).items()
        if (done := [results[cell.name] for cell in group if cell.name in results])
    ]
    rule, front = plan.config.selection, finished.front
    if front is not None:  # of two that score alike, the one that costs less
        costs = {trial.name: trial.costs for trial in front.trials}
        merged.sort(key=lambda result: costs.get(result.name, ()))
    selection = select(
        merged,
        rule.rule,
        rule.keep,
        rule.subset,
        emphasis=rule.emphasis,
        tie_margin=rule.tie_margin if front is None else None,
        unfinished=finished.failed,
        allow_incomplete=allow_incomplete,
    )
    return selection if choice is None else override(selection, choice.name, choice.reason)


def _choose_as_kept(finished: FinishedSweep, allow_incomplete: bool) -> Selection:
    """Select as `override.json` says, if there is one."""
    sweep, path = finished.plan.name, finished.plan.files.override
    if not path.is_file():
        return choose(finished, allow_incomplete)
    remedy = f"Take the choice back (lge-sweep select {sweep} --withdraw), or choose again (--override)"
    kept = read_record(OverrideRecord, path, remedy)
    try:
        return choose(finished, allow_incomplete, kept)
    except ConfigError as error:
        raise ConfigError(f"{error} (kept in {path}; take it back with: lge-sweep select {sweep} --withdraw)") from None


def best_cell(plan: Plan, results: Mapping[str, Result], configuration: str) -> Cell:
    """Return the cell of a configuration whose seed scored best; the first of equals.

    Args:
        plan: the sweep.
        results: cell -> its result.
        configuration: the configuration's name.
    """
    rule = plan.config.selection

    def score_of(cell: Cell) -> float:
        return score_result(results[cell.name], rule.rule, rule.emphasis).value

    return max((cell for cell in configurations(plan.cells)[configuration] if cell.name in results), key=score_of)


def _record(tracker: Tracker, winner: Winner, promote: bool) -> str | None:
    """Write what was selected; register a winner of phase 2, and return a sentence on that."""
    plan, selection, path = winner.plan, winner.selection, winner.plan.files.selection
    groups = configurations(plan.cells)
    record = SelectionRecord(
        sweep=plan.name,
        data_digest=plan.data_digest,
        basis=plan.basis,
        models=tuple(dict.fromkeys(groups[name][0].model for name in selection.selected)),
        champion=winner.cell.name,
        **vars(selection),
        uncertainty=winner.uncertainty,
    )
    before = set_damaged_aside(path, read_selection)
    if plan.config.phase != "phase2":
        write_record(path, record)
        return None
    from lge_sweep.engine.register import register_winner  # loads torch, which other phases' drivers do without

    new = promote or before is None or not before.registered or before.champion != winner.cell.name
    # what was selected is kept, whatever becomes of the registry
    write_record(path, record.model_copy(update={"registered": False}))
    with tracker.required():
        registered = register_winner(tracker, winner, new)
    write_record(path, record)
    return registered


def _write_tables(plan: Plan, selection: Selection, uncertainty: Uncertainty) -> None:
    """Write the ranking, and the winner's comparisons with the others."""
    write_frame(plan.files.ranking, ranking_frame(selection.ranking, uncertainty))
    tests = pd.DataFrame(uncertainty.comparisons, columns=[field.name for field in fields(WinnerTest)])
    write_frame(plan.files.comparisons, tests)


def _tables(finished: FinishedSweep) -> dict[str, CellTables]:
    """Read the tables of all finished cells: cell -> its tables, in order."""
    plan, results = finished.plan, finished.results
    titles = short_names(plan.cells)
    return {
        cell.name: read_tables(plan.cell_files(cell), cell, titles[cell.name], results[cell.name].collapsed)
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


def _draw(finished: FinishedSweep, tables: Mapping[str, CellTables], chosen: Chosen) -> list[Path]:
    """Draw the sweep's figures; returns their files."""
    plan, stage, config = finished.plan, finished.plan.config.stage, finished.plan.config
    selection = chosen.selection
    top = dict.fromkeys([*selection.selected, *(entry.name for entry in selection.ranking)])
    best = [best_cell(plan, finished.results, name).name for name in [*top][:2]]
    names = short_configurations(plan.cells)
    lines = [RankLine(names[standing.name], standing) for standing in chosen.uncertainty.standings]
    title = f"{config.phase}, {config.data}, {config.profile}, {config.selection.subset} subset"
    search = search_tables(plan, finished.results, chosen.front) if config.search is not None else None
    shown = SweepTables(title, list(tables.values()), best, class_names(stage), stage, lines, search)
    return write_sweep_figures(plan.folder, shown)
