"""The one driver of a runs directory: brings together ledger, MLflow and an executor, and runs sweeps with them."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from optuna.exceptions import StorageInternalError

from lge_sweep.config.architectures import SCRATCH
from lge_sweep.engine.cell_queue import CellQueue
from lge_sweep.engine.events import Died, Failed
from lge_sweep.engine.executors import Executor, Placement, make_executor
from lge_sweep.engine.executors.perform import NO_SPACE
from lge_sweep.engine.finished import FinishedSweep
from lge_sweep.engine.grid_queue import GridQueue
from lge_sweep.engine.ledger import Ledger
from lge_sweep.engine.lock import await_earlier_workers, hold_runs
from lge_sweep.engine.loop import POLL, SweepLoop
from lge_sweep.engine.observer import Observer
from lge_sweep.engine.search_queue import SearchQueue
from lge_sweep.engine.server import unusable
from lge_sweep.engine.task import WeightsTask, make_sample
from lge_sweep.errors import LgeSweepError, RunsError, WeightsError
from lge_sweep.interrupts import signals_as_interrupt
from lge_sweep.paths import checkpoint_interval, make_writable, stall_limit
from lge_sweep.run_store import RunStore
from lge_sweep.scoring import Result
from lge_sweep.study import Plan

if TYPE_CHECKING:
    from lge_sweep.config.schema import Training
    from lge_sweep.engine.trial_view import TrackedSweep
    from lge_sweep.tracking import TrackedRun, Tracker

CATCH_UP = 60.0
"""Seconds that the end of a sweep waits for MLflow, if its view is behind."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BegunSweep:
    """A sweep whose cells are being done.

    Attributes:
        loop: does them.
        view: shows them.
        results: cell -> its result, of those that were done before.
    """

    loop: SweepLoop
    view: "TrackedSweep"
    results: Mapping[str, Result]


class Driver:
    """Runs sweeps in one runs directory, one after the other, with the same executor.

    Use `drive` to get one.

    Args:
        store: the runs directory, which the caller holds.
        executor: executes cells.
        observer: is told what happens.
        check: makes sure that the caller holds the directory still.
    """

    def __init__(
        self, store: RunStore, executor: Executor, observer: Observer, check: Callable[[], object] = lambda: None
    ) -> None:
        """Open the ledger; the executor is started when there is something to do."""
        self.store, self.executor, self.observer, self._check = store, executor, observer, check
        self.ledger = Ledger(store, check)
        self._checked: set[WeightsTask] = set()
        self._places: dict[str, SweepLoop] = {}

    @cached_property
    def tracker(self) -> "Tracker":
        """MLflow, opened when first needed."""
        from lge_sweep.tracking import Tracker

        return Tracker.patient_of(self.store)

    def open_run(self, plan: Plan, later: Sequence[Plan] = ()) -> "TrackedRun":
        """Open the sweep's MLflow run; if there is something to do, the executor prepares itself meanwhile.

        Args:
            plan: the sweep.
            later: those that follow it, whose cells may begin beside its last.

        Raises:
            WeightsError: pretrained weights cannot be had; nothing was started.
        """
        if not self._places and (left := _left(plan)):
            self._start(plan, left + sum(map(_left, later)))
            self._check_weights(plan)
        from lge_sweep.engine.publish import open_sweep

        return open_sweep(self.tracker, plan)

    def run(self, plan: Plan, run: "TrackedRun") -> FinishedSweep:
        """Complete every cell of a sweep that is not complete yet.

        Args:
            plan: the sweep.
            run: its MLflow run.

        Raises:
            RunsError: the disk is full.
            KeyboardInterrupt: stopped; the same command goes on where it was.
        """
        sweep = self.begin(plan, run)
        sweep.loop.complete()
        return self.finish(sweep)

    def may_begin_early(self, plan: Plan) -> bool:
        """Whether cells of a sweep may begin beside the last of another: if nothing is to be looked for before."""
        task = _weights_task(plan)
        return task is None or task in self._checked

    def begin(self, plan: Plan, run: "TrackedRun", later: Sequence[Plan] = ()) -> "BegunSweep":
        """Open the ledger of a sweep, show what is done, and prepare to do the rest.

        Args:
            plan: the sweep.
            run: its MLflow run.
            later: those that follow it, as of `open_run`.
        """
        from lge_sweep.engine.trial_view import TrackedSweep

        study = self.ledger.open(plan.name, _about(plan), plan.config.search)
        queue: CellQueue = GridQueue(plan, study) if plan.config.search is None else SearchQueue(plan, study)
        view = TrackedSweep(self.tracker, plan, run)
        results = view.show_all(queue.finished(), queue.without_result()).results
        if left := queue.total - queue.done():
            if not self._places:
                self._start(plan, left + sum(map(_left, later)))
                if chosen := self.executor.settle():
                    self.observer.line(chosen)
            if self.executor.slots > 1:
                queue.put_longest_first()
            if plan.config.search is not None and plan.config.search.costs:
                self.observer.line(f"objectives: {', '.join(plan.config.search.objectives)}; no trial is stopped early")
        title = f"{plan.config.phase} stage {plan.config.stage}"
        observer = self.observer.sweep(title, queue.total, queue.done(), queue.costs())
        loop = SweepLoop(plan, queue, study, self.executor, view, observer, self._check, self._places)
        return BegunSweep(loop, view, results)

    def finish(self, sweep: "BegunSweep") -> FinishedSweep:
        """Complete what is shown of a sweep whose cells are done, and say what they came to."""
        from lge_sweep.engine.publish import trial_key

        loop, view = sweep.loop, sweep.view
        plan, queue = loop.plan, loop.queue
        self._complete_view(queue, view)
        finished = queue.finished()
        self.tracker.retire(plan.name, {cell.name: trial_key(plan, cell, trial) for cell, trial in finished})
        results = {**sweep.results, **loop.results}
        plan = replace(plan, cells=tuple(queue.cells()))
        return FinishedSweep(
            plan,
            {cell.name: results[cell.name] for cell in plan.cells if cell.name in results},
            dict(queue.missing(loop.failed)),
            {cell.name: trial for cell, trial in finished},
        )

    def close(self) -> None:
        """End what executes cells, and leave the ledger."""
        self.executor.close()
        self.ledger.close()

    def _complete_view(self, queue: CellQueue, view: "TrackedSweep") -> None:
        """Send MLflow what it has missed while it could not be reached."""
        if self.tracker.behind is None:
            return
        from lge_sweep.engine.publish import open_sweep

        self.observer.line(f"completing MLflow's view, which is behind: {self.tracker.behind}")
        if self.tracker.catch_up(CATCH_UP):
            open_sweep(self.tracker, view.plan)
            view.run.open()
            view.show_all(queue.finished(), queue.without_result())
        if self.tracker.behind is not None:
            _log.warning(
                "MLflow's view is still behind (%s); the same command completes it, or lge-sweep sync",
                self.tracker.behind,
            )

    def _start(self, plan: Plan, left: int) -> None:
        """Start the executor for what is left to do, and tell what it has chosen.

        A search draws from what has ended: of its trials no more are done at once than it draws blindly.
        """
        search = plan.config.search
        tasks = left if search is None else min(left, search.startup_trials)
        if chosen := self.executor.start(tasks, make_sample(plan, left)):
            self.observer.line(chosen)

    def _check_weights(self, plan: Plan) -> None:
        """Find out before the first trial whether pretrained weights, or a GPU, can be had where it is executed."""
        task = _weights_task(plan)
        if task is None or task in self._checked:
            return
        wanted = [f"pretrained weights ({task.weights})"] * (task.weights != SCRATCH)
        wanted += [f"a GPU ({task.needs_gpu})"] * bool(task.needs_gpu)
        self.observer.line(f"looking for {(what := ' and '.join(wanted))}")
        self.executor.submit(task)
        while (event := self.executor.next_event(POLL)) is None:
            pass
        match event.news:
            case Died(reason=reason):
                raise RunsError(f"{what} could not be looked for: {reason}")
            case Failed(reason=reason):
                raise WeightsError(*reason.split("\n"))
        self._checked.add(task)


