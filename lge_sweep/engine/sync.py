"""Deliver to MLflow what it has missed of a sweep: trials, selection, the winner's model."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from lge_sweep.config import Cell
from lge_sweep.engine.front import search_front
from lge_sweep.engine.ledger import CellState
from lge_sweep.engine.publish import Chosen, log_selection, open_sweep
from lge_sweep.engine.trial_view import TrackedSweep
from lge_sweep.engine.winner import Winner
from lge_sweep.scoring import Selection
from lge_sweep.study import Plan, SelectionRecord, read_selection, write_record

if TYPE_CHECKING:
    from lge_sweep.tracking import Tracker


@dataclass(frozen=True)
class Delivery:
    """What was sent of a sweep.

    Attributes:
        trials: how many trials MLflow did not show, or not all of.
        selection: whether it did not show what was selected.
        registered: a sentence on the winner's model; None where it was there, or there is none.
    """

    trials: int
    selection: bool = False
    registered: str | None = None

    def __str__(self) -> str:
        """Say it; empty if nothing was sent."""
        sent = [f"{self.trials} trial{'s' * (self.trials != 1)}"] * bool(self.trials)
        sent += ["what was selected"] * self.selection
        if self.registered is not None:
            sent.append(self.registered)
        return ", ".join(sent)


def deliver(tracker: "Tracker", plan: Plan, entries: Mapping[str, CellState]) -> Delivery:
    """Send MLflow what it lacks of a sweep, from its folder; what it shows is not sent again.

    Args:
        tracker: MLflow.
        plan: the sweep.
        entries: cell -> its state in the ledger.

    Raises:
        DamagedError: a file of the sweep is damaged.
        RunsError: the model registry cannot be reached.
    """
    before = tracker.find(plan.name)
    finished = [
        (cell, entry.trial)
        for cell in plan.cells
        if (entry := entries.get(cell.name)) and entry.state == "complete" and entry.trial is not None
        if plan.cell_files(cell).outcome.is_file()
    ]
    ended = [
        (cell, entry.trial, entry.reason)
        for cell in plan.cells
        if (entry := entries.get(cell.name)) and entry.state in ("failed", "pruned") and entry.trial is not None
    ]
    selected = plan.files.selection.is_file()
    run = open_sweep(tracker, plan)
    trials = TrackedSweep(tracker, plan, run).show_all(finished, ended).sent
    if not selected:
        back = "KILLED" if before is None or before.info.status == "RUNNING" else before.info.status
        whole = _is_of_folds(plan) and len(finished) == len(plan.cells)
        run.finish("FINISHED" if whole else back)
        return Delivery(trials)
    record = read_selection(plan.files.selection)
    registered = _register(tracker, plan, record, dict(finished))
    shown = before is not None and before.info.status == "FINISHED" and _shows(before.data.tags, record)
    if not shown:
        log_selection(run, plan, Chosen(_selection(record), record.uncertainty, search_front(plan)), _files(plan))
    return Delivery(trials, not shown, registered)


def _is_of_folds(plan: Plan) -> bool:
    """Whether nothing is selected of a sweep, nor shown but its trials: the folds of phase 3."""
    return plan.config.phase == "phase3" and plan.config.stage == 1


def _shows(tags: Mapping[str, str], record: SelectionRecord) -> bool:
    """Whether a sweep's run shows this selection, and none of before."""
    said = (", ".join(record.selected), record.uncertainty.sentence[:500])
    return (tags.get("selected"), tags.get("uncertainty")) == said


def _register(tracker: "Tracker", plan: Plan, record: SelectionRecord, trials: Mapping[Cell, int]) -> str | None:
    """Register the winner of phase 2 whose registration was put off.

    Args:
        tracker: MLflow.
        plan: the sweep.
        record: what was selected.
        trials: finished cell -> number of its trial.
    """
    if record.registered or plan.config.phase != "phase2":
        return None
    from lge_sweep.engine.register import register_winner  # loads torch

    cell = next(cell for cell in plan.cells if cell.name == record.champion)
    winner = Winner(plan, cell, trials.get(cell, 0), _selection(record), record.uncertainty)
    with tracker.required():
        said = register_winner(tracker, winner, promoted=True)
    write_record(plan.files.selection, record.model_copy(update={"registered": True}))
    return said


def _selection(record: SelectionRecord) -> Selection:
    return Selection(**{field.name: getattr(record, field.name) for field in fields(Selection)})


def _files(plan: Plan) -> list[Path]:
    files = plan.files
    kept = [files.ranking, files.comparisons, files.selection, files.settings, files.front]
    return [*(path for path in kept if path.is_file()), *sorted(files.path.glob("*.png"))]
