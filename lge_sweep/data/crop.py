"""Crop a slice to its cavity, enlarge the crop, and put back what was found there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lge_sweep.data.resize import resize_image, resize_labels

Mask = NDArray[np.bool_]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Box:
    """A square inside a slice: rows ``top .. top + side - 1``, columns ``left .. left + side - 1``, in pixels."""

    top: int
    left: int
    side: int

    @property
    def region(self) -> tuple[slice, slice]:
        """What to index a slice with."""
        return slice(self.top, self.top + self.side), slice(self.left, self.left + self.side)


def find_box(mask: Mask, margin: int) -> Box:
    """Return the square around a mask.

    The mask's bounding box grows by `margin` on all four sides, and its shorter side to the longer one's length, about
    the same centre (an odd pixel goes to the top or left). A square larger than the slice is the whole slice; one
    that sticks out is moved inside. So the side depends on the extent of the mask and not on where it lies, and all of
    the mask is inside.

    Args:
        mask: [S, S].
        margin: pixels, at least 0.

    Returns:
        The square; the whole slice if the mask is empty.

    Raises:
        ValueError: the mask is not square, or the margin is negative.

    >>> mask = np.zeros((10, 10), dtype=bool)
    >>> mask[1:4, 5:7] = True
    >>> find_box(mask, 1)
    Box(top=0, left=3, side=5)
    """
    if mask.ndim != 2 or mask.shape[0] != mask.shape[1]:
        raise ValueError(f"`mask` must have the shape [S, S]; got {mask.shape}")
    if margin < 0:
        raise ValueError(f"`margin` must be at least 0 pixels; got {margin}")
    size = len(mask)
    if not mask.any():
        return Box(0, 0, size)
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    side = min(max(int(np.ptp(rows)), int(np.ptp(columns))) + 1 + 2 * margin, size)
    starts = [(int(line[0]) + int(line[-1]) + 1 - side) // 2 for line in (rows, columns)]
    top, left = (min(max(start, 0), size - side) for start in starts)
    return Box(top, left, side)


def crop_image(image: Pixels, box: Box, size: int) -> Pixels:
    """Return the grey levels [size, size] of a square, bilinear; `image` is [S, S]."""
    return resize_image(image[box.region], size, size)


def crop_labels(labels: Pixels, box: Box, size: int) -> Pixels:
    """Return the labels [size, size] of a square, nearest neighbour; `labels` is [S, S]."""
    return resize_labels(labels[box.region], size, size)


def uncrop_labels(labels: Pixels, box: Box, size: int) -> Pixels:
    """Put the labels of an enlarged square back, nearest neighbour; what lies outside of the square is 0.

    Args:
        labels: [T, T], the square as `crop_labels` gives it.
        box: the square.
        size: rows and columns S of the slice.

    Returns:
        [S, S].
    """
    whole = np.zeros((size, size), dtype=np.uint8)
    whole[box.region] = resize_labels(labels, box.side, box.side)
    return whole
