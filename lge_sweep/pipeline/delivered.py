"""Deliver to MLflow what it has missed of phases 3 and 4, from what they have kept."""

from functools import partial
from typing import NamedTuple

from lge_sweep.errors import LgeSweepError, RunsError
from lge_sweep.pipeline.evaluate import key_of
from lge_sweep.pipeline.records import ComparisonRecord, EvaluationRecord
from lge_sweep.pipeline.shipping import show_comparison, show_evaluation
from lge_sweep.run_store import EvaluationFolder, RunStore, SweepFolder
from lge_sweep.study import load_plan, read_record
from lge_sweep.tracking import Tracker

ITS_COMMAND = "by its own command, given again (lge-sweep phase3 ...)"


class DeliveredPipelines(NamedTuple):
    """What became of comparisons and evaluations, a line each."""

    sent: list[str]
    problems: list[str]


def deliver_pipelines(tracker: Tracker, store: RunStore) -> DeliveredPipelines:
    """Send MLflow the comparisons and evaluations that it does not show; nothing is computed anew for that.

    Args:
        tracker: MLflow, which can be reached.
        store: the runs directory.
    """
    compared = [fits for fits in store.sweeps("phase3") if fits.comparison.is_file()]
    evaluated = [(fits, files) for fits, files in store.evaluations() if files.record.is_file()]
    kept = {fits.name: partial(_send_comparison, tracker, fits) for fits in compared}
    kept |= {key_of(files): partial(_send_evaluation, tracker, fits, files) for fits, files in evaluated}
    sent, problems = [], []
    for key, send in kept.items():
        try:
            run = tracker.find(key)
            if run is None or run.info.status != "FINISHED":
                sent.append(f"{key}: {send()}")
        except LgeSweepError as error:
            problems.append(f"{key}: {error}")
    problems += [
        f"{fits.name}: its model is registered {ITS_COMMAND}"
        for fits in compared
        if not (fits.shipped.is_file() or fits.choice.is_file())  # pipelines past the paper are shipped by their fits
    ]
    return DeliveredPipelines(sent, problems)


def _send_comparison(tracker: Tracker, fits: SweepFolder) -> str:
    record = read_record(ComparisonRecord, fits.comparison)
    if not record.values:
        raise RunsError(f"its comparison, of an earlier version, is sent {ITS_COMMAND}")
    show_comparison(tracker, load_plan(fits.path), record)
    return "the comparison of its pipelines"


def _send_evaluation(tracker: Tracker, fits: SweepFolder, files: EvaluationFolder) -> str:
    show_evaluation(tracker, load_plan(fits.path), files, read_record(EvaluationRecord, files.record))
    return "the evaluation of its pipelines"