@contextmanager
def drive(store: RunStore, placement: Placement, observer: Observer) -> Iterator[Driver]:
    """Hold a runs directory, and what executes cells, while sweeps run.

    Args:
        store: the runs directory; made if it does not exist.
        placement: where cells are to be trained.
        observer: is told what happens.

    Raises:
        RunsError: directory, ledger or executor cannot be used, the disk is full, or another driver holds the
            directory.
    """
    make_writable(store.root)
    with hold_runs(store) as check, signals_as_interrupt():
        await_earlier_workers(store)
        checkpoint_interval()  # workers ask for it, too late to be told that it is none
        executor = make_executor(store, placement, stall_limit())
        driver = Driver(store, executor, observer, check)
        try:
            yield driver
        except Exception as error:
            if (explained := _explain(error, store)) is None:
                raise
            raise explained from error
        finally:
            driver.close()


def _explain(error: Exception, store: RunStore) -> LgeSweepError | None:
    """Say what a user can do about an error; None if it explains itself, or is a bug."""
    if isinstance(error, LgeSweepError):
        return None
    if is_full(error):
        return RunsError(
            f"{store.root}: the disk is full. Make room and run the same command again: what is finished stays"
        )
    if type(error).__name__ == "OutOfMemoryError":
        return RunsError(
            "out of GPU memory while labelling; end what else uses the GPU and run the same command again: "
            "what is finished stays"
        )
    return unusable(store, error) if isinstance(error, StorageInternalError) else None


def is_full(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, says that a disk or a quota is full."""
    while error is not None:
        if (isinstance(error, OSError) and error.errno in NO_SPACE) or "database or disk is full" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _left(plan: Plan) -> int:
    """Return how many cells of a sweep are not done."""
    return plan.config.search.trials if plan.config.search else len(plan.unfinished())


def _weights_task(plan: Plan) -> WeightsTask | None:
    """Return what has to be looked for before the first trial of a sweep; None if there is nothing."""
    training = plan.config.training
    task = WeightsTask(
        models=plan.config.grid.model,
        weights=training.encoder_weights,
        width=training.width,
        needs_gpu=_of_gpus(training),
    )
    return None if task.weights == SCRATCH and not task.needs_gpu else task


def _of_gpus(training: "Training") -> str:
    """Return the setting that only a GPU can keep to, if one is named."""
    if training.execution == "graphs":
        return "training.execution=graphs"
    return "training.precision=fp16" if training.precision == "fp16" else ""


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
        **({"objectives": list(search.objectives)} if search is not None and search.costs else {}),
    }
