"""How far the boundaries of class masks lie apart: hd95, assd and nsd, slice by slice.

The boundary of a mask is its `perimeter`, as for bf: the pixels with a 4-neighbour outside of the mask, what lies
beyond the image being outside (the mask without its erosion by a cross, as in MONAI). So the background's boundary has
the border of the image in it. The distance of a boundary pixel is the Euclidean one from its centre to the nearest
pixel centre of the other boundary. All pixels of a boundary count alike, whatever length of contour they stand for; a
slice is a plane of its own, and no distance crosses slices.

Where a class is empty on one image:

============================  ===================  =====
the class is                  hd95, assd           nsd
============================  ===================  =====
in neither                    nan                  nan
in one of the two             the diagonal         0
============================  ===================  =====

A distance to nothing does not exist. Left out of a mean, a class that was missed would look better than one that was
found badly, so it counts as the diagonal of the image, which no distance in it can exceed. BraTS does the same: 374 mm
is the diagonal of its images.

Source: Huttenlocher et al., IEEE TPAMI 15, 1993 (Hausdorff distance of a percentile); Nikolov et al., J Med Internet
Res 23, 2021 (surface Dice at a tolerance); Maier-Hein et al., Nat Methods 21, 2024 (a missed object: the worst value).
"""

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from lge_sweep.metrics.boundary import perimeter

PERCENTILE = 95
"""Share of a boundary, in percent, that lies within hd95 of the other one."""

NSD_TOLERANCE = 2.0
"""Default tolerance of nsd, mm: about one pixel of an LGE exam (1.25 to 2 mm in EMIDEC), by which outlines may differ
that nobody would draw anew."""

ROUNDING = 1e-9
"""A distance that exceeds the tolerance by so small a share equals it: a product of spacings is not exact."""

Array = NDArray[np.float64]
Mask = NDArray[np.uint8]


class SurfaceScores(NamedTuple):
    """Distances of boundaries, arrays of one shape; lengths in the unit of the spacing."""

    hd95: Array
    """The larger of two 95th percentiles: of the distances from the prediction's boundary, and from the truth's."""
    assd: Array
    """Mean distance over all pixels of both boundaries (average symmetric surface distance)."""
    nsd: Array
    """Share of all pixels of both boundaries that are within the tolerance of the other one, 0 to 1."""


def surface_scores(
    prediction: NDArray[np.integer[Any]],
    truth: NDArray[np.integer[Any]],
    classes: int,
    *,
    spacing: Array,
    tolerance: float,
) -> SurfaceScores:
    """Compare the boundaries of every class on every image.

    Args:
        prediction: [N, H, W], channel indices 0 .. `classes` - 1, already checked.
        truth: the same.
        classes: number of classes C.
        spacing: [N, 2], distance of the rows and of the columns of each image, mm (or 1, for distances in pixels), > 0.
        tolerance: of nsd, in the unit of `spacing`, >= 0. A distance equal to it is within it.

    Returns:
        Each [N, C]. Percentiles are interpolated linearly. Empty classes: the table at the top of this module.
    """
    found = np.empty((len(SurfaceScores._fields), len(truth), classes))
    for image, (predicted, true) in enumerate(zip(prediction, truth, strict=True)):
        for channel in range(classes):
            found[:, image, channel] = _compare(predicted == channel, true == channel, spacing[image], tolerance)
    return SurfaceScores(*found)


def _compare(
    predicted: NDArray[np.bool_], true: NDArray[np.bool_], spacing: Array, tolerance: float
) -> tuple[float, float, float]:
    """hd95, assd and nsd of two masks [H, W]."""
    outlines = perimeter(predicted.view(np.uint8)), perimeter(true.view(np.uint8))
    lengths = [cv2.countNonZero(outline) for outline in outlines]
    if not any(lengths):
        return math.nan, math.nan, math.nan
    if not all(lengths):
        diagonal = math.hypot(*(np.array(true.shape) * spacing))
        return diagonal, diagonal, 0.0
    distances = _to_other(outlines[0], outlines[1], spacing), _to_other(outlines[1], outlines[0], spacing)
    hd95 = max(float(np.percentile(one, PERCENTILE)) for one in distances)
    both = np.concatenate(distances)
    return hd95, float(both.mean()), float((both <= tolerance * (1 + ROUNDING)).mean())


def _to_other(outline: Mask, other: Mask, spacing: Array) -> Array:
    """Distance from each pixel of a boundary [H, W] to the nearest pixel of another one, neither empty."""
    distances = np.zeros(cv2.countNonZero(outline))
    apart = _points(outline & ~other, spacing)  # what both have is at distance 0
    if len(apart):
        distances[: len(apart)] = KDTree(_points(other, spacing)).query(apart)[0]
    return distances


def _points(mask: Mask, spacing: Array) -> Array:
    """Row and column [P, 2] of each pixel of a mask, in the unit of the spacing."""
    found = cv2.findNonZero(mask)  # column, row
    return np.empty((0, 2)) if found is None else found.reshape(-1, 2)[:, ::-1] * spacing
