"""The winner of phase 2 as a model others can load: `models:/lge-stage<k>@champion`."""

import numpy as np

from lge_sweep.config import Cell
from lge_sweep.data import load_arrays
from lge_sweep.data.module import network_input
from lge_sweep.labels import class_names
from lge_sweep.scoring import Selection
from lge_sweep.scoring.doubt import Doubt
from lge_sweep.sweep.files import BEST
from lge_sweep.sweep.plan import Plan
from lge_sweep.tracking import Tracker
from lge_sweep.tracking.registry import Champion, find_champion, register


def register_champion(tracker: Tracker, plan: Plan, cell: Cell, selection: Selection, doubts: Doubt) -> str:
    """Register the network of a sweep's winner and point the alias `champion` at it, unless it is that already.

    Args:
        tracker: MLflow.
        plan: the sweep.
        cell: the winner.
        selection: why it won.
        doubts: how sure that is.

    Returns:
        Name and version of the registered model, as MLflow writes them.
    """
    name, key = f"lge-stage{cell.stage}", f"{plan.name}/{cell.name}"
    known = find_champion(tracker, name)
    if known is not None and known[0] == key:
        return f"{name} version {known[1]}"
    from lge_sweep.models.segmenter import Segmenter  # loads torch, which a driver otherwise does without
    from lge_sweep.sweep.execute import load_best

    arrays = load_arrays(plan.arrays)
    rows = plan.rows(plan.config.selection.part)[:2]
    example = np.stack([network_input(arrays.images[row], arrays.refined[row], cell.stage) for row in rows])
    classes = ", ".join(f"{index} {label}" for index, label in enumerate(class_names(cell.stage)))
    seen = "grey level three times" if cell.stage == 1 else "the paper's composite of image and refined cavity"
    size = plan.config.training.image_size
    description = (
        f"{cell.name}, selected in sweep {plan.name}: {doubts.sentence}. Input uint8 [B, 3, {size}, {size}], {seen}; "
        f"output probabilities [B, {len(class_names(cell.stage))}, {size}, {size}] of {classes}. Research use only."
    )
    facts = {
        "sweep": plan.name,
        "cell": cell.name,
        "data": plan.config.data,
        "data_digest": plan.data_digest[:16],
        "profile": plan.config.profile,
        "collapsed": ", ".join(next(entry.collapsed for entry in selection.ranking if entry.selected)) or "no",
    }
    module = load_best(plan.cell_folder(cell) / BEST, cell, plan.config.training)
    version = register(tracker, Champion(name, key, Segmenter(module), example, facts, description))
    return f"{name} version {version}"
