"""One pass over the cells of a sweep that are not complete: hand out, listen, record."""

import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from lge_sweep.config import Cell
from lge_sweep.engine.cell_queue import Assignment, CellQueue, prepare_cell_folder
from lge_sweep.engine.executors.local import Worker, log_of
from lge_sweep.engine.ledger import SweepLedger
from lge_sweep.engine.progress import SweepProgress
from lge_sweep.engine.task import Done, Failed, Progress, Pruned, make_task
from lge_sweep.errors import DamagedError, RunsError
from lge_sweep.scoring import Result, score_result
from lge_sweep.study.files import BEST, CHECKPOINT, OUTCOME
from lge_sweep.study.plan import Plan
from lge_sweep.study.records import CellRecord, read_record
from lge_sweep.text import format_seconds

if TYPE_CHECKING:
    from lge_sweep.engine.driver import Driver
    from lge_sweep.tracking import TrackedRun

DEATHS = 2
"""A cell whose worker dies this often has failed."""
POLL = 5.0
"""Seconds between two looks at who is silent."""


@dataclass
class Attempt:
    """A trial in progress.

    Attributes:
        cell: what is tried.
        trial: its number in the ledger.
        run: its MLflow run.
        began: when this session took it up.
    """

    cell: Cell
    trial: int
    run: "TrackedRun"
    began: float = field(default_factory=time.monotonic)


