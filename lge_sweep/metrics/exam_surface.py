"""How far the surfaces of 3-D masks lie apart: hd, hd95, assd and nsd of a whole exam, in mm.

The surface of a mask is its voxels with one of six neighbours outside of it; what lies beyond the stack is outside (the
mask without its erosion by a cross, as in MedPy, MONAI and EMIDEC's own code). The distance of a voxel of one surface
is the Euclidean one from its centre to the nearest voxel centre of the other surface. All voxels of a surface count
alike, whatever area they stand for: with slices 8 to 10 mm apart and pixels of 1.5 mm, a structure that is found one
slice too far is 8 to 10 mm off there, and nothing is interpolated between slices.

A slice that an exam lacks between others is neither inside nor outside: the slices on both sides of it are neighbours,
at the distance that they have.

Where a structure is empty in the exam:

============================  ==================  =====
the structure is              hd, hd95, assd      nsd
============================  ==================  =====
in neither                    nan                 nan
in one of the two             the diagonal        0
============================  ==================  =====

As for slices (`lge_sweep.metrics.surface`): left out of a mean, a scar that was missed would look better than one that
was found badly. EMIDEC's own code, which measures distances of the whole wall alone, ends there with an error.

Source: Huttenlocher et al., IEEE TPAMI 15, 1993; Nikolov et al., J Med Internet Res 23, 2021 (surface Dice at a
tolerance); Maier-Hein et al., Nat Methods 21, 2024 (a missed object: the worst value).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from lge_sweep.arrays import Mask
from lge_sweep.metrics.surface import PERCENTILE, ROUNDING, Array


class ExamSurfaces(NamedTuple):
    """Distances of two surfaces; nan where there is none."""

    hd: float
    """The largest distance from either surface to the other (Hausdorff distance), mm."""
    hd95: float
    """The larger of two 95th percentiles: of the distances from the prediction's surface, and from the truth's, mm."""
    assd: float
    """Mean distance over all voxels of both surfaces (average symmetric surface distance), mm."""
    nsd: float
    """Share of all voxels of both surfaces that are within the tolerance of the other one, 0 to 1."""


NO_DISTANCE = ExamSurfaces(math.nan, math.nan, math.nan, math.nan)
"""Of a structure that is nowhere, or where some distance of voxels is not known."""


def surface_voxels(mask: Mask) -> Mask:
    """Return the voxels of a mask with one of six neighbours outside of it; what lies beyond the stack is outside.

    Args:
        mask: [S, H, W].

    Returns:
        [S, H, W]; empty only where the mask is.
    """
    inside = np.pad(mask, 1)
    enclosed = mask.copy()
    for axis in range(3):
        for step in (1, -1):
            enclosed &= np.roll(inside, step, axis)[1:-1, 1:-1, 1:-1]
    surface: Mask = mask & ~enclosed
    return surface


def exam_surfaces(
    predicted: Mask, true: Mask, spacing_mm: tuple[float, float, float], slots: Sequence[int], tolerance_mm: float
) -> ExamSurfaces:
    """Compare the surfaces of a structure of an exam.

    Args:
        predicted: [S, H, W].
        true: the same.
        spacing_mm: distance of rows, columns and slices (those of neighbouring slots), mm, > 0.
        slots: S places of the slices in an evenly spaced stack, rising.
        tolerance_mm: of nsd, mm, >= 0. A distance equal to it is within it.

    Returns:
        Percentiles are interpolated linearly. Empty structures: the table at the top of this module.
    """
    present = bool(predicted.any()), bool(true.any())
    if not any(present):
        return NO_DISTANCE
    rows_mm, columns_mm, slices_mm = spacing_mm
    if not all(present):
        thick = slots[-1] - slots[0] + 1
        diagonal = math.hypot(thick * slices_mm, true.shape[1] * rows_mm, true.shape[2] * columns_mm)
        return ExamSurfaces(diagonal, diagonal, diagonal, 0.0)
    step = np.array([slices_mm, rows_mm, columns_mm])
    rows, columns = (np.flatnonzero((predicted | true).any(axis=axes)) for axes in ((0, 2), (0, 1)))
    part = np.s_[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]  # there is nothing elsewhere
    places = [_places(surface_voxels(mask[part]), slots) * step for mask in (predicted, true)]
    distances = _to_nearest(places[0], places[1]), _to_nearest(places[1], places[0])
    both = np.concatenate(distances)
    return ExamSurfaces(
        hd=float(both.max()),
        hd95=max(float(np.percentile(one, PERCENTILE)) for one in distances),
        assd=float(both.mean()),
        nsd=float((both <= tolerance_mm * (1 + ROUNDING)).mean()),
    )


def _places(surface: Mask, slots: Sequence[int]) -> Array:
    """Slot, row and column [P, 3] of each voxel of a surface."""
    found = np.argwhere(surface).astype(np.float64)
    found[:, 0] = np.asarray(slots, dtype=np.float64)[np.nonzero(surface)[0]]
    return found


def _to_nearest(places: Array, others: Array) -> NDArray[np.float64]:
    """Distance from each place [P, 3] to the nearest of others [Q, 3], in mm."""
    return np.asarray(KDTree(others).query(places)[0], dtype=np.float64)
