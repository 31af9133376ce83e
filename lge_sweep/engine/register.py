"""The winner of phase 2 as a model others can load: `models:/lge-stage<k>@champion`."""

import numpy as np

from lge_sweep.engine.publish import trial_key
from lge_sweep.engine.train import best_network
from lge_sweep.engine.winner import Winner
from lge_sweep.hashing import file_digest
from lge_sweep.labels import class_names
from lge_sweep.tracking import NetworkEntry, Tracker, collapsed_tag, find_version, promote, register


def register_winner(tracker: Tracker, winner: Winner, promoted: bool) -> str:
    """Register the network of a sweep's winner, once, and make it the champion of its stage.

    A champion of another sweep gives way to a new selection only (`promoted`), and none that stands gives way to a
    network that collapsed.

    Args:
        tracker: MLflow.
        winner: the winner.
        promoted: whether the selection is new.

    Returns:
        A sentence on what was registered and what the champion is.
    """
    plan, cell = winner.plan, winner.cell
    name = f"lge-stage{cell.stage}"
    weights = file_digest(plan.cell_files(cell).best)[:16]
    key = f"{plan.name}/{cell.name}/{weights}"
    version = find_version(tracker, name, key)
    if version is None:
        version = register(tracker, _network_entry(winner, name, key))
    return promote(tracker, name, version, f"{plan.name}/", new=promoted, remedy=f"lge-sweep select {plan.name}")


def _network_entry(winner: Winner, name: str, key: str) -> NetworkEntry:
    plan, cell = winner.plan, winner.cell
    classes = ", ".join(f"{index} {label}" for index, label in enumerate(class_names(cell.stage)))
    seen = "intensity three times" if cell.stage == 1 else "the paper's composite of image and refined cavity"
    size = plan.config.training.image_size
    classes_out = f"[B, {len(class_names(cell.stage))}, {size}, {size}] of {classes}"
    description = (
        f"{cell.name}, selected in sweep {plan.name}: {winner.uncertainty.sentence}. Input uint8 "
        f"[B, 3, {size}, {size}], {seen}; output probabilities {classes_out}. Research use only."
    )
    facts = {
        "sweep": plan.name,
        "cell": cell.name,
        "data": plan.config.data,
        "data_digest": plan.data_digest[:16],
        "profile": plan.config.profile,
        "collapsed": collapsed_tag(next(entry.collapsed for entry in winner.selection.ranking if entry.selected)),
    }
    example = np.zeros((2, 3, size, size), dtype=np.uint8)  # no patient's: it is saved with the model
    return NetworkEntry(
        name=name,
        key=key,
        run_key=trial_key(plan, cell, winner.trial),
        example=example,
        facts=facts,
        description=description,
        network=best_network(plan, cell),
    )
