"""One pass over the cells of a sweep that are not complete: submit, listen, record."""

import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from lge_sweep.config import Cell
from lge_sweep.engine.cell_check import prepare_cell_folder
from lge_sweep.engine.cell_queue import Assignment, CellQueue
from lge_sweep.engine.events import Died, Done, Event, Failed, Progress, Pruned
from lge_sweep.engine.executors import Executor
from lge_sweep.engine.ledger import SweepLedger
from lge_sweep.engine.observer import ShownSweep
from lge_sweep.engine.task import make_task
from lge_sweep.engine.view import SweepView, TrialView
from lge_sweep.errors import DamagedError, RunsError, TrialError
from lge_sweep.scoring import Result, score_result
from lge_sweep.study import CellRecord, Plan, costs_of, read_record, read_result
from lge_sweep.text import format_seconds

DEATHS = 2
"""A cell whose executing process dies this often has failed."""
POLL = 5.0
"""Seconds that one wait for an event takes at most."""

CURVES = 4.0
"""Times as long as the last showing of curves took is waited for the next: a slow server holds up no trial's start."""


class Submitted(NamedTuple):
    """A trial whose task was taken and, as far as is known, has not begun."""

    cell: Cell
    """What is tried."""
    trial: int
    """Its number in the ledger."""
    resumed: bool
    """Whether it goes on from its checkpoint."""


@dataclass(frozen=True)
class Attempt:
    """A trial in progress.

    Attributes:
        cell: what is tried.
        trial: its number in the ledger.
        view: shows it.
    """

    cell: Cell
    trial: int
    view: TrialView


