"""Show a sweep's trials in MLflow, from the ledger and the cells' folders; sending again changes nothing."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from lge_sweep.config import Cell
from lge_sweep.engine.publish import open_trial, trial_key
from lge_sweep.errors import DamagedError
from lge_sweep.scoring import Result, all_scores
from lge_sweep.study import CellRecord, Plan, read_history, read_record, read_result, read_usage
from lge_sweep.tracking import SCORE, Point, TrackedRun, Tracker, collapsed_tag

_SUFFIXES = {"image_mean": "", "pooled": "_pooled", "present_only": "_present"}
"""Aggregate -> what its MLflow keys have after the name of the subset."""

_USAGE = {
    "cpu_percent": "cpu_utilization_percentage",
    "memory_mb": "memory_usage_megabytes",
    "gpu_percent": "gpu_utilization_percentage",
    "gpu_memory_mb": "gpu_memory_usage_megabytes",
}
"""What a sample has -> its key in MLflow, after `system/`."""


@dataclass(frozen=True)
class TrackedTrial:
    """Shows a trial in MLflow: a `TrialView`.

    Attributes:
        run: its run.
        plan: its sweep.
        cell: what is tried.
    """

    run: TrackedRun
    plan: Plan
    cell: Cell

    def show_curves(self) -> None:
        """Log the training and validation losses recorded so far, and what the training took of its machine."""
        files = self.plan.cell_files(self.cell)
        if files.history.is_file():
            self.run.log(_curves(read_history(files.history)))
        with suppress(DamagedError):  # it is no result, and is begun anew
            if files.usage.is_file():
                samples = read_usage(files.usage)
                self.run.log(_usage(samples), dict(enumerate(samples["time"])))

    def complete(self, record: CellRecord, result: Result) -> None:
        """Log all that the finished cell left in its folder."""
        self.show_curves()
        self.run.untag("pruned")  # of a session that was killed before the ledger knew
        self.run.log(_final_points(record, result, self.plan, record.training.best_step))
        self.run.tag(
            {
                "collapsed": collapsed_tag(result.collapsed),
                "hardware": f"{record.hardware.accelerator} {record.hardware.precision}",
                **({"slurm_job": record.hardware.job} if record.hardware.job else {}),
            }
        )
        files = self.plan.cell_files(self.cell)
        figures = [files.path / name for name in record.figures]
        self.run.log_files([files.per_image, files.history, files.outcome, *figures])
        self.run.finish()

    def prune(self) -> None:
        """Mark the run as given up."""
        self.show_curves()
        self.run.tag({"pruned": "yes"})
        self.run.finish()

    def fail(self, reason: str) -> None:
        """Mark the run as failed, with the reason."""
        self.run.fail(reason)

    def stop(self) -> None:
        """Mark the run as stopped."""
        self.run.finish("KILLED")


@dataclass(frozen=True)
class TrackedSweep:
    """Shows the trials of a sweep in MLflow: a `SweepView`.

    Attributes:
        tracker: MLflow.
        plan: the sweep.
        run: its run.
    """

    tracker: Tracker
    plan: Plan
    run: TrackedRun

    def open_trial(self, cell: Cell, trial: int) -> TrackedTrial:
        """Open the run of a trial."""
        return TrackedTrial(open_trial(self.tracker, self.plan, cell, trial, self.run), self.plan, cell)

    def show_all(self, finished: Iterable[tuple[Cell, int]], ended: Iterable[tuple[Cell, int, str]]) -> "Shown":
        """Show all trials that have ended, as far as MLflow does not.

        Args:
            finished: cells that have a result, with the numbers of their trials in the ledger.
            ended: those that have none, with why they failed; "" where a search gave one up.
        """
        known = self.tracker.statuses(self.plan.name)
        results, sent = {}, 0
        for cell, trial in finished:
            record = read_record(CellRecord, self.plan.cell_files(cell).outcome)
            results[cell.name] = read_result(record, self.plan, cell)
            if known.get(trial_key(self.plan, cell, trial)) != "FINISHED":
                self.open_trial(cell, trial).complete(record, results[cell.name])
                sent += 1
        for cell, trial, reason in ended:
            if known.get(trial_key(self.plan, cell, trial)) not in ("FINISHED", "FAILED"):
                self._show_ended(self.open_trial(cell, trial), reason)
                sent += 1
        return Shown(results, sent)

    @staticmethod
    def _show_ended(view: TrackedTrial, reason: str) -> None:
        if not reason:
            view.prune()
            return
        view.show_curves()
        view.fail(reason)


class Shown(NamedTuple):
    """What `TrackedSweep.show_all` has done."""

    results: dict[str, Result]
    """Finished cell -> what scoring needs of it."""
    sent: int
    """How many trials MLflow did not show."""


def _curves(history: pd.DataFrame) -> list[Point]:
    points = [
        ("train/loss", float(loss), int(step))
        for step, loss in zip(history["step"], history["train_loss"], strict=True)
    ]
    validated = history.dropna(subset="val_loss")
    for key, column in (("val/loss", "val_loss"), ("val/foreground_dice", "val_dice")):
        points += [
            (key, float(value), int(step)) for step, value in zip(validated["step"], validated[column], strict=True)
        ]
    return points


def _usage(samples: pd.DataFrame) -> list[Point]:
    """Name what a training took as MLflow names its own samples, which it shows on a page of their own."""
    return [
        (f"system/{_USAGE[str(column)]}", float(value), number)
        for column, values in samples.drop(columns=["seconds", "time"]).items()
        for number, value in enumerate(values)
        if pd.notna(value)
    ]


def _final_points(outcome: CellRecord, result: Result, plan: Plan, step: int) -> list[Point]:
    summary, subset = outcome.summary, outcome.subset
    points: dict[str, float | None] = {
        f"{subset}{_SUFFIXES[aggregate]}/{metric}/{name}": value
        for (aggregate, metric, name), value in summary.by_key().items()
    }
    points |= {f"{subset}_std/{metric}": value for metric, value in summary.std.items()}
    points |= {f"{subset}/global_accuracy": summary.global_accuracy, f"{subset}/mean_accuracy": summary.mean_accuracy}
    scores = all_scores(result, plan.config.selection.emphasis)
    points |= {SCORE: scores[plan.config.selection.rule], **{f"score/{rule}": value for rule, value in scores.items()}}
    points |= {
        "training/best_val_loss": outcome.training.best_val_loss,
        "training/steps": outcome.training.steps,
        "training/epochs": outcome.training.epochs,
        "training/seconds": outcome.seconds.training,
        "training/memory_mb": outcome.memory_mb,
    }
    return [(key, float(value), step) for key, value in points.items() if value is not None]
