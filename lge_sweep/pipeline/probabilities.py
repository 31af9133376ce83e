"""Whether the probabilities of the pipelines past the paper mean what they say, on cases that they never saw."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from lge_sweep.arrays import LabelImage
from lge_sweep.labels import class_names, stage_target
from lge_sweep.metrics import Calibration, measure_calibration
from lge_sweep.pipeline.kept import KeptExam, expected_scar
from lge_sweep.text import escape_markdown, markdown_table

CONVENTIONS = (
    "Pixels of the networks' view that are heart in the truth or in the labels; the others are background to every "
    "network. Brier: mean squared difference of probability and truth, 0 to 1, of all classes together 0 to 2. ECE, "
    "MCE: mean and largest difference of frequency and probability over ten bins, of each class and of the likeliest "
    "one (label)."
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
    flat, truths, expected = [], list[LabelImage](), list[float]()
    for exam in exams:  # each takes memory, and is read in its turn
        probabilities, truth = exam.probabilities, stage_target(exam.truth, stage)
        counted = (truth > 0) | (probabilities.argmax(axis=1) > 0)
        flat.append(np.moveaxis(probabilities, 1, -1)[counted])
        truths.append(truth[counted])
        expected += expected_scar(probabilities, exam.scale)
    pixels = np.concatenate(flat).T[None, :, None]
    found = measure_calibration(pixels, np.concatenate(truths)[None, None], class_names(stage))
    return MeasuredProbabilities(found, expected)


def calibration_frame(name: str, found: Calibration) -> pd.DataFrame:
    """Tabulate calibration: columns pipeline, class, pixels, brier, ece, mce; a row a class, one `label`, one `all`.

    Args:
        name: of the pipeline.
        found: its calibration.
    """
    whole = pd.DataFrame([{"class": "all", "brier": found.brier, "ece": np.nan, "mce": np.nan}])
    frame = pd.concat([found.scores, whole], ignore_index=True)
    frame.insert(0, "pipeline", name)
    frame.insert(2, "pixels", found.pixels)
    return frame


def calibration_markdown(frame: pd.DataFrame) -> str:
    """Write calibration of all pipelines, to read."""
    rows = []
    for line in frame.to_dict("records"):
        numbers = ["-" if pd.isna(line[name]) else f"{line[name]:.4f}" for name in _SCORES]
        rows.append([escape_markdown(str(line["pipeline"])), str(line["class"]), *numbers])
    table = markdown_table(["pipeline", "class", "Brier", "ECE", "MCE"], rows, left=("class",))
    return f"{table}\n\n{CONVENTIONS}\n"
