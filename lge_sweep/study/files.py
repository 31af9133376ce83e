"""Names of the files of a sweep."""

import re

FACTS = "plan.json"
SETTINGS = "sweep.yaml"
MANIFEST = "manifest.csv"
OUTCOME = "outcome.json"
"""Written last: a cell whose folder has it is finished."""
BEST = "best.pt"
HISTORY = "history.csv"
PER_IMAGE = "per_image.csv"
PREDICTIONS = "predictions.npz"
CHECKPOINT = "resume.ckpt"
LOG = "log.txt"
OVERRIDE = "override.json"
"""In a sweep's folder: a person's choice over the rule's."""
SELECTION = "selection.json"
"""In a sweep's folder: what was selected and why; written when the sweep is complete."""


def slug(name: str) -> str:
    """Return a name as part of a file's: `fitted on truth` as `fitted_on_truth`."""
    return re.sub(r"[^\w.-]+", "_", name)
