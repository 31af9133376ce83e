"""Where the cells of a sweep come from: all of a grid in order, or one after the other from a search."""

import shutil
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Protocol

from optuna.trial import FrozenTrial, Trial, TrialState

from lge_sweep.config import Cell
from lge_sweep.config.grid import AXES
from lge_sweep.config.schema import Interval
from lge_sweep.sweep.files import OUTCOME
from lge_sweep.sweep.ledger import SweepLedger, cell_name
from lge_sweep.sweep.plan import Plan

FAILURES = 5
"""A search in which so many trials of one session fail draws no more."""

Assignment = tuple[Cell, int]
"""A cell, and the number of its trial in the ledger."""


class Source(Protocol):
    """Hands out what is left to do.

    Attributes:
        total: cells in all.
        removed: a sentence on each cell that was finished and whose folder is gone.
    """

    total: int
    removed: list[str]

    def finished(self) -> list[Assignment]:
        """Cells that are complete now and whose folder is whole, in order."""

    def cells(self) -> list[Cell]:
        """The cells of the sweep, in order, as far as they are known."""

    def done(self) -> int:
        """How many cells need no more work."""

    def take(self) -> Assignment | None:
        """What to do next; None if there is nothing left."""

    def put_back(self, assignment: Assignment) -> None:
        """Do this once more, next."""

    def without_result(self) -> Iterator[tuple[Cell, int, str]]:
        """Trials that have ended and are not tried again, with the reason of those that failed ("" of the others)."""

    def missing(self, failed: Mapping[str, str]) -> Mapping[str, str]:
        """Say why results are missing once nothing is left to do, given why cells failed in this session."""

    def stops(self, trial: int, validation: int, dice: float) -> bool:
        """Whether a trial should be given up after its n-th validation."""


class GridSource:
    """Every cell of a grid, each completed exactly once; those that were interrupted first."""

    def __init__(self, plan: Plan, study: SweepLedger) -> None:
        """Look up in the ledger what is left."""
        self.plan, self.study, self.total = plan, study, len(plan.cells)
        entries = {cell.name: study.entry(cell.name) for cell in plan.cells}
        whole = [cell for cell, _ in self.finished()]
        self.removed = [
            f"the folder of {cell.name} was removed; it is trained again"
            for cell in plan.cells
            if entries[cell.name].state == "complete" and cell not in whole
        ]
        open_first = sorted(plan.cells, key=lambda cell: entries[cell.name].state != "running")
        self._left = deque(cell for cell in open_first if cell not in whole)

    def finished(self) -> list[Assignment]:
        """Cells that are complete now and whose folder is whole, in grid order."""
        entries = [(cell, self.study.entry(cell.name)) for cell in self.plan.cells]
        return [
            (cell, entry.trial or 0)
            for cell, entry in entries
            if entry.state == "complete" and (self.plan.cell_folder(cell) / OUTCOME).is_file()
        ]

    def cells(self) -> list[Cell]:
        """All cells of the grid."""
        return list(self.plan.cells)

    def done(self) -> int:
        """How many cells need no more work."""
        return len(self.finished())

    def take(self) -> Assignment | None:
        """Start, or take up again, the trial of the next cell."""
        if not self._left:
            return None
        cell = self._left.popleft()
        if self.study.entry(cell.name).state != "running":
            # before the new trial exists: it must not resume the failed one
            shutil.rmtree(self.plan.cell_folder(cell), ignore_errors=True)
        # not what sets a variant apart: Optuna's axes are fixed, and variants can be added
        axes = {axis: list(dict.fromkeys(getattr(c, axis) for c in self.plan.cells)) for axis in AXES}
        return cell, self.study.start(cell, axes)

    def put_back(self, assignment: Assignment) -> None:
        """Do this cell once more, next."""
        self._left.appendleft(assignment[0])

    def without_result(self) -> Iterator[tuple[Cell, int, str]]:
        """None: what failed is tried again."""
        return iter(())

    def missing(self, failed: Mapping[str, str]) -> Mapping[str, str]:
        """Every failed cell is missing."""
        return failed

    def stops(self, trial: int, validation: int, dice: float) -> bool:
        """Every cell of a grid is trained to its end."""
        return False


