"""The winner of phase 2 as a model others can load: `models:/lge-stage<k>@champion`."""

import numpy as np

from lge_sweep.config import Cell
from lge_sweep.engine.ledger import read_sweep
from lge_sweep.engine.publish import trial_key
from lge_sweep.engine.train import best_network
from lge_sweep.hashing import file_digest
from lge_sweep.labels import class_names
from lge_sweep.scoring import Selection
from lge_sweep.scoring.uncertainty import Uncertainty
from lge_sweep.study.files import BEST
from lge_sweep.study.plan import Plan
from lge_sweep.tracking import Tracker
from lge_sweep.tracking.registry import NetworkEntry, find_version, promote, register


def register_winner(
    tracker: Tracker, plan: Plan, cell: Cell, selection: Selection, uncertainty: Uncertainty, promoted: bool
) -> str:
    """Register the network of a sweep's winner, once, and make it the champion of its stage.

    A champion of another sweep gives way to a new selection only (`promoted`), and none that stands gives way to a
    network that collapsed.

    Args:
        tracker: MLflow.
        plan: the sweep.
        cell: the winner.
        selection: why it won.
        uncertainty: how sure that is.
        promoted: whether the selection is new.

    Returns:
        A sentence on what was registered and what the champion is.
    """
    name = f"lge-stage{cell.stage}"
    weights = file_digest(plan.cell_folder(cell) / BEST)[:16]
    key = f"{plan.name}/{cell.name}/{weights}"
    version = find_version(tracker, name, key)
    if version is None:
        version = register(tracker, _champion(plan, cell, key, selection, uncertainty))
    return promote(tracker, name, version, f"{plan.name}/", promoted, f"lge-sweep select {plan.name}")


def _champion(plan: Plan, cell: Cell, key: str, selection: Selection, uncertainty: Uncertainty) -> NetworkEntry:
    classes = ", ".join(f"{index} {label}" for index, label in enumerate(class_names(cell.stage)))
    seen = "intensity three times" if cell.stage == 1 else "the paper's composite of image and refined cavity"
    size = plan.config.training.image_size
    classes_out = f"[B, {len(class_names(cell.stage))}, {size}, {size}] of {classes}"
    description = (
        f"{cell.name}, selected in sweep {plan.name}: {uncertainty.sentence}. Input uint8 [B, 3, {size}, {size}], "
        f"{seen}; output probabilities {classes_out}. Research use only."
    )
    facts = {
        "sweep": plan.name,
        "cell": cell.name,
        "data": plan.config.data,
        "data_digest": plan.data_digest[:16],
        "profile": plan.config.profile,
        "collapsed": ", ".join(next(entry.collapsed for entry in selection.ranking if entry.selected)) or "no",
    }
    trial = read_sweep(plan.folder.parent, plan.name)[cell.name].trial or 0
    example = np.zeros((2, 3, size, size), dtype=np.uint8)  # no patient's: it is saved with the model
    return NetworkEntry(
        name=f"lge-stage{cell.stage}",
        key=key,
        run_key=trial_key(plan, cell, trial),
        example=example,
        facts=facts,
        description=description,
        network=best_network(plan, cell),
    )
