"""What the field measures: a whole exam in 3-D, on its own grid, in mm and mL, structure by structure.

The structures are those of EMIDEC and MYOSAIQ: the cavity; the wall, which is all of the myocardium, scar and no-reflow
included; the scar, no-reflow included.

EMIDEC's own evaluation (code of the challenge as of 2020-09-27) is followed where it says something:

- Dice is that of all voxels of an exam (not the mean of its slices), 1 where neither has the structure (column
  `emidec_dice`), 0 where one has. The column `dice` is the same but has no value where neither has it.
- The Hausdorff distance is of the whole wall, in 3-D, in mm. The challenge's code gives SimpleITK's spacing (x, y, z)
  to an array of (z, y, x), so that a step from slice to slice counts as a pixel's width and one along a row as a slice
  spacing. Distances here are true ones; `exam_surfaces` gives the published kind if its spacing is in that order.
- The volume difference is |predicted - true|.
- The share difference (`ratio_percent`) is |predicted - true scar| / true wall, in per cent: both scars by the wall of
  the truth. `share_error_percent` is of the shares that a reader sees, each of its own wall, with its sign.
- Means are over all exams, those without scar included.

Source: github.com/EMIDEC-Challenge/Evaluation-metrics; emidec.com/metrics; Lalande et al., Med Image Anal 79, 2022.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lge_sweep.arrays import LabelImage, Mask
from lge_sweep.labels import STRUCTURES, WALL, Label
from lge_sweep.metrics.exam_surface import NO_DISTANCE, ExamSurfaces, exam_surfaces

DISTANCES: tuple[str, ...] = ("hd_mm", "hd95_mm", "assd_mm", "nsd")
"""Columns that are missing where some distance of voxels is not known."""
EXAM_NUMBERS: tuple[str, ...] = (
    "true_voxels", "predicted_voxels", "dice", "emidec_dice", *DISTANCES, "true_ml", "predicted_ml", "error_ml",
    "true_percent", "predicted_percent", "share_error_percent", "ratio_percent",
)  # fmt: skip
"""Columns of `measure_exam` that are numbers, in their order."""


@dataclass(frozen=True)
class ExamGrid:
    """Where the slices of an exam lie.

    Attributes:
        spacing_mm: distance of rows, columns and slices (of neighbouring slots), mm; NaN where it is not known. The
            product is the volume of a voxel.
        slots: place of each slice in an evenly spaced stack, rising.
    """

    spacing_mm: tuple[float, float, float]
    slots: tuple[int, ...]

    @property
    def is_known(self) -> bool:
        """Whether all three distances are."""
        return not any(math.isnan(mm) for mm in self.spacing_mm)

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel, mL; NaN where it is not known."""
        return math.prod(self.spacing_mm) / 1000


Known = dict[tuple[str, bytes], ExamSurfaces]
"""Structure and its voxels, packed -> its surfaces against one truth."""


def measure_exam(
    prediction: LabelImage, truth: LabelImage, grid: ExamGrid, tolerance_mm: float, known: Known | None = None
) -> pd.DataFrame:
    """Measure the labels of an exam against the truth, structure by structure.

    Args:
        prediction: [S, H, W], values of `Label`, on the exam's own grid.
        truth: the same.
        grid: where the slices lie.
        tolerance_mm: of nsd, mm, >= 0.
        known: what was measured of this exam before, with the same grid and tolerance; added to. Pipelines that differ
            in the scar alone have cavity and wall in common.

    Returns:
        A row a structure of `STRUCTURES`; columns `structure` and `EXAM_NUMBERS`. Where some distance is not known,
        `DISTANCES` and mL are missing. The shares, in per cent of the wall, are of the scar alone; they are by voxels
        and need no spacing, and are missing where there is no wall.

    Raises:
        ValueError: the arrays or the grid do not fit each other.
    """
    _check(prediction, truth, grid)
    walls = tuple(int(np.isin(labels, WALL).sum()) for labels in (prediction, truth))
    rows = []
    for name, labels in STRUCTURES.items():
        found, true = np.isin(prediction, labels), np.isin(truth, labels)
        counts = int(found.sum()), int(true.sum())
        surfaces, key = NO_DISTANCE, (name, np.packbits(found).tobytes())
        if known is not None and key in known:
            surfaces = known[key]
        elif grid.is_known:
            surfaces = exam_surfaces(found, true, grid.spacing_mm, grid.slots, tolerance_mm)
        if known is not None:
            known[key] = surfaces
        shares = _shares(counts, walls) if name == Label.SCAR.title else (math.nan,) * 4
        volumes = counts[1] * grid.voxel_ml, counts[0] * grid.voxel_ml, (counts[0] - counts[1]) * grid.voxel_ml
        rows.append((name, counts[1], counts[0], *_dice(found, true), *surfaces, *volumes, *shares))
    frame = pd.DataFrame(rows, columns=["structure", *EXAM_NUMBERS])
    return frame.astype(dict.fromkeys(EXAM_NUMBERS[2:], float))


def _check(prediction: LabelImage, truth: LabelImage, grid: ExamGrid) -> None:
    if prediction.ndim != 3 or prediction.shape != truth.shape or not truth.size:
        raise ValueError(
            f"prediction and truth must be of one shape [S, H, W], got {prediction.shape} and {truth.shape}"
        )
    if len(grid.slots) != len(truth) or any(np.diff(grid.slots) < 1):
        raise ValueError(f"slots must be {len(truth)} rising places, one a slice, got {grid.slots}")
    if any(mm <= 0 for mm in grid.spacing_mm):
        raise ValueError(f"spacing_mm must be three numbers above 0 (or NaN), got {grid.spacing_mm}")


def _dice(found: Mask, true: Mask) -> tuple[float, float]:
    """2 |A and B| / (|A| + |B|): without a value where both are empty, and 1 there, as EMIDEC counts it."""
    total = int(found.sum()) + int(true.sum())
    if not total:
        return math.nan, 1.0
    dice = 2 * int((found & true).sum()) / total
    return dice, dice


def _shares(scar: tuple[int, int], wall: tuple[int, ...]) -> tuple[float, float, float, float]:
    """Scar in per cent of the wall: true, predicted, their difference, and EMIDEC's, both by the true wall.

    Args:
        scar: predicted and true voxels.
        wall: the same of the wall.
    """
    predicted, true = (100 * part / whole if whole else math.nan for part, whole in zip(scar, wall, strict=True))
    ratio = 100 * abs(scar[0] - scar[1]) / wall[1] if wall[1] else math.nan
    return true, predicted, predicted - true, ratio