@dataclass
class SweepLoop:
    """One pass over the cells of a sweep that are not complete.

    Attributes:
        plan: the sweep.
        queue: its cells that are to be done.
        ledger: where their trials are recorded.
        executor: executes them.
        view: shows them.
        observer: is told of them, and shows them while they are completed.
        check: makes sure that this driver holds the runs directory still.
        places: task in progress -> the loop that it belongs to, of all loops that share the executor.
        results: cell -> its result, of those that the loop has completed.
        failed: cell -> why it failed.
    """

    plan: Plan
    queue: CellQueue
    ledger: SweepLedger
    executor: Executor
    view: SweepView
    observer: ShownSweep
    check: Callable[[], object] = lambda: None
    places: dict[str, "SweepLoop"] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    _submitted: dict[str, Submitted] = field(default_factory=dict)
    _attempts: dict[str, Attempt] = field(default_factory=dict)
    _deaths: Counter[str] = field(default_factory=Counter)
    _alone: deque[Assignment] = field(default_factory=deque)
    """What is to be done once more, when nothing else is being done."""
    _sole: str = ""
    """The cell that is being done alone."""
    _checked: float = 0.0
    """When the directory was last known to be held."""
    _curves_at: float = 0.0
    """When curves may be shown next, before a trial has ended; then they are in any case."""

    def complete(self, begin_next: "Callable[[], SweepLoop | None]" = lambda: None) -> None:
        """Submit cells until none is left; on the way out, leave open trials for the next session.

        Args:
            begin_next: returns the loop of the sweep that comes next, whose cells take the slots that this one's last
                leave free; None if there is none.

        Raises:
            RunsError: the disk is full, or another driver has taken the runs directory.
        """
        try:
            with self.observer:
                self._do_all(begin_next)
        except BaseException:
            self.abandon()
            raise

    def _do_all(self, begin_next: "Callable[[], SweepLoop | None]") -> None:
        following: SweepLoop | None = None
        while self._submit_all() or self._open or self._alone:
            if self._open and self._has_free_slot:
                if following is None and (following := begin_next()) is not None:
                    for attempt in self._attempts.values():
                        self.observer.rename(attempt.cell.name, self._name(attempt.cell, beside=True))
                if following is not None:
                    following._submit_all()
            if time.monotonic() - self._checked > POLL:
                self.check()
                self._checked = time.monotonic()
            if event := self.executor.next_event(POLL):
                self.places[event.task]._handle(event)

    def abandon(self) -> None:
        """End what executes cells, and leave open trials, of all loops that share it, for the next session."""
        self.executor.close()
        for task_id, loop in self.places.items():
            if (attempt := loop._attempts.get(task_id)) is not None:  # else it waits, and is not shown
                with suppress(Exception):  # the view may be what failed; what ended the sweep is worth more
                    attempt.view.stop()
        self.places.clear()

    @property
    def _open(self) -> int:
        """How many tasks of this sweep have not ended."""
        return len(self._submitted) + len(self._attempts)

    @property
    def _has_free_slot(self) -> bool:
        return not self._alone and not self._sole and len(self.places) < self.executor.slots

    def _submit_all(self) -> bool:
        """Fill every free slot; returns whether there was anything to do."""
        submitted = False
        if self._alone or self._sole:
            return self._submit_alone()
        while self._has_free_slot and (assignment := self.queue.take()) is not None:
            self._submit(assignment)
            submitted = True
        return submitted

    def _submit_alone(self) -> bool:
        """Begin with a cell that needs the GPU for itself, as soon as no other is being done."""
        if self.places:
            return False
        assignment = self._alone.popleft()
        self._sole = assignment[0].name
        self._submit(assignment)
        return True

    def _submit(self, assignment: Assignment) -> None:
        cell, trial = assignment
        resumed = prepare_cell_folder(self.plan, cell)
        task_id = self.executor.submit(make_task(self.plan, cell))
        self._submitted[task_id], self.places[task_id] = Submitted(cell, trial, resumed), self
        if not self.executor.queues:
            self._begin(task_id)

    def _begin(self, task_id: str) -> None:
        """Show a trial from when its task begins: of thousands in a queue no view is opened before."""
        cell, trial, resumed = self._submitted.pop(task_id)
        self._attempts[task_id] = Attempt(cell, trial, self.view.open_trial(cell, trial))
        beside = any(loop is not self for loop in self.places.values())
        self.observer.begin(cell.name, self._name(cell, beside), resumed)

    def _name(self, cell: Cell, beside: bool) -> str:
        """Return what to call a cell; with its stage where cells of another, which have the same names, are shown."""
        return self.plan.short_name(cell) + f" (stage {cell.stage})" * beside

    def _handle(self, event: Event) -> None:
        if event.task in self._submitted:
            self._begin(event.task)
        match event.news:
            case Progress() as progress:
                self._follow(event.task, progress)
                return
            case Failed(disk=True, reason=reason):
                raise RunsError(
                    f"{self.plan.files.runs}: {reason}. Make room and run the same command again: "
                    "what is finished stays, and the open cell goes on from its last checkpoint"
                )
            case Died() | Failed(unexpected=True):
                self.executor.replace(event.task)
        attempt = self._attempts.pop(event.task)
        del self.places[event.task]
        was_alone, self._sole = self._sole == attempt.cell.name, ""
        match event.news:
            case Done():
                self._complete(attempt)
            case Pruned():
                self._prune(attempt)
            case Failed(memory=True) if self.executor.slots > 1 and not was_alone:
                self.observer.end(attempt.cell.name, "out of GPU memory; trying again alone", finished=False)
                self._alone.append((attempt.cell, attempt.trial))
            case Failed(reason=reason):
                self._fail(attempt, reason)
            case Died(reason=reason):
                self._retry(attempt, reason)

    def _follow(self, task_id: str, progress: Progress) -> None:
        """Tell of a step; after a validation, answer whether to stop, and show the curves."""
        attempt = self._attempts[task_id]
        self.observer.step(attempt.cell.name, progress.step, progress.total, progress.loss, progress.val_loss)
        if progress.val_dice is None:
            return
        validation = -(-progress.step // self.plan.config.training.validation_every)
        self.executor.answer(task_id, self.queue.stops(attempt.trial, validation, progress.val_dice))
        began = time.monotonic()
        if began >= self._curves_at:
            attempt.view.show_curves()
            self._curves_at = time.monotonic() + CURVES * (time.monotonic() - began)

    def _complete(self, attempt: Attempt) -> None:
        """A cell's folder is whole: show it, then tell the ledger, in this order."""
        cell, selection = attempt.cell, self.plan.config.selection
        try:
            record = read_record(CellRecord, self.plan.cell_files(cell).outcome)
            result, costs = read_result(record, self.plan, cell), costs_of(record, self.plan)
            attempt.view.complete(record, result)
        except (DamagedError, TrialError) as error:
            self._fail(attempt, str(error))
            return
        score = score_result(result, selection.rule, selection.emphasis).value
        self.ledger.complete(attempt.trial, score, result.collapsed, costs)
        self.results[cell.name] = result
        flag = f"; COLLAPSED: {' and '.join(result.collapsed)} never predicted" if result.collapsed else ""
        took = f"{record.training.steps} steps in {format_seconds(record.seconds.all)}"
        self.observer.end(cell.name, f"score {score:.4f} after {took}{flag}", finished=True)

    def _prune(self, attempt: Attempt) -> None:
        """A search gave a trial up; it counts as done, without a result."""
        attempt.view.prune()
        self.ledger.prune(attempt.trial)
        self._discard(attempt.cell)
        self.observer.end(attempt.cell.name, "stopped early: worse than most at this point", finished=True)

    def _fail(self, attempt: Attempt, reason: str) -> None:
        attempt.view.fail(reason)
        self.ledger.fail(attempt.trial, reason)
        self._discard(attempt.cell)
        self.failed[attempt.cell.name] = reason
        self.observer.end(attempt.cell.name, f"FAILED: {reason}", finished=False)

    def _retry(self, attempt: Attempt, reason: str) -> None:
        """Whatever executed a cell has died: try it once more from the checkpoint, then give it up."""
        name = attempt.cell.name
        self._deaths[name] += 1
        if self._deaths[name] >= DEATHS:
            self._fail(attempt, f"{reason} {DEATHS} times")
            return
        self.observer.end(name, f"{reason}; trying again from the last checkpoint", finished=False)
        self.queue.requeue((attempt.cell, attempt.trial))

    def _discard(self, cell: Cell) -> None:
        """Remove what a trial without a result has left on disk that is large and of no more use."""
        files = self.plan.cell_files(cell)
        for path in (files.checkpoint, files.best):
            path.unlink(missing_ok=True)
