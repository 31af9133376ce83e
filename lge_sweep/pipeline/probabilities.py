"""Whether the probabilities of the pipelines past the paper mean what they say, on cases that they never saw."""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lge_sweep.arrays import LabelImage
from lge_sweep.labels import class_names, stage_target
from lge_sweep.metrics import Calibration, measure_calibration
from lge_sweep.pipeline.kept import KeptExam, expected_scar
from lge_sweep.scoring import calibration_intervals
from lge_sweep.text import escape_markdown, markdown_table

CONVENTIONS = (
    "Pixels of the networks' view that are heart in the truth or whose likeliest class is; the others are background "
    "to every network. Brier: mean squared difference of probability and truth, 0 to 1, of all classes together 0 to "
    "2. ECE, MCE: mean and largest difference of frequency and probability over ten bins, of each class and of the "
    "likeliest one (label). In brackets 95 % intervals: cases drawn anew, 2000 times; that of ECE may lie above it, "
    "as a draw has fewer different cases."
)

_SCORES = ("brier", "ece", "mce")


class MeasuredProbabilities(NamedTuple):
    """What the probabilities of a pipeline say about cases that its networks never saw."""

    calibration: Calibration
    """Whether they mean it."""
    expected: list[float]
    """The sum of scar's probability over each slice, in the exam's own pixels."""


def measure_probabilities(exams: Iterable[KeptExam], stage: int) -> MeasuredProbabilities:
    """Measure the probabilities of a pipeline.

    Args:
        exams: what was found in them.
        stage: whose classes its networks tell apart.
    """
    flat, truths, numbers, expected = [], list[LabelImage](), [], list[float]()
    for number, exam in enumerate(exams):  # each takes memory, and is read in its turn
        probabilities, truth = exam.probabilities, stage_target(exam.truth, stage)
        counted = (truth > 0) | (probabilities.argmax(axis=1) > 0)
        flat.append(np.moveaxis(probabilities, 1, -1)[counted])
        truths.append(truth[counted])
        numbers.append(np.full(int(counted.sum()), number))
        expected += expected_scar(probabilities, exam.scale)
    pixels = np.concatenate(flat).T[None, :, None]
    cases = np.concatenate(numbers)[None, None]
    found = measure_calibration(pixels, np.concatenate(truths)[None, None], class_names(stage), groups=cases)
    return MeasuredProbabilities(found, expected)


def calibration_frame(name: str, found: Calibration) -> pd.DataFrame:
    """Tabulate calibration: a row a class, one `label`, one `all`.

    Columns: pipeline, class, pixels, brier, ece, mce, and brier_low, brier_high, ece_low, ece_high, 95 % intervals over
    cases.

    Args:
        name: of the pipeline.
        found: its calibration.
    """
    whole = pd.DataFrame([{"class": "all", "brier": found.brier, "ece": np.nan, "mce": np.nan}])
    scores = pd.concat([found.scores, whole], ignore_index=True)
    frame = pd.concat([scores, calibration_intervals(found.sums)], axis=1)
    frame.insert(0, "pipeline", name)
    frame.insert(2, "pixels", found.pixels)
    return frame


def calibration_markdown(frame: pd.DataFrame) -> str:
    """Write calibration of all pipelines, to read."""
    rows = []
    for line in frame.to_dict("records"):
        numbers = [_with_interval(line, name) for name in _SCORES]
        rows.append([escape_markdown(str(line["pipeline"])), str(line["class"]), *numbers])
    table = markdown_table(["pipeline", "class", "Brier", "ECE", "MCE"], rows, left=("class",))
    return f"{table}\n\n{CONVENTIONS}\n"


def _with_interval(line: Mapping[Hashable, Any], name: str) -> str:
    if pd.isna(line[name]):
        return "-"
    low, high = line.get(f"{name}_low", np.nan), line.get(f"{name}_high", np.nan)
    return f"{line[name]:.4f}" + ("" if pd.isna(low) else f" ({low:.4f} to {high:.4f})")
