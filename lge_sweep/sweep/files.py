"""Files that are there whole or not at all."""

import json
import os
import re
from pathlib import Path
from typing import Any

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


def write_text(path: Path, text: str) -> None:
    """Write a text file through a temporary name, so that a reader never sees half of it."""
    unfinished = path.with_name(f".{path.name}-{os.getpid()}")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def write_json(path: Path, content: Any) -> None:
    """Write plain data as JSON; missing values are null, never NaN."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))