class SearchSource:
    """Trials that Optuna draws, each from what the finished ones showed; interrupted ones are taken up first."""

    def __init__(self, plan: Plan, study: SweepLedger) -> None:
        """Look up in the ledger what is left."""
        assert plan.config.search is not None
        self.plan, self.study, self.search = plan, study, plan.config.search
        whole = self.finished()
        self.removed = [
            f"the folder of {entry[0].name} was removed; the search goes on without it"
            for entry in self._complete()
            if entry not in whole
        ]
        self._open: deque[Assignment] = deque()
        for trial in study.trials():
            if trial.state == TrialState.RUNNING:
                if "cell" in trial.user_attrs:
                    self._open.append((self._cell(trial), trial.number))
                else:
                    study.fail(trial.number, "interrupted while it was drawn")
        self._failed_before = self._count(TrialState.FAIL)
        self.total = max(self.search.trials, self.done())

    def finished(self) -> list[Assignment]:
        """Trials that are complete now and whose folder is whole, in order."""
        return [entry for entry in self._complete() if (self.plan.cell_folder(entry[0]) / OUTCOME).is_file()]

    def cells(self) -> list[Cell]:
        """The cells of the finished trials."""
        return [cell for cell, _ in self.finished()]

    def done(self) -> int:
        """How many trials have been completed or given up; another is drawn for one that failed."""
        return self._count(TrialState.COMPLETE, TrialState.PRUNED)

    def take(self) -> Assignment | None:
        """Take up an interrupted trial, or draw a new one; none after so many failures that it is not bad luck."""
        if self._open:
            return self._open.popleft()
        failures = self._count(TrialState.FAIL) - self._failed_before
        if self.done() + self._count(TrialState.RUNNING) >= self.total or failures >= FAILURES:
            return None
        trial = self.study.study.ask()
        self._draw(trial)
        cell = self._cell(self.study.trials()[trial.number])
        shutil.rmtree(self.plan.cell_folder(cell), ignore_errors=True)  # of a ledger that was thrown away
        trial.set_user_attr("cell", cell.name)
        return cell, trial.number

    def missing(self, failed: Mapping[str, str]) -> Mapping[str, str]:
        """Why there are fewer trials than wanted: all that ever failed, and how many lack; empty if none lacks."""
        if self.done() >= self.total:
            return {}
        every = [trial for trial in self.study.trials() if trial.state == TrialState.FAIL]
        lacking = {f"{self.total - self.done()} of {self.total} trials": "were not completed"}
        return {cell_name(trial): str(trial.user_attrs.get("reason", "")) for trial in every} | lacking

    def without_result(self) -> Iterator[tuple[Cell, int, str]]:
        """Trials that were given up or failed, with the reason of the latter ("" of the former)."""
        for trial in self.study.trials():
            if trial.state in {TrialState.PRUNED, TrialState.FAIL} and "cell" in trial.user_attrs:
                yield self._cell(trial), trial.number, str(trial.user_attrs.get("reason", ""))

    def put_back(self, assignment: Assignment) -> None:
        """Do this trial once more, next."""
        self._open.appendleft(assignment)

    def stops(self, trial: int, validation: int, dice: float) -> bool:
        """Report a validation, and say whether the pruner gives the trial up."""
        return self.study.report(trial, validation, dice)

    def _complete(self) -> list[Assignment]:
        complete = [trial for trial in self.study.trials() if trial.state == TrialState.COMPLETE]
        return [(self._cell(trial), trial.number) for trial in complete]

    def _count(self, *states: TrialState) -> int:
        return sum(trial.state in states for trial in self.study.trials())

    def _draw(self, trial: Trial) -> None:
        """Let the sampler choose: the grid's axes that have a choice, then the options that matter to the loss."""
        grid, search = self.plan.config.grid, self.search
        for axis, values in grid.model_dump().items():
            if len(values) > 1:
                trial.suggest_categorical(axis, list(values))
        loss = trial.params.get("loss", grid.loss[0])
        self._number(trial, "learning_rate", search.learning_rate)
        self._number(trial, "weight_decay", search.weight_decay)
        if search.batch_size is not None:
            trial.suggest_categorical("batch_size", list(search.batch_size))
        if loss in {"dice_ce", "dice_focal"}:
            self._number(trial, "dice_share", search.dice_share)
        if loss in {"focal", "dice_focal"}:
            self._number(trial, "gamma", search.gamma)

    @staticmethod
    def _number(trial: Trial, name: str, bounds: Interval | None) -> None:
        if bounds is not None:
            trial.suggest_float(name, bounds.low, bounds.high, log=bounds.log)

    def _cell(self, trial: FrozenTrial) -> Cell:
        axes = {axis: trial.params.get(axis, values[0]) for axis, values in self.plan.config.grid.model_dump().items()}
        drawn = tuple((name, value) for name, value in trial.params.items() if name not in axes)
        return Cell(stage=self.plan.config.stage, trial=trial.number, drawn=drawn, **axes)


def make_source(plan: Plan, study: SweepLedger) -> Source:
    """Return the source that a sweep's settings ask for."""
    return GridSource(plan, study) if plan.config.search is None else SearchSource(plan, study)
