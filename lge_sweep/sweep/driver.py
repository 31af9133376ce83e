"""The one driver of a runs directory: owns ledger and MLflow, hands cells to workers, survives what they do."""

import os
import shutil
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from rich.console import Console

from lge_sweep.config import Cell, SweepConfig, cells, short_names
from lge_sweep.errors import LgeSweepError, RunsError, WeightsError
from lge_sweep.paths import make_writable
from lge_sweep.scoring import Result, score
from lge_sweep.scoring.score import global_metrics
from lge_sweep.sweep.files import HISTORY, OUTCOME, read_json
from lge_sweep.sweep.ledger import Ledger, SweepLedger, hold_runs
from lge_sweep.sweep.plan import Plan, part_counts
from lge_sweep.sweep.progress import SweepProgress, format_seconds, print_parts
from lge_sweep.sweep.task import Done, Failed, make_task
from lge_sweep.sweep.worker import NO_SPACE, Worker

if TYPE_CHECKING:
    from lge_sweep.tracking import TrackedRun, Tracker

DEATHS = 2
"""A cell whose worker dies this often has failed."""


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


class Driver:
    """Runs sweeps in one runs directory, one after the other, with the same workers.

    Use `drive` to get one.
    """

    def __init__(self, runs: Path, workers: int, console: Console) -> None:
        """Start the workers, which load their libraries while the data is read."""
        self.runs, self.console = runs, console
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.threads = max(1, cores // workers)
        self.workers = [self._hire(number) for number in range(workers)]
        self.ledger = Ledger(runs)
        self._tracker: Tracker | None = None
        self._checked: set[tuple[str, ...]] = set()

    @property
    def tracker(self) -> "Tracker":
        """MLflow, opened when first needed."""
        if self._tracker is None:
            from lge_sweep.tracking import Tracker

            self._tracker = Tracker(self.runs)
        return self._tracker

    def announce(self, config: SweepConfig) -> None:
        """Print what comes next, before the data is read."""
        stage = {1: "cavity", 2: "myocardium and scar"}[config.stage]
        count = len(cells(config))
        title = f"{config.phase} stage {config.stage} ({stage})"
        self.console.print(f"\n[bold]{title}[/bold]: {count} cells on {config.data}, profile {config.profile}")

    def introduce(self, plan: Plan) -> None:
        """Print how the data is split, what to know about it, and where results go."""
        print_parts(self.console, part_counts(plan.manifest))
        for note in plan.notes:
            self.console.print(f"note: {note}", style="yellow", markup=False, soft_wrap=True)
        self.console.print(f"folder: {plan.folder}", markup=False, soft_wrap=True)

    def run(self, plan: Plan) -> tuple[dict[str, Result], dict[str, str], "TrackedRun"]:
        """Complete every cell of a sweep that is not complete yet.

        Args:
            plan: the sweep.

        Returns:
            Results of the finished cells in grid order, reasons of the failed ones, and the sweep's MLflow run.

        Raises:
            WeightsError: pretrained weights cannot be had; nothing was started.
            RunsError: the disk is full.
            KeyboardInterrupt: stopped; the same command goes on where it was.
        """
        self._check_weights(plan)
        from lge_sweep.sweep.publish import log_outcome, open_sweep, open_trial

        study = self.ledger.open(plan.name, _about(plan))
        parent = open_sweep(self.tracker, plan)
        entries = {cell.name: study.entry(cell.name) for cell in plan.cells}
        results = {}
        for cell in plan.cells:
            entry = entries[cell.name]
            if entry.trial is not None and entry.state == "complete" and (plan.cell_folder(cell) / OUTCOME).is_file():
                results[cell.name] = log_outcome(open_trial(self.tracker, plan, cell, entry.trial, parent), plan, cell)
            elif entry.state == "complete":
                self.console.print(f"note: the folder of {cell.name} was removed; it is trained again", style="yellow")
        open_first = sorted(plan.cells, key=lambda cell: entries[cell.name].state != "running")
        queue = deque(cell for cell in open_first if cell.name not in results)
        failed: dict[str, str] = {}
        title = f"{plan.config.phase} stage {plan.config.stage}"
        names = short_names(plan.config)
        with SweepProgress(self.console, title, names, len(results)) as progress:
            _Round(self, plan, study, parent, progress, queue, results, failed).complete()
        ordered = {cell.name: results[cell.name] for cell in plan.cells if cell.name in results}
        return ordered, failed, parent

    def replace(self, worker: Worker) -> None:
        """Put a new worker in the place of one that died or may be in a bad state."""
        worker.stop()
        self.workers[worker.number] = self._hire(worker.number)

    def dismiss(self) -> None:
        """End all workers."""
        for worker in self.workers:
            worker.stop()

    def _hire(self, number: int) -> Worker:
        return Worker(number, self.threads, self.runs / "logs" / f"worker{number}.txt")

    def _check_weights(self, plan: Plan) -> None:
        """Find out before the first trial whether pretrained weights can be had."""
        weights = plan.config.training.encoder_weights
        models = plan.config.grid.model
        if weights == "none" or (weights, *models) in self._checked:
            return
        self.console.print(f"looking for pretrained weights ({weights})", highlight=False)
        worker = self.workers[0]
        try:
            worker.send((list(models), weights, plan.config.training.width))
            answer = worker.connection.recv()
        except (EOFError, OSError):
            raise RunsError(
                f"the worker process died while starting; see {self.runs / 'logs' / 'worker0.txt'}"
            ) from None
        if isinstance(answer, Failed):
            raise WeightsError(answer.reason)
        self._checked.add((weights, *models))


@dataclass
class _Round:
    """One pass over the cells of a sweep that are not complete."""

    driver: Driver
    plan: Plan
    study: SweepLedger
    parent: "TrackedRun"
    progress: SweepProgress
    queue: deque[Cell]
    results: dict[str, Result]
    failed: dict[str, str]
    busy: dict[Worker, Attempt] = field(default_factory=dict)
    deaths: Counter[str] = field(default_factory=Counter)

    def complete(self) -> None:
        """Hand out cells until none is left; on the way out, leave open trials for the next session."""
        try:
            while self.queue or self.busy:
                for worker in list(self.driver.workers):
                    if worker not in self.busy and self.queue:
                        self._begin(worker, self.queue.popleft())
                self._listen()
        except BaseException:
            self.driver.dismiss()
            for run in (*(attempt.run for attempt in self.busy.values()), self.parent):
                with suppress(Exception):  # MLflow may be what failed; what ended the sweep is worth more
                    run.finish("KILLED")
            raise

    def _begin(self, worker: Worker, cell: Cell) -> None:
        from lge_sweep.sweep.publish import open_trial

        folder = self.plan.cell_folder(cell)
        if self.study.entry(cell.name).state != "running":
            shutil.rmtree(folder, ignore_errors=True)  # before the new trial exists: it must not resume the failed one
        trial = self.study.start(cell, self.plan.config.grid.model_dump())
        self.busy[worker] = Attempt(cell, trial, open_trial(self.driver.tracker, self.plan, cell, trial, self.parent))
        self.progress.begin(cell.name, resumed=(folder / HISTORY).is_file())
        try:
            worker.send(make_task(self.plan, cell))
        except OSError:  # it died while it was idle
            self._mourn(worker)

    def _listen(self) -> None:
        """Wait for the next word of a worker, or for its death."""
        speakers = {worker.connection: worker for worker in self.busy}
        for connection in wait(list(speakers), timeout=60):
            worker = speakers[connection]  # type: ignore[index]  # wait() returns what it was given
            try:
                message = worker.connection.recv()
            except (EOFError, OSError):
                self._mourn(worker)
                continue
            if isinstance(message, Done):
                self._complete(worker)
            elif isinstance(message, Failed):
                self._fail(worker, message)
            else:
                attempt = self.busy[worker]
                self.progress.step(attempt.cell.name, message.step, message.total, message.loss, message.val_loss)
                if message.validated:
                    self._log_curves(attempt)

    def _log_curves(self, attempt: Attempt) -> None:
        from lge_sweep.sweep.publish import log_curves

        log_curves(attempt.run, self.plan.cell_folder(attempt.cell))

    def _complete(self, worker: Worker) -> None:
        """A cell's folder is whole: show it in MLflow, then tell the ledger, in this order."""
        from lge_sweep.sweep.publish import log_outcome

        attempt = self.busy[worker]
        result = log_outcome(attempt.run, self.plan, attempt.cell)
        selection = self.plan.config.selection
        points = score(global_metrics(result.metrics, selection.emphasis), selection.rule)
        self.study.complete(attempt.trial, points.value, result.collapsed)
        del self.busy[worker]
        self.results[attempt.cell.name] = result
        outcome = read_json(self.plan.cell_folder(attempt.cell) / OUTCOME)
        flag = f"; COLLAPSED: {' and '.join(result.collapsed)} never predicted" if result.collapsed else ""
        took = format_seconds(outcome["seconds"]["all"])
        steps = f"{outcome['training']['steps']} steps"
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

    def _mourn(self, worker: Worker) -> None:
        """A worker died: try its cell once more from the checkpoint, then give the cell up."""
        attempt = self.busy.pop(worker)
        worker.process.join(timeout=10)
        how = _describe_exit(worker.process.exitcode)
        self.driver.replace(worker)
        name = attempt.cell.name
        self.deaths[name] += 1
        if self.deaths[name] < DEATHS:
            self.progress.end(name, f"its worker process {how}; trying again from the last checkpoint", finished=False)
            self.queue.appendleft(attempt.cell)
        else:
            self._record_failure(attempt, f"its worker process {how} {DEATHS} times")

    def _record_failure(self, attempt: Attempt, reason: str) -> None:
        attempt.run.tag({"failed": reason[:500]})
        attempt.run.finish("FAILED")
        self.study.fail(attempt.trial, reason)
        self.failed[attempt.cell.name] = reason
        self.progress.end(attempt.cell.name, f"FAILED: {reason}", finished=False)


@contextmanager
def drive(runs: Path, workers: int, console: Console) -> Iterator[Driver]:
    """Hold a runs directory and its workers while sweeps run.

    Args:
        runs: the runs directory; made if it does not exist.
        workers: number of worker processes.
        console: where to print.

    Raises:
        RunsError: the directory cannot be written, is full, or is held by another driver.
    """
    make_writable(runs)
    with hold_runs(runs), _sigterm_as_interrupt():
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


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Let a cluster's SIGTERM end a sweep as cleanly as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _about(plan: Plan) -> dict[str, object]:
    config = plan.config
    return {
        "phase": config.phase,
        "stage": config.stage,
        "data": config.data,
        "profile": config.profile,
        "part": config.selection.part,
        "rule": config.selection.rule,
        "cells": [cell.name for cell in plan.cells],
    }


def _describe_exit(code: int | None) -> str:
    if code is not None and code < 0:
        hint = " (out of memory?)" if -code == signal.SIGKILL else ""
        return f"was killed by {signal.Signals(-code).name}{hint}"
    return f"ended with exit code {code}"
