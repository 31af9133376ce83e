"""Where the body is in a slice, by its intensities."""

import cv2
import numpy as np

from lge_sweep.arrays import Mask, Pixels, Vector

_MIN_COMPONENT_SHARE = 0.001
"""Share of the image below which a bright piece is noise."""


def body_mask(image: Pixels) -> Mask:
    """Find the body: the convex hull of all that is bright.

    Bright is above Otsu's threshold, without what a square of 3 pixels does not fit into, and without pieces of less
    than a thousandth of the image. The hull takes the dark lungs and the nulled heart in. Where intensities do not tell
    (one level only, nothing but specks), all of the image is body. Air with ghosts counts as body: the mask is rather
    too large than too small.

    Args:
        image: [H, W] intensities; what is not finite is padding, and outside.
    """
    finite: Mask = np.isfinite(image)
    levels = image[finite].astype(np.float64)
    spread = float(np.ptp(levels)) if levels.size else 0.0
    if spread < np.finfo(np.float64).tiny:
        return finite
    shares = (image - levels.min()) / spread  # intensities that hardly differ make no histogram
    bright = (finite & (shares > otsu_threshold(shares[finite]))).astype(np.uint8)
    bright = cv2.morphologyEx(bright, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)).astype(np.uint8)
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(bright, connectivity=8)
    large = stats[:, cv2.CC_STAT_AREA] >= _MIN_COMPONENT_SHARE * image.size
    large[0] = False
    corners = cv2.findNonZero(large[pieces].astype(np.uint8))
    if corners is None:
        return finite
    hull = cv2.fillConvexPoly(np.zeros(image.shape, np.uint8), cv2.convexHull(corners), 1)
    body: Mask = finite & (hull > 0)
    return body


def otsu_threshold(values: Vector) -> float:
    """Return the threshold that parts values into two classes whose means are furthest apart, as `skimage` finds it.

    Of 256 bins between the smallest and the largest value it is the centre of that after which ``n1 n2 (m1 - m2)^2`` is
    greatest, n the number and m the mean of the values on either side. To import `skimage.filters`, and the half of
    scipy with it, takes as long as to segment an exam.

    Args:
        values: [N], not all of them the same.

    Source:
        Otsu, A threshold selection method from gray-level histograms, IEEE Trans. SMC 1979;9:62-66.
    """
    counts, edges = np.histogram(values, 256)
    centres = (edges[:-1] + edges[1:]) / 2
    below, above = np.cumsum(counts), np.cumsum(counts[::-1])[::-1]
    sums = counts * centres
    mean_below, mean_above = np.cumsum(sums) / below, (np.cumsum(sums[::-1]) / above[::-1])[::-1]
    between = below[:-1] * above[1:] * (mean_below[:-1] - mean_above[1:]) ** 2
    return float(centres[np.argmax(between)])
