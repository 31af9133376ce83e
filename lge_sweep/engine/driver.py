"""The one driver of a runs directory: owns ledger and MLflow, hands cells to workers, survives what they do."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lge_sweep.engine.cell_queue import CellQueue, make_queue
from lge_sweep.engine.executors.local import NO_SPACE, Worker, await_earlier_workers, log_of
from lge_sweep.engine.ledger import Ledger, hold_runs
from lge_sweep.engine.loop import SweepLoop
from lge_sweep.engine.progress import SweepProgress, print_subsets
from lge_sweep.engine.task import Failed
from lge_sweep.errors import LgeSweepError, RunsError, WeightsError
from lge_sweep.interrupts import signals_as_interrupt
from lge_sweep.paths import make_writable, stall_limit
from lge_sweep.run_store import RunStore
from lge_sweep.scoring import Result
from lge_sweep.study.manifest import subset_counts
from lge_sweep.study.plan import Plan
from lge_sweep.terminal import Terminal, styled

if TYPE_CHECKING:
    from lge_sweep.tracking import TrackedRun, Tracker

CATCH_UP = 60.0
"""Seconds that the end of a sweep waits for MLflow, if its view is behind."""
_log = logging.getLogger(__name__)


class Driver:
    """Runs sweeps in one runs directory, one after the other, with the same workers.

    Use `drive` to get one.
    """

    def __init__(self, runs: Path, workers: int, console: Terminal) -> None:
        """Take the directory; workers are hired when there is something to do."""
        self.runs, self.console = runs, console
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.threads = max(1, cores // workers)
        self.places = workers
        self.stall = stall_limit()
        self.workers: list[Worker] = []
        self.ledger = Ledger(runs)
        self._tracker: Tracker | None = None
        self._checked: set[tuple[str, ...]] = set()

    @property
    def tracker(self) -> "Tracker":
        """MLflow, opened when first needed."""
        if self._tracker is None:
            from lge_sweep.tracking import Tracker

            self._tracker = Tracker(RunStore.open(self.runs), patient=True)
            if self._tracker.behind is not None:
                self._tracker.catch_up(0)
        return self._tracker

    def introduce(self, plan: Plan) -> None:
        """Print what comes next: the cells, how the data is split, what to know about it, where results go."""
        config = plan.config
        stage = {1: "cavity", 2: "myocardium and scar"}[config.stage]
        title = f"{config.phase} stage {config.stage} ({stage})"
        self.console.print()
        amount = f"{_amount(plan)} on {config.data}, profile {config.profile}"
        self.console.print(styled(f"{title}:", "bold"), amount)
        print_subsets(self.console, subset_counts(plan.manifest))
        for note in plan.notes:
            self.console.print(f"note: {note}", style="yellow", soft_wrap=True)
        self.console.print(f"folder: {plan.folder}", soft_wrap=True)

    def open_run(self, plan: Plan) -> "TrackedRun":
        """Open the sweep's MLflow run; if there is something to do, workers load their libraries meanwhile.

        Raises:
            WeightsError: pretrained weights cannot be had; nothing was started.
        """
        if plan.config.search or plan.unfinished():
            self._start_workers()
            self._check_weights(plan)
        from lge_sweep.engine.publish import open_sweep

        return open_sweep(self.tracker, plan)

    def run(self, plan: Plan, parent: "TrackedRun") -> tuple[Plan, dict[str, Result], dict[str, str]]:
        """Complete every cell of a sweep that is not complete yet.

        Args:
            plan: the sweep.
            parent: its MLflow run.

        Returns:
            The plan, with the cells that a search drew; results of the finished cells in order; reasons of the failed.

        Raises:
            RunsError: the disk is full.
            KeyboardInterrupt: stopped; the same command goes on where it was.
        """
        study = self.ledger.open(plan.name, _about(plan), plan.config.search)
        source = make_queue(plan, study)
        results = self._show(plan, source, parent)
        failed: dict[str, str] = {}
        if source.done() < source.total:
            self._start_workers()
        title = f"{plan.config.phase} stage {plan.config.stage}"
        with SweepProgress(self.console, title, source.total, source.done()) as progress:
            SweepLoop(self, plan, study, parent, progress, source, results, failed).complete()
        plan = replace(plan, cells=tuple(source.cells()))
        self._complete_view(plan, source, parent)
        from lge_sweep.engine.publish import trial_key

        self.tracker.retire(plan.name, {cell.name: trial_key(plan, cell, trial) for cell, trial in source.finished()})
        ordered = {cell.name: results[cell.name] for cell in plan.cells if cell.name in results}
        return plan, ordered, dict(source.missing(failed))

    def _show(self, plan: Plan, source: CellQueue, parent: "TrackedRun") -> dict[str, Result]:
        """Show in MLflow all that has ended, as far as it is not there; returns the results of the finished cells."""
        from lge_sweep.engine.publish import log_outcome, open_trial, show_ended

        results = {}
        for cell, trial in source.finished():
            results[cell.name] = log_outcome(open_trial(self.tracker, plan, cell, trial, parent), plan, cell)
        for cell, trial, reason in source.without_result():
            show_ended(self.tracker, plan, cell, trial, parent, reason)
        return results

    def _complete_view(self, plan: Plan, source: CellQueue, parent: "TrackedRun") -> None:
        """Send MLflow what it has missed while it could not be reached."""
        if self.tracker.behind is None:
            return
        self.console.print(f"completing MLflow's view, which is behind: {self.tracker.behind}")
        if self.tracker.catch_up(CATCH_UP):
            parent.open()
            self._show(plan, source, parent)
        if self.tracker.behind is not None:
            _log.warning("MLflow's view is still behind (%s); the same command completes it", self.tracker.behind)

    def replace(self, worker: Worker) -> Worker:
        """Put a new worker in the place of one that died or may be in a bad state."""
        worker.stop()
        self.workers[worker.number] = self._start_worker(worker.number)
        return self.workers[worker.number]

    def dismiss(self) -> None:
        """End all workers."""
        for worker in self.workers:
            worker.stop()
        self.workers = []

    def _start_workers(self) -> None:
        """Hire the workers, unless they are there already."""
        if not self.workers:
            self.workers = [self._start_worker(number) for number in range(self.places)]

    def _start_worker(self, number: int) -> Worker:
        return Worker(number, self.threads, self.runs)

    def _check_weights(self, plan: Plan) -> None:
        """Find out before the first trial whether pretrained weights can be had."""
        weights = plan.config.training.encoder_weights
        models = plan.config.grid.model
        key = (weights, str(plan.config.training.width), *models)
        if weights == "none" or key in self._checked:
            return
        self.console.print(f"looking for pretrained weights ({weights})")
        worker = self.workers[0]
        try:
            worker.send((list(models), weights, plan.config.training.width))
            if not worker.connection.poll(self.stall):
                raise RunsError(f"pretrained weights ({weights}) were not there in {self.stall:.0f} s; bring the files")
            answer = worker.connection.recv()
        except (EOFError, OSError):
            raise RunsError(f"the worker process died while starting; see {log_of(self.runs, 0)}") from None
        if isinstance(answer, Failed):
            raise WeightsError(*answer.reason.split("\n"))
        self._checked.add(key)


@contextmanager
def drive(runs: Path, workers: int, console: Terminal) -> Iterator[Driver]:
    """Hold a runs directory and its workers while sweeps run.

    Args:
        runs: the runs directory; made if it does not exist.
        workers: number of worker processes.
        console: where to print.

    Raises:
        RunsError: the directory cannot be written, is full, or is held by another driver.
    """
    make_writable(runs)
    with hold_runs(runs), signals_as_interrupt():
        await_earlier_workers(runs)
        driver = Driver(runs, workers, console)
        try:
            yield driver
        except LgeSweepError:
            raise
        except Exception as error:
            if is_full(error):
                raise RunsError(
                    f"{runs}: the disk is full. Make room and run the same command again: what is finished stays"
                ) from error
            if type(error).__name__ == "OutOfMemoryError":
                raise RunsError(
                    "out of GPU memory while labelling; end what else uses the GPU and run the same command again: "
                    "what is finished stays"
                ) from error
            raise
        finally:
            driver.dismiss()


def is_full(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, says that a disk or a quota is full."""
    while error is not None:
        if (isinstance(error, OSError) and error.errno in NO_SPACE) or "database or disk is full" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _amount(plan: Plan) -> str:
    search = plan.config.search
    return f"{len(plan.cells)} cells" if search is None else f"a search of {search.trials} trials"


def _about(plan: Plan) -> dict[str, object]:
    config, search = plan.config, plan.config.search
    return {
        "phase": config.phase,
        "stage": config.stage,
        "data": config.data,
        "profile": config.profile,
        "subset": config.selection.subset,
        "rule": config.selection.rule,
        **({"cells": [cell.name for cell in plan.cells]} if search is None else {"trials": search.trials}),
    }