@dataclass
class SweepLoop:
    """One pass over the cells of a sweep that are not complete."""

    driver: "Driver"
    plan: Plan
    study: SweepLedger
    parent: "TrackedRun"
    progress: SweepProgress
    source: CellQueue
    results: dict[str, Result]
    failed: dict[str, str]
    busy: dict[Worker, Attempt] = field(default_factory=dict)
    deaths: Counter[str] = field(default_factory=Counter)
    silent: dict[Worker, float] = field(default_factory=dict)

    def complete(self) -> None:
        """Hand out cells until none is left; on the way out, leave open trials for the next session."""
        try:
            while self._hand_out() or self.busy:
                if self.busy:
                    self._listen()
        except BaseException:
            self.driver.dismiss()
            for attempt in self.busy.values():
                with suppress(Exception):  # MLflow may be what failed; what ended the sweep is worth more
                    attempt.run.finish("KILLED")
            raise

    def _hand_out(self) -> bool:
        """Give every idle worker something to do; returns whether there was anything to give."""
        given = False
        for worker in list(self.driver.workers):
            if worker in self.busy:
                continue
            if not worker.process.is_alive():  # it died while it was idle
                worker = self.driver.replace(worker)
            if (assignment := self.source.take()) is None:
                break
            given = True
            self._begin(worker, assignment)
        return given

    def _begin(self, worker: Worker, assignment: Assignment) -> None:
        from lge_sweep.engine.publish import open_trial

        cell, trial = assignment
        self.busy[worker] = Attempt(cell, trial, open_trial(self.driver.tracker, self.plan, cell, trial, self.parent))
        self.silent[worker] = 0
        resumed = prepare_cell_folder(self.plan, cell)
        self.progress.begin(cell.name, self.plan.short_name(cell), resumed)
        try:
            worker.send(make_task(self.plan, cell))
        except OSError:  # it died just now
            self._on_worker_death(worker)

    def _listen(self) -> None:
        """Wait for the next word of a worker, or for its death."""
        speakers = {worker.connection: worker for worker in self.busy}
        began = time.monotonic()
        spoken = wait(list(speakers), timeout=POLL)
        for worker in [worker for connection, worker in speakers.items() if connection not in spoken]:
            # not the whole time that has passed: this process may have been stopped meanwhile, and its workers with it
            self.silent[worker] += min(time.monotonic() - began, POLL)
            if self.silent[worker] > self.driver.stall:
                self._on_worker_death(worker, f"said nothing for {format_seconds(self.silent[worker])} and was ended")
        for connection in spoken:
            worker = speakers[connection]  # type: ignore[index]  # wait() returns what it was given
            self.silent[worker] = 0
            try:
                message = worker.connection.recv()
            except (EOFError, OSError):
                self._on_worker_death(worker)
                continue
            if isinstance(message, Done):
                self._complete(worker)
            elif isinstance(message, Failed):
                self._fail(worker, message)
            elif isinstance(message, Pruned):
                self._prune(worker)
            else:
                self._follow(worker, message)

    def _follow(self, worker: Worker, message: Progress) -> None:
        """Show a step; after a validation, tell the worker whether to stop, and log the curves."""
        attempt = self.busy[worker]
        self.progress.step(attempt.cell.name, message.step, message.total, message.loss, message.val_loss)
        if message.val_dice is None:
            return
        validation = -(-message.step // self.plan.config.training.validation_every)
        with suppress(OSError):  # it died: the next word of it says so
            worker.connection.send(self.source.stops(attempt.trial, validation, message.val_dice))
        self._log_curves(attempt)

    def _prune(self, worker: Worker) -> None:
        """A search gave a trial up; it counts as done, without a result."""
        attempt = self.busy.pop(worker)
        self._log_curves(attempt)
        attempt.run.tag({"pruned": "yes"})
        attempt.run.finish()
        self.study.prune(attempt.trial)
        self._discard(attempt)
        self.progress.end(attempt.cell.name, "stopped early: worse than most at this point", finished=True)

    def _log_curves(self, attempt: Attempt) -> None:
        from lge_sweep.engine.publish import log_curves

        log_curves(attempt.run, self.plan.cell_folder(attempt.cell))

    def _complete(self, worker: Worker) -> None:
        """A cell's folder is whole: show it in MLflow, then tell the ledger, in this order."""
        from lge_sweep.engine.publish import log_outcome

        attempt = self.busy[worker]
        try:
            result = log_outcome(attempt.run, self.plan, attempt.cell)
            outcome = read_record(CellRecord, self.plan.cell_folder(attempt.cell) / OUTCOME)
        except DamagedError as error:
            self._fail(worker, Failed(str(error)))
            return
        selection = self.plan.config.selection
        points = score_result(result, selection.rule, selection.emphasis)
        self.study.complete(attempt.trial, points.value, result.collapsed)
        del self.busy[worker]
        self.results[attempt.cell.name] = result
        flag = f"; COLLAPSED: {' and '.join(result.collapsed)} never predicted" if result.collapsed else ""
        took = format_seconds(outcome.seconds.all)
        steps = f"{outcome.training.steps} steps"
        self.progress.end(attempt.cell.name, f"score {points.value:.4f} after {steps} in {took}{flag}", finished=True)

    def _fail(self, worker: Worker, message: Failed) -> None:
        attempt = self.busy[worker]
        if message.disk:
            raise RunsError(
                f"{self.driver.runs}: {message.reason}. Make room and run the same command again: "
                "what is finished stays, and the open cell goes on from its last checkpoint"
            )
        del self.busy[worker]
        self._record_failure(attempt, message.reason)
        if message.unexpected:
            self.driver.replace(worker)

    def _on_worker_death(self, worker: Worker, how: str = "") -> None:
        """A worker died, or hangs: try its cell once more from the checkpoint, then give the cell up."""
        attempt = self.busy.pop(worker)
        if not how:
            worker.process.join(timeout=10)
            how = f"{_describe_exit(worker.process.exitcode)} (see {log_of(self.driver.runs, worker.number)})"
        self.driver.replace(worker)
        name = attempt.cell.name
        self.deaths[name] += 1
        if self.deaths[name] < DEATHS:
            self.progress.end(name, f"its worker process {how}; trying again from the last checkpoint", finished=False)
            self.source.requeue((attempt.cell, attempt.trial))
        else:
            self._record_failure(attempt, f"its worker process {how} {DEATHS} times")

    def _discard(self, attempt: Attempt) -> None:
        """Remove what a trial without a result has left on disk that is large and of no more use."""
        for name in (CHECKPOINT, BEST):
            (self.plan.cell_folder(attempt.cell) / name).unlink(missing_ok=True)

    def _record_failure(self, attempt: Attempt, reason: str) -> None:
        attempt.run.tag({"failed": reason[:500]})
        attempt.run.finish("FAILED")
        self.study.fail(attempt.trial, reason)
        self._discard(attempt)
        self.failed[attempt.cell.name] = reason
        self.progress.end(attempt.cell.name, f"FAILED: {reason}", finished=False)


def _describe_exit(code: int | None) -> str:
    if code is not None and code < 0:
        hint = " (out of memory?)" if -code == signal.SIGKILL else ""
        return f"was killed by {signal.Signals(-code).name}{hint}"
    return f"ended with exit code {code}"
