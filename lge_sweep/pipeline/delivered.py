"""What MLflow lacks of phases 3 and 4, whose own commands send it again: they compute nothing anew for that."""

from lge_sweep.pipeline.evaluate import key_of
from lge_sweep.run_store import RunStore
from lge_sweep.tracking import Tracker


def undelivered(tracker: Tracker, store: RunStore) -> list[str]:
    """Say which comparisons and evaluations MLflow does not show, a sentence each with the command that sends them.

    Args:
        tracker: MLflow, which can be reached.
        store: the runs directory.
    """
    kept = {sweep.name: ("comparison", "phase3") for sweep in store.sweeps("phase3") if sweep.comparison.is_file()}
    kept |= {key_of(files): ("evaluation", "phase4") for _, files in store.evaluations() if files.record.is_file()}
    lacking = []
    for key, (what, phase) in kept.items():
        run = tracker.find(key)
        if run is None or run.info.status != "FINISHED":
            lacking.append(f"{key}: its {what} is sent by its own command, given again (lge-sweep {phase} ...)")
    return lacking
