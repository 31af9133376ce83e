"""Select again in a finished sweep, by its rule or a person's choice."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from lge_sweep.api import find_sweep
from lge_sweep.cli.request import SelectRequest
from lge_sweep.cli.tables.selection import print_outcome
from lge_sweep.cli.terminal import Terminal
from lge_sweep.engine import (
    CellState,
    FinishedSweep,
    TrackedSweep,
    choose,
    conclude,
    hold_runs,
    open_sweep,
    read_sweep,
)
from lge_sweep.errors import ConfigError
from lge_sweep.run_store import RunStore
from lge_sweep.scoring import Result
from lge_sweep.study import (
    OverrideRecord,
    Plan,
    load_plan,
    read_cell,
    read_record,
    set_damaged_aside,
    write_record,
)
from lge_sweep.text import visible
from lge_sweep.tracking import TrackedRun, Tracker, finishing


def select_again(console: Terminal, sweep: str, store: RunStore, request: SelectRequest) -> None:
    """Select in a finished sweep again, perhaps by a person's choice, and print the outcome.

    Args:
        console: where to print.
        sweep: folder or name of the sweep, or the id of its MLflow run.
        store: the runs directory.
        request: by the rule or by a person's choice.

    Raises:
        ConfigError: the configuration is unknown, collapsed or selected anyway, or the options contradict each other.
        RunsError: there is no such sweep, or a driver is using the runs directory.
        SelectionError: cells have no result.
    """
    if request.withdraw and request.override is not None:
        raise ConfigError("--withdraw goes back to the rule's choice, --override away from it: give one of them")
    if request.reason and request.override is None:
        raise ConfigError("--reason is the reason of an override: give --override too")
    folder = find_sweep(sweep, store)
    store = replace(store, root=folder.runs)
    with hold_runs(store):
        plan = load_plan(folder.path)
        if plan.config.fit:
            raise ConfigError(
                f"{plan.name}: phase 3 selects nothing, it compares pipelines (lge-sweep table {plan.name}); to ship "
                "another one: lge-sweep phase3 --set fit.shipped.stage2=cropped (see sweeps/phase3.yaml)"
            )
        tracker = Tracker(store)
        run = open_sweep(tracker, plan)
        with finishing(run):
            finished = _finished(tracker, plan, read_sweep(store, plan.name), run)
            if request.withdraw or request.override is not None:
                choice = _choice(plan, request)
                choose(finished, request.allow_incomplete, choice)  # a wrong one changes nothing
                _write_override(plan.files.override, choice)
            outcome = conclude(tracker, run, finished, request.allow_incomplete, promote=True)
    print_outcome(console, plan, outcome)


def _finished(tracker: Tracker, plan: Plan, entries: Mapping[str, CellState], run: TrackedRun) -> FinishedSweep:
    """Return what a sweep's cells have come to."""
    results = _results(tracker, plan, entries, run)
    failed = {cell: why for cell, why in _reasons(plan, entries).items() if cell not in results}
    cells = tuple(cell for cell in plan.cells if cell.trial is None or cell.name in results)
    trials = {cell: entry.trial for cell, entry in entries.items() if entry.trial is not None}
    return FinishedSweep(replace(plan, cells=cells), results, failed, trials)


def _choice(plan: Plan, request: SelectRequest) -> OverrideRecord | None:
    """Return a person's choice, None for the rule's; a cell stands for its configuration."""
    if request.override is None:
        return None
    of_cell = (cell.configuration for cell in plan.cells if cell.name == request.override)
    return OverrideRecord(name=next(of_cell, request.override), reason=visible(request.reason))


def _write_override(path: Path, choice: OverrideRecord | None) -> None:
    """Keep a person's choice, or forget it where there is none any more."""
    set_damaged_aside(path, partial(read_record, OverrideRecord))
    if choice is None:
        path.unlink(missing_ok=True)
    else:
        write_record(path, choice)  # over the one of before, which stands until this one does


def _results(tracker: Tracker, plan: Plan, entries: Mapping[str, CellState], run: TrackedRun) -> dict[str, Result]:
    """Read the finished cells of a sweep, and show in MLflow those that it has lost."""
    trials = {name: entry.trial or 0 for name, entry in entries.items() if entry.state == "complete"}
    finished = []
    for cell in plan.cells:
        if not plan.cell_files(cell).outcome.is_file() or (cell.trial is not None and cell.name not in trials):
            continue
        read_cell(plan.cell_files(cell), cell, plan.name)
        finished.append((cell, trials.get(cell.name, 0)))
    return TrackedSweep(tracker, plan, run).show_all(finished, ()).results


def _reasons(plan: Plan, entries: Mapping[str, CellState]) -> dict[str, str]:
    """Say of each cell why it may have no result."""
    reasons = {}
    if plan.config.search is not None:
        done = sum(entry.state in {"complete", "pruned"} for entry in entries.values())
        missing = plan.config.search.trials - done
        return {f"{missing} of {plan.config.search.trials} trials": "were not completed"} if missing > 0 else {}
    for cell in plan.cells:
        entry = entries.get(cell.name)
        if entry is None or entry.state == "waiting":
            reasons[cell.name] = "was never run"
        elif entry.state == "complete":
            reasons[cell.name] = "its results were removed"
        else:
            reasons[cell.name] = entry.reason or "was stopped before its end"
    return reasons
