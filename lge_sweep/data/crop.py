"""Crop a slice to its cavity, and put back what was found there.

The cavity is found in the frame, the S x S pixels that the networks see of a whole slice. The crop is made of the
slice's own pixels, of which the frame may have lost most.
"""

from dataclasses import dataclass

import numpy as np

from lge_sweep.arrays import LabelImage, Mask, Pixels8
from lge_sweep.data.resize import Rectangle, resize_image, resize_labels


@dataclass(frozen=True)
class CropBox:
    """A square inside a frame: rows ``top .. top + side - 1``, columns ``left .. left + side - 1``, in its pixels."""

    top: int
    left: int
    side: int

    @property
    def region(self) -> tuple[slice, slice]:
        """What to index the frame with."""
        return slice(self.top, self.top + self.side), slice(self.left, self.left + self.side)


def find_crop_box(mask: Mask, margin: int) -> CropBox:
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
    >>> find_crop_box(mask, 1)
    CropBox(top=0, left=3, side=5)
    """
    if mask.ndim != 2 or mask.shape[0] != mask.shape[1]:
        raise ValueError(f"`mask` must have the shape [S, S]; got {mask.shape}")
    if margin < 0:
        raise ValueError(f"`margin` must be at least 0 pixels; got {margin}")
    size = len(mask)
    if not mask.any():
        return CropBox(0, 0, size)
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    side = min(max(int(np.ptp(rows)), int(np.ptp(columns))) + 1 + 2 * margin, size)
    starts = [(int(line[0]) + int(line[-1]) + 1 - side) // 2 for line in (rows, columns)]
    top, left = (min(max(start, 0), size - side) for start in starts)
    return CropBox(top, left, side)


def crop_image(image: Pixels8, box: CropBox, frame: int, size: int) -> Pixels8:
    """Return the intensities of a square, bilinear.

    Args:
        image: [H, W], of any size; it covers the same rectangle as the frame.
        box: the square, in pixels of the frame.
        frame: rows and columns of the frame.
        size: rows and columns of the result.

    Returns:
        [size, size], made of the image's own pixels; for the whole frame what `resize_image` gives.
    """
    return resize_image(image, size, size, _scaled_rectangle(image, box, frame))


def crop_labels(labels: LabelImage, box: CropBox, frame: int, size: int) -> LabelImage:
    """Return the labels [size, size] of a square, nearest neighbour; arguments are those of `crop_image`.

    Args:
        labels: [H, W], of any size; they cover the same rectangle as the frame.
        box: the square, in pixels of the frame.
        frame: rows and columns of the frame.
        size: rows and columns of the result.
    """
    return resize_labels(labels, size, size, _scaled_rectangle(labels, box, frame))


def crop_mask(mask: Mask, box: CropBox, size: int) -> Mask:
    """Return the part [size, size] of a frame's mask [S, S] that lies in a square, nearest neighbour.

    Args:
        mask: [S, S], the frame's.
        box: the square, in its pixels.
        size: rows and columns of the result.
    """
    return crop_labels(mask.view(np.uint8), box, len(mask), size).view(np.bool_)


def _scaled_rectangle(image: Pixels8, box: CropBox, frame: int) -> Rectangle:
    """Where a frame's square lies in an image."""
    rows, columns = image.shape
    top, left, bottom, right = box.top, box.left, box.top + box.side, box.left + box.side
    return top * rows / frame, left * columns / frame, bottom * rows / frame, right * columns / frame


def uncrop_labels(labels: LabelImage, box: CropBox, frame: int) -> LabelImage:
    """Put the labels of a square back into the frame, nearest neighbour; what lies outside of the square is 0.

    Args:
        labels: [T, T], as `crop_labels` gives them.
        box: the square.
        frame: rows and columns S of the frame.

    Returns:
        [S, S].
    """
    whole = np.zeros((frame, frame), dtype=np.uint8)
    whole[box.region] = resize_labels(labels, box.side, box.side)
    return whole
