"""Deliver to MLflow what it has missed of phases 3 and 4, from what they have kept."""

from contextlib import suppress
from functools import partial
from typing import NamedTuple

from lge_sweep.config.pipelines import BEST
from lge_sweep.errors import EarlierVersionError, LgeSweepError, RunsError
from lge_sweep.pipeline.evaluate import key_of
from lge_sweep.pipeline.records import ComparisonRecord, EvaluationRecord, ShippedRecord
from lge_sweep.pipeline.shipping import show_comparison, show_evaluation
from lge_sweep.run_store import EvaluationFolder, RunStore, SweepFolder
from lge_sweep.segmenter import NAME
from lge_sweep.study import load_plan, read_record
from lge_sweep.tracking import Tracker, find_version

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
    kept = {fits.name: partial(_deliver_comparison, tracker, fits) for fits in compared}
    kept |= {key_of(files): partial(_deliver_evaluation, tracker, fits, files) for fits, files in evaluated}
    sent, problems = [], []
    for key, deliver in kept.items():
        try:
            if said := deliver():
                sent.append(f"{key}: {said}")
        except LgeSweepError as error:
            problems.append(f"{key}: {error}")
    for fits in compared:
        try:
            if not _is_registered(tracker, fits):
                problems.append(f"{fits.name}: its model is registered {ITS_COMMAND}")
        except LgeSweepError as error:
            problems.append(f"{fits.name}: {error}")
    return DeliveredPipelines(sent, problems)


def _shows(tracker: Tracker, key: str, record: ComparisonRecord) -> bool:
    """Whether a run shows a comparison: that of now, not one that was made before with other pipelines.

    Args:
        tracker: MLflow.
        key: of the run.
        record: what is kept of the comparison.
    """
    run = tracker.find(key)
    if run is None or run.info.status != "FINISHED":
        return False
    return all(run.data.metrics.get(name) == value for name, value in record.values.items())


def _is_registered(tracker: Tracker, fits: SweepFolder) -> bool:
    """Whether the registry has the model that was asked for when phase 3 was last run.

    Args:
        tracker: MLflow.
        fits: the folder of what is compared.
    """
    if fits.choice.is_file():
        return True  # pipelines past the paper are shipped by their fits
    if not fits.shipped.is_file():
        return False
    record = read_record(ShippedRecord, fits.shipped)
    with suppress(EarlierVersionError):  # its settings cannot be read any more
        asked = load_plan(fits.path).config.fitting.shipped
        if asked.pipeline != BEST and asked != record.shipped:
            return False
    with tracker.required():
        return find_version(tracker, NAME, record.key) is not None


def _deliver_comparison(tracker: Tracker, fits: SweepFolder) -> str:
    """Send a comparison that is not shown; returns what was sent, "" where it is shown."""
    record = read_record(ComparisonRecord, fits.comparison)
    if _shows(tracker, fits.name, record):
        return ""
    if not record.values:
        raise RunsError(f"its comparison, of an earlier version, is sent {ITS_COMMAND}")
    show_comparison(tracker, load_plan(fits.path), record)
    return "the comparison of its pipelines"


def _deliver_evaluation(tracker: Tracker, fits: SweepFolder, files: EvaluationFolder) -> str:
    """Send an evaluation that is not shown; returns what was sent, "" where it is shown."""
    record = read_record(EvaluationRecord, files.record)
    if _shows(tracker, key_of(files), record):
        return ""
    show_evaluation(tracker, load_plan(fits.path), files, record)
    return "the evaluation of its pipelines"
