"""The trials of a search, drawn one after the other."""

import logging
from collections import deque
from collections.abc import Iterator, Mapping

from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from lge_sweep.config import Cell
from lge_sweep.config.losses import searched
from lge_sweep.config.search import Interval
from lge_sweep.engine.cell_check import check_result, check_result_in, set_cell_aside
from lge_sweep.engine.cell_queue import Assignment
from lge_sweep.engine.ledger import CONSTRAINTS, SweepLedger, cell_name
from lge_sweep.engine.search_space import drawn_values, search_space
from lge_sweep.errors import TrialError
from lge_sweep.study import CellRecord, Plan, costs_of, score_record

_log = logging.getLogger(__name__)

FAILURES = 5
"""A search in which so many trials of one session fail draws no more."""


class SearchQueue:
    """Trials that Optuna draws, each from what the finished ones showed; interrupted ones are taken up first."""

    def __init__(self, plan: Plan, study: SweepLedger) -> None:
        """Look up in the ledger and in the folders what is left."""
        assert plan.config.search is not None
        self.plan, self.study, self.search = plan, study, plan.config.search
        self._adopt_lost()
        for cell, _ in self._complete():
            if check_result(plan, cell) is None:
                _log.warning("the result of %s is gone; the search goes on without it", cell.name)
        self._open: deque[Assignment] = deque()
        for trial in study.trials():
            if trial.state == TrialState.RUNNING:
                if "cell" in trial.user_attrs:
                    self._open.append((self._cell(trial), trial.number))
                else:
                    study.fail(trial.number, "interrupted while it was drawn")
        self._failed_before = self._count(TrialState.FAIL)
        self.total = max(self.search.trials, self.done())

    def _adopt_lost(self) -> None:
        """Enter finished trials that the ledger has lost, under their numbers; what else it has lost, has failed."""
        lost: dict[int, tuple[Cell, CellRecord]] = {}
        known = len(self.study.trials())
        for files in self.plan.files.finished():
            digits = files.name.removeprefix("trial")
            number = int(digits) if digits.isdecimal() else -1
            if number >= known and (found := check_result_in(self.plan, files)) is not None:
                lost[number] = found
        for number in range(known, max(lost, default=-1) + 1):
            trial = self._lost_trial(*lost[number]) if number in lost else None
            gap = create_trial(state=TrialState.FAIL, user_attrs={"reason": "lost with the ledger"})
            self.study.adopt(trial or gap)
        if lost:
            self.study.draw_by(self.search)
            _log.warning("%d finished trials that the ledger did not know are kept", len(lost))

    def _lost_trial(self, cell: Cell, record: CellRecord) -> FrozenTrial | None:
        """Make a trial of what a finished one has left; None, and its folder aside, if it cannot have been drawn."""
        bounds = search_space(self.plan)
        params = drawn_values(cell, bounds)
        try:
            costs = costs_of(record, self.plan)
            return create_trial(
                values=[score_record(record, self.plan, cell), *costs],
                params=params,
                distributions={name: bounds[name] for name in params},
                user_attrs={"cell": cell.name, "collapsed": list(record.summary.collapsed)},
                system_attrs={CONSTRAINTS: [len(record.summary.collapsed)]} if costs else {},
            )
        except (KeyError, ValueError, TrialError) as error:
            set_cell_aside(self.plan, self.plan.cell_files(cell), f"it was not drawn by this search ({error})")
            return None

    def finished(self) -> list[Assignment]:
        """Trials that are complete now and whose folder is whole, in order."""
        return [entry for entry in self._complete() if self.plan.cell_files(entry[0]).outcome.is_file()]

    def cells(self) -> list[Cell]:
        """The cells of the finished trials."""
        return [cell for cell, _ in self.finished()]

    def done(self) -> int:
        """How many trials have been completed or given up; another is drawn for one that failed."""
        return self._count(TrialState.COMPLETE, TrialState.PRUNED)

    def costs(self) -> dict[str, float]:
        """Nothing is known of trials that are not drawn yet."""
        return {}

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
        files = self.plan.cell_files(cell)
        if files.path.exists():  # begun by a trial that the ledger has lost, with other draws
            set_cell_aside(self.plan, files, "of a trial that the ledger has lost")
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

    def put_longest_first(self) -> None:
        """Trials are drawn one after the other: there is no order to change."""

    def requeue(self, assignment: Assignment) -> None:
        """Do this trial once more, next."""
        self._open.appendleft(assignment)

    def stops(self, trial: int, validation: int, dice: float) -> bool:
        """Report a validation, and say whether the pruner gives the trial up; none of several objectives is."""
        return not self.search.costs and self.study.report(trial, validation, dice)

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
        for name in searched(loss):
            self._number(trial, name, getattr(search, name))

    @staticmethod
    def _number(trial: Trial, name: str, bounds: Interval | None) -> None:
        if bounds is not None:
            trial.suggest_float(name, bounds.low, bounds.high, log=bounds.log)

    def _cell(self, trial: FrozenTrial) -> Cell:
        axes = {axis: trial.params.get(axis, values[0]) for axis, values in self.plan.config.grid.model_dump().items()}
        drawn = tuple((name, value) for name, value in trial.params.items() if name not in axes)
        return Cell(stage=self.plan.config.stage, trial=trial.number, drawn=drawn, **axes)
